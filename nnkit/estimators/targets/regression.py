"""Targets of numbers: their units, and values from the outputs of a network."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import assert_all_finite

from nnkit.encoding.quantiles import interpolation_weights, median_weights
from nnkit.encoding.target_values import target_array
from nnkit.encoding.targets import ContinuousTarget
from nnkit.estimators.rows.training_rows import Rows
from nnkit.estimators.rows.validation_rows import warning_of_target
from nnkit.estimators.targets.target import Decoder, Target

if TYPE_CHECKING:
    from nnkit.estimators.parameters.fit_settings import FitSettings
    from nnkit.training.network import Network
    from nnkit.training.specification.heads import Task
    from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["RegressionTarget", "ValueDecoder"]

_LOSSES_IN_UNITS = {
    "MeanSquaredLogarithmicError": "Leave loss=None, and set TransformedTargetRegressor("
    "regressor, func=np.log1p, inverse_func=np.expm1). Or give a network of your own, which gets "
    "y as it is.",
    "MeanAbsolutePercentageError": "Use loss='mae' with sample_weight=1 / abs(y). Or give a "
    "network of your own, which gets y as it is.",
    "Poisson": "Give a network of your own that ends in 'exponential' or 'softplus'.",
    "KLDivergence": "Give a network of your own, which gets y as it is.",
}
"""Keras' losses that are meaningless for a standardised target, and what to do instead."""


@dataclass(frozen=True)
class RegressionTarget(Target):
    """A target of numbers.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one row: () for (n_samples,), (n_columns,) for a table.
    is_standardized : bool
        Whether the network learns values with mean 0 and standard deviation 1.
    scaling : ContinuousTarget
        The units that the network learns.
    quantiles : tuple of float
        Levels of the quantiles of each column that the network learns; () is one value.
    """

    row_shape: tuple[int, ...]
    is_standardized: bool
    scaling: ContinuousTarget = field(default_factory=ContinuousTarget)
    quantiles: tuple[float, ...] = field(default=(), metadata={"is_missing_in_old_files": True})

    @staticmethod
    def check(y: Any) -> np.ndarray:
        """Return the values as a finite array; see `Target.check`."""
        y_numeric = target_array(y, are_numbers=True)
        if y_numeric.ndim == 0:
            raise ValueError("y must have one value for each row. Got a single number instead.")
        assert_all_finite(y_numeric, input_name="y")
        return y_numeric

    @classmethod
    def learn(
        cls,
        y: np.ndarray,
        classes: Any,  # noqa: ARG003
        *,
        is_standardized: bool,
        quantiles: tuple[float, ...] = (),
    ) -> Self:
        """Return the target with the shape of its rows."""
        if quantiles and y.ndim > 2:
            raise ValueError(
                f"loss='quantile' takes y with one or two axes. Got {y.ndim} axes instead."
            )
        return cls(y.shape[1:], is_standardized, quantiles=quantiles)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the values unchanged, with their shape checked."""
        if y.shape[1:] != self.row_shape:
            raise ValueError(
                f"y must have rows of shape {self.row_shape}, as in the first fit. "
                f"Got {y.shape[1:]} instead."
            )
        return y

    def warning_of_validation(self, training: Rows, held_out: Rows) -> str | None:
        """Return a warning if the validation target seems to be in other units, else None."""
        return warning_of_target(training.encoded, held_out.encoded)

    def in_units_of(self, training: Rows, *, is_clipped: bool) -> Self:
        """Return the target in standard units of its training rows, if it is standardised."""
        scaling = ContinuousTarget()
        if self.is_standardized:
            scaling = ContinuousTarget.standard(
                training.y, training.sample_weight, is_clipped=is_clipped
            )
        return replace(self, scaling=scaling)

    def widened(self, training: Rows) -> Self:
        """Return the target with limits that also hold the values of further training rows."""
        return replace(self, scaling=self.scaling.widened(training.y))

    def units(self) -> tuple[Any, ...] | None:
        """Return scale, location and limits of a standardised target; None for other targets."""
        if not self.is_standardized:
            return None
        low, high = self.scaling.limits or (-np.inf, np.inf)
        return self.scaling.scale, self.scaling.location, low, high

    def task_choices(self) -> list[list[Task]]:
        """Return the tasks that the outputs of a network can have; see `Target.task_choices`."""
        from nnkit.training.specification.heads import Task

        is_scaled = self.is_standardized
        whole = Task(
            "regression", row_shape=self.row_shape, is_scaled=is_scaled, quantiles=self.quantiles
        )
        choices = [[whole]]
        if self.quantiles:
            return choices
        if len(self.row_shape) == 1 and self.row_shape[0] > 1:
            # A network with an output for each column.
            choices.append([Task("regression", is_scaled=is_scaled)] * self.row_shape[0])
        return choices

    def facts(self) -> dict[str, Any]:
        """Return ``target_type_``."""
        is_table = bool(self.row_shape) and self.row_shape[-1] > 1
        return {"target_type_": "continuous-multioutput" if is_table else "continuous"}

    def network_targets(self, encoded: np.ndarray, n_outputs: int) -> list[np.ndarray]:
        """Return the values of each output in the units of the network."""
        in_units = self.scaling.encode(encoded)
        return [in_units] if n_outputs == 1 else list(in_units.T)

    def decoder(self, output_spec: OutputSpec, temperature: float = 1.0) -> ValueDecoder:  # noqa: ARG002
        """Return the decoder of the outputs of a network; see `Target.decoder`."""
        return ValueDecoder(self, output_spec)


@dataclass(frozen=True)
class ValueDecoder(Decoder):
    """From the outputs of a network to values in the units of the target.

    Parameters
    ----------
    target : RegressionTarget
    output_spec : OutputSpec
        Of the network.
    """

    target: RegressionTarget
    output_spec: OutputSpec

    def decide(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return values in the units of the target from the outputs of one network.

        Of quantiles, the one that is nearest to the median.
        """
        if self.target.quantiles:
            return self._quantiles(outputs) @ median_weights(self.target.quantiles)
        if len(outputs) > 1:
            values = np.column_stack([output.reshape(len(output)) for output in outputs])
        else:
            values = outputs[0].reshape(len(outputs[0]), *self.target.row_shape)
        return self.target.scaling.decode(values)

    def predicted(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        """Return the mean of the networks' values."""
        values = [self.decide(member) for member in outputs]
        return values[0] if len(values) == 1 else np.mean(values, axis=0)

    def predicted_quantiles(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        """Return the mean of the networks' quantiles, (n_samples, ..., n_quantiles), ascending."""
        return np.mean([self._quantiles(member) for member in outputs], axis=0)

    def quantiles_at(self, outputs: list[list[np.ndarray]], levels: np.ndarray) -> np.ndarray:
        """Return interpolated quantiles, (n_samples, ..., n_levels)."""
        weights = interpolation_weights(self.target.quantiles, levels)
        return self.predicted_quantiles(outputs) @ weights

    def _quantiles(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return quantiles in units of the target, (n_samples, ..., n_quantiles), ascending.

        Sorted quantiles do not cross, and have no larger loss than unsorted ones.

        References
        ----------
        V. Chernozhukov, I. Fernandez-Val, A. Galichon, "Quantile and Probability Curves Without
        Crossing", Econometrica 78 (2010), proposition 4.
        """
        target = self.target
        n_quantiles = len(target.quantiles)
        # (n_samples, n_columns * n_quantiles) -> (n_samples, ..., n_quantiles)
        ascending = np.sort(outputs[0].reshape(-1, *target.row_shape, n_quantiles), axis=-1)
        # The units have the shape of a row, so that they broadcast over the first axes.
        decoded = target.scaling.decode(np.moveaxis(ascending, -1, 0))
        return np.moveaxis(decoded, 0, -1)

    def spread(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        """Return the standard deviation of the networks' values."""
        return np.std([self.decide(member) for member in outputs], axis=0)

    def check_loss(self, network: Network, encoded: np.ndarray, settings: FitSettings) -> None:
        """Raise or warn if the loss or the last activation does not fit the target."""
        if settings.is_ready_made:
            _check_loss_in_standard_units(network, encoded, settings)
        heads = self.output_spec.heads
        targets = self.target.network_targets(encoded, len(heads))
        for head, values in zip(heads, targets, strict=True):
            least, most = head.limits
            low, high = float(np.min(values)), float(np.max(values))
            if low < least or high > most:
                bounds = f"from {least:g} up" if most == np.inf else f"from {least:g} to {most:g}"
                warnings.warn(
                    f"The model's last activation is {head.activation!r}, which gives values "
                    f"{bounds}, but y goes from {low:.4g} to {high:.4g}. Use 'linear' in the last "
                    "layer, or bring y into these bounds.",
                    UserWarning,
                    stacklevel=6,
                )


def _check_loss_in_standard_units(
    network: Network, encoded: np.ndarray, settings: FitSettings
) -> None:
    """Raise or warn if the loss of a ready-made network depends on the units of the target."""
    from keras import tree

    from nnkit.training.loop.user_functions import depends_on_units, is_own_loss

    units = f"model={settings.model!r} learns y in standard units (mean 0, standard deviation 1)"
    losses = tree.flatten(network.compiled_model.model.loss)
    for loss in losses:
        name = type(loss).__name__
        if name in _LOSSES_IN_UNITS:
            raise ValueError(
                f"loss={name} compares values in their own units, but {units}. "
                f"{_LOSSES_IN_UNITS[name]}"
            )
        if (
            is_own_loss(loss)
            and len(losses) == 1
            and network.compiled_model.fact(
                "loss depends on units",
                partial(depends_on_units, loss, encoded.reshape(len(encoded), -1)),
            )
        ):
            warnings.warn(
                f"loss={loss.name} is another one in other units, but {units}. Numbers inside "
                "it are in these units. Give a network of your own for a loss in those of y.",
                UserWarning,
                stacklevel=7,
            )
