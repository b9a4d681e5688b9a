"""The settings of one fit: as given by parameters and arguments, and with every "auto" resolved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import is_classifier

from nnkit.builders.builder_spec import TableFacts, TrainingSettings
from nnkit.builders.tables.presets import preset_settings, training_settings
from nnkit.encoding.quantiles import DEFAULT_QUANTILES, as_quantiles
from nnkit.estimators.parameters.parameter_names import (
    names_of_all_signatures,
    routed_parameters,
)
from nnkit.estimators.parameters.routing import (
    FIT_ARGUMENTS,
    as_python,
    model_of,
    routed_to,
)
from nnkit.estimators.parameters.unknown_names import KnownNames

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = ["FitSettings", "GivenSettings", "given_settings", "is_auto", "resolve"]

_NAMED_IN_FIT = ("sample_weight", "X_val", "y_val", "sample_weight_val", "groups")

_KERAS_BATCH_SIZE = 32

# Of estimators without the parameter. None is an invalid value of the parameter.
_NO_PRESET = object()


@dataclass(frozen=True, kw_only=True)
class _SharedSettings:
    """Settings that both `GivenSettings` and `FitSettings` have.

    Most are parameters of the estimators, with their names and documentation.

    Parameters
    ----------
    validation_data : tuple or None
        The argument of ``fit``.
    initial_epoch : int
        Number of the first epoch.
    started_at : float
        ``time.monotonic()`` at the start of ``fit``. A time limit counts from it.
    has_validation_rows : bool
        Whether validation rows were given to ``fit``. The caller of `given_settings` sets it.
    """

    model: Any
    loss: Any
    metrics: Any
    callbacks: Any
    tol: float
    scoring: Any
    encoder: Any
    shuffle: bool
    warm_start: bool
    random_state: Any
    device: str | None
    dtype_policy: Any
    engine: Literal["auto", "graph", "xla", "keras"]
    time_limit: float | None
    checkpoint: Any
    checkpoint_seconds: float
    background_size: int
    verbose: int | str
    quantiles: Any = None
    class_weight: Any = None
    validation_data: Any = None
    initial_epoch: int = 0
    started_at: float = 0.0
    has_validation_rows: bool = False

    @property
    def is_ready_made(self) -> bool:
        """Whether the network is one of nnkit's own, which learns a standardised target."""
        return isinstance(self.model, str)

    @property
    def ends_at(self) -> float | None:
        """Time on the monotonic clock after which no epoch begins; None is no limit."""
        return None if self.time_limit is None else self.started_at + self.time_limit

    @property
    def is_loss_of_quantiles(self) -> bool:
        """Whether the loss is the string "quantile"."""
        return isinstance(self.loss, str) and self.loss == "quantile"

    @property
    def learnt_quantiles(self) -> tuple[float, ...]:
        """Levels of the quantiles that the network learns; () is one value."""
        if self.is_loss_of_quantiles:
            return DEFAULT_QUANTILES if self.quantiles is None else as_quantiles(self.quantiles)
        # An instance of QuantileLoss.
        own = () if isinstance(self.loss, type) else getattr(self.loss, "quantiles", ())
        return as_quantiles(own) if own else ()

    @property
    def verbosity(self) -> int:
        """``verbose`` as a number."""
        return 1 if self.verbose == "auto" else int(self.verbose)


@dataclass(frozen=True, kw_only=True)
class GivenSettings(_SharedSettings):
    """Settings as the parameters of the estimator and the arguments of ``fit`` give them.

    ``preset``, ``cv`` and ``calibration`` are parameters of the tabular estimators only.
    """

    optimizer: Any
    epochs: int | str
    batch_size: int | str | None
    early_stopping: bool | str
    validation_split: Any
    n_iter_no_change: int | str
    n_estimators: int | str
    preset: Any = _NO_PRESET
    cv: Any = None
    calibration: str | None = None

    @property
    def is_tabular(self) -> bool:
        """Whether the estimator has a preset."""
        return self.preset is not _NO_PRESET


@dataclass(frozen=True, kw_only=True)
class FitSettings(_SharedSettings):
    """Settings of a fit, with the values that were chosen for "auto" and None.

    ``model`` is the builder of the presets where the parameter is "auto". ``encoder``, ``engine``
    and ``verbose`` can still be "auto".

    Parameters
    ----------
    validation_split : float, splitter, iterable or None
        The rows to hold out once, for all networks; 0 is none. None stands for validation rows
        that were given to ``fit``.
    cv : int, splitter, iterable or None
        Folds: network i holds out fold i. None uses ``validation_split``.
    is_optimizer_given : bool
        Whether the user chose the optimizer.
    is_clipped : bool
        Whether predicted values stay in the range of the training target.
    builder_arguments : mapping
        Arguments of the builder that the user did not give, as ``model__name``.
    """

    optimizer: Any
    epochs: int
    batch_size: int
    early_stopping: bool
    n_iter_no_change: int
    n_estimators: int
    validation_split: Any
    cv: Any
    calibration: str | None
    is_optimizer_given: bool
    is_clipped: bool = False
    builder_arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_epochs(self) -> int:
        """Number of epochs to train: epochs - initial_epoch, at least 0."""
        return max(0, self.epochs - int(self.initial_epoch))

    def rows_per_step(self, n_samples: int) -> int:
        """Return the batch size. A batch size of -1 is all n_samples rows."""
        return n_samples if self.batch_size == -1 else self.batch_size

    def chosen(self, names: set[str]) -> dict[str, Any]:
        """Return the values that were chosen for "auto" or None, by parameter.

        Parameters
        ----------
        names : set of str
            The parameters of the estimator.
        """
        return {name: getattr(self, name) for name in _RESOLVED if name in names}


_RESOLVED = (
    "optimizer",
    "epochs",
    "batch_size",
    "early_stopping",
    "n_iter_no_change",
    "n_estimators",
    "calibration",
    "cv",
)


def given_settings(estimator: KerasEstimator, fit_arguments: Mapping[str, Any]) -> GivenSettings:
    """Return the settings of a fit: arguments of ``fit`` over ``fit__*`` over parameters.

    Parameters
    ----------
    estimator : estimator
    fit_arguments : mapping
        The keyword arguments of ``fit``.

    Raises
    ------
    TypeError
        If an argument is unknown. The message suggests the nearest valid one.
    """
    names = names_of_all_signatures(type(estimator))
    own = {name: value for name, value in vars(estimator).items() if name in names}
    # A regressor has no class_weight, neither as parameter nor as argument.
    known = [name for name in FIT_ARGUMENTS if name != "class_weight" or name in own]
    by_prefix = routed_to("fit", routed_parameters(estimator))
    for name in [*fit_arguments, *(name.partition("__")[0] for name in by_prefix)]:
        if name not in known:
            raise TypeError(_unknown_argument(estimator, name, known))
    values = {**own, **by_prefix, **fit_arguments}
    return GivenSettings(
        started_at=time.monotonic(),
        # Scalars only: as_python would visit the elements of long validation data.
        **{
            name: as_python(values[name]) if isinstance(values[name], np.generic) else values[name]
            for name in _GIVEN & values.keys()
        },
    )


_GIVEN = {one.name for one in fields(GivenSettings)}


def _unknown_argument(estimator: KerasEstimator, name: str, known: list[str]) -> str:
    right = {*known, *_NAMED_IN_FIT, *estimator._get_param_names()}
    hint = KnownNames(frozenset(right), ()).hint(name, shown=[*known, *_NAMED_IN_FIT])
    return (
        f"{type(estimator).__name__}.fit has no argument {name!r}. {hint} "
        "Other settings are parameters: use set_params."
    )


def resolve(
    estimator: KerasEstimator, given: GivenSettings, table: TableFacts, routed: Mapping[str, Any]
) -> FitSettings:
    """Return the settings of a fit with every "auto" replaced by a value.

    Parameters
    ----------
    estimator : estimator
        Only a classifier is calibrated. Its ``model`` is the network.
    given : GivenSettings
    table : TableFacts
    routed : mapping
        Arguments of the builder from the user, by name.

    Raises
    ------
    ValueError
        If ``calibration`` is set, but no rows are held out.
    """
    auto = _settings_of_builder(given, table)
    early_stopping = auto.early_stopping if is_auto(given.early_stopping) else given.early_stopping
    split, cv = _held_out(given, auto, bool(early_stopping), table)
    holds_out = given.has_validation_rows or cv is not None or not _is_zero(split)
    if is_auto(given.early_stopping) and not holds_out:
        early_stopping = False
    epochs = _int_or(given.epochs, auto.epochs)
    n_iter_no_change = _int_or(given.n_iter_no_change, auto.n_iter_no_change or epochs)
    batch_size = _KERAS_BATCH_SIZE if given.batch_size is None else given.batch_size
    shared = {one.name: getattr(given, one.name) for one in fields(_SharedSettings)}
    shared["model"] = model_of(estimator)
    return FitSettings(
        **shared,
        optimizer=auto.optimizer if is_auto(given.optimizer) else given.optimizer,
        epochs=epochs,
        batch_size=_int_or(batch_size, auto.batch_size),
        early_stopping=bool(early_stopping),
        n_iter_no_change=n_iter_no_change,
        n_estimators=_int_or(given.n_estimators, auto.n_estimators),
        validation_split=split,
        cv=cv,
        calibration=_calibration(estimator, given, holds_out=holds_out),
        is_optimizer_given=not is_auto(given.optimizer),
        is_clipped=auto.is_clipped,
        builder_arguments={
            f"model__{name}": value
            for name, value in auto.builder_arguments.items()
            if name not in routed
        },
    )


def _settings_of_builder(given: GivenSettings, table: TableFacts) -> TrainingSettings:
    if not given.is_tabular:
        return training_settings(given.model, table)
    return preset_settings(given.model, given.preset, table)


def _held_out(
    given: GivenSettings, auto: TrainingSettings, early_stopping: bool, table: TableFacts
) -> tuple[Any, Any]:
    """Return which rows are held out, as ``validation_split`` and ``cv``."""
    if given.has_validation_rows:
        return None, None
    if given.validation_split is not None:
        return given.validation_split, None
    if given.cv is not None:
        # Folds of a single row select the epoch by chance, and cost training rows.
        if not isinstance(given.cv, Integral) or table.n_samples >= 2 * int(given.cv):
            return 0, given.cv
        return (0.1 if given.early_stopping is True else 0), None
    # With an explicit early_stopping, the validation_split of the builder is not used.
    if is_auto(given.early_stopping) and auto.validation_split is not None:
        return auto.validation_split, None
    return (0.1 if early_stopping else 0), None


def _calibration(estimator: KerasEstimator, given: GivenSettings, *, holds_out: bool) -> str | None:
    if given.calibration is None or not is_classifier(estimator):
        return None
    if not is_auto(given.calibration) and not holds_out:
        raise ValueError(
            f"calibration={given.calibration!r} needs rows that are held out, but all rows are "
            "used for training. Set cv=5 or validation_split=0.2, or give X_val and y_val."
        )
    return "temperature" if holds_out else None


def is_auto(value: Any) -> bool:
    """Return whether a value is the string "auto". Arrays, which have no truth value, are not."""
    return isinstance(value, str) and value == "auto"


def _is_zero(split: Any) -> bool:
    return isinstance(split, Real) and float(split) == 0


def _int_or(value: Any, auto: int) -> int:
    return auto if is_auto(value) else int(value)
