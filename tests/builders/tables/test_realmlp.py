"""RealMLP-TD and its simplified form, compared with a NumPy implementation of the paper."""

import inspect
import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpydoc.docscrape import FunctionDoc
from scipy import sparse

from nnkit import KerasClassifier, clear_compiled_cache
from nnkit.builders import Meta, realmlp, realmlp_simplified
from nnkit.builders.tables import realmlp_initialization
from nnkit.training.specification.model_spec import ModelSpec

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(300, 3)).astype(np.float32)
CODES = np.column_stack([RNG.integers(3, size=300), RNG.integers(5, size=300)])
X_MIXED = np.hstack([NUMBERS, CODES]).astype(np.float32)
# Three dense columns: two numbers and a one-hot column.
MIXED_FACTS = {"cardinalities_": (3, 5), "n_numeric_": 2}


def meta_of(target_type, n_units, n_columns=3, **facts):
    return Meta(
        X_shape_=(300, n_columns), target_type_=target_type, n_output_units_=n_units, **facts
    )


MIXED = meta_of("multiclass", 3, 5, **MIXED_FACTS)
CLASSES = meta_of("multiclass", 3)
VALUES = meta_of("continuous", 1)


def named_weights(model):
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


def shake(model):
    """Change all weights, so that initial values of one and zero have an effect."""
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))


def selu(z):
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def mish(z):
    return z * np.tanh(np.log1p(np.exp(z)))


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def looked_up(table, codes, cardinalities):
    starts = np.cumsum([0, *cardinalities[:-1]])
    return [
        table[start + column.astype(int)] for start, column in zip(starts, codes.T, strict=True)
    ]


def worked_by_hand(model, X, activation, n_numeric=3, cardinalities=()):
    """Return the values of each linear layer before its bias, and the scores, in NumPy."""
    weights = named_weights(model)
    n_dense = X.shape[1] - len(cardinalities)
    dense, codes = X[:, :n_dense], X[:, n_dense:]
    parts = []
    if "periodic/frequency" in weights:
        for j in range(n_numeric):
            angles = 2 * np.pi * X[:, [j]] * weights["periodic/frequency"][j]
            cosines = np.cos(angles + weights["periodic/phase"][j])
            parts.append(cosines @ weights["periodic/kernel"][j] + weights["periodic/bias"][j])
    parts.append(dense)
    if cardinalities:
        parts += looked_up(weights["categories/table"], codes, cardinalities)
    hidden = np.hstack(parts) * weights["scale/scale"]
    before_bias = []
    for position in range(sum(path.startswith("hidden_") for path in weights) // 2):
        kernel = weights[f"hidden_{position}/kernel"]
        before_bias.append(hidden @ kernel / np.sqrt(len(kernel)))
        z = before_bias[-1] + weights[f"hidden_{position}/bias"]
        hidden = z + (activation(z) - z) * weights.get(f"activation_{position}/alpha", 1.0)
    kernel = weights["scores_0/kernel"]
    before_bias.append(hidden @ kernel / np.sqrt(len(kernel)))
    scores = before_bias[-1] + weights["scores_0/bias"]
    if "skip_0/kernel" in weights:
        scores = scores + dense @ weights["skip_0/kernel"]
    if "skip_codes_0/table" in weights:
        scores = scores + sum(looked_up(weights["skip_codes_0/table"], codes, cardinalities))
    return before_bias, scores


def steps_of(model, gradients):
    """Apply one step for each gradient, which is the same for all weights."""
    for gradient in gradients:
        model.optimizer.apply(
            [keras.ops.full(weight.shape, gradient) for weight in model.trainable_variables],
            model.trainable_variables,
        )


# Structure


def test_layers_are_in_the_order_of_the_paper():
    model = realmlp(CLASSES, n_steps=10, units=(8, 4))

    names = [layer.name for layer in model.layers[1:]]

    assert names == [
        *("periodic", "features", "scale"),
        *("hidden_0", "activation_0", "dropout_0"),
        *("hidden_1", "activation_1", "dropout_1"),
        *("scores_0", "output_0"),
    ]


def test_number_of_parameters_equals_the_value_by_hand():
    plain = realmlp(CLASSES, units=(8, 4))
    mixed = realmlp(MIXED, units=(8,), linear_skip=True)

    # Per number: 16 frequencies and phases, 16 x 3 weights, 3 biases, and 3 + 1 features.
    periodic, n_features = 3 * (16 + 16 + 16 * 3 + 3), 3 * 4
    dense = (n_features + 1 + 1) * 8 + (8 + 1 + 1) * 4 + (4 + 1) * 3
    assert plain.count_params() == periodic + n_features + dense
    # Two numbers with periodic embeddings, three dense columns, two embeddings of length eight.
    periodic, n_features = 2 * (16 + 16 + 16 * 3 + 3), 2 * 3 + 3 + 2 * 8
    dense = (n_features + 1 + 1) * 8 + (8 + 1) * 3
    tables, skip = (3 + 5) * 8, 3 * 3 + (3 + 5) * 3
    assert mixed.count_params() == periodic + n_features + dense + tables + skip


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
@pytest.mark.parametrize(
    ("target_type", "n_output_units", "n_units", "activation"),
    [
        ("continuous", 1, 1, "linear"),
        ("continuous-multioutput", 4, 4, "linear"),
        ("binary", 1, 1, "sigmoid"),
        ("multiclass", 3, 3, "softmax"),
        ("multilabel-indicator", 4, 4, "sigmoid"),
        ("multilabel-indicator", 1, 1, "sigmoid"),
    ],
)
def test_output_layer_depends_on_the_target(
    builder, target_type, n_output_units, n_units, activation
):
    model = builder(meta_of(target_type, n_output_units), units=(4,))

    assert model.output_shape == (None, n_units)
    assert model.layers[-1].activation.__name__ == activation


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_each_column_of_classes_has_its_own_output(builder):
    model = builder(meta_of("multiclass-multioutput", [3, 1]), units=(4,))

    outputs = model(NUMBERS)

    assert [output.shape for output in outputs] == [(300, 3), (300, 1)]
    np.testing.assert_allclose(outputs[0].numpy().sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_binary_output_equals_the_softmax_of_two_scores(builder):
    keras.utils.set_random_seed(0)
    model = builder(meta_of("binary", 1), units=(4,))
    scores = keras.Model(model.input, model.get_layer("scores_0").output)(NUMBERS)

    output = model(NUMBERS)

    both = keras.ops.softmax(scores)
    np.testing.assert_allclose(output.numpy()[:, 0], both.numpy()[:, 1], rtol=1e-5)


def test_table_of_codes_only_has_no_periodic_embedding():
    meta = meta_of("multiclass", 3, 2, cardinalities_=(3, 5), n_numeric_=0)

    model = realmlp(meta, CODES, units=(4,), linear_skip=True)

    assert "periodic/frequency" not in named_weights(model)
    assert "skip_0/kernel" not in named_weights(model)
    assert np.isfinite(model(CODES).numpy()).all()


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_all_columns_are_numeric_without_facts_about_columns(builder):
    random.seed(0)
    untold = builder(CLASSES, units=(4,))
    random.seed(0)
    told = builder(meta_of("multiclass", 3, cardinalities_=(), n_numeric_=3), units=(4,))

    np.testing.assert_array_equal(untold(NUMBERS).numpy(), told(NUMBERS).numpy())


# The forward pass


@pytest.mark.parametrize("linear_skip", [False, True])
@pytest.mark.parametrize("n_frequencies", [0, 16])
def test_outputs_equal_the_formula_of_the_paper(linear_skip, n_frequencies):
    model = realmlp(
        CLASSES,
        NUMBERS,
        units=(8, 4),
        dropout_rate=0.5,
        linear_skip=linear_skip,
        n_frequencies=n_frequencies,
    )
    shake(model)

    outputs = model(NUMBERS).numpy()

    _, scores = worked_by_hand(model, NUMBERS, selu)
    np.testing.assert_allclose(outputs, softmax(scores), rtol=1e-3, atol=1e-5)
    assert outputs.std(axis=0).min() > 0.01


@pytest.mark.parametrize("linear_skip", [False, True])
def test_outputs_with_codes_equal_the_formula_of_the_paper(linear_skip):
    meta = meta_of("continuous-multioutput", 2, 5, **MIXED_FACTS)
    model = realmlp(meta, X_MIXED, units=(8, 4), linear_skip=linear_skip)
    shake(model)

    outputs = model(X_MIXED).numpy()

    _, scores = worked_by_hand(model, X_MIXED, mish, n_numeric=2, cardinalities=(3, 5))
    np.testing.assert_allclose(outputs, scores, rtol=1e-3, atol=1e-4)


def test_linear_skip_does_not_change_the_initial_outputs():
    random.seed(0)
    without = realmlp(MIXED, X_MIXED, units=(4,))
    random.seed(0)
    with_skip = realmlp(MIXED, X_MIXED, units=(4,), linear_skip=True)

    weights = named_weights(with_skip)

    assert not weights["skip_0/kernel"].any()
    assert not weights["skip_codes_0/table"].any()
    assert set(weights) - set(named_weights(without)) == {"skip_0/kernel", "skip_codes_0/table"}
    assert with_skip(X_MIXED).shape == (300, 3)


# Initial weights


@pytest.mark.parametrize(
    ("meta", "X", "cardinalities"),
    [(CLASSES, NUMBERS, ()), (MIXED, X_MIXED, (3, 5))],
    ids=["numbers", "with codes"],
)
def test_initial_units_have_unit_deviation_and_cross_zero_on_training_rows(meta, X, cardinalities):
    random.seed(0)
    model = realmlp(meta, X, n_steps=10, units=(32, 16))

    before_bias, _ = worked_by_hand(model, X, selu, meta.get("n_numeric_", 3), cardinalities)

    weights = named_weights(model)
    assert [z.shape[1] for z in before_bias] == [32, 16, 3]
    for z, layer in zip(before_bias, ("hidden_0", "hidden_1", "scores_0"), strict=True):
        np.testing.assert_allclose(z.std(axis=0), 1.0, rtol=1e-3)
        zeros = -weights[f"{layer}/bias"]
        assert (z.min(axis=0) - 1e-4 <= zeros).all()
        assert (zeros <= z.max(axis=0) + 1e-4).all()


def test_initial_biases_are_convex_combinations_of_five_rows():
    """Weights are uniform on the simplex, so that their squares sum to 1/3 on average."""
    random.seed(0)
    model = realmlp(CLASSES, NUMBERS, units=(200,))

    before_bias, _ = worked_by_hand(model, NUMBERS, selu)

    zeros = -named_weights(model)["hidden_0/bias"] - before_bias[0].mean(axis=0)
    assert zeros.std() == pytest.approx(np.sqrt(1 / 3), rel=0.2)


def test_initial_deviation_is_close_to_one_on_more_rows_than_are_sampled():
    X = np.random.default_rng(2).normal(size=(6000, 3)).astype(np.float32)
    random.seed(0)
    model = realmlp(CLASSES, X, units=(8,))

    before_bias, _ = worked_by_hand(model, X, selu)

    for z in before_bias:
        np.testing.assert_allclose(z.std(axis=0), 1.0, rtol=0.05)


@pytest.mark.parametrize("X", [NUMBERS[:1], np.zeros((20, 3), np.float32)], ids=["one", "constant"])
def test_constant_rows_give_finite_initial_weights(X):
    model = realmlp(CLASSES, X, units=(8,), n_frequencies=0)

    for weight in model.get_weights():
        assert np.isfinite(weight).all()
    assert np.abs(model.get_layer("hidden_0").kernel.numpy()).max() < 10


def test_initial_weights_without_rows_are_standard_normal():
    random.seed(0)
    model = realmlp(meta_of("multiclass", 3, 20), units=(200,))

    weights = named_weights(model)

    assert not weights["hidden_0/bias"].any()
    assert abs(weights["hidden_0/kernel"].mean()) < 0.05
    assert abs(weights["hidden_0/kernel"].std() - 1) < 0.05


def test_estimator_passes_the_training_rows(iris):
    """This holds after a network of the same shape was built with other rows."""
    X, y = iris
    clf = KerasClassifier("realmlp", model__units=(8,), random_state=0)

    for factor in (1.0, 5.0):
        table = np.sign(X) * np.abs(X) ** factor
        clf.initialize(table, y)

        rows = clf.encoder_.transform(table)
        before_bias, _ = worked_by_hand(clf.model_, rows, selu, n_numeric=4)
        np.testing.assert_allclose(before_bias[0].std(axis=0), 1.0, rtol=1e-3)


def test_fits_on_other_rows_share_the_built_network(iris, monkeypatch):
    X, y = iris
    clf = KerasClassifier("realmlp", model__units=(8,), random_state=0, epochs=1)
    clear_compiled_cache()
    first = clf.fit(X, y)._network
    n_builds = []
    build = ModelSpec.build
    monkeypatch.setattr(ModelSpec, "build", lambda *args: n_builds.append(1) or build(*args))

    later = clf.fit(5 * X[::-1][:140] ** 3, y[::-1][:140])._network

    assert not n_builds
    assert later.compiled_model is first.compiled_model
    assert not np.allclose(first.values[-2], later.values[-2])


def test_initial_weights_of_many_columns_are_computed_in_chunks(monkeypatch):
    X = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    y = np.tile([0, 1], 25)
    clf = KerasClassifier("realmlp", model__units=(8,), random_state=0)
    whole = clf.initialize(X, y)._network.values

    monkeypatch.setattr(realmlp_initialization, "_MAX_VALUES_PER_CALL", 1)
    chunked = clf.initialize(X, y)._network.values

    for one, other in zip(whole, chunked, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_realmlp_fits_sparse_rows():
    X = sparse.random_array((60, 5), density=0.5, rng=np.random.default_rng(0), format="csr")

    clf = KerasClassifier("realmlp", model__units=(4,), epochs=2).fit(X, np.arange(60) % 2)

    assert clf.predict_proba(X).shape == (60, 2)


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_seed_determines_the_weights_without_changing_numpy_state(builder, global_random_states):
    arguments = {"X": X_MIXED} if builder is realmlp else {}
    _, *numpy_before = global_random_states()

    built = []
    for seed in (7, 7, 8):
        random.seed(seed)
        built.append(named_weights(builder(MIXED, units=(4,), **arguments)))

    _, *numpy_after = global_random_states()
    first, again, other = built
    assert numpy_after == numpy_before
    for path, value in first.items():
        np.testing.assert_array_equal(value, again[path])
    assert not np.allclose(first["hidden_0/kernel"], other["hidden_0/kernel"])
    assert not np.allclose(first["categories/table"], other["categories/table"])


# The optimizer

FACTORS = {
    # Factor f of the learning rate, and f * f of the decay.
    "periodic/frequency": (0.1, 0.01),
    "periodic/phase": (0.1, 0.01),
    "periodic/kernel": (0.1, 0.01),
    "periodic/bias": (0.1, 0.01),
    "categories/table": (1.0, 1.0),
    "scale/scale": (6.0, 36.0),
    "hidden_0/kernel": (1.0, 1.0),
    "hidden_0/bias": (0.1, 0.0),
    "activation_0/alpha": (0.1, 0.01),
    "scores_0/kernel": (1.0, 1.0),
    "scores_0/bias": (0.1, 0.0),
    # not in the paper: the decay has the factor once
    "skip_0/kernel": (0.1, 0.1),
    "skip_codes_0/table": (0.1, 0.1),
}


def test_each_group_of_weights_has_its_learning_rate_factor():
    """The first step of Adam with gradients of one equals the learning rate, half of 0.04."""
    model = realmlp(MIXED, X_MIXED, units=(4,), linear_skip=True, weight_decay=0.0)
    before = named_weights(model)

    steps_of(model, [1.0])

    after = named_weights(model)
    assert set(after) == set(FACTORS)
    for path, (rate, _) in FACTORS.items():
        np.testing.assert_allclose(before[path] - after[path], 0.02 * rate, rtol=5e-3, err_msg=path)


def test_each_group_of_weights_has_its_weight_decay_factor():
    """With a gradient of 0, the new weight is p * (1 - wd * lr * f ** 2)."""
    model = realmlp(MIXED, X_MIXED, units=(4,), linear_skip=True, weight_decay=0.5)
    shake(model)
    before = named_weights(model)

    steps_of(model, [0.0])

    after = named_weights(model)
    for path, (_, decay) in FACTORS.items():
        expected = before[path] * (1 - 0.5 * 0.02 * decay)
        np.testing.assert_allclose(after[path], expected, rtol=1e-6, err_msg=path)


@pytest.mark.parametrize("beta_2", [0.95, 0.5])
def test_optimizer_steps_equal_the_values_by_hand(beta_2):
    """Adam with bias corrections after the decay, both with schedules."""
    model = realmlp(
        CLASSES, NUMBERS, n_steps=4, units=(4,), beta_2=beta_2, weight_decay=0.2, learning_rate=0.1
    )
    gradients = [2.0, -1.0, 0.5, 3.0]
    expected = {path: value.astype(np.float64) for path, value in named_weights(model).items()}
    mean = square = 0.0
    for step, gradient in enumerate(gradients):
        t = step / 4
        rate = 0.1 * 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * t)))
        decay = 0.2 * (1.0 if t < 0.5 else 0.5 * (1 + np.cos(np.pi * (2 * t - 1))))
        mean = 0.9 * mean + 0.1 * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        direction = (mean / (1 - 0.9 ** (step + 1))) / np.sqrt(square / (1 - beta_2 ** (step + 1)))
        for path in expected.keys() & FACTORS.keys():
            factor, decay_factor = FACTORS[path]
            expected[path] *= 1 - decay * rate * decay_factor
            expected[path] -= rate * factor * direction

    steps_of(model, gradients)

    for path, value in named_weights(model).items():
        np.testing.assert_allclose(value, expected[path], rtol=1e-4, atol=1e-5, err_msg=path)


@pytest.mark.parametrize(
    ("builder", "meta", "peak"),
    [
        (realmlp, CLASSES, 0.04),
        (realmlp, VALUES, 0.2),
        (realmlp_simplified, CLASSES, 0.04),
        (realmlp_simplified, VALUES, 0.07),
    ],
)
def test_learning_rate_has_four_cycles(builder, meta, peak):
    model = builder(meta, n_steps=15, units=(4,))

    rates = {}
    for step in range(16):
        model.optimizer.iterations.assign(step)
        rates[step] = float(model.optimizer.learning_rate)

    assert [rates[step] for step in (0, 1, 3, 7, 15)] == pytest.approx([0.0] * 5, abs=1e-6)
    # (1 - cos(2 pi log2 3)) / 2, once in each of the last three cycles
    assert [rates[step] for step in (2, 5, 11)] == pytest.approx([0.930388 * peak] * 3, rel=1e-4)


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_learning_rate_without_n_steps_is_half_of_its_peak(builder):
    model = builder(CLASSES, units=(4,), learning_rate=0.3)

    rates = []
    for step in (0, 10, 100_000):
        model.optimizer.iterations.assign(step)
        rates.append(float(model.optimizer.learning_rate))

    assert rates == pytest.approx([0.15] * 3)


def test_weight_decay_decreases_to_zero_only_with_n_steps():
    scheduled = realmlp(CLASSES, n_steps=30, units=(4,), weight_decay=0.5)
    constant = realmlp(CLASSES, units=(4,), weight_decay=0.5)

    kept = []
    for model in (scheduled, constant):
        model.optimizer.iterations.assign(29)
        before = named_weights(model)["hidden_0/kernel"]
        steps_of(model, [0.0])
        kept.append((named_weights(model)["hidden_0/kernel"] / before).mean())

    # In the last step, learning rate and decay are near 0.
    assert kept[0] > 0.9999
    assert kept[1] == pytest.approx(1 - 0.5 * 0.02, rel=1e-4)


# Dropout


def test_dropout_rate_decreases_to_zero():
    model = realmlp(CLASSES, NUMBERS, n_steps=100, units=(64, 64), dropout_rate=0.4)
    dropped = keras.Model(
        model.inputs[0],
        [model.get_layer("activation_0").output, model.get_layer("dropout_0").output],
    )

    fractions = []
    for step in (0, 49, 75, 100):
        model.get_layer("dropout_0").steps_done.assign(step)
        hidden, kept = dropped(NUMBERS, training=True)
        fractions.append(np.mean(kept.numpy() == 0))
        assert hidden.numpy().all()

    # Constant for half of the training, then a cosine: 300 x 64 draws.
    np.testing.assert_allclose(fractions, [0.4, 0.4, 0.2, 0.0], atol=0.03)
    assert fractions[-1] == 0


def test_all_hidden_layers_have_the_dropout_rate():
    scheduled = realmlp(CLASSES, n_steps=100, units=(4, 4, 4), dropout_rate=0.25)
    constant = realmlp(CLASSES, units=(4, 4, 4), dropout_rate=0.25)
    none = realmlp(CLASSES, n_steps=100, units=(4, 4, 4), dropout_rate=0.0)

    rates = [
        [layer.rate for layer in model.layers if "dropout" in layer.name]
        for model in (scheduled, constant, none)
    ]

    assert rates == [[0.25] * 3, [0.25] * 3, []]
    assert type(constant.get_layer("dropout_0")) is keras.layers.Dropout
    assert scheduled.get_layer("dropout_0").n_steps == 100


# Parameters

CHANGES = {
    "X": None,
    "n_steps": 60,
    "units": (5,),
    "activation": "tanh",
    "dropout_rate": 0.5,
    "n_frequencies": 4,
    "n_periodic_units": 2,
    "frequency_scale": 1.0,
    "category_units": 3,
    "category_missing_rate": 0.5,
    "linear_skip": False,
    "learning_rate": 0.3,
    "scale_rate_factor": 1.0,
    "bias_rate_factor": 1.0,
    "activation_rate_factor": 1.0,
    "periodic_rate_factor": 1.0,
    "skip_rate_factor": 1.0,
    "beta_2": 0.3,
    "weight_decay": 2.0,
}
OF_SIMPLIFIED = set(inspect.signature(realmlp_simplified).parameters) - {"meta"}


def after_three_steps(builder, **arguments):
    """Return the predictions of a network after three steps."""
    random.seed(0)
    settings = {"n_steps": 6, "units": (4,), **arguments}
    if builder is realmlp:
        settings = {"X": X_MIXED, "linear_skip": True, **settings}
    model = builder(MIXED, **settings)
    classes = np.arange(300) % 3
    for _ in range(3):  # the learning rate of the first is 0
        with tf.GradientTape() as tape:
            y_proba = model(X_MIXED, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(classes, y_proba)
            loss = keras.ops.mean(losses)
        model.optimizer.apply(
            tape.gradient(loss, model.trainable_variables), model.trainable_variables
        )
    return model(X_MIXED).numpy()


@pytest.fixture(scope="module")
def unchanged():
    return {builder: after_three_steps(builder) for builder in (realmlp, realmlp_simplified)}


@pytest.mark.parametrize(
    ("builder", "name"),
    [(realmlp, name) for name in CHANGES]
    + [(realmlp_simplified, name) for name in sorted(OF_SIMPLIFIED)],
)
def test_every_parameter_changes_the_fitted_network(builder, name, unchanged):
    changed = after_three_steps(builder, **{name: CHANGES[name]})

    assert np.abs(changed - unchanged[builder]).max() > 1e-4


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_every_parameter_is_in_the_table_of_changes(builder, unchanged):
    names = set(inspect.signature(builder).parameters) - {"meta"}

    assert names <= set(CHANGES)
    assert names == set(CHANGES) or builder is realmlp_simplified
    # The same arguments give the same predictions.
    np.testing.assert_allclose(after_three_steps(builder), unchanged[builder], atol=1e-6)


@pytest.mark.parametrize("units", [7, np.int64(7), (7,), [7]], ids=repr)
@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_units_can_be_an_integer_or_a_sequence(builder, units):
    model = builder(CLASSES, units=units)

    assert model.get_layer("scores_0").kernel.shape == (7, 3)


def test_realmlp_without_hidden_layers_is_linear_in_the_features():
    model = realmlp(CLASSES, NUMBERS, units=())
    shake(model)

    _, scores = worked_by_hand(model, NUMBERS, selu)

    np.testing.assert_allclose(model(NUMBERS).numpy(), softmax(scores), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("builder", "meta", "activation", "function"),
    [
        (realmlp, CLASSES, "auto", selu),
        (realmlp, VALUES, "auto", mish),
        (realmlp, CLASSES, "tanh", np.tanh),
        (realmlp, VALUES, keras.ops.square, np.square),
        (realmlp_simplified, CLASSES, "auto", selu),
        (realmlp_simplified, VALUES, "auto", mish),
        (realmlp_simplified, VALUES, "tanh", np.tanh),
    ],
)
def test_activation_equals_the_argument_or_depends_on_the_target(
    builder, meta, activation, function
):
    model = builder(meta, units=(8,), activation=activation)
    shake(model)

    outputs = model(NUMBERS).numpy()

    _, scores = worked_by_hand(model, NUMBERS, function)
    expected = softmax(scores) if meta is CLASSES else scores
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4)


def test_n_frequencies_and_frequency_scale_set_the_periodic_embedding():
    random.seed(0)
    model = realmlp(
        meta_of("multiclass", 3, 40),
        units=(4,),
        n_frequencies=20,
        n_periodic_units=2,
        frequency_scale=0.7,
    )

    weights = named_weights(model)

    assert weights["periodic/frequency"].shape == (40, 20)
    assert weights["periodic/kernel"].shape == (40, 20, 2)
    assert weights["scale/scale"].shape == (40 * 2 + 40,)
    assert weights["periodic/frequency"].std() == pytest.approx(0.7, rel=0.1)  # of 800 draws


def test_category_units_set_the_length_of_standard_normal_embeddings():
    random.seed(0)
    meta = meta_of("multiclass", 3, 4, cardinalities_=(500,), n_numeric_=3)

    tables = [
        named_weights(builder(meta, units=(4,), category_units=6))["categories/table"]
        for builder in (realmlp, realmlp_simplified)
    ]

    for table in tables:
        assert table.shape == (500, 6)
        assert table.std() == pytest.approx(1.0, rel=0.1)  # of 3,000 draws


def test_category_missing_rate_applies_only_in_training():
    random.seed(0)
    meta = meta_of("multiclass", 3, 4, cardinalities_=(5,), n_numeric_=3)
    model = realmlp(meta, units=(4,), category_missing_rate=0.3)
    categories, codes = model.get_layer("categories"), np.full((2000, 1), 4.0)

    trained = categories(codes, training=True).numpy()

    of_missing = categories.tables[0].numpy()[0]
    assert np.mean((trained == of_missing).all(axis=1)) == pytest.approx(0.3, abs=0.05)
    np.testing.assert_array_equal(
        categories(codes).numpy(), np.tile(categories.tables[0][4], (2000, 1))
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("scale_rate_factor", "scale/scale"),
        ("bias_rate_factor", "hidden_0/bias"),
        ("bias_rate_factor", "scores_0/bias"),
        ("activation_rate_factor", "activation_0/alpha"),
        ("periodic_rate_factor", "periodic/frequency"),
        ("periodic_rate_factor", "periodic/bias"),
        ("skip_rate_factor", "skip_0/kernel"),
        ("skip_rate_factor", "skip_codes_0/table"),
    ],
)
def test_rate_factors_set_the_learning_rate_of_a_group(name, path):
    arguments = {"units": (4,), "linear_skip": True, "weight_decay": 0.0, "learning_rate": 0.2}
    model = realmlp(MIXED, X_MIXED, **arguments, **{name: 0.5})
    before = named_weights(model)

    steps_of(model, [1.0])

    after = named_weights(model)
    np.testing.assert_allclose(before[path] - after[path], 0.1 * 0.5, rtol=1e-3)
    np.testing.assert_allclose(before["hidden_0/kernel"] - after["hidden_0/kernel"], 0.1, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be an integer of at least 1. Got 0"),
        ({"units": (4, -1)}, "units\\[1\\] must be an integer of at least 1. Got -1"),
        ({"units": "many"}, "units must be"),
        ({"activation": "seul"}, "activation.*seul"),
        ({"dropout_rate": -0.5}, "dropout_rate must be a fraction in .0, 1.. Got -0.5"),
        ({"dropout_rate": 1.0}, "dropout_rate must be a fraction in .0, 1.. Got 1.0"),
        ({"n_frequencies": -1}, "n_frequencies must be an integer"),
        ({"n_periodic_units": 0}, "n_periodic_units must be an integer of at least 1. Got 0"),
        ({"frequency_scale": 0.0}, "frequency_scale must be a number in .0, inf.. Got 0.0"),
        ({"category_units": 0}, "category_units must be an integer of at least 1. Got 0"),
        (
            {"category_missing_rate": 1.0},
            "category_missing_rate must be a fraction in .0, 1.. Got 1.0",
        ),
        ({"learning_rate": "fast"}, "learning_rate.*fast"),
        ({"learning_rate": -0.1}, "learning_rate.*-0.1"),
        (
            {"scale_rate_factor": -1.0},
            r"scale_rate_factor must be a number in \[0, inf\). Got -1.0",
        ),
        ({"beta_2": 2.0}, "beta_2.*2.0"),
        ({"weight_decay": -1.0}, r"weight_decay must be a number in \[0, inf\). Got -1.0"),
    ],
    ids=str,
)
def test_realmlp_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        realmlp(MIXED, X_MIXED, **{"units": (4,), **arguments})


@pytest.mark.parametrize("builder", [realmlp, realmlp_simplified])
def test_documented_defaults_equal_the_signature(builder):
    signature = inspect.signature(builder).parameters
    documented = {entry.name: entry.type for entry in FunctionDoc(builder)["Parameters"]}

    assert list(documented) == list(signature)
    for name, parameter in signature.items():
        if parameter.default is not inspect.Parameter.empty:
            (default,) = re.findall(r"default=(.*)$", documented[name])
            assert default.replace('"', "'") == repr(parameter.default), name


# The simplified form


def test_simplified_weights_are_standard_normal_and_scores_zero():
    random.seed(0)
    meta = meta_of("multiclass", 3, 50)
    model = realmlp_simplified(meta, units=(200, 200))
    X = np.random.default_rng(0).normal(size=(10, 50)).astype(np.float32)

    weights = named_weights(model)

    for path in ("hidden_0/kernel", "hidden_1/kernel"):  # 10,000 and 40,000 draws
        assert abs(weights[path].mean()) < 0.05
        assert weights[path].std() == pytest.approx(1.0, rel=0.05)
    for path in ("hidden_0/bias", "hidden_1/bias"):  # 200 draws
        assert abs(weights[path].mean()) < 0.3
        assert weights[path].std() == pytest.approx(1.0, rel=0.25)
    assert not weights["scores_0/kernel"].any()
    assert not weights["scores_0/bias"].any()
    assert (weights["scale/scale"] == 1).all()
    np.testing.assert_allclose(model(X).numpy(), 1 / 3, rtol=1e-6)


def test_simplified_initial_predictions_are_constant():
    values = realmlp_simplified(VALUES, units=(4,))
    two_classes = realmlp_simplified(meta_of("binary", 1), units=(4,))

    assert not values(NUMBERS).numpy().any()
    assert (two_classes(NUMBERS).numpy() == 0.5).all()


def test_simplified_has_no_periodic_embedding_dropout_or_parametric_activation():
    model = realmlp_simplified(CLASSES, units=(8, 4))

    names = [layer.name for layer in model.layers[1:]]

    assert names == [
        *("scale", "hidden_0", "activation_0", "hidden_1", "activation_1"),
        *("scores_0", "output_0"),
    ]
    assert model.count_params() == 3 + (3 + 1) * 8 + (8 + 1) * 4 + (4 + 1) * 3


def test_simplified_outputs_with_codes_equal_the_formula_of_the_paper():
    model = realmlp_simplified(MIXED, units=(8, 4))
    shake(model)

    outputs = model(X_MIXED).numpy()

    _, scores = worked_by_hand(model, X_MIXED, selu, n_numeric=0, cardinalities=(3, 5))
    np.testing.assert_allclose(outputs, softmax(scores), rtol=1e-3, atol=1e-5)


def test_simplified_has_two_rate_factors_and_no_weight_decay():
    model = realmlp_simplified(MIXED, units=(4,), learning_rate=0.2)
    shake(model)
    before = named_weights(model)

    steps_of(model, [0.0])
    undecayed = named_weights(model)
    steps_of(model, [1.0])

    # Second step of Adam: the corrected mean is 0.1 / 0.19, and the corrected square 0.05 / 0.0975.
    step = 0.1 * (0.1 / 0.19) / np.sqrt(0.05 / 0.0975)
    for path, after in named_weights(model).items():
        np.testing.assert_array_equal(undecayed[path], before[path])
        factor = FACTORS[path][0]
        np.testing.assert_allclose(before[path] - after, step * factor, rtol=1e-2, err_msg=path)
