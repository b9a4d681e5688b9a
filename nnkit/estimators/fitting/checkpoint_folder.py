"""The checkpoint of a fit: a folder with its configuration, its seeds and its networks."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from nnkit._messages import shown
from nnkit.datasets.batch_source import is_batches
from nnkit.datasets.block_table import BlockTable, is_block_table
from nnkit.estimators.parameters.fit_settings import GivenSettings
from nnkit.estimators.parameters.parameter_names import routed_parameters
from nnkit.estimators.rows.training_rows import Rows, Seeds

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator
    from nnkit.training.loop.checkpoint import CheckpointFile

__all__ = ["CheckpointFolder", "open_checkpoint"]

_NAME = "nnkit-checkpoint.pickle"

# Settings that have no effect on the weights, or are compared as data.
_NOT_COMPARED = (
    "checkpoint",
    "checkpoint_seconds",
    "has_validation_rows",
    "started_at",
    "time_limit",
    "validation_data",
    "verbose",
)


@dataclass(frozen=True)
class CheckpointFolder:
    """An open folder of checkpoints.

    Parameters
    ----------
    path : Path
    seconds : float
        Smallest time between two checkpoints of a network.
    seeds : Seeds
        The seeds of the fit.
    """

    path: Path
    seconds: float
    seeds: Seeds

    def file_of_network(self, position: int) -> CheckpointFile:
        """Return the file of a network of the ensemble."""
        from nnkit.training.loop.checkpoint import CheckpointFile

        return CheckpointFile(self.path / f"network{position}.pickle", self.seconds)

    def remove(self) -> None:
        """Delete the files of a finished fit, and the folder if it is empty then."""
        for file in (self.path / _NAME, *self.path.glob("network*.pickle")):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def open_checkpoint(
    draft: KerasEstimator,
    given: GivenSettings,
    rows: Rows,
    validation: tuple[Any, Any, Any] | None,
) -> CheckpointFolder | None:
    """Return the folder of a fit, with the seeds of the fit that it holds; None without one.

    Parameters
    ----------
    draft : estimator
        With the seeds of a new fit.
    given : GivenSettings
    rows : Rows
        The checked rows.
    validation : tuple of X_val, y_val and sample_weight_val, or None

    Raises
    ------
    ValueError
        If the folder holds a fit with other parameters or data, or other files.
    """
    from nnkit.training.loop.checkpoint import read_pickle, write_pickle

    if given.checkpoint is None:
        return None
    folder = Path(given.checkpoint)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"checkpoint={str(folder)!r} is a file. Give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    stored = read_pickle(folder / _NAME)
    now = _configuration(draft, given, rows, validation)
    if stored is None:
        others = sorted(path.name for path in folder.iterdir() if not path.name.endswith(".part"))
        if others:
            raise ValueError(
                f"checkpoint={str(folder)!r} holds other files, such as {others[0]!r}. Give a new "
                "or an empty folder."
            )
        write_pickle(folder / _NAME, {"configuration": now, "seeds": draft._seeds})
        return CheckpointFolder(folder, float(given.checkpoint_seconds), draft._seeds)
    before = stored["configuration"]
    for name in {**before, **now}:
        if before.get(name) == now.get(name):
            continue
        what = "other data"
        if name not in _DATA:
            old, new = _shown(before.get(name)), _shown(now.get(name))
            what = f"{name}={old}, and this one has {new}"
        raise ValueError(
            f"checkpoint={str(folder)!r} holds a fit with {what}. Give another folder, or delete "
            "this one."
        )
    return CheckpointFolder(folder, float(given.checkpoint_seconds), stored["seeds"])


_DATA = ("X", "y", "sample_weight", "groups", "validation rows")


def _shown(described: str | None) -> str:
    return "no value" if described is None else shown(described)[1:-1]


def _configuration(
    draft: KerasEstimator,
    given: GivenSettings,
    rows: Rows,
    validation: tuple[Any, Any, Any] | None,
) -> dict[str, str]:
    """Return what determines the weights, each part as a text."""
    import keras

    import nnkit

    settings = {part.name: getattr(given, part.name) for part in fields(given)}
    parameters = {
        name: value
        for name, value in {**settings, **routed_parameters(draft)}.items()
        if name not in _NOT_COMPARED
    }
    found = {name: _described(value) for name, value in parameters.items()}
    if draft.__sklearn_is_fitted__():
        found["the weights to train further"] = joblib.hash(
            [member.values for member in draft._members]
        )
    found |= {
        "X": _described_rows(rows.X),
        "y": joblib.hash(rows.y),
        "sample_weight": joblib.hash(rows.given_weight),
        "groups": joblib.hash(rows.groups),
        "validation rows": str([_described_rows(part) for part in validation or ()]),
        "version": f"nnkit {nnkit.__version__}, keras {keras.__version__}",
    }
    return found


def _described_rows(X: Any) -> str:
    """Return a text that differs for other rows. Of a table in blocks, the first rows count."""
    if is_batches(X):
        return type(X).__name__
    if isinstance(X, BlockTable) or (X is not None and is_block_table(X)):
        table = BlockTable.of(X)
        return f"{table.shape} {joblib.hash(table.head)}"
    if isinstance(X, Mapping):
        return str({name: joblib.hash(part) for name, part in X.items()})
    return str(joblib.hash(X))


def _described(value: Any) -> str:
    """Return a text that is equal for equal values, also in another process."""
    import keras

    if isinstance(value, Mapping):
        return str({str(name): _described(part) for name, part in value.items()})
    if isinstance(value, (list, tuple)):
        return str([_described(part) for part in value])
    if isinstance(value, np.ndarray):
        return f"array {joblib.hash(value)}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (types.FunctionType, types.MethodType)):
        code = value.__code__
        return f"{value.__module__}.{value.__qualname__} {joblib.hash(_code_of(code))}"
    if hasattr(value, "get_config") and hasattr(type(value), "from_config"):
        weights = joblib.hash(value.get_weights()) if isinstance(value, keras.Model) else ""
        return f"{type(value).__name__} {_described(value.get_config())}{weights}"
    if hasattr(value, "get_params") and not isinstance(value, type):
        return f"{type(value).__name__} {_described(value.get_params(deep=False))}"
    if isinstance(value, np.random.RandomState):
        return "RandomState"  # its draws are stored as seeds
    if isinstance(value, keras.callbacks.Callback) or " at 0x" in repr(value):
        plain = {
            name: part
            for name, part in getattr(value, "__dict__", {}).items()
            if isinstance(part, (bool, int, float, str, type(None)))
        }
        return f"{type(value).__name__} {plain}"
    return repr(value)


def _code_of(code: types.CodeType) -> tuple[Any, ...]:
    """Return the instructions of a function, and those of the functions inside."""
    constants = [
        _code_of(part) if isinstance(part, types.CodeType) else repr(part)
        for part in code.co_consts
    ]
    return (code.co_code, code.co_names, code.co_varnames, constants)
