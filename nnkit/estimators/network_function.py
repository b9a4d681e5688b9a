"""Predictions and gradients of a fitted estimator for encoded rows."""

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
    from nnkit.training.specification.heads import Head

__all__ = ["NetworkFunction"]


class NetworkFunction:
    """The predictions of a fitted estimator as a function of its encoded features.

    An encoded row is flat. It has the elements of an image or sequence in C order, and the values
    of several inputs one input after the other.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
        Fitted.
    is_raw : bool, default=False
        Whether the function returns the outputs of the networks, rather than class probabilities
        or values in units of the target.
    """

    def __init__(self, estimator: KerasEstimator, *, is_raw: bool = False) -> None:
        check_is_fitted(estimator)
        # The copy is not affected if another thread fits the estimator again.
        self._estimator = shared_copy(estimator)
        self._is_raw = is_raw
        self._row = self._estimator._network.compiled_model.row
        # Read once, since reading the weights of a Keras model takes as long as thousands of
        # predictions.
        self._weights = [member.weights() for member in self._estimator._members]

    @property
    def estimator(self) -> KerasEstimator:
        """A copy of the fitted estimator, made by the constructor."""
        return self._estimator

    @property
    def n_encoded(self) -> int:
        """The number of encoded features of a row."""
        return sum(prod(shape) for shape in self._shapes)

    @property
    def n_units(self) -> int:
        """The number of output units, the sum over all outputs of the network."""
        return sum(head.n_units for head in self.heads)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs in the order of their encoded features; [] if they have none."""
        return list(self._row) if isinstance(self._row, dict) else []

    @property
    def arithmetic(self) -> float:
        """The floating-point operations of all networks for one row, 2 for each weight."""
        members = self._estimator._members
        return len(members) * float(members[0].compiled_model.step_arithmetic) / 3

    @property
    def rows_per_call(self) -> int:
        """The largest number of rows in one call of a network that keeps memory bounded."""
        return int(self._estimator._network.compiled_model.rows_per_chunk)

    @property
    def heads(self) -> list[Head]:
        """The interpretation of each output of the network, such as logits of classes."""
        return list(self._estimator._network.output_spec.heads)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [part.shape[1:] for part in _parts(self._row)]

    def encode(self, X: Any) -> np.ndarray:
        """Return the encoded features of rows.

        Parameters
        ----------
        X : DataFrame, array or dict with n_samples rows
            The input of ``predict``.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_encoded)
            Flat rows of encoded features.
        """
        X_encoded = encoded_rows(self._estimator, X)
        if isinstance(X_encoded, dict):
            X_encoded = {name: X_encoded[name] for name in self._row}
        parts = _parts(X_encoded)
        dense = [part.toarray() if sparse.issparse(part) else np.asarray(part) for part in parts]
        flat = [part.reshape(len(part), -1) for part in dense]
        return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)

    def __call__(self, X_encoded: np.ndarray) -> np.ndarray:
        """Return the predictions (n_samples, ...) for encoded rows (n_samples, n_encoded)."""
        from nnkit.training.network import outputs_of_networks

        rows = self.in_shape(X_encoded)
        return self.of_outputs(outputs_of_networks(self._estimator._members, rows))

    def masked_samples(self, background: np.ndarray, is_from_row: np.ndarray) -> Any:
        """Return background values and masks on the device, for masked samples of any rows.

        Parameters
        ----------
        background : ndarray of shape (n_masked, n_encoded)
            The background row of each masked sample.
        is_from_row : ndarray of bool, shape (n_masked, n_encoded)
            Whether an encoded feature comes from the explained row.

        Returns
        -------
        masked_samples : object
            The argument of `of_masked_samples`.
        """
        # All members are on one device and have inputs of the same structure.
        network = self._estimator._network
        return network.masked_samples(self.in_shape(background), self.in_shape(is_from_row))

    def of_masked_samples(self, X_encoded: np.ndarray, masked_samples: Any) -> np.ndarray:
        """Return the predictions for all masked samples of encoded rows.

        Parameters
        ----------
        X_encoded : ndarray of shape (n_rows, n_encoded)
            The explained rows.
        masked_samples : object
            The result of `masked_samples`.

        Returns
        -------
        predicted : ndarray of shape (n_rows, n_masked, ...)
            The predictions.
        """
        rows = self.in_shape(X_encoded)
        members = zip(self._estimator._members, self._weights, strict=True)
        predicted = self.of_outputs(
            [
                member.outputs_of_masked_samples(weights, rows, masked_samples)
                for member, weights in members
            ]
        )
        # (n_rows * n_masked, ...) -> (n_rows, n_masked, ...)
        return predicted.reshape(len(X_encoded), -1, *predicted.shape[1:])

    def first_linear(self) -> list[FirstLinear | None]:
        """Return the first linear layer of each network, None for a network without one."""
        from nnkit.training.prediction.first_linear import FirstLinear

        return [FirstLinear.of(member) for member in self._estimator._members]

    def of_outputs(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        """Return the predictions (n_rows, ...) that follow from the outputs of all networks.

        Parameters
        ----------
        outputs : list of list of ndarray
            For each network a list with one array (n_rows, ...) for each of its outputs.
        """
        if not self._is_raw:
            return np.asarray(decoder_of(self._estimator).predicted(outputs))
        members = [
            np.concatenate([part.reshape(len(part), -1) for part in member], axis=1)
            for member in outputs
        ]
        return np.asarray(np.mean(members, axis=0, dtype=np.float64))

    def in_shape(self, X_encoded: np.ndarray) -> Any:
        """Return encoded rows (n_samples, n_encoded) in the structure of the network's inputs."""
        ends = np.cumsum([prod(shape) for shape in self._shapes])[:-1]
        parts = [
            part.reshape(len(X_encoded), *shape)
            for part, shape in zip(np.split(X_encoded, ends, axis=1), self._shapes, strict=True)
        ]
        if isinstance(self._row, dict):
            return dict(zip(self._row, parts, strict=True))
        return parts if isinstance(self._row, (list, tuple)) else parts[0]

    def derivatives(self, layer: str | None = None) -> list[Derivative]:
        """Return the differentiable predictions of each member.

        Parameters
        ----------
        layer : str or None, default=None
            Name of the layer with respect to whose outputs gradients are taken; None for the
            encoded features.

        Returns
        -------
        derivatives : list of Derivative
            One for each member, whose predictions are flattened to (n_samples, n_outputs). Their
            mean over members is the prediction of this function.

        Raises
        ------
        ValueError
            If no gradient reaches the inputs or the layer, or a classifier has several targets.
        """
        from nnkit.training.prediction.gradients import Derivative

        readout, learnt = self.readout()
        members = self._estimator._members
        return [Derivative(member, readout, learnt, layer) for member in members]

    def layer_shape(self, layer: str, X_encoded: np.ndarray) -> tuple[int, ...]:
        """Return the shape of the output of a layer for one row.

        Parameters
        ----------
        layer : str
            The name of the layer.
        X_encoded : ndarray of shape (1, n_encoded)
            An encoded row.
        """
        rows: np.ndarray = self.derivatives(layer)[0].rows(self.in_shape(X_encoded))
        return rows.shape[1:]

    def readout(self) -> tuple[Readout, list[np.ndarray]]:
        """Return the function from outputs of a network to predictions, with its parameters.

        Returns
        -------
        readout : Readout
            The function, of the kind "raw", "proba" or "values".
        learnt : list of ndarray
            Nothing for "raw"; the temperature for "proba"; and scale, location, smallest and
            largest value of each target, of shape (n_targets,), for "values". Without limits
            the smallest and largest value are -inf and inf.

        Raises
        ------
        ValueError
            If probabilities of a classifier with several targets are requested.
        """
        from nnkit.training.prediction.readout import Readout

        estimator = self._estimator
        if self._is_raw:
            return Readout("raw"), []
        if isinstance(estimator, KerasRegressor):
            quantiles = decoder_of(estimator).target.quantiles
            return Readout("values", quantiles=quantiles), _decoding(estimator)
        assert isinstance(estimator, KerasClassifier)
        if isinstance(estimator.classes_, list):
            raise ValueError(
                f"The classifier has {len(estimator.classes_)} targets, but gradients need one. "
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


def _parts(rows: Any) -> list[Any]:
    if isinstance(rows, dict):
        return list(rows.values())
    return list(rows) if isinstance(rows, (list, tuple)) else [rows]


def _decoding(estimator: KerasRegressor) -> list[np.ndarray]:
    """Return scale, location, smallest and largest value of each target, (n_targets,) each."""
    target = decoder_of(estimator).target
    units, shape = target.scaling, target.row_shape
    limits = (-np.inf, np.inf) if units.limits is None else units.limits
    return [
        np.broadcast_to(np.asarray(part, dtype=np.float64), shape).reshape(-1)
        for part in (units.scale, units.location, *limits)
    ]
