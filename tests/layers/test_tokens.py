import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer

from nnkit.builders.texts.token_inputs import assign_token_weights
from nnkit.encoding import TextEncoder
from nnkit.layers import TokenBag, TokenDropout, TokenEmbedding, TokenMask

CODES = np.array([[5, 2, 1, 5], [3, 4, 0, 0], [0, 0, 0, 0]], np.int32)

# Constructor of the layer, and the shape of its output for CODES.
LAYERS = {
    "TokenMask": (TokenMask, (3, 4, 1)),
    "TokenDropout": (lambda **k: TokenDropout(0.5, "unknown", seed=1, **k), (3, 4)),
    "TokenEmbedding": (lambda **k: TokenEmbedding(7, 2, regularizer="l2", **k), (3, 4, 2)),
    "TokenBag": (lambda **k: TokenBag(7, 2, initializer="standard_normal", **k), (3, 2)),
}


@pytest.fixture(params=LAYERS)
def case(request):
    """Return a built layer and the shape of its output."""
    make, shape = LAYERS[request.param]
    layer = make()
    layer(CODES)
    return layer, shape


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_symbolic_shape_equals_the_shape_of_outputs(case, dtype):
    layer, shape = case

    symbolic = layer(keras.Input((4,), dtype=dtype))
    outputs = layer(CODES.astype(dtype))

    assert symbolic.shape == (None, *shape[1:])
    assert outputs.shape == shape
    assert outputs.dtype == symbolic.dtype


def test_saved_model_predicts_the_same_after_loading(case, tmp_path):
    layer, _ = case
    codes = keras.Input((4,), dtype="int32")
    model = keras.Model(codes, layer(codes))

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(loaded(CODES), model(CODES))
    assert loaded.layers[1].get_config() == layer.get_config()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_outputs_equal_eager_outputs(case, jit_compile):
    layer, _ = case

    compiled = tf.function(layer, jit_compile=jit_compile, autograph=False)

    np.testing.assert_allclose(compiled(tf.constant(CODES)), layer(CODES), rtol=1e-5, atol=1e-6)


def test_vectorized_networks_equal_single_networks():
    layer = TokenBag(7, 2)
    layer.build((None, 4))
    tables = np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32)
    others = [v.numpy() for v in layer.non_trainable_variables]

    together = tf.vectorized_map(
        lambda table: layer.stateless_call([table], others, CODES)[0], tf.constant(tables)
    )

    for outputs, table in zip(together, tables, strict=True):
        alone = layer.stateless_call([table], others, CODES)[0]
        np.testing.assert_allclose(outputs, alone, rtol=1e-5, atol=1e-6)


def test_mask_is_zero_for_padding_only():
    assert TokenMask()(CODES).numpy()[:, :, 0].tolist() == [[1] * 4, [1, 1, 0, 0], [0] * 4]


def test_codes_are_not_rounded_under_mixed_precision():
    codes = np.array([[20_001, 20_000]])
    layer = TokenEmbedding(20_002, 1, dtype="mixed_float16")
    layer.build((None, 2))
    layer.table.assign(np.arange(20_002.0)[:, None] % 7)

    assert layer(codes.astype(np.float32)).numpy().ravel().tolist() == [20_001 % 7, 20_000 % 7]


def test_vector_of_padding_is_zero_and_other_values_are_unknown():
    layer = TokenEmbedding(4, 1)
    layer.build((None, 1))
    layer.table.assign([[9.0], [1.0], [2.0], [3.0]])

    vectors = layer(np.array([[0, 1, 2, 3, 4, -1]])).numpy()

    assert vectors.ravel().tolist() == [0, 1, 2, 3, 1, 1]


def test_bag_is_the_weighted_mean_by_hand():
    layer = TokenBag(5, 2)
    layer.build((None, 3))
    layer.table.assign([[9.0, 9], [9, 9], [1, 0], [0, 2], [5, 5]])
    layer.token_weights.assign([7.0, 0, 3, 4, 1])

    outputs = layer(np.array([[2, 3, 0], [3, 0, 0], [0, 0, 0], [1, 1, 0]])).numpy()

    # 3 (1, 0) + 4 (0, 2), divided by 5. The unknown token has the weight 0.
    np.testing.assert_allclose(outputs, [[0.6, 1.6], [0, 2], [0, 0], [0, 0]], rtol=1e-6)


def test_bag_equals_the_product_of_tfidf_rows_and_vectors():
    texts = ["a b c", "a b b d", "b d e", "a"]
    encoder = TextEncoder(binary=True, min_frequency=1)
    codes = encoder.fit_transform(texts)
    inputs = keras.Input((codes.shape[1],), dtype="int32")
    layer = TokenBag(len(encoder.vocabulary_) + 2, 3, initializer="standard_normal")
    model = keras.Model(inputs, layer(inputs))

    assign_token_weights(model, codes, np.random.default_rng(0))

    peer = TfidfVectorizer(binary=True, token_pattern=r"\w", vocabulary=encoder.vocabulary_)
    expected = peer.fit_transform(texts) @ layer.table.numpy()[2:]
    np.testing.assert_allclose(model(codes), expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_equal_tokens_are_summed():
    layer = TokenBag(7, 1)
    layer.build((None, 4))

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(np.array([[5, 5, 2, 0]])))
    gradient = tape.gradient(loss, layer.table.value)

    expected = np.array([0, 0, 1, 0, 0, 2, 0]) / np.sqrt(3)
    np.testing.assert_allclose(np.asarray(gradient)[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(("replacement", "code"), [("padding", 0), ("unknown", 1)])
def test_dropout_replaces_a_fraction_of_the_tokens_in_training(replacement, code):
    codes = np.where(np.arange(200_000) % 4, 5, 0).reshape(400, 500)
    layer = TokenDropout(0.4, replacement, seed=0)

    outputs = layer(codes, training=True).numpy()

    # 150,000 draws: six standard deviations are 0.008.
    np.testing.assert_allclose(np.mean(outputs[codes > 0] == code), 0.4, atol=0.008)
    assert set(np.unique(outputs[codes > 0])) == {code, 5}
    assert not outputs[codes == 0].any()
    np.testing.assert_array_equal(layer(codes), codes)


def test_each_call_in_training_draws_anew():
    layer = TokenDropout(0.5)

    first, second = (layer(np.full((9, 9), 5), training=True).numpy() for _ in range(2))

    assert (first != second).any()


def test_dropout_rate_of_zero_is_the_identity_without_variables():
    layer = TokenDropout(0.0)

    np.testing.assert_array_equal(layer(CODES, training=True), CODES)
    assert layer.variables == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenDropout(1.0), r"rate must be a fraction in \[0, 1\). Got 1.0"),
        (lambda: TokenDropout(0.1, "zero"), "replacement must be 'padding' or 'unknown'. Got 'z"),
        (lambda: TokenEmbedding(1, 2), "n_codes must be an integer of at least 2. Got 1"),
        (lambda: TokenBag(3, 0), "units must be an integer of at least 1. Got 0"),
    ],
    ids=["rate", "replacement", "n_codes", "units"],
)
def test_invalid_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
