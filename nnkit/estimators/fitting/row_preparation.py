"""The rows of a fit, checked, and divided into training and validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

from scipy import sparse

from nnkit.builders.registry import spec_of
from nnkit.datasets.batch_source import is_batches
from nnkit.datasets.block_table import BlockTable
from nnkit.encoding import TabularEncoder
from nnkit.encoding.features import encode, make_encoder
from nnkit.encoding.rows import n_samples_of
from nnkit.encoding.weights import product_of_weights
from nnkit.estimators.parameters.fit_settings import FitSettings, GivenSettings
from nnkit.estimators.parameters.parameter_names import routed_parameters
from nnkit.estimators.parameters.routing import model_of, routed_to
from nnkit.estimators.rows.batches import read_rows, rows_to_predict, warn_of_single_pass
from nnkit.estimators.rows.block_rows import encoded_blocks, read_table, table_to_predict
from nnkit.estimators.rows.held_out_rows import warning_of_random_folds
from nnkit.estimators.rows.inputs import check_same_length
from nnkit.estimators.rows.samples import check_samples
from nnkit.estimators.rows.tables import check_table
from nnkit.estimators.rows.training_rows import FoldIndices, Rows, fold_indices_of
from nnkit.estimators.rows.validation_rows import warning_of_columns
from nnkit.estimators.rows.weights_and_groups import check_weights, checked_groups, checked_weights

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = [
    "Division",
    "check_estimator_table",
    "check_rows",
    "divide",
    "encode_block",
    "encode_checked",
    "encoder_of",
    "validation_arguments",
]


@dataclass(frozen=True)
class Division:
    """The rows of a fit, divided into training and validation rows.

    Parameters
    ----------
    rows : Rows
        All rows with a weight above 0.
    shared : Rows
        The rows that encoder and units are learnt from: the training rows, or all rows if the
        networks hold out different rows.
    held_out : Rows or None
        Validation rows of all networks.
    folds : list of FoldIndices
        Positions in ``rows``, one for each network; a single one if they share it.
    """

    rows: Rows
    shared: Rows
    held_out: Rows | None
    folds: list[FoldIndices]

    @property
    def in_order(self) -> Rows:
        """The rows of ``shared`` in the order of the table, as a table in blocks has them."""
        if len(self.folds) > 1:
            return self.shared
        return self.rows.at(self.folds[0].in_order().training)


def check_rows(
    draft: KerasEstimator,
    X: Any,
    y: Any,
    sample_weight: Any | None,
    groups: Any | None,
    given: GivenSettings | None = None,
    *,
    learns: bool = False,
    classes: Any = None,
) -> Rows:
    """Return the rows, checked, with the target as numbers.

    Parameters
    ----------
    draft : estimator
    X, y, sample_weight, groups : object
        The arguments of ``fit``. If X is a dataset, its first pass is read. If it is a table in
        blocks, the others can be names of its columns.
    given : GivenSettings or None, default=None
        None for validation rows.
    learns : bool, default=False
        Whether columns, labels and weights of classes are learnt from the rows.
    classes : array-like or None, default=None
        All labels, if they were given.
    """
    names = None if learns else getattr(draft, "feature_names_in_", None)
    X, y, sample_weight, groups = read_table(X, y, sample_weight, groups, names)
    X, y, sample_weight, source = read_rows(X, y, sample_weight)
    if y is None:
        raise ValueError(
            f"This {type(draft).__name__} estimator requires y to be passed, "
            "but the target y is None."
        )
    X_checked = check_estimator_table(draft, X, reset=learns)
    if 0 in getattr(y, "shape", ())[1:]:
        raise ValueError(f"y has 0 columns (shape={y.shape}). Give it at least one.")
    y_checked = draft._target_type.check(y)
    n_samples = n_samples_of(X_checked)
    check_same_length(X, n_samples, len(y_checked))
    weight = given_weight = None
    if sample_weight is not None:
        given_weight = checked_weights(sample_weight, y_checked.shape)
        # The weight of a row is the mean of the weights of its steps.
        weight = product_of_weights(given_weight.reshape(n_samples, -1).mean(axis=1))
    if learns:
        is_standardized = isinstance(model_of(draft), str)
        draft._target = draft._target_type.learn(
            y_checked,
            classes,
            is_standardized=is_standardized,
            quantiles=() if given is None else given.learnt_quantiles,
        )
        for name, value in draft._target.attributes().items():
            setattr(draft, name, value)
        if hasattr(draft, "calibration"):
            draft.temperature_ = 1.0
    encoded = draft._target.encode(y_checked)
    if given is not None:
        draft._target = draft._target.weighted(given.class_weight, encoded, weight, is_first=learns)
    by_target = draft._target.weights_of(encoded)
    if by_target is not None:
        weight = by_target if weight is None else product_of_weights(weight, by_target)
    if weight is not None:
        check_weights(weight)
        weight = product_of_weights(weight)
    grouping = None if groups is None else checked_groups(groups, n_samples)
    return Rows(X_checked, y_checked, encoded, weight, grouping, given_weight, source)


def check_estimator_table(estimator: KerasEstimator, X: Any, *, reset: bool) -> Any:
    """Return a table that was checked for the encoder of an estimator.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
    X : array-like, DataFrame, sparse matrix or dict
    reset : bool
        Whether the columns are learnt, or compared with those that were learnt.
    """
    if not reset:
        X = table_to_predict(X, getattr(estimator, "feature_names_in_", None))
    if isinstance(X, BlockTable):
        check_estimator_table(estimator, X.head, reset=reset)
        if estimator._takes_samples:
            raise ValueError(
                "X is a table in blocks, of columns of numbers, categories and dates, but the network "
                "takes texts, images or series. Read them into memory."
            )
        return X
    is_own = not (estimator.encoder is None or isinstance(estimator.encoder, str))
    if reset:
        encoder = encoder_of(estimator, is_sparse=sparse.issparse(X))
        estimator._takes_raw = not is_own and isinstance(encoder, TabularEncoder)
        estimator._takes_samples = getattr(encoder, "takes_samples", False)
    X = rows_to_predict(X)
    if estimator._takes_samples:
        return check_samples(estimator, X, reset=reset)
    is_raw = estimator._takes_raw
    if reset and is_raw and isinstance(X, Mapping) and not sparse.issparse(X):
        raise ValueError(
            f"X is a dict of inputs, but model={estimator.model!r} takes one table. Use "
            "model='multimodal' with a dict of encoders, or give a function that builds a network "
            "with these inputs."
        )
    return check_table(estimator, X, reset=reset, goes_to_encoder=is_own or is_raw, is_raw=is_raw)


def encode_checked(estimator: KerasEstimator, X: Any, *, n_readers: int = 1) -> Any:
    """Return the encoded features of rows that were checked.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
        With a fitted encoder.
    X : table
        Result of `check_estimator_table`.
    n_readers : int, default=1
        Number of networks that read the rows of a table in blocks at the same time.
    """
    if not isinstance(X, BlockTable):
        return encode(estimator.encoder_, X)
    return encoded_blocks(estimator, X, partial(encode_block, estimator), n_readers=n_readers)


def encode_block(estimator: KerasEstimator, block: Any) -> Any:
    """Return the encoded features of a block of rows, which are checked first.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
        With a fitted encoder.
    block : DataFrame or ndarray
    """
    return encode(estimator.encoder_, check_estimator_table(estimator, block, reset=False))


def encoder_of(estimator: KerasEstimator, *, is_sparse: bool = False) -> Any | None:
    """Return the unfitted encoder of an estimator, or None if it has none.

    Parameters
    ----------
    estimator : KerasClassifier or KerasRegressor
    is_sparse : bool, default=False
        Whether the table is sparse.

    Raises
    ------
    ValueError
        If ``encoder`` is no transformer, or ``model`` is an unknown name.
    """
    kind = None
    if estimator.encoder is not None:
        model = model_of(estimator)
        if isinstance(model, str):
            kind = spec_of(model).encoder
        elif hasattr(estimator, "preset"):
            kind = "tabular"
    parameters = routed_to("encoder", routed_parameters(estimator))
    return make_encoder(estimator.encoder, kind=kind, is_sparse=is_sparse, parameters=parameters)


def validation_arguments(
    given: GivenSettings, X_val: Any, y_val: Any, sample_weight_val: Any
) -> tuple[Any, Any, Any] | None:
    """Return the validation rows that were given to ``fit``, by one of the two ways.

    Parameters
    ----------
    given : GivenSettings
        Its ``validation_data`` is a tuple of the arguments below, or a dataset.
    X_val, y_val, sample_weight_val : object
        The arguments of ``fit``.
    """
    if given.validation_data is not None:
        if X_val is not None:
            raise ValueError("Give either X_val and y_val, or validation_data, not both.")
        data = given.validation_data
        if is_batches(data):
            return (data, None, None)
        if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
            raise ValueError(
                "validation_data must be a tuple (X_val, y_val) or (X_val, y_val, "
                f"sample_weight_val). Got {type(data).__name__} instead."
            )
        return (data[0], data[1], data[2] if len(data) == 3 else None)
    if X_val is None and y_val is None and sample_weight_val is not None:
        raise ValueError("sample_weight_val needs X_val and y_val, whose rows it weighs.")
    if is_batches(X_val):
        return (X_val, y_val, sample_weight_val)
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val belong together. Give both or neither.")
    return None if X_val is None else (X_val, y_val, sample_weight_val)


def divide(
    draft: KerasEstimator,
    rows: Rows,
    settings: FitSettings,
    validation: tuple[Any, Any, Any] | None,
) -> Division:
    """Return the rows divided into training and validation rows."""
    if validation is not None:
        weighted = rows.with_nonzero_weight()
        held_out = _validation_rows(draft, weighted, *validation).with_nonzero_weight()
        return Division(weighted, weighted, held_out, [FoldIndices()])
    codes, labels = draft._target.stratification(rows.encoded)
    all_rows = rows
    if isinstance(settings.cv, Integral) and rows.groups is None:
        table = rows.X.head if isinstance(rows.X, BlockTable) else rows.X
        message = warning_of_random_folds(table, getattr(draft, "feature_names_in_", None))
        if message is not None:
            warnings.warn(message, UserWarning, stacklevel=7)
    rows, folds = fold_indices_of(rows, settings, draft._seeds.split, codes, labels)
    if any(fold.training is not None for fold in folds):
        warn_of_single_pass(all_rows)
    if not settings.shuffle:
        folds = [fold.in_order() for fold in folds]
    if len(folds) > 1:
        # Each row trains some of the networks, so that encoder and units are learnt from all.
        return Division(rows, rows, None, folds)
    (fold,) = folds
    held = None if fold.validation is None else rows.at(fold.validation)
    return Division(rows, rows.at(fold.training), held, folds)


def _validation_rows(
    draft: KerasEstimator, rows: Rows, X_val: Any, y_val: Any, weight_val: Any
) -> Rows:
    """Return validation rows, checked, and compared with the training rows."""
    try:
        held_out = check_rows(draft, X_val, y_val, weight_val, None)
    except ValueError as error:
        raise ValueError(f"X_val, y_val: {error}") from error
    names = getattr(draft, "feature_names_in_", None)
    for message in (
        warning_of_columns(rows.X, held_out.X, names),
        draft._target.warning_of_validation(rows, held_out),
    ):
        if message is not None:
            warnings.warn(message, UserWarning, stacklevel=7)
    return held_out
