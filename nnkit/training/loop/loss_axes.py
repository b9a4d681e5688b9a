"""The axes that a loss has for each row, along which weights of rows are expanded."""

from __future__ import annotations

from typing import Any

import keras

from nnkit.training.loop.user_functions import named_errors, targets_and_outputs
from nnkit.training.network import Network

__all__ = ["axes_of_losses"]


def axes_of_losses(network: Network, X: Any, y: Any) -> tuple[int, ...]:
    """Return the axes of the losses of one row: () for one loss a row, (n_steps,) for steps.

    Parameters
    ----------
    network : Network
    X : ndarray, or dict or list of ndarray
        Encoded rows in the dtypes of the model's inputs, at least one.
    y : structure of ndarray
        Their targets, as the losses compare them.

    Raises
    ------
    ValueError
        If several outputs have losses of different axes, so that no weight fits all.
    """
    if all(head.rank <= 2 for head in network.output_spec.heads):
        return ()
    losses = keras.tree.flatten(network.compiled_model.model.loss)
    pairs = targets_and_outputs(network, X, y, slice(0, 1))
    found = set()
    with named_errors(network, X, y):
        for loss, (target, output) in zip(losses, pairs, strict=True):
            shape = tuple(loss.call(keras.ops.convert_to_tensor(target), output).shape)
            # A loss of one's own may reduce all rows to one number, which no weight can change.
            found.add(shape[1:] if shape[:1] == (1,) else ())
    if len(found) > 1:
        raise ValueError(
            "sample_weight and class_weight need losses of the same axes, but the losses of the "
            f"model's outputs have the axes {sorted(found)} for each row. Leave the weights out."
        )
    return found.pop()
