import inspect

import keras
import numpy as np
import pytest

from nnkit.builders import Meta, autoencoder, mlp, realmlp, realmlp_simplified
from nnkit.builders.registry import find_builder
from nnkit.layers import CategoryBias, CategoryEmbeddings

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
CODES = np.array([[0, 1], [2, 4], [1, 0], [2, 2], [0, 3], [1, 4]], np.float32)
X_WITH_CODES = np.hstack([X[:, :2], CODES])

REGRESSION = Meta(X_shape_=(10, 4), target_type_="continuous", n_output_units_=1)
CLASSES = Meta(X_shape_=(10, 4), target_type_="multiclass", n_output_units_=3)


def meta_of(target_type, n_outputs, **facts):
    return Meta(X_shape_=(10, 4), target_type_=target_type, n_output_units_=n_outputs, **facts)


def with_codes(meta, cardinalities=(3, 5)):
    return Meta(**meta, cardinalities_=cardinalities, n_numeric_=4 - len(cardinalities))


def layers_of(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def kinds_of(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


def zero_kernels(layers):
    """Set the kernels of layers to zero, and their biases if they have any."""
    for layer in layers:
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])


def softmax(scores):
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("target_type", "n_outputs", "activation"),
    [("binary", 1, "sigmoid"), ("multiclass", 3, "softmax"), ("continuous", 1, "linear")],
)
def test_output_layer_depends_on_the_target(target_type, n_outputs, activation):
    model = mlp(meta_of(target_type, n_outputs))

    assert model.output_shape == (None, n_outputs)
    assert model.layers[-1].activation.__name__ == activation


def test_units_and_dropout_rate_are_those_of_the_arguments():
    model = mlp(meta_of("binary", 1), units=(5, 3), activation="tanh", dropout_rate=0.25)

    assert model.count_params() == (4 + 1) * 5 + (5 + 1) * 3 + (3 + 1) * 1
    assert model.layers[1].activation.__name__ == "tanh"
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.25, 0.25]


def test_mlp_without_hidden_layers_is_a_linear_model():
    model = mlp(REGRESSION, units=())

    weights, bias = model.get_weights()

    np.testing.assert_allclose(model(X).numpy(), X @ weights + bias, rtol=1e-5, atol=1e-6)


def test_find_builder_raises_with_a_suggestion():
    with pytest.raises(ValueError, match="model='mpl' is not a ready-made builder.*mean 'mlp'"):
        find_builder("mpl")


def test_mlp_without_codes_equals_a_stack_of_keras_dense_layers():
    model = mlp(CLASSES, units=5)

    plain = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(3, "softmax")]
    )
    configurations = [
        [{**layer.get_config(), "name": None} for layer in network.layers[-2:]]
        for network in (model, plain)
    ]
    assert kinds_of(model) == ["Dense", "Dense"]
    assert configurations[0] == configurations[1]


def test_missing_none_and_empty_cardinalities_mean_no_codes():
    facts = [{}, {"cardinalities_": ()}, {"cardinalities_": None}]

    models = [mlp(meta_of("continuous", 1, **fact), linear_skip=True) for fact in facts]

    assert [kinds_of(model) for model in models] == [kinds_of(models[0])] * 3


@pytest.mark.parametrize(
    "name",
    ["relu", "leaky_relu", "selu", "elu", "gelu", "silu", "swish", "mish", "tanh", "sigmoid"],
)
@pytest.mark.parametrize("normalization", [None, "layer"])
def test_activation_equals_that_of_keras(name, normalization):
    model = mlp(REGRESSION, units=3, activation=name, normalization=normalization)
    last = model.layers[-1]
    hidden = keras.Model(model.inputs[0], last.input)

    before = X @ model.layers[1].get_weights()[0]
    if normalization == "layer":
        before = (before - before.mean(axis=1)[:, None]) / np.sqrt(before.var(axis=1) + 1e-3)[
            :, None
        ]

    expected = keras.ops.convert_to_numpy(keras.activations.get(name)(before))
    np.testing.assert_allclose(hidden(X).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_prelu_has_learnt_slopes_below_zero():
    model = mlp(REGRESSION, units=3, activation="prelu")
    hidden = keras.Model(model.inputs[0], model.layers[-1].input)

    (slopes,) = layers_of(model, keras.layers.PReLU)
    slopes.set_weights([np.array([0.0, 0.5, 1.0])])

    before = X @ model.layers[1].get_weights()[0]
    expected = np.where(before > 0, before, before * [0.0, 0.5, 1.0])
    np.testing.assert_allclose(hidden(X).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_activation_can_be_a_function():
    model = mlp(REGRESSION, units=3, activation=keras.ops.square)
    hidden = keras.Model(model.inputs[0], model.layers[-1].input)

    before = X @ model.layers[1].get_weights()[0]

    np.testing.assert_allclose(hidden(X).numpy(), before**2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "kernel_initializer", "expected"),
    [
        ("relu", "auto", "HeNormal"),
        ("prelu", "auto", "HeNormal"),
        ("mish", "auto", "HeNormal"),
        ("selu", "auto", "LecunNormal"),
        ("tanh", "auto", "GlorotUniform"),
        (keras.ops.square, "auto", "GlorotUniform"),
        ("relu", "glorot_uniform", "GlorotUniform"),
        ("relu", "lecun_normal", "LecunNormal"),
        ("tanh", "he_normal", "HeNormal"),
        ("relu", keras.initializers.Orthogonal(), "Orthogonal"),
    ],
)
def test_kernel_initializer_sets_the_initial_kernels(activation, kernel_initializer, expected):
    model = mlp(REGRESSION, activation=activation, kernel_initializer=kernel_initializer)

    names = [
        type(layer.kernel_initializer).__name__ for layer in layers_of(model, keras.layers.Dense)
    ]

    # The output layer has the default initializer of Keras.
    assert names == [expected, expected, "GlorotUniform"]


def test_hidden_layers_with_one_initializer_have_different_kernels():
    model = mlp(REGRESSION, units=(4, 4), kernel_initializer=keras.initializers.HeNormal())

    first, second = (layer.get_weights()[0] for layer in model.layers[1:3])

    assert np.all(first != second)


def test_l1_and_l2_penalize_all_kernels():
    model = mlp(
        with_codes(REGRESSION), units=(3, 3), l1=0.01, l2=0.1, residual=True, linear_skip=True
    )
    for weight in model.trainable_variables:
        weight.assign(weight + 0.5)

    total = float(sum(model.losses))

    biases = [layer.bias for layer in layers_of(model, keras.layers.Dense) if layer.use_bias]
    kernels = [
        weight.numpy()
        for weight in model.trainable_variables
        if not any(weight is bias for bias in biases)
    ]
    assert len(kernels) == 7  # 2 hidden, 1 projection, output, linear, 2 of the categories
    expected = sum(0.01 * np.abs(kernel).sum() + 0.1 * (kernel**2).sum() for kernel in kernels)
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_model_without_penalties_has_no_losses():
    assert mlp(with_codes(REGRESSION), linear_skip=True).losses == []


def test_batch_normalization_is_applied_before_the_activation():
    model = mlp(REGRESSION, units=3, normalization="batch", dropout_rate=0.1, activation="tanh")
    hidden = keras.Model(model.inputs[0], model.layers[2].output)

    before = X @ model.layers[1].get_weights()[0]
    outputs = hidden(X, training=True).numpy()

    expected = (before - before.mean(axis=0)) / np.sqrt(before.var(axis=0) + 1e-3)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert kinds_of(model) == ["Dense", "BatchNormalization", "Activation", "Dropout", "Dense"]
    assert not model.layers[1].use_bias


def test_layer_normalization_is_applied_before_the_activation():
    model = mlp(REGRESSION, units=3, normalization="layer", activation="prelu")

    assert kinds_of(model) == ["Dense", "LayerNormalization", "PReLU", "Dense"]


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_residual_layer_with_zero_kernels_is_the_identity(normalization):
    model = mlp(REGRESSION, units=(4, 4), residual=True, normalization=normalization)
    hidden = keras.Model(model.inputs[0], model.layers[-1].input)

    zero_kernels(layers_of(hidden, keras.layers.Dense))

    np.testing.assert_allclose(hidden(X).numpy(), X, atol=1e-6)


def test_residual_layer_of_another_width_has_a_projection():
    model = mlp(REGRESSION, units=(3,), residual=True)
    hidden = keras.Model(model.inputs[0], model.layers[-1].input)
    by_bias = {layer.use_bias: layer for layer in layers_of(hidden, keras.layers.Dense)}
    inner, projection = by_bias[True], by_bias[False]

    zero_kernels([inner])

    expected = X @ projection.get_weights()[0]
    np.testing.assert_allclose(hidden(X).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_linear_skip_with_zero_hidden_kernels_is_a_linear_model():
    model = mlp(CLASSES, units=(5,), linear_skip=True)
    inner, output, skip = layers_of(model, keras.layers.Dense)
    at_first = skip.get_weights()[0].copy()

    zero_kernels([inner])
    output.bias.assign([0.5, -1.0, 0.0])
    skip.set_weights([np.arange(12.0).reshape(4, 3) / 10])

    expected = softmax(X @ skip.get_weights()[0] + [0.5, -1.0, 0.0])
    np.testing.assert_array_equal(at_first, 0)
    np.testing.assert_allclose(model(X).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("target_type", "n_outputs", "activation"),
    [("binary", 1, "sigmoid"), ("multiclass", 3, "softmax"), ("continuous", 1, "linear")],
)
def test_output_layer_with_linear_skip_depends_on_the_target(target_type, n_outputs, activation):
    model = mlp(meta_of(target_type, n_outputs), linear_skip=True)

    assert model.output_shape == (None, n_outputs)
    assert model.layers[-1].activation.__name__ == activation


def test_each_output_has_its_own_linear_skip():
    model = mlp(meta_of("multiclass-multioutput", [3, 2]), linear_skip=True)

    assert model.output_shape == [(None, 3), (None, 2)]
    assert len(layers_of(model, keras.layers.Dense)) == 2 + 2 + 2


def test_embeddings_of_codes_are_concatenated_after_the_other_columns():
    model = mlp(with_codes(REGRESSION), units=(), category_units=2)
    (vectors,) = layers_of(model, CategoryEmbeddings)
    weights, bias = model.layers[-1].get_weights()

    outputs = model(X_WITH_CODES).numpy()

    found = vectors(CODES).numpy()
    assert found.shape == (6, 2 * 2)
    assert np.abs(vectors.get_weights()[0]).max() <= 0.05
    expected = np.hstack([X_WITH_CODES[:, :2], found]) @ weights + bias
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_linear_skip_has_a_weight_for_each_category():
    model = mlp(with_codes(REGRESSION), units=(), linear_skip=True)
    output, skip = layers_of(model, keras.layers.Dense)
    (terms,) = layers_of(model, CategoryBias)

    zero_kernels([output])
    skip.set_weights([np.array([[2.0], [3.0]])])
    terms.set_weights([np.array([[1.0], [10], [100], [0], [0.1], [0.2], [0.3], [0.4]])])

    first, second = np.array([[1, 0.1], [100, 0.4], [10, 0], [100, 0.2], [1, 0.3], [10, 0.4]]).T
    expected = X[:, 0] * 2 + X[:, 1] * 3 + first + second
    np.testing.assert_allclose(model(X_WITH_CODES).numpy()[:, 0], expected, rtol=1e-5)


def test_mlp_fits_a_table_of_codes_only():
    model = mlp(with_codes(CLASSES, (2, 2, 2, 2)), units=(), linear_skip=True)

    assert kinds_of(model)[:2] == ["ColumnSlice", "CategoryEmbeddings"]
    assert model(np.ones((2, 4), np.float32)).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": -3}, "units must be an integer of at least 1. Got -3"),
        ({"units": (8, 0)}, r"units\[1\] must be an integer of at least 1. Got 0"),
        ({"units": "many"}, "units must be a sequence of integers.*Got 'many'"),
        ({"activation": "leaky_rleu"}, "activation must be a name.*Did you mean 'leaky_relu'"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be a fraction in \[0, 1\). Got 1.0"),
        ({"kernel_initializer": "hee"}, "kernel_initializer must be 'auto' or.*Got 'hee'"),
        ({"l1": -1}, "l1 must be a number in .0, inf.. Got -1"),
        ({"l2": np.inf}, "l2 must be a number in .0, inf.. Got inf"),
        ({"normalization": "group"}, "must be 'batch', 'layer' or None. Got 'group'"),
        ({"category_units": 0}, "category_units must be an integer of at least 1. Got 0"),
    ],
)
def test_mlp_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp(REGRESSION, **arguments)


def test_mlp_raises_on_more_cardinalities_than_columns():
    with pytest.raises(ValueError, match="at most 4. Got 5 entries"):
        mlp(meta_of("continuous", 1, cardinalities_=(2,) * 5))


def test_units_can_be_numpy_integers():
    model = mlp(REGRESSION, units=np.int64(7))

    assert model.layers[1].units == 7


def test_documented_defaults_equal_the_signature():
    documented = inspect.getdoc(mlp)

    for name, parameter in inspect.signature(mlp).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            shown = str(parameter.default) if name != "activation" else '"relu"'
            line = next(line for line in documented.splitlines() if name in line.split(" : ")[0])
            assert f"default={shown}" in line.replace('"glorot_uniform"', "glorot_uniform"), name


@pytest.mark.parametrize("builder", [autoencoder, realmlp, realmlp_simplified])
def test_only_the_mlp_has_prelu(builder):
    meta = Meta(X_shape_=(100, 4), target_type_="continuous", n_output_units_=1)

    with pytest.raises(ValueError, match="activation must be a name that Keras knows.*'prelu'"):
        builder(meta, activation="prelu")
