"""The optimizer of ready-made networks: AdamW, with one cycle of the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnkit._validation import as_number

if TYPE_CHECKING:
    import keras

__all__ = ["compile_with_schedule"]

# Weights without decay: biases, those of normalisation layers and of embeddings.
_WITHOUT_DECAY = ("bias", "gamma", "beta", "embedding")


def compile_with_schedule(
    model: keras.Model,
    learning_rate: float,
    weight_decay: float,
    n_steps: int | None,
    *,
    learning_rate_factors: dict[str, float] | None = None,
) -> None:
    """Compile a network with `nnkit.optimizers.GroupedAdam`.

    Parameters
    ----------
    model : keras.Model
        Built. Its loss and metrics follow from the target.
    learning_rate : float
        Peak of the learning rate, above 0.
    weight_decay : float
        Decoupled decay of the kernels per unit of the learning rate, at least 0. Biases, weights
        of normalisation layers and embeddings have none.
    n_steps : int or None
        Optimizer steps of the training, over which `nnkit.optimizers.OneCycle` goes. None is a
        constant learning rate, for a training that can be resumed.
    learning_rate_factors : dict of str to float or None, default=None
        Factors of the learning rate by patterns of paths of weights.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    from nnkit.optimizers import GroupedAdam, OneCycle

    peak = as_number("learning_rate", learning_rate, "(0, inf)")
    decay = as_number("weight_decay", weight_decay, "[0, inf)")
    paths = [variable.path for variable in model.trainable_variables]

    def known(factors: dict[str, float]) -> dict[str, float]:
        # GroupedAdam raises an error for a pattern that is not the first match of any path.
        first = [next((name for name in factors if name in path), None) for path in paths]
        return {name: factor for name, factor in factors.items() if name in first}

    schedule: Any = peak if n_steps is None else OneCycle(peak, n_steps=n_steps)
    model.compile(
        GroupedAdam(
            schedule,
            weight_decay=decay or None,
            learning_rate_factors=known(learning_rate_factors or {}),
            decay_factors=known(dict.fromkeys(_WITHOUT_DECAY, 0.0)) if decay else None,
        )
    )
