"""TabM-mini with piecewise linear embeddings: several networks that share most weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from nnkit._validation import as_count, as_fraction
from nnkit.builders.builder_spec import TableFacts, TrainingSettings
from nnkit.builders.encoded_inputs import Columns, concatenated
from nnkit.builders.hidden_and_output_layers import (
    check_activation,
    for_each_output,
    output_activation,
    widths_of,
)
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.size import check_widths

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["bins_from_rows", "tabm", "tabm_training"]

_N_MEMBERS = 8
# Rows of a step for each member, by the largest number of rows of the table: the authors' sizes.
_ROWS_PER_MEMBER = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256))
_ROWS_PER_MEMBER_OF_LARGE_TABLES = 512
# Passes over the rows, each through one member: at most 100 of each member, and about as many rows
# as a CPU trains in minutes.
_MAX_EPOCHS, _MIN_EPOCHS, _N_ROWS = 100 * _N_MEMBERS, 10 * _N_MEMBERS, 8_000_000
# Rows from which the bins are computed.
_MAX_ROWS_FOR_BINS = 100_000


def tabm(
    meta: Meta,
    X: Any = None,
    n_steps: int | None = None,
    n_members: int = _N_MEMBERS,
    units: int | Sequence[int] = (128, 128),
    activation: Any = "relu",
    dropout_rate: float = 0.1,
    n_bins: int = 48,
    numeric_units: int = 16,
    category_units: int = 8,
    learning_rate: float = 0.01,
    weight_decay: float = 3e-4,
) -> keras.Model:
    """Return TabM-mini with piecewise linear embeddings, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    X : ndarray or sparse array of shape (n_samples, n_columns), or None, default=None
        The encoded training rows, whose quantiles are the bins of the embeddings. None takes equal
        bins. For ``model="tabm"``, the estimator sets the bins after the build, so that fits on
        other rows share the network.
    n_steps : int or None, default=None
        Number of optimizer steps of the training, over which the learning rate goes through one
        cycle. The estimator passes it. None is a constant learning rate.
    n_members : int, default=8
        Number of members, at least 1. The estimator's ``batch_size`` is divided among them, and an
        epoch trains each of them with the n_members-th part of the rows.
    units : int or sequence of int, default=(128, 128)
        Units of each shared hidden layer, at least 1.
    activation : str or callable, default="relu"
        Activation of the hidden layers.
    dropout_rate : float, default=0.1
        Fraction in [0, 1) of each hidden layer's units that is dropped in training.
    n_bins : int, default=48
        Largest number of bins of a numeric column, at least 1.
    numeric_units : int, default=16
        Length of the embedding of a numeric column, at least 1.
    category_units : int, default=8
        Length of the embedding of a category, at least 1. It has no effect without columns of
        codes.
    learning_rate : float, default=0.01
        Peak of the learning rate, above 0.
    weight_decay : float, default=3e-4
        Decoupled decay of the kernels per unit of the learning rate, at least 0.

    Returns
    -------
    model : keras.Model
        From ``X_shape_[1]`` columns, in the layout of `nnkit.encoding.TabularEncoder`, to
        probabilities of classes or to values: the mean over the members.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    See Also
    --------
    realmlp : The network of TabularClassifier and TabularRegressor.

    Notes
    -----
    The members are multilayer perceptrons that share all weights but two: factors of the embedded
    columns (`nnkit.layers.MemberScale`) and the last layer (`nnkit.layers.MemberDense`). In
    training, each row of a batch goes through one member, so that a step costs as much as that of a
    single perceptron and all losses, metrics and weights work unchanged. The members have batches of
    their own, which the authors found better than shared ones. Shuffling gives each member all rows
    over the epochs; without it, each has its own part of the rows.

    Departures from the published network: narrower layers and fewer members, for CPUs; one cycle of
    a higher learning rate; hidden layers begin with biases of 0; and frequent categories have
    embeddings instead of one-hot columns.

    References
    ----------
    Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: Advancing Tabular Deep Learning with
    Parameter-Efficient Ensembling", ICLR 2025 (arXiv:2410.24210), section 3 and appendix A.

    Examples
    --------
    >>> from nnkit.builders import Meta, tabm
    >>> meta = Meta(X_shape_=(100, 4), target_type_="multiclass", n_output_units_=3)
    >>> tabm(meta, n_members=4, units=(16,)).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers import MemberDense, MemberScale

    widths = widths_of(units)
    check_activation(activation)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    inputs = keras.Input(shape=(meta.X_shape_[1],))
    columns = Columns.of(meta, inputs)
    n_numeric = min(meta.get("n_numeric_", columns.n_dense), columns.n_dense)
    parts, chunk_sizes = _embedded(
        columns,
        n_numeric,
        as_count("n_bins", n_bins),
        as_count("numeric_units", numeric_units),
        as_count("category_units", category_units),
    )
    check_widths((sum(chunk_sizes),), widths)
    hidden = MemberScale(n_members, chunk_sizes, is_random_sign=not n_numeric, name="members")(
        concatenated(parts)
    )
    for position, n_units in enumerate(widths):
        hidden = keras.layers.Dense(
            n_units,
            activation=activation,
            # [U(-1 / sqrt(n), 1 / sqrt(n))] for n units below
            kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
            name=f"hidden_{position}",
        )(hidden)
        if dropout_rate > 0:
            hidden = keras.layers.Dropout(dropout_rate, name=f"dropout_{position}")(hidden)

    def output(size: int, position: int) -> Any:
        last = MemberDense(
            n_members, size, output_activation(meta, size), name=f"output_{position}"
        )
        return last(hidden)

    model = keras.Model(inputs, for_each_output(meta, output))
    if X is not None:
        bins_from_rows(model, X, np.random.default_rng(0))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _embedded(
    columns: Columns, n_numeric: int, n_bins: int, numeric_units: int, category_units: int
) -> tuple[list[Any], list[int]]:
    """Return the embedded columns, and the number of columns of each feature."""
    from nnkit.layers import CategoryEmbeddings, ColumnSlice, PiecewiseLinearEmbedding

    parts: list[Any] = []
    chunk_sizes: list[int] = []
    if n_numeric:
        embedding = PiecewiseLinearEmbedding(n_bins, numeric_units, name="piecewise_linear")
        parts.append(embedding(columns.numbers(n_numeric)))
        chunk_sizes += [numeric_units] * n_numeric
    n_one_hot = columns.n_dense - n_numeric
    if n_one_hot:
        parts.append(ColumnSlice(n_numeric, name="one_hot")(columns.dense))
        chunk_sizes += [1] * n_one_hot
    if columns.codes is not None:
        vectors = CategoryEmbeddings(columns.cardinalities, category_units, name="categories")
        parts.append(vectors(columns.codes))
        chunk_sizes += [category_units] * len(columns.cardinalities)
    return parts, chunk_sizes


def bins_from_rows(model: keras.Model, X: Any, rng: np.random.Generator) -> None:
    """Set the bins of the piecewise linear embedding to quantiles of the rows.

    Parameters
    ----------
    model : keras.Model
        Network of `tabm`, whose bins are assigned.
    X : ndarray or sparse array of shape (n_samples, n_columns)
        Encoded training rows. Without rows, the bins are not changed.
    rng : Generator
        Generator of a sample of many rows.
    """
    layer = next((part for part in model.layers if part.name == "piecewise_linear"), None)
    if layer is None or X.shape[0] == 0:
        return
    rows = X
    if X.shape[0] > _MAX_ROWS_FOR_BINS:
        rows = X[np.sort(rng.choice(X.shape[0], _MAX_ROWS_FOR_BINS, replace=False))]
    numbers = rows[:, : layer.edges.shape[0]]
    layer.adapt(numbers.toarray() if sparse.issparse(numbers) else np.asarray(numbers))


def tabm_training(table: TableFacts) -> TrainingSettings:
    """Return the training settings for a table of this size."""
    per_member = next(
        (size for most, size in _ROWS_PER_MEMBER if table.n_samples < most),
        _ROWS_PER_MEMBER_OF_LARGE_TABLES,
    )
    epochs = math.ceil(_N_ROWS / max(1, table.n_samples))
    return TrainingSettings(
        epochs=min(max(epochs, _MIN_EPOCHS), _MAX_EPOCHS),
        batch_size=_N_MEMBERS * per_member,
        early_stopping=True,
        # As the authors: 16 epochs of each member.
        n_iter_no_change=16 * _N_MEMBERS,
        validation_split=0.2,
    )
