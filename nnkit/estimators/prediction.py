"""Predictions of a fitted estimator: outputs of its networks, and what they are decoded to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from nnkit._suggestions import did_you_mean
from nnkit._validation import as_count
from nnkit.datasets.block_table import BlockTable
from nnkit.estimators.fitting.row_preparation import (
    check_estimator_table,
    encode_block,
    encode_checked,
)
from nnkit.estimators.fitting.transaction import shared_copy
from nnkit.estimators.parameters.parameter_checks import check_predict_arguments
from nnkit.estimators.parameters.parameter_names import routed_parameters
from nnkit.estimators.parameters.routing import PREDICT_ARGUMENTS, routed_to
from nnkit.estimators.rows.block_rows import encoded_in_turn

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = ["check_fitted", "decoder_of", "encoded_rows", "fitted_copy", "member_outputs"]

# Values of a table that are encoded and predicted at once, 128 MiB in float64.
_VALUES_AT_ONCE = 2**24

_PRETRAINED_NOT_FITTED = (
    "This %(name)s instance is not fitted yet. Its model has weights, but columns and labels are "
    "learnt from rows: call 'initialize(X, y)' to predict with these weights, or 'fit' to train "
    "them."
)


def check_fitted(estimator: KerasEstimator) -> None:
    """Raise NotFittedError if an estimator has no network yet, also around a pretrained model.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
    """
    model = estimator.model
    is_builder = isinstance(model, (str, type)) or not hasattr(model, "get_weights")
    check_is_fitted(estimator, msg=None if is_builder else _PRETRAINED_NOT_FITTED)


def fitted_copy(
    estimator: KerasEstimator, *, return_std: bool = False, dropout_samples: int | None = None
) -> Any:
    """Return a copy that does not change if another thread fits the estimator anew.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
    return_std : bool, default=False
        Whether the spread of several predictions is asked for.
    dropout_samples : int or None, default=None
        Number of predictions of each network.

    Raises
    ------
    ValueError
        If there is one prediction only, which has no spread, or ``dropout_samples`` is out of its
        range.
    """
    check_fitted(estimator)
    if dropout_samples is not None:
        as_count("dropout_samples", dropout_samples)
    fitted = shared_copy(estimator)
    if return_std and len(fitted._members) * (dropout_samples or 1) == 1:
        raise ValueError(
            "return_std=True needs several networks, whose spread it is, but n_estimators=1. "
            "Fit with n_estimators=5, for example, or give dropout_samples=50 if the network has "
            "dropout."
        )
    return fitted


def encoded_rows(estimator: KerasEstimator, X: Any) -> Any:
    """Return rows of a table as the networks take them.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
    X : array-like, DataFrame, sparse matrix or dict
    """
    return encode_checked(estimator, check_estimator_table(estimator, X, reset=False))


def member_outputs(
    estimator: KerasEstimator,
    X: Any,
    predict_arguments: dict[str, Any],
    dropout_samples: int | None = None,
) -> list[list[np.ndarray]]:
    """Return the outputs of each network for rows of a table, one array for each output.

    With dropout, there are ``dropout_samples`` entries for each network. The draws are the same in
    each call if ``random_state`` is a seed.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
        Fitted.
    X : array-like, DataFrame, sparse matrix or dict
    predict_arguments : dict
        The keyword arguments of ``predict``.
    dropout_samples : int or None, default=None
        Number of predictions of each network with dropout; None is one without dropout.

    Raises
    ------
    TypeError
        If an argument is unknown.
    ValueError
        If a network has no dropout.
    """
    arguments = {**routed_to("predict", routed_parameters(estimator)), **predict_arguments}
    unknown = sorted(set(arguments) - set(PREDICT_ARGUMENTS))
    if unknown:
        raise TypeError(
            f"{type(estimator).__name__}.predict has no argument {unknown[0]!r}. "
            f"{did_you_mean(unknown[0], PREDICT_ARGUMENTS)}"
        )
    check_predict_arguments(arguments)
    batch_size = arguments.get("batch_size")
    chunk_rows = None if batch_size in (None, -1, "auto") else int(batch_size)
    from nnkit.training.network import (  # imports TensorFlow
        outputs_of_dropout_samples,
        outputs_of_networks,
    )

    seed = None if estimator.random_state is None else estimator._seeds.build
    rng = np.random.default_rng(seed)
    parts = []
    for X_encoded in _encoded_parts(estimator, X):
        if dropout_samples is None:
            outputs = outputs_of_networks(estimator._members, X_encoded, chunk_rows)
        else:
            outputs = outputs_of_dropout_samples(
                estimator._members, X_encoded, dropout_samples, rng, chunk_rows
            )
        parts.append(outputs)
    if len(parts) == 1:
        return parts[0]
    return [
        [np.concatenate(rows) for rows in zip(*of_network, strict=True)]
        for of_network in zip(*parts, strict=True)
    ]


def _encoded_parts(estimator: KerasEstimator, X: Any) -> Iterator[Any]:
    """Yield the encoded rows of a table: in blocks if it is large, else all at once."""
    X_checked = check_estimator_table(estimator, X, reset=False)
    if isinstance(X_checked, BlockTable):
        yield from encoded_in_turn(X_checked, partial(encode_block, estimator))
        return
    is_sliceable = isinstance(X_checked, (np.ndarray, pd.DataFrame))
    if not is_sliceable or X_checked.size <= _VALUES_AT_ONCE:
        yield encode_checked(estimator, X_checked)
        return
    size = max(1, _VALUES_AT_ONCE * len(X_checked) // X_checked.size)
    for start in range(0, len(X_checked), size):
        yield encode_checked(estimator, X_checked[start : start + size])


def decoder_of(estimator: KerasEstimator) -> Any:
    """Return the decoder of a fitted estimator, from outputs of its networks to predictions.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
        Fitted.
    """
    temperature = getattr(estimator, "temperature_", 1.0)
    return estimator._target.decoder(estimator._network.output_spec, temperature)
