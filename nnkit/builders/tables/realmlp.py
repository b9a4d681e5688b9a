"""RealMLP, a multilayer perceptron tuned for tabular data, and its simplified form."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit._validation import as_count, as_fraction, as_number
from nnkit.builders.encoded_inputs import Columns, concatenated
from nnkit.builders.hidden_and_output_layers import (
    check_activation,
    for_each_output,
    output_activation,
    widths_of,
)
from nnkit.builders.size import check_widths
from nnkit.builders.tables.realmlp_initialization import initialize_from_rows

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["realmlp", "realmlp_simplified"]


def realmlp(
    meta: Meta,
    X: Any = None,
    n_steps: int | None = None,
    units: int | Sequence[int] = (256, 256, 256),
    activation: Any = "auto",
    dropout_rate: float = 0.15,
    n_frequencies: int = 16,
    n_periodic_units: int = 3,
    frequency_scale: float = 0.1,
    category_units: int = 8,
    category_missing_rate: float = 0.0,
    linear_skip: bool = False,
    learning_rate: float | str = "auto",
    scale_rate_factor: float = 6.0,
    bias_rate_factor: float = 0.1,
    activation_rate_factor: float = 0.1,
    periodic_rate_factor: float = 0.1,
    skip_rate_factor: float = 0.1,
    beta_2: float = 0.95,
    weight_decay: float = 0.02,
) -> keras.Model:
    r"""Return RealMLP-TD, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    X : ndarray or sparse array of shape (n_samples, n_columns), or None, default=None
        The encoded training rows, from which the initial weights are computed. None draws the
        initial weights from a normal distribution. For ``model="realmlp"``, the estimator computes
        them after the build, so that fits on other rows share the network.
    n_steps : int or None, default=None
        Number of optimizer steps of the training, over which the learning rate, dropout and
        weight decay are scheduled. The estimator passes it. With None, dropout and weight decay
        are constant, and the learning rate is half of its peak.
    units : int or sequence of int, default=(256, 256, 256)
        Units of each hidden layer, at least 1.
    activation : str or callable, default="auto"
        Activation of the hidden layers, which each unit mixes with the identity by a learnt
        weight. "auto" is "selu" in classification and "mish" in regression.
    dropout_rate : float, default=0.15
        Initial fraction in [0, 1) of each hidden layer's units that is dropped. It decreases
        to 0 in the second half of the training.
    n_frequencies : int, default=16
        Number of cosines of each numeric column, at least 1. 0 disables the periodic embedding.
    n_periodic_units : int, default=3
        Units of the periodic embedding of each numeric column, at least 1.
    frequency_scale : float, default=0.1
        Standard deviation of the initial frequencies, in periods per unit of a scaled number,
        above 0.
    category_units : int, default=8
        Length of the embedding of a category, at least 1. It has no effect without columns of
        codes.
    category_missing_rate : float, default=0.0
        Fraction in [0, 1) of the codes that are replaced by the code of missing values in
        training, so that the embedding of missing and unseen categories is trained.
    linear_skip : bool, default=False
        Whether a linear model of all columns is added to the outputs. Its weights are
        initialised with zeros.
    learning_rate : float or "auto", default="auto"
        Peak of the learning rate, above 0. "auto" is 0.04 in classification and 0.2 in
        regression.
    scale_rate_factor : float, default=6.0
        Factor of the learning rate for the scales of the columns, at least 0.
    bias_rate_factor : float, default=0.1
        Factor of the learning rate for biases, at least 0.
    activation_rate_factor : float, default=0.1
        Factor of the learning rate for the mixing weights of the activations, at least 0.
    periodic_rate_factor : float, default=0.1
        Factor of the learning rate for the periodic embedding, at least 0.
    skip_rate_factor : float, default=0.1
        Factor of the learning rate for the linear model of ``linear_skip``, at least 0.
    beta_2 : float, default=0.95
        Decay rate of the moving average of squared gradients, in [0, 1).
    weight_decay : float, default=0.02
        Fraction of a weight that a step subtracts, per unit of the learning rate, at least 0. It
        decreases to 0 in the second half of the training.

    Returns
    -------
    model : keras.Model
        From ``X_shape_[1]`` columns, in the layout of `nnkit.encoding.TabularEncoder`, to
        probabilities of classes or to values. For two classes, the output is the sigmoid of the
        difference of two scores.

    Raises
    ------
    ValueError
        If an argument is out of its range, or ``cardinalities_`` has more entries than there
        are columns.

    See Also
    --------
    realmlp_simplified : RealMLP-TD-S, the simplified form.

    Notes
    -----
    Each column is multiplied by a learnt scale. Each hidden layer is a linear map
    :math:`z = x W / \sqrt{d} + b`, an activation :math:`z + a (f(z) - z)` and dropout. The
    initial W give units of standard deviation 1 on the training rows. The initial b of a unit
    shifts a random convex combination of its values in five training rows to 0. The learning
    rate follows the four cycles of `nnkit.optimizers.CosLog`.

    Departures from the published network: the last partial batch of an epoch is trained on, and
    of two epochs with equal validation scores the earlier one is kept. As in the authors' code,
    the weight decay is multiplied by the factor of the learning rate a second time, except for
    biases, which have no decay, and for the linear model of ``linear_skip``.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", NeurIPS 2024 (arXiv:2407.04491), section 3 and appendix A.

    Examples
    --------
    >>> from nnkit.builders import Meta, realmlp
    >>> meta = Meta(X_shape_=(100, 4), target_type_="multiclass", n_output_units_=3)
    >>> realmlp(meta, units=(16,)).output_shape
    (None, 3)
    """
    import keras

    widths = _widths(meta, units)
    activation = _activation(meta, activation)
    inputs = keras.Input(shape=(meta.X_shape_[1],))
    columns = Columns.of(meta, inputs)
    features = [
        _periodic_embedding(meta, columns, n_frequencies, n_periodic_units, frequency_scale),
        columns.dense,
        _embeddings(columns, category_units, category_missing_rate),
    ]
    hidden = _hidden_layers(concatenated(features), widths, activation, dropout_rate, n_steps)
    scores_of = _score_layers(hidden, columns if linear_skip else None)
    model = keras.Model(inputs, _outputs(meta, scores_of))
    if X is not None:
        # Keras draws its seeds from the same generator of Python.
        initialize_from_rows(model, X, np.random.default_rng(random.getrandbits(63)))
    rates = {
        "scale/": as_number("scale_rate_factor", scale_rate_factor, "[0, inf)"),
        "periodic/": as_number("periodic_rate_factor", periodic_rate_factor, "[0, inf)"),
        "alpha": as_number("activation_rate_factor", activation_rate_factor, "[0, inf)"),
        "bias": as_number("bias_rate_factor", bias_rate_factor, "[0, inf)"),
        "skip_": as_number("skip_rate_factor", skip_rate_factor, "[0, inf)"),
    }
    # GroupedAdam multiplies the decay by both factors, so that it has the rate's factor twice.
    decays = {**rates, "bias": 0.0, "skip_": 1.0}
    peak = _peak(learning_rate, 0.2 if _is_regression(meta) else 0.04)
    model.compile(_optimizer(model, peak, n_steps, rates, decays, beta_2, weight_decay))
    return model


def realmlp_simplified(
    meta: Meta,
    n_steps: int | None = None,
    units: int | Sequence[int] = (256, 256, 256),
    activation: Any = "auto",
    category_units: int = 8,
    learning_rate: float | str = "auto",
    scale_rate_factor: float = 6.0,
    bias_rate_factor: float = 0.1,
    beta_2: float = 0.95,
) -> keras.Model:
    """Return RealMLP-TD-S, the simplified RealMLP, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_steps : int or None, default=None
        Number of optimizer steps of the training, over which the learning rate is scheduled. The
        estimator passes it. With None, the learning rate is half of its peak.
    units : int or sequence of int, default=(256, 256, 256)
        Units of each hidden layer, at least 1.
    activation : str or callable, default="auto"
        Activation of the hidden layers. "auto" is "selu" in classification and "mish" in
        regression.
    category_units : int, default=8
        Length of the embedding of a category, at least 1. The published network has one-hot
        columns instead, which an encoder with a large ``max_one_hot`` returns.
    learning_rate : float or "auto", default="auto"
        Peak of the learning rate, above 0. "auto" is 0.04 in classification and 0.07 in
        regression.
    scale_rate_factor : float, default=6.0
        Factor of the learning rate for the scales of the columns, at least 0.
    bias_rate_factor : float, default=0.1
        Factor of the learning rate for biases, at least 0.
    beta_2 : float, default=0.95
        Decay rate of the moving average of squared gradients, in [0, 1).

    Returns
    -------
    model : keras.Model
        As for `realmlp`.

    Raises
    ------
    ValueError
        If an argument is out of its range, or ``cardinalities_`` has more entries than there
        are columns.

    See Also
    --------
    realmlp : RealMLP-TD.

    Notes
    -----
    The network has no periodic embedding, dropout, weight decay or mixing weights of the
    activations. Kernels, biases and embeddings are initialised from N(0, 1), except for those of
    the last layer, which are 0.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", NeurIPS 2024 (arXiv:2407.04491), appendix A (RealMLP-TD-S).

    Examples
    --------
    >>> from nnkit.builders import Meta, realmlp_simplified
    >>> meta = Meta(X_shape_=(100, 4), target_type_="continuous", n_output_units_=1)
    >>> realmlp_simplified(meta, units=(16,)).output_shape
    (None, 1)
    """
    import keras

    from nnkit import layers

    widths = _widths(meta, units)
    activation = _activation(meta, activation)
    peak = _peak(learning_rate, 0.07 if _is_regression(meta) else 0.04)
    inputs = keras.Input(shape=(meta.X_shape_[1],))
    columns = Columns.of(meta, inputs)
    hidden = concatenated([columns.dense, _embeddings(columns, category_units)])
    hidden = layers.Scale(name="scale")(hidden)
    for position, n_units in enumerate(widths):
        hidden = layers.NTKDense(
            n_units, bias_initializer="standard_normal", name=f"hidden_{position}"
        )(hidden)
        hidden = keras.layers.Activation(activation, name=f"activation_{position}")(hidden)

    def scores_of(n_units: int, position: int) -> Any:
        last = layers.NTKDense(n_units, kernel_initializer="zeros", name=f"scores_{position}")
        return last(hidden)

    model = keras.Model(inputs, _outputs(meta, scores_of))
    rates = {
        "scale/": as_number("scale_rate_factor", scale_rate_factor, "[0, inf)"),
        "bias": as_number("bias_rate_factor", bias_rate_factor, "[0, inf)"),
    }
    model.compile(_optimizer(model, peak, n_steps, rates, {}, beta_2, None))
    return model


def _is_regression(meta: Meta) -> bool:
    return str(meta.target_type_).startswith("continuous")


def _widths(meta: Meta, units: int | Sequence[int]) -> tuple[int, ...]:
    """Return the validated units of each hidden layer."""
    widths = widths_of(units)
    check_widths(meta.X_shape_[1:], widths)
    return widths


def _activation(meta: Meta, activation: Any) -> Any:
    """Return the validated activation of the hidden layers; "auto" depends on the target."""
    if isinstance(activation, str) and activation == "auto":
        activation = "mish" if _is_regression(meta) else "selu"
    check_activation(activation)
    return activation


def _peak(learning_rate: float | str, default: float) -> float:
    if isinstance(learning_rate, str) and learning_rate == "auto":
        return default
    return as_number("learning_rate", learning_rate, "(0, inf)", alternatives=", or 'auto'")


def _periodic_embedding(
    meta: Meta, columns: Columns, n_frequencies: int, n_units: int, scale: float
) -> Any | None:
    """Return the periodic embedding of the numeric columns, or None without any or if disabled."""
    n_frequencies = as_count("n_frequencies", n_frequencies, minimum=0)
    n_units = as_count("n_periodic_units", n_units)
    scale = as_number("frequency_scale", scale, "(0, inf)")
    n_numeric = min(meta.get("n_numeric_", columns.n_dense), columns.n_dense)
    if not n_numeric or not n_frequencies:
        return None
    from nnkit.layers import PeriodicEmbedding

    # The columns themselves are concatenated once, with the dense columns.
    embedding = PeriodicEmbedding(n_frequencies, n_units, scale, keeps_input=False, name="periodic")
    return embedding(columns.numbers(n_numeric))


def _embeddings(columns: Columns, n_units: int, missing_rate: float = 0.0) -> Any | None:
    """Return the concatenated embeddings of the categories, or None without columns of codes."""
    n_units = as_count("category_units", n_units)
    missing_rate = as_fraction("category_missing_rate", missing_rate)
    if columns.codes is None:
        return None
    from nnkit.layers import CategoryEmbeddings

    vectors = CategoryEmbeddings(
        columns.cardinalities, n_units, missing_rate=missing_rate, name="categories"
    )
    return vectors(columns.codes)


def _hidden_layers(
    features: Any,
    widths: Sequence[int],
    activation: Any,
    dropout_rate: float,
    n_steps: int | None,
) -> Any:
    """Apply the scaling layer, and blocks of a linear map, a parametric activation and dropout."""
    from nnkit import layers

    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    hidden = layers.Scale(name="scale")(features)
    for position, n_units in enumerate(widths):
        hidden = layers.NTKDense(n_units, name=f"hidden_{position}")(hidden)
        hidden = layers.ParametricActivation(activation, name=f"activation_{position}")(hidden)
        if dropout_rate > 0:
            hidden = _dropout(dropout_rate, n_steps, f"dropout_{position}")(hidden)
    return hidden


def _score_layers(hidden: Any, skip: Columns | None) -> Callable[[int, int], Any]:
    """Return a function that creates the scores of an output.

    Parameters
    ----------
    hidden : keras tensor of shape (n_batch, n_units)
        The last hidden layer.
    skip : Columns or None
        Columns of which a linear model is added to the scores.

    Returns
    -------
    scores_of : callable
        Function of the number of scores and the position of an output. It returns a tensor.
    """
    import keras

    from nnkit.layers import NTKDense

    def scores_of(n_units: int, position: int) -> Any:
        scores = NTKDense(n_units, name=f"scores_{position}")(hidden)
        if skip is None:
            return scores
        terms = skip.linear_terms(n_units, position)
        return keras.layers.Add(name=f"sum_{position}")([scores, *terms])

    return scores_of


def _outputs(meta: Meta, scores_of: Callable[[int, int], Any]) -> Any:
    """Return the outputs of a network.

    Parameters
    ----------
    meta : Meta
        Facts about the data.
    scores_of : callable
        Function of the number of scores and the position of an output. It returns a tensor.
    """
    return for_each_output(
        meta,
        lambda size, position: _output(
            meta, size, scores_of(_n_units(meta, size), position), position
        ),
    )


def _n_units(meta: Meta, size: int) -> int:
    """Return the number of scores of an output: one for each class, also for two classes."""
    is_binary = size == 1 and output_activation(meta, size) == "sigmoid"
    return 2 if is_binary and meta.target_type_ != "multilabel-indicator" else size


def _output(meta: Meta, size: int, scores: Any, position: int) -> Any:
    """Return the output for scores; for two classes the probability of the second one."""
    import keras

    from nnkit.layers import ColumnSlice

    if _n_units(meta, size) != size:
        # [softmax(s)_1 = sigmoid(s_1 - s_0)]: (n_batch, 2) -> (n_batch, 1)
        pair = [
            ColumnSlice(which, which + 1, name=f"class_{which}_{position}")(scores)
            for which in (1, 0)
        ]
        scores = keras.layers.Subtract(name=f"difference_{position}")(pair)
    activation = output_activation(meta, size)
    return keras.layers.Activation(activation, name=f"output_{position}")(scores)


def _dropout(rate: float, n_steps: int | None, name: str) -> Any:
    import keras

    from nnkit.layers import ScheduledDropout

    if n_steps is None:
        return keras.layers.Dropout(rate, name=name)
    return ScheduledDropout(rate, n_steps, name=name)


def _optimizer(
    model: Any,
    peak: float,
    n_steps: int | None,
    rates: dict[str, float],
    decays: dict[str, float],
    beta_2: float,
    weight_decay: float | None,
) -> Any:
    """Return GroupedAdam with schedules, and factors of the groups of weights in the model."""
    from nnkit.optimizers import CosLog, FlatCosine, GroupedAdam

    paths = [variable.path for variable in model.trainable_variables]

    def known(factors: dict[str, float]) -> dict[str, float]:
        # GroupedAdam raises an error for a pattern that is not the first match of any path.
        first = [next((name for name in factors if name in path), None) for path in paths]
        return {name: factor for name, factor in factors.items() if name in first}

    decay: Any = None
    if weight_decay:
        decay = as_number("weight_decay", weight_decay, "[0, inf)")
        decay = decay if n_steps is None else FlatCosine(decay, n_steps=n_steps)
    return GroupedAdam(
        peak / 2 if n_steps is None else CosLog(peak, n_steps=n_steps),
        beta_2=as_fraction("beta_2", beta_2),
        epsilon=1e-8,
        weight_decay=decay,
        learning_rate_factors=known(rates),
        decay_factors=known(decays),
    )
