"""What a fitted estimator predicts for encoded rows, through its compiled programs."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.fitting.transaction import shared_copy
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.prediction import decoder_of, encoded_rows
from nnkit.estimators.regressor import KerasRegressor

if TYPE_CHECKING:
    from nnkit.training.prediction.first_linear import FirstLinear
    from nnkit.training.prediction.gradients import Derivative
    from nnkit.training.prediction.readout import Readout

__all__ = ["NetworkFunction"]


class NetworkFunction:
    """The predictions of an estimator, or outputs of its networks, for rows of encoded cells.

    A row is flat: of an image all cells one after the other, of several inputs one input after
    the other.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
        Fitted.
    is_raw : bool, default=False
        Whether the networks' outputs are given as they come, rather than class probabilities
        or values in units of the target.
    """

    def __init__(self, estimator: KerasEstimator, *, is_raw: bool = False) -> None:
        check_is_fitted(estimator)
        # Another thread may fit the estimator anew.
        self._estimator = shared_copy(estimator)
        self._is_raw = is_raw
        self._row = self._estimator._network.compiled_model.row
        # Once: to read those of a live model takes as long as some thousand predictions.
        self._weights = [member.weights() for member in self._estimator._members]

    @property
    def estimator(self) -> KerasEstimator:
        """The fitted estimator, as it was when this was made."""
        return self._estimator

    @property
    def n_encoded(self) -> int:
        """The cells of a row."""
        return sum(prod(shape) for shape in self._shapes)

    @property
    def n_units(self) -> int:
        """The units of the last layer, or of all last layers."""
        return sum(head.n_units for head in self._estimator._network.output_spec.heads)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs in the order of their cells; none if they have no names."""
        return list(self._row) if isinstance(self._row, dict) else []

    @property
    def arithmetic(self) -> float:
        """The floating-point operations for one row, of all networks: 2 for each weight."""
        members = self._estimator._members
        return len(members) * float(members[0].compiled_model.step_arithmetic) / 3

    @property
    def rows_per_call(self) -> int:
        """The rows that go through the network at once where memory is to stay bounded."""
        return int(self._estimator._network.compiled_model.rows_per_chunk)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [part.shape[1:] for part in _parts(self._row)]

    def encode(self, X: Any) -> np.ndarray:
        """Return rows of a table as flat rows of encoded features.

        Parameters
        ----------
        X : DataFrame, array or dict with n_samples rows
            As ``predict`` takes it.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_encoded)
        """
        parts = _parts(self._in_order(encoded_rows(self._estimator, X)))
        dense = [part.toarray() if sparse.issparse(part) else np.asarray(part) for part in parts]
        flat = [part.reshape(len(part), -1) for part in dense]
        return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)

    def _in_order(self, X_encoded: Any) -> Any:
        if isinstance(X_encoded, dict):
            return {name: X_encoded[name] for name in self._row}
        return X_encoded

    def __call__(self, X_encoded: np.ndarray) -> np.ndarray:
        """Return the predictions, an array (n_samples, ...), for flat rows of encoded features."""
        rows = self.in_shape(X_encoded)
        return self._read([member.outputs(rows) for member in self._estimator._members])

    def masked_samples(self, background: np.ndarray, is_from_row: np.ndarray) -> Any:
        """Return masked samples on the device of the networks, to be made of any rows.

        Parameters
        ----------
        background : ndarray of shape (n_masked, n_encoded)
            What a masked sample takes where it does not take the row.
        is_from_row : ndarray of bool, shape (n_masked, n_encoded)
            Where it takes the row.
        """
        # Members live on one device and have inputs of one kind.
        network = self._estimator._network
        return network.masked_samples(self.in_shape(background), self.in_shape(is_from_row))

    def of_masked_samples(self, X_encoded: np.ndarray, masked_samples: Any) -> np.ndarray:
        """Return the predictions (n_rows, n_masked, ...) for all masked samples of flat rows of encoded features."""
        rows = self.in_shape(X_encoded)
        members = zip(self._estimator._members, self._weights, strict=True)
        predicted = self._read(
            [
                member.outputs_of_masked_samples(weights, rows, masked_samples)
                for member, weights in members
            ]
        )
        return predicted.reshape(len(X_encoded), -1, *predicted.shape[1:])

    def first_linear(self) -> list[FirstLinear | None]:
        """Return the first linear layer of each network, None of one that has none."""
        from nnkit.training.prediction.first_linear import FirstLinear

        return [FirstLinear.of(member) for member in self._estimator._members]

    def of_outputs(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        """Return the predictions (n_rows, ...) for the outputs of all networks.

        Parameters
        ----------
        outputs : list of list of ndarray
            Of each network one array (n_rows, ...) for each of its outputs.
        """
        return self._read(outputs)

    def in_shape(self, X_encoded: np.ndarray) -> Any:
        """Return flat rows (n_samples, n_encoded) in the structure of the network's inputs."""
        ends = np.cumsum([prod(shape) for shape in self._shapes])[:-1]
        parts = [
            part.reshape(len(X_encoded), *shape)
            for part, shape in zip(np.split(X_encoded, ends, axis=1), self._shapes, strict=True)
        ]
        if isinstance(self._row, dict):
            return dict(zip(self._row, parts, strict=True))
        return parts if isinstance(self._row, (list, tuple)) else parts[0]

    def derivatives(self, layer: str | None = None) -> list[Derivative]:
        """Return each member's predictions with their gradients.

        Parameters
        ----------
        layer : str or None, default=None
            Name of the layer whose output gradients are for; None for the encoded cells.

        Returns
        -------
        derivatives : list of Derivative
            What they read is (n_samples, n_outputs), predictions with their axes made one. The
            mean over the members is what this function returns.

        Raises
        ------
        ValueError
            If no gradient reaches the X_encoded, or if a classifier has several targets.
        """
        from nnkit.training.prediction.gradients import Derivative

        readout, learnt = self._readout()
        members = self._estimator._members
        return [Derivative(member, readout, learnt, layer) for member in members]

    def layer_shape(self, layer: str, X_encoded: np.ndarray) -> tuple[int, ...]:
        """Return the shape of one row of a layer's output.

        Parameters
        ----------
        layer : str
            Its name.
        X_encoded : ndarray of shape (1, n_encoded)
            A flat row.
        """
        rows: np.ndarray = self.derivatives(layer)[0].rows(self.in_shape(X_encoded))
        return rows.shape[1:]

    def _readout(self) -> tuple[Readout, list[np.ndarray]]:
        """Return what is read from outputs, and the learnt numbers for it."""
        from nnkit.training.prediction.readout import Readout

        estimator = self._estimator
        if self._is_raw:
            return Readout("raw"), []
        if isinstance(estimator, KerasRegressor):
            return Readout("values"), _decoding(estimator)
        assert isinstance(estimator, KerasClassifier)
        if isinstance(estimator.classes_, list):
            raise ValueError(
                f"The classifier has {len(estimator.classes_)} targets, and gradients are of one. "
                "Fit a classifier for each target, or explain output='raw'."
            )
        decoder = decoder_of(estimator)
        readout = Readout(
            "proba",
            is_temperature_scaled=decoder.temperature != 1.0,
            is_one_of_many=decoder.is_one_of_many,
            takes_second=decoder.has_binary_steps,
        )
        return readout, [np.array([decoder.temperature])]

    def _read(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        if not self._is_raw:
            return np.asarray(decoder_of(self._estimator).predicted(outputs))
        members = [
            np.concatenate([part.reshape(len(part), -1) for part in member], axis=1)
            for member in outputs
        ]
        return np.asarray(np.mean(members, axis=0, dtype=np.float64))


def _parts(rows: Any) -> list[Any]:
    if isinstance(rows, dict):
        return list(rows.values())
    return list(rows) if isinstance(rows, (list, tuple)) else [rows]


def _decoding(estimator: KerasRegressor) -> list[np.ndarray]:
    """Return scale, location, and the smallest and largest value of each column."""
    target = decoder_of(estimator).target
    units, shape = target.scaling, target.row_shape
    limits = (-np.inf, np.inf) if units.limits is None else units.limits
    return [
        np.broadcast_to(np.asarray(part, dtype=np.float64), shape).reshape(-1)
        for part in (units.scale, units.location, *limits)
    ]
