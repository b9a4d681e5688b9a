"""Datasets that yield batches of rows with their targets: one pass, or a pass for each epoch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["BatchSource", "SourceRows", "is_batches"]

_IN_BATCHES = ("PyDataset", "Sequence", "DatasetV2", "DataLoader", "IterableDataset")
_LIBRARIES = ("keras", "tensorflow", "torch", "tf_keras")


def is_batches(X: Any) -> bool:
    """Return whether X yields batches: a dataset of Keras, TensorFlow or PyTorch, or an iterator.

    Parameters
    ----------
    X : object
    """
    is_dataset = any(
        cls.__name__ in _IN_BATCHES and cls.__module__.partition(".")[0] in _LIBRARIES
        for cls in type(X).__mro__
    )
    return is_dataset or isinstance(X, Iterator)


@dataclass(frozen=True)
class SourceRows:
    """The rows of one pass over a dataset.

    Parameters
    ----------
    X : ndarray with n_samples rows, or dict of them
    y : ndarray with n_samples rows, or None
        None if the batches have no targets.
    sample_weight : ndarray of shape (n_samples,), or None
    """

    X: Any
    y: Any
    sample_weight: Any


class BatchSource:
    """A dataset that yields batches ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

    Parameters
    ----------
    batches : keras.utils.PyDataset, tf.data.Dataset, torch DataLoader or iterator
        Its end must come: an endless dataset raises.

    Attributes
    ----------
    is_repeatable : bool
        Whether each epoch can have a pass of its own. An iterator has one pass only.
    batch_size : int
        Rows of the first batch. Set by `read`.
    """

    batch_size: int

    def __init__(self, batches: Any) -> None:
        self._batches = batches
        # Networks of an ensemble read in threads.
        self._lock = threading.Lock()
        self.is_repeatable = not isinstance(batches, Iterator)
        _check_ends(batches)

    def read(self) -> SourceRows:
        """Return the rows of a new pass.

        Raises
        ------
        ValueError
            If there are no batches, or their structures differ.
        """
        with self._lock:
            parts = [_parts_of(batch) for batch in self._passed()]
        if not parts:
            raise ValueError(
                f"X ({type(self._batches).__name__}) yields no batches. An iterator that was read "
                "before is empty: make a new one."
            )
        for position in (1, 2):
            if len({batch[position] is None for batch in parts}) > 1:
                raise ValueError(
                    "X yields batches with and without targets or weights. Yield (x, y) in all."
                )
        self.batch_size = _n_rows(parts[0][0])
        columns = [_joined([batch[position] for batch in parts]) for position in range(3)]
        return SourceRows(*columns)

    def yields_other_rows(self, rows: Any) -> bool:
        """Return whether a new pass begins with other rows than those of an earlier pass.

        Parameters
        ----------
        rows : object
            Its attribute ``X`` has the rows of the earlier pass.
        """
        if not self.is_repeatable:
            return False
        with self._lock:
            first = next(iter(self._passed()), None)
        if first is None:
            return True
        X = _parts_of(first)[0]
        pairs = [(X[name], rows.X[name]) for name in X] if isinstance(X, dict) else [(X, rows.X)]
        return not all(np.array_equal(new, old[: len(new)]) for new, old in pairs)

    def _passed(self) -> Iterator[Any]:
        """Yield the batches of one pass."""
        batches = self._batches
        if hasattr(batches, "as_numpy_iterator"):
            yield from batches.as_numpy_iterator()
        elif hasattr(batches, "__getitem__") and hasattr(batches, "on_epoch_end"):
            for position in range(len(batches)):
                yield batches[position]
            batches.on_epoch_end()
        else:
            yield from batches


def _check_ends(batches: Any) -> None:
    cardinality = getattr(batches, "cardinality", None)
    is_endless = callable(cardinality) and int(cardinality()) == -1
    if not is_endless and hasattr(batches, "num_batches"):
        is_endless = batches.num_batches is None
    if is_endless:
        raise ValueError(
            f"X ({type(batches).__name__}) has no end, so that an epoch has none. Take so many "
            "batches as an epoch has, for example dataset.take(100)."
        )


def _parts_of(batch: Any) -> tuple[Any, Any, Any]:
    """Return rows, targets and weights of a batch; None for what it does not have."""
    parts = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    if len(parts) > 3:
        raise ValueError(
            f"X must yield x, (x, y) or (x, y, sample_weight). Got a batch of {len(parts)} parts. "
            "Give several inputs as a dict by the names of the network's inputs."
        )
    X, y, weight = (*parts, None, None)[:3]
    return _as_inputs(X), None if y is None else _as_array(y), _as_array(weight)


def _as_inputs(X: Any) -> Any:
    if isinstance(X, Mapping):
        return {str(name): _as_array(part) for name, part in X.items()}
    if isinstance(X, (tuple, list)):
        raise ValueError(
            f"X yields batches with {len(X)} inputs without names. Yield them as a dict by the "
            "names of the network's inputs, such as ({'left': left, 'right': right}, y)."
        )
    return _as_array(X)


def _as_array(part: Any) -> Any:
    if part is None:
        return None
    array = np.asarray(part)
    if array.dtype == object and array.size and isinstance(array.flat[0], bytes):
        # Strings of TensorFlow are bytes.
        texts = [value.decode("utf-8", "replace") for value in array.ravel()]
        array = np.array(texts, dtype=object).reshape(array.shape)
    return array


def _joined(parts: list[Any]) -> Any:
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise ValueError(
            f"X yields batches whose rows have the shapes {sorted(shapes)}. Pad the rows of all "
            "batches to one shape."
        )
    return np.concatenate(parts)


def _n_rows(X: Any) -> int:
    return len(next(iter(X.values()))) if isinstance(X, dict) else len(X)
