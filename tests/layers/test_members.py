import keras
import numpy as np
import pytest
import tensorflow as tf

from nnkit.layers import MemberDense, MemberScale

X = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)


def pair(n_members=4, **arguments):
    """Return both layers, built, with random weights."""
    first, last = MemberScale(n_members), MemberDense(n_members, 2, **arguments)
    last(first(X))
    return first, last


def by_member(first, last, X, activation=np.asarray):
    """Return the outputs of each member, computed with NumPy: (n_members, n_rows, 2)."""
    factors, kernel, bias = (v.numpy() for v in (first.factors, last.kernel, last.bias))
    return np.stack(
        [activation((X * r) @ W + b) for r, W, b in zip(factors, kernel, bias, strict=True)]
    )


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def test_prediction_is_the_mean_of_the_members():
    first, last = pair(activation="softmax")

    found = last(first(X, training=False), training=False)

    np.testing.assert_allclose(found, by_member(first, last, X, softmax).mean(axis=0), rtol=1e-5)


def test_a_training_row_goes_through_one_member():
    """Row i goes through member i mod 4; the batch of 10 rows is not a multiple of 4."""
    first, last = pair()

    found = last(first(X, training=True), training=True)

    expected = by_member(first, last, X)[np.arange(10) % 4, np.arange(10)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_gradients_of_a_member_come_from_its_rows():
    first, last = pair()
    weight = tf.constant(np.arange(10) % 4 == 1, tf.float32)[:, None]

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight * last(first(X, training=True), training=True) ** 2)
    gradients = tape.gradient(loss, [first.factors.value, last.kernel.value, last.bias.value])

    for gradient in gradients:
        has_gradient = np.abs(gradient.numpy()).reshape(4, -1).sum(axis=1) > 0
        np.testing.assert_array_equal(has_gradient, [False, True, False, False])


def test_initial_factors_are_equal_within_a_feature():
    layer = MemberScale(50, chunk_sizes=(2, 1))
    layer.build((None, 3))

    factors = layer.factors.numpy()

    np.testing.assert_array_equal(factors[:, 0], factors[:, 1])
    assert (factors[:, 1] != factors[:, 2]).all()
    assert abs(factors.std() - 1) < 0.2


def test_initial_factors_can_be_signs():
    layer = MemberScale(50, is_random_sign=True)
    layer.build((None, 3))

    assert set(np.unique(layer.factors)) == {-1.0, 1.0}


def test_initial_weights_of_the_last_layer():
    last = MemberDense(40, 5)
    last.build((None, 25))

    for values in (last.kernel.numpy(), last.bias.numpy()):
        assert np.abs(values).max() <= 0.2
        assert values.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.15)


def test_one_member_is_a_single_network():
    first, last = pair(n_members=1)

    np.testing.assert_allclose(
        last(first(X, training=True), training=True), last(first(X)), rtol=1e-6
    )


def test_symbolic_shapes():
    x = keras.Input((3,))

    hidden = MemberScale(4)(x)

    assert hidden.shape == (None, 3)
    assert MemberDense(4, 2)(hidden).shape == (None, 2)


def test_saved_model_predicts_the_same_after_loading(tmp_path):
    x = keras.Input((3,))
    hidden = MemberScale(4, chunk_sizes=(1, 2), is_random_sign=True)(x)
    model = keras.Model(x, MemberDense(4, 2, activation="sigmoid")(hidden))

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert [part.get_config() for part in loaded.layers] == [p.get_config() for p in model.layers]
    np.testing.assert_array_equal(loaded(X), model(X))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_compiled_calls_equal_eager_ones(jit, training):
    first, last = pair()

    def call(x):
        return last(first(x, training=training), training=training)

    found = tf.function(call, jit_compile=jit)(tf.constant(X))
    np.testing.assert_allclose(found, call(X), rtol=1e-5, atol=1e-6)


def test_float64_layers_compute_in_float64():
    first, last = MemberScale(2, dtype="float64"), MemberDense(2, 1, dtype="float64")

    assert last(first(X.astype(np.float64))).dtype == "float64"


def test_chunks_of_another_number_of_columns_raise():
    with pytest.raises(ValueError, match=r"chunk_sizes must have the sum 3.*Got \(2, 2\)"):
        MemberScale(2, chunk_sizes=(2, 2)).build((None, 3))


@pytest.mark.parametrize("n_members", [0, 2.5])
def test_invalid_number_of_members_raises(n_members):
    with pytest.raises(ValueError, match="n_members must be"):
        MemberScale(n_members)
    with pytest.raises(ValueError, match="n_members must be"):
        MemberDense(n_members, 1)
