"""The axes that a loss has for each row, along which sample weights are expanded."""

from __future__ import annotations

from typing import Any

import keras

from nnkit.training.loop.user_functions import named_errors, targets_and_outputs
from nnkit.training.network import Network

__all__ = ["axes_of_losses"]


def axes_of_losses(network: Network, X: Any, y: Any) -> tuple[int, ...]:
    """Return the shape of the losses of one row.

    It is () for one loss per row, and (n_steps,) for one loss per time step.

    Parameters
    ----------
    network : Network
    X : ndarray, or dict or list of ndarray
        Encoded rows in the dtypes of the model's inputs, at least one.
    y : structure of ndarray
        Their targets, in the form that the losses compare.

    Raises
    ------
    ValueError
        If the losses of several outputs have different axes, so that no weight fits all.
    """
    if all(head.rank <= 2 for head in network.output_spec.heads):
        return ()
    losses = keras.tree.flatten(network.compiled_model.model.loss)
    pairs = targets_and_outputs(network, X, y, slice(0, 1))
    found = set()
    with named_errors(network, X, y):
        for loss, (target, output) in zip(losses, pairs, strict=True):
            shape = tuple(loss.call(keras.ops.convert_to_tensor(target), output).shape)
            # A custom loss may reduce all rows to one number, which has no axis for weights.
            found.add(shape[1:] if shape[:1] == (1,) else ())
    if len(found) > 1:
        raise ValueError(
            "sample_weight and class_weight need losses of the same axes, but the losses of the "
            f"model's outputs have the axes {sorted(found)} for each row. Leave the weights out."
        )
    return found.pop()
