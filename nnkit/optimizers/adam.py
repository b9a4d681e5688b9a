"""Adam with a learning rate and a weight decay for each group of weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from nnkit._validation import as_number

__all__ = ["GroupedAdam"]


@keras.saving.register_keras_serializable(package="nnkit")
class GroupedAdam(keras.optimizers.Adam):
    r"""Adam with a learning rate and a weight decay for each group of weights.

    A group consists of the weights whose path matches a pattern. A path consists of the names of
    the layers of a weight and its own name, such as "sequential/dense_1/kernel". If several
    patterns match, the first one applies. Weights without a match have the factor 1.

    Parameters
    ----------
    learning_rate : float, schedule or callable, default=0.001
        Learning rate, before it is multiplied by factors. A schedule is a `TrainingSchedule` or a
        schedule of Keras.
    beta_1 : float, default=0.9
        Decay rate of the moving average of gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay rate of the moving average of squared gradients, in [0, 1).
    epsilon : float, default=1e-07
        Constant that is added to the square root of the average of squared gradients.
    amsgrad : bool, default=False
        Whether to divide by the largest average of squared gradients so far.
    weight_decay : float, schedule or None, default=None
        Fraction of a weight that a step subtracts, per unit of the learning rate, at least 0,
        before it is multiplied by factors. None disables it. It is not a penalty in the loss.
    learning_rate_factors : mapping of str to float or None, default=None
        Factors of the learning rate by pattern, at least 0. Patterns are regular expressions that
        may match any part of a path: "bias" matches every bias, and r"\bscale/" all weights of
        the layers with the name "scale".
    decay_factors : mapping of str to float or None, default=None
        Factors of the weight decay by pattern, at least 0.
    **options : dict
        Further arguments of ``keras.optimizers.Adam``, such as clipping, moving averages of
        weights and accumulation of gradients.

    Raises
    ------
    ValueError
        If an argument is out of its range. In ``build``, if a pattern is not the first match of
        any weight.

    See Also
    --------
    nnkit.optimizers.FlatCosine : A schedule for the weight decay.

    Notes
    -----
    In step k = 1, 2, …, a weight p with gradient g, the factor f of its learning rate and the
    factor d of its weight decay is updated by

        p ← p · (1 - f · d · λ · η)
        m ← β₁ m + (1 - β₁) g,    v ← β₂ v + (1 - β₂) g²
        p ← p - f · η · √(1 - β₂ᵏ) / (1 - β₁ᵏ) · m / (√v + ε)

    where the learning rate η and the weight decay λ are the values of their schedules at step
    k - 1. With constants and without factors this is ``keras.optimizers.AdamW``, which also
    applies the decay before the step. Without a decay, it is ``keras.optimizers.Adam``.

    A factor of the learning rate also multiplies the decay: a weight whose learning rate is six
    times that of others decays six times as fast. To undo this, use 1 / f as the factor of the
    decay. The code of RealMLP multiplies the decay by f² d², which corresponds to ``decay_factors``
    of f · d²:

    >>> from nnkit.optimizers import CosLog, FlatCosine, GroupedAdam
    >>> optimizer = GroupedAdam(
    ...     CosLog(0.04, n_steps=1000),
    ...     beta_2=0.95,
    ...     weight_decay=FlatCosine(0.02, n_steps=1000),
    ...     learning_rate_factors={"scale": 6.0, "bias|activation": 0.1},
    ...     decay_factors={"scale": 6.0, "bias": 0.0, "activation": 0.1},
    ... )

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015 (arXiv:1412.6980),
    the end of section 2, where ε is written ε̂.

    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019 (arXiv:1711.05101),
    algorithm 2, with the decay multiplied by the learning rate, as in PyTorch and Keras.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", 2024 (arXiv:2407.04491), section 3 and appendix A, for factors
    and schedules.

    Examples
    --------
    The learning rate of the bias is a tenth of that of the kernel:

    >>> import keras
    >>> from nnkit.optimizers import GroupedAdam
    >>> layer = keras.layers.Dense(1, kernel_initializer="zeros")
    >>> layer.build((None, 1))
    >>> adam = GroupedAdam(0.1, learning_rate_factors={"bias": 0.1})
    >>> adam.apply([keras.ops.ones((1, 1)), keras.ops.ones((1,))], layer.trainable_variables)
    >>> [round(float(keras.ops.sum(variable)), 3) for variable in layer.trainable_variables]
    [-0.1, -0.01]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: Any = None,
        learning_rate_factors: Mapping[str, float] | None = None,
        decay_factors: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            weight_decay=_checked_decay(weight_decay),
            **options,
        )
        self.learning_rate_factors = _checked_factors(
            "learning_rate_factors", learning_rate_factors
        )
        self.decay_factors = _checked_factors("decay_factors", decay_factors)

    def build(self, variables: Sequence[Any]) -> None:
        """Create the variables of the optimizer, and determine the factors of the weights.

        Parameters
        ----------
        variables : sequence of variables
            The trainable weights.
        """
        if self.built:
            return
        paths = [getattr(variable, "path", variable.name) for variable in variables]
        # By position, because `update_step` may receive variables without a path.
        self._rate_factors = _factors_of(paths, "learning_rate_factors", self.learning_rate_factors)
        decay_factors = _factors_of(paths, "decay_factors", self.decay_factors)
        self._decay_factors = [
            factor if self._use_weight_decay(variable) else 0.0
            for factor, variable in zip(decay_factors, variables, strict=True)
        ]
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the weights.

        Parameters
        ----------
        grads : list of tensors
            Gradient of the loss with respect to each weight.
        trainable_variables : list of variables or None, default=None
            The weights. None takes those of ``build``.
        """
        # Past Keras' tracking of attributes.
        object.__setattr__(self, "_known_of_step", {})
        try:
            super().apply(grads, trainable_variables)
        finally:
            object.__setattr__(self, "_known_of_step", None)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one weight.

        Parameters
        ----------
        gradient : tensor
            Gradient of the loss with respect to the weight.
        variable : variable
            The weight.
        learning_rate : tensor
            Learning rate, before it is multiplied by the factor of the weight.
        """
        index = self._get_variable_index(variable)
        alpha, decay = self._of_step(variable.dtype, learning_rate)
        factor = self._rate_factors[index]
        if decay is not None and self._decay_factors[index]:
            # p ← p · (1 - f · d · λ · η)
            fraction = decay * (factor * self._decay_factors[index])
            self.assign_sub(variable, ops.multiply(variable, fraction))
        gradient = ops.cast(gradient, variable.dtype)
        m, v = self._momentums[index], self._velocities[index]
        # m ← β₁ m + (1 - β₁) g,    v ← β₂ v + (1 - β₂) g²
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1 - self.beta_1))
        squared = ops.square(gradient)
        self.assign_add(v, ops.multiply(ops.subtract(squared, v), 1 - self.beta_2))
        if self.amsgrad:
            largest = self._velocity_hats[index]
            self.assign(largest, ops.maximum(largest, v))
            v = largest
        # p ← p - f · α · m / (√v + ε)
        scaled = ops.multiply(m, alpha * factor)
        self.assign_sub(variable, ops.divide(scaled, ops.add(ops.sqrt(v), self.epsilon)))

    def _of_step(self, dtype: str, learning_rate: Any) -> tuple[Any, Any]:
        """Return α = η √(1 - β₂ᵏ) / (1 - β₁ᵏ) and λ η of this step, before any factors.

        They are the same for all weights of a dtype, so that one `apply` computes them once. This
        saves a third of the operations of a step.
        """
        known = getattr(self, "_known_of_step", None)
        if known is not None and dtype in known:
            return known[dtype]
        rate, n_steps = ops.cast(learning_rate, dtype), ops.cast(self.iterations + 1, dtype)
        first, second = (ops.power(ops.cast(b, dtype), n_steps) for b in (self.beta_1, self.beta_2))
        decay = None
        if self.weight_decay is not None:
            decay = ops.cast(self._decay_of_step(), dtype) * rate
        found = rate * ops.sqrt(1 - second) / (1 - first), decay
        if known is not None:
            known[dtype] = found
        return found

    def _decay_of_step(self) -> Any:
        if callable(self.weight_decay):
            # Keras calls the schedule of the learning rate with the same number of steps.
            return self.weight_decay(self._iterations)
        return self.weight_decay

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: `update_step` applies the decay, because it depends on the factors."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        decay = self.weight_decay
        if callable(decay):
            decay = keras.optimizers.schedules.serialize(decay)
        return {
            **super().get_config(),
            "weight_decay": decay,
            "learning_rate_factors": dict(self.learning_rate_factors),
            "decay_factors": dict(self.decay_factors),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GroupedAdam:
        """Create an optimizer from its configuration.

        Parameters
        ----------
        config : dict
            From `get_config`.
        custom_objects : dict or None, default=None
            Classes by name, for schedules that are not registered with Keras.
        """
        config = dict(config)
        if isinstance(config.get("weight_decay"), dict):
            config["weight_decay"] = keras.saving.deserialize_keras_object(
                config["weight_decay"], custom_objects=custom_objects
            )
        return super().from_config(config, custom_objects)


def _checked_decay(weight_decay: Any) -> Any:
    is_schedule = isinstance(weight_decay, keras.optimizers.schedules.LearningRateSchedule)
    if weight_decay is None or is_schedule:
        return weight_decay
    return as_number(
        "weight_decay", weight_decay, "[0, inf)", alternatives=", a LearningRateSchedule or None"
    )


def _checked_factors(name: str, factors: Mapping[str, float] | None) -> dict[str, float]:
    if not isinstance(factors, Mapping | None):
        raise ValueError(
            f"{name} must be a mapping of patterns to factors, such as {{'bias': 0.1}}. "
            f"Got {factors!r} instead."
        )
    checked = {}
    for pattern, factor in (factors or {}).items():
        if not isinstance(pattern, str):
            raise ValueError(f"{name} must have patterns that are str. Got {pattern!r} instead.")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"{name} must have patterns that are regular expressions. Got {pattern!r} "
                f"instead: {error}."
            ) from error
        checked[pattern] = as_number(f"{name}[{pattern!r}]", factor, "[0, inf)")
    return checked


def _factors_of(paths: Sequence[str], name: str, factors: Mapping[str, float]) -> list[float]:
    """Return the factor of each path: that of the first pattern that matches, or 1."""
    first = [next((part for part in factors if re.search(part, path)), None) for path in paths]
    for pattern in factors:
        if pattern not in first:
            raise ValueError(
                f"{name} has the pattern {pattern!r}, which is not the first match of any of the "
                f"weights {list(paths)}. Correct it, move it before more general patterns, or "
                "remove it."
            )
    return [1.0 if pattern is None else factors[pattern] for pattern in first]
