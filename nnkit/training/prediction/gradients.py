"""Gradients of a network's readout, summed along straight lines from background rows to rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import compiled, traced
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop.program import like, open_rows
from nnkit.training.loop.state import TrainingState
from nnkit.training.network import Network
from nnkit.training.placement import on_device
from nnkit.training.prediction.reach import check_reachable, tail_of
from nnkit.training.prediction.readout import Readout

__all__ = ["Derivative", "PathGradients", "PathSums", "Paths"]


class Paths(NamedTuple):
    """Points on the straight lines from each background row to each row.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, ...), or dict or list of them
        Ends of the lines.
    background : ndarray of shape (background_size, ...), or dict or list of them
        Starts of the lines.
    fractions : ndarray of shape (background_size, n_points)
        Positions of the points on the lines from each background row, in [0, 1]: a point is
        ``background + fraction * (row - background)``.
    """

    rows: Any
    background: Any
    fractions: np.ndarray


class PathSums(NamedTuple):
    """Gradients along lines, averaged by quadratures and summed over the background.

    Attributes
    ----------
    sums : ndarray of shape (n_rows, n_features, n_directions, n_quadratures)
        Sums over the background rows.
    within : ndarray of shape (n_rows, n_features, n_directions)
        The sum, over background rows and quadratures, of the squared deviation from the mean
        of the quadratures.
    squares : ndarray of shape (n_rows, n_features, n_directions)
        The sum over the background rows of the squared mean of the quadratures.
    """

    sums: np.ndarray
    within: np.ndarray
    squares: np.ndarray


class PathGradients:
    """Computes gradients of a network's readout, in one compiled call for many lines.

    Parameters
    ----------
    compiled_model : CompiledModel
        Compiled model of the network.
    readout : Readout
        Function from the outputs of the network to the explained predictions.
    n_learnt : int
        Number of learnt parameters of the readout.
    layer : str or None
        Name of the layer whose output is explained; None for the inputs of the network.
    n_directions : int
        Number of weighted sums of predictions that are differentiated in one call.
    is_times_difference : bool
        Whether the gradient by an encoded feature is multiplied by the difference of that
        feature between the row and the background row.
    """

    def __init__(
        self,
        compiled_model: CompiledModel,
        readout: Readout,
        n_learnt: int,
        layer: str | None,
        n_directions: int,
        *,
        is_times_difference: bool,
    ) -> None:
        self._compiled_model = compiled_model
        self._readout = readout
        self._n_learnt = n_learnt
        self._n_directions = n_directions
        self._is_times_difference = is_times_difference
        if layer is None:
            self._model, self._rows = compiled_model.model, open_rows(compiled_model.row)
        else:
            self._model = tail_of(compiled_model.model, layer)
            tensor = self._model.inputs[0]
            self._rows = tf.TensorSpec((None, *tensor.shape[1:]), str(tensor.dtype))

    def outputs(self, state: TrainingState, learnt: Sequence[Any], paths: Paths) -> np.ndarray:
        """Return the predictions at the points, (n_points * n_rows * background_size, n_outputs).

        Parameters
        ----------
        state : TrainingState
            The weights.
        learnt : sequence of ndarray
            The learnt parameters of the readout.
        paths : Paths
            The lines. The result is ordered by point, then row, then background row.
        """
        found = self._outputs(state.weights, state.others, list(learnt), *self._tensors(paths))
        return keras.ops.convert_to_numpy(found)

    def sums(
        self,
        state: TrainingState,
        learnt: Sequence[Any],
        paths: Paths,
        quadratures: np.ndarray,
        upstream: np.ndarray,
        directions: np.ndarray,
    ) -> PathSums:
        """Return the gradients, averaged along each line and summed over the background.

        Parameters
        ----------
        state : TrainingState
            The weights.
        learnt : sequence of ndarray
            The learnt parameters of the readout.
        paths : Paths
            The lines.
        quadratures : ndarray of shape (n_points, n_quadratures)
            Weights of the points in each quadrature.
        upstream : ndarray of shape (1, n_outputs) or of the shape of `outputs`
            Gradient of the explained quantity by each prediction.
        directions : ndarray of shape (n_directions, n_outputs)
            Weights of the sums of predictions that are differentiated.
        """
        found = self._sums(
            state.weights,
            state.others,
            list(learnt),
            *self._tensors(paths),
            quadratures,
            upstream,
            directions,
        )
        return PathSums(*(keras.ops.convert_to_numpy(part).astype(np.float64) for part in found))

    def _tensors(self, paths: Paths) -> list[Any]:
        rows, background = (
            keras.tree.map_structure(
                lambda part, like: tf.convert_to_tensor(part.astype(like.dtype.name, copy=False)),
                structure,
                self._rows,
            )
            for structure in (paths.rows, paths.background)
        )
        return [rows, background, tf.convert_to_tensor(paths.fractions, tf.float64)]

    # The compiled functions

    @cached_property
    def _outputs(self) -> Any:
        def outputs(weights: Any, others: Any, learnt: Any, *paths: Any) -> Any:
            return self._read(weights, others, learnt, _points(*paths))

        return self._traced(outputs)

    @cached_property
    def _sums(self) -> Any:
        def sums(
            weights: Any,
            others: Any,
            learnt: Any,
            rows: Any,
            background: Any,
            fractions: Any,
            quadratures: Any,
            upstream: Any,
            directions: Any,
        ) -> Any:
            points = _points(rows, background, fractions)
            with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
                tape.watch(points)
                read = self._read(weights, others, learnt, points)
            differences = [*map(_differences, self._in_order(rows), self._in_order(background))]
            by_direction = []
            for direction in tf.unstack(directions, self._n_directions):
                seeds = tf.broadcast_to(upstream * direction, tf.shape(read))
                gradients = tape.gradient(read, self._in_order(points), seeds)
                parts = [
                    self._reduced(gradient, difference, fractions, quadratures)
                    for gradient, difference in zip(gradients, differences, strict=True)
                ]
                # Concatenate the inputs along the encoded features, the second axis of all three.
                by_direction.append([tf.concat(part, axis=1) for part in zip(*parts, strict=True)])
            return [tf.stack(part, axis=2) for part in zip(*by_direction, strict=True)]

        doubles = tf.TensorSpec((None, None), tf.float64)
        return self._traced(sums, doubles, doubles, doubles)

    def _in_order(self, rows: Any) -> list[Any]:
        """Return the inputs of rows as a list, in the order of their encoded features."""
        if isinstance(self._rows, dict):
            return [rows[name] for name in self._rows]
        return list(rows) if isinstance(self._rows, (list, tuple)) else [rows]

    def _read(self, weights: Any, others: Any, learnt: Any, X: Any) -> Any:
        compiled_model = self._compiled_model
        with keras.StatelessScope(compiled_model.layout.known(weights, others)):
            outputs = keras.tree.flatten(self._model(X, training=False))
        return self._readout(compiled_model.output_spec.heads, outputs, learnt)

    def _reduced(
        self, gradient: Any, difference: Any, fractions: Any, quadratures: Any
    ) -> tuple[Any, Any, Any]:
        """Return sums over the background of averages along the lines, and their deviations."""
        if gradient is None:
            raise ValueError(
                "The gradient of the network's outputs does not reach its inputs. "
                "Use method='permutation'."
            )
        gradient = tf.convert_to_tensor(gradient)
        # (n_points * n_rows * background_size, ...)
        # -> (n_points, n_rows * background_size * n_features)
        by_point = tf.reshape(gradient, (tf.shape(fractions)[1], -1))
        averages = tf.matmul(tf.cast(quadratures, by_point.dtype), by_point, transpose_a=True)
        shape = tf.concat([tf.shape(quadratures)[1:], tf.shape(difference)], axis=0)
        parts = tf.reshape(averages, shape)  # (n_quadratures, n_rows, background_size, n_features)
        if self._is_times_difference:
            parts *= difference
        mean = tf.reduce_mean(parts, axis=0)
        sums = tf.transpose(tf.reduce_sum(parts, axis=2), (1, 2, 0))
        within = tf.reduce_sum(tf.square(parts - mean), axis=(0, 2))
        return sums, within, tf.reduce_sum(tf.square(mean), axis=1)

    def _traced(self, function: Any, *further: Any) -> Any:
        example = self._compiled_model.layout.state_of_model(self._compiled_model.model)
        return traced(
            compiled(function),
            like(example.weights),
            like(example.others),
            [tf.TensorSpec((None,), tf.float64)] * self._n_learnt,
            self._rows,
            self._rows,
            tf.TensorSpec((None, None), tf.float64),
            *further,
        )


def _points(rows: Any, background: Any, fractions: Any) -> Any:
    """Return the points of lines, (n_points * n_rows * background_size, ...)."""

    def between(row: Any, other: Any) -> Any:
        # (background_size, n_points) -> (n_points, 1, background_size, 1, ...)
        shape = (tf.shape(fractions)[1], 1, tf.shape(fractions)[0], *[1] * (len(row.shape) - 1))
        along = tf.reshape(tf.transpose(tf.cast(fractions, row.dtype)), shape)
        points = other + along * (row[:, tf.newaxis] - other)
        return tf.reshape(points, tf.concat([[-1], tf.shape(row)[1:]], axis=0))

    return keras.tree.map_structure(between, rows, background)


def _flat(tensor: Any) -> Any:
    return tf.reshape(tensor, (tf.shape(tensor)[0], -1))


def _differences(row: Any, other: Any) -> Any:
    """Return rows minus background rows, (n_rows, background_size, n_features)."""
    return _flat(row)[:, tf.newaxis] - _flat(other)


class Derivative:
    """The readout of a network and its gradients, with the current weights.

    Later changes of the weights have no effect.

    Parameters
    ----------
    network : Network
    readout : Readout
        Function from the outputs of the network to the explained predictions.
    learnt : sequence of ndarray
        The learnt parameters of the readout.
    layer : str or None
        Name of the layer by whose output the readout is differentiated; None for the inputs.

    Raises
    ------
    ValueError
        If the readout has no gradient by them.
    """

    def __init__(
        self,
        network: Network,
        readout: Readout,
        learnt: Sequence[np.ndarray],
        layer: str | None,
    ) -> None:
        compiled_model = network.compiled_model
        check_reachable(compiled_model.model, compiled_model.row, layer)
        self._network, self._compiled_model, self._state = (
            network,
            compiled_model,
            network.weights(),
        )
        self._readout, self._learnt, self._layer = readout, list(learnt), layer

    def rows(self, X: Any) -> Any:
        """Return the output of the layer for encoded rows; the rows themselves without a layer.

        Parameters
        ----------
        X : ndarray, or dict or list of ndarray
            Encoded rows.
        """
        if self._layer is None:
            return X
        if isinstance(X, dict):
            X = [X[tensor.name] for tensor in self._compiled_model.model.inputs]
        return self._network.outputs_between(None, self._layer, X)[0]

    def read(self, paths: Paths) -> np.ndarray:
        """Return the predictions at the points of paths; see `PathGradients.outputs`."""
        with on_device(self._network.device):
            return self._program(1, is_times_difference=True).outputs(
                self._state, self._learnt, paths
            )

    def sums(
        self, paths: Paths, *weights: np.ndarray, is_times_difference: bool = True
    ) -> PathSums:
        """Return gradients averaged along paths; see `PathGradients.sums`.

        Parameters
        ----------
        paths : Paths
            The lines.
        *weights : ndarray
            The arguments ``quadratures``, ``upstream`` and ``directions`` of `PathGradients.sums`.
        is_times_difference : bool, default=True
            As in `PathGradients`.
        """
        n_directions = len(weights[-1])
        with on_device(self._network.device):
            program = self._program(n_directions, is_times_difference=is_times_difference)
            return program.sums(self._state, self._learnt, paths, *weights)

    def _program(self, n_directions: int, *, is_times_difference: bool) -> PathGradients:
        return self._compiled_model.program(
            (
                "gradients", self._readout, len(self._learnt), self._layer, n_directions,
                is_times_difference,
            ),
            lambda: PathGradients(
                self._compiled_model,
                self._readout,
                len(self._learnt),
                self._layer,
                n_directions,
                is_times_difference=is_times_difference,
            ),
        )  # fmt: skip
