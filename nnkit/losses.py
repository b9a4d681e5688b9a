"""Losses that Keras does not have, as Keras objects."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from nnkit.encoding.quantiles import DEFAULT_QUANTILES, as_quantiles

__all__ = ["QuantileLoss"]


@keras.saving.register_keras_serializable(package="nnkit")
class QuantileLoss(keras.losses.Loss):
    r"""Pinball loss of several quantiles, which a network predicts by one output unit each.

    **Shape**

    - Target: (n_batch,) or (n_batch, n_columns)
    - Output: (n_batch, n_columns * n_quantiles), the quantiles of each column in the order of the
      columns.

    Parameters
    ----------
    quantiles : sequence of float, default=(0.05, 0.5, 0.95)
        Levels of the quantiles in (0, 1), in ascending order.
    reduction : str, default="sum_over_batch_size"
        As in ``keras.losses.Loss``.
    name : str, default="quantile"
        Name of the loss.
    **kwargs : object
        Further arguments of ``keras.losses.Loss``.

    Notes
    -----
    For the level :math:`\tau` and the prediction q of a value y, the loss is
    :math:`\max(\tau (y - q), (\tau - 1)(y - q))`. Its expectation is smallest at the
    :math:`\tau`-quantile of y. The loss of a row is the mean over columns and quantiles, as in
    ``sklearn.metrics.mean_pinball_loss``.

    References
    ----------
    R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 46 (1978), equation 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.losses import QuantileLoss
    >>> loss = QuantileLoss(quantiles=(0.5, 0.9))
    >>> round(float(loss(np.array([[1.0]]), np.array([[0.0, 0.0]]))), 3)
    0.7
    """

    def __init__(
        self,
        quantiles: Any = DEFAULT_QUANTILES,
        reduction: str = "sum_over_batch_size",
        name: str = "quantile",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.quantiles = as_quantiles(quantiles)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each row, (n_batch,)."""
        ops = keras.ops
        levels = np.asarray(self.quantiles)
        # (n_batch, n_columns * n_quantiles) -> (n_batch, n_columns, n_quantiles)
        predicted = ops.reshape(y_pred, (-1, y_pred.shape[-1] // len(levels), len(levels)))
        difference = ops.cast(y_true, predicted.dtype)[..., None] - predicted
        levels = ops.cast(levels, predicted.dtype)
        # [max(tau (y - q), (tau - 1)(y - q))]
        loss = ops.maximum(levels * difference, (levels - 1) * difference)
        return ops.mean(loss, axis=(1, 2))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {**super().get_config(), "quantiles": self.quantiles}
