import keras
import numpy as np
import pytest

from nnkit.layers import CategoryBias, CategoryEmbeddings

CODES = np.array([[0, 4], [2, 1], [1, 0]], np.float32)


def embeddings_of(table, cardinalities=(3, 5), **arguments):
    layer = CategoryEmbeddings(cardinalities, n_units=table.shape[1], **arguments)
    layer.build((None, len(cardinalities)))
    layer.set_weights([table])
    return layer


def test_embeddings_are_concatenated_in_the_order_of_the_columns():
    table = np.arange(16.0).reshape(
        8, 2
    )  # row k is (2k, 2k + 1); the second column begins at row 3

    outputs = embeddings_of(table)(CODES)

    expected = [[0, 1, 14, 15], [4, 5, 8, 9], [2, 3, 6, 7]]
    np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("strange", [-1, 5, 1e9, np.nan, np.inf, -np.inf])
def test_values_that_are_not_codes_are_treated_as_code_zero(strange):
    table = np.arange(16.0).reshape(8, 2)

    outputs = embeddings_of(table)(np.array([[2, strange]], np.float32))

    np.testing.assert_array_equal(outputs, [[4, 5, 6, 7]])


def test_n_units_can_differ_between_columns():
    layer = CategoryEmbeddings((3, 5, 2, 2), n_units=(1, 1, 2, 1))
    layer.build((None, 4))
    single, double, last = (
        [[0], [1], [2], [3], [4], [5], [6], [7]],
        [[8, 9], [10, 11]],
        [[20], [21]],
    )

    layer.set_weights([np.array(table) for table in (single, double, last)])

    # 1 + 0; 3 + 4; the second row; the first
    np.testing.assert_array_equal(layer(np.array([[1, 4, 1, 0]])), [[1, 7, 10, 11, 20]])


def test_equal_n_units_share_one_table():
    one = CategoryEmbeddings((3, 5), n_units=4)
    same = CategoryEmbeddings((3, 5), n_units=(4, 4))
    for layer in (one, same):
        layer.build((None, 2))

    assert [v.shape for v in one.weights] == [v.shape for v in same.weights] == [(8, 4)]


def test_tables_of_several_widths_have_different_initial_values():
    initializer = keras.initializers.RandomNormal(seed=3)
    layer = CategoryEmbeddings((6, 6), n_units=(2, 1), initializer=initializer)
    layer.build((None, 2))

    first, second = layer.get_weights()

    assert not np.isin(second, first).any()


def test_initializer_sets_the_initial_embeddings():
    wide = CategoryEmbeddings((3000,), n_units=8)
    flat = CategoryEmbeddings((3000,), n_units=8, initializer="zeros")
    for layer in (wide, flat):
        layer.build((None, 1))

    np.testing.assert_allclose(wide.get_weights()[0].std(), 1, atol=0.03)
    np.testing.assert_array_equal(flat.get_weights()[0], 0)


def test_missing_rate_replaces_codes_in_training():
    table = np.arange(8.0)[:, None]
    layer = embeddings_of(table, missing_rate=0.3, seed=0)
    codes = np.tile(np.array([[2.0, 4.0]], np.float32), (20_000, 1))

    trained = layer(codes, training=True).numpy()

    is_missing = trained == [0.0, 3.0]
    assert np.all(is_missing | (trained == [2.0, 7.0]))
    # Independent draws with probability 0.3: six standard deviations are 0.02.
    np.testing.assert_allclose(is_missing.mean(axis=0), 0.3, atol=0.02)
    np.testing.assert_allclose(is_missing.all(axis=1).mean(), 0.09, atol=0.015)
    np.testing.assert_array_equal(layer(codes), np.tile([[2.0, 7.0]], (20_000, 1)))


def test_missing_codes_differ_between_calls():
    layer = embeddings_of(np.arange(8.0)[:, None], missing_rate=0.5, seed=0)
    codes = np.tile(np.array([[2.0, 4.0]], np.float32), (100, 1))

    first, second = (layer(codes, training=True).numpy() for _ in range(2))

    assert np.any(first != second)


def test_regularizer_penalizes_the_table():
    table = np.arange(8.0)[:, None]

    layer = embeddings_of(table, regularizer=keras.regularizers.L2(0.5))

    np.testing.assert_allclose(layer.losses[0], 0.5 * np.sum(table**2))


def test_keras_fit_updates_a_category_by_the_sum_of_its_gradients():
    table = np.zeros((2, 1))
    layer = embeddings_of(table, cardinalities=(2,))
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.RMSprop(learning_rate=1.0, rho=0.75, epsilon=1e-12), loss="mse")

    model.fit(np.ones((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]), batch_size=4, verbose=0)

    # The step is g / sqrt((1 - rho) g^2) = -2 for one gradient, whatever its size.
    np.testing.assert_allclose(layer.get_weights()[0], [[0.0], [2.0]], rtol=1e-5)


def test_high_codes_are_exact_under_mixed_precision():
    layer = CategoryEmbeddings((5000,), n_units=1, dtype="mixed_float16")
    layer.build((None, 1))
    layer.set_weights([np.arange(5000.0)[:, None] % 2])

    outputs = layer(np.array([[4001.0], [4002.0]], np.float32))

    assert outputs.dtype == "float16"
    np.testing.assert_array_equal(outputs, [[1.0], [0.0]])


def test_category_bias_equals_a_linear_map_of_one_hot_rows():
    layer = CategoryBias((3, 5), units=2, initializer="standard_normal")
    codes = np.array([[0, 4], [2, 1], [1, 9]], np.float32)
    one_hot = np.zeros((3, 8), np.float32)
    one_hot[[0, 0, 1, 1, 2, 2], [0, 7, 2, 4, 1, 3]] = 1

    outputs = layer(codes)

    np.testing.assert_allclose(outputs, one_hot @ layer.get_weights()[0], rtol=1e-5)


def test_category_bias_is_initially_zero_and_regularized():
    layer = CategoryBias((3, 5), units=2, regularizer="l1")
    at_first = layer(CODES).numpy()

    layer.set_weights([np.ones((8, 2))])

    np.testing.assert_array_equal(at_first, 0)
    np.testing.assert_allclose(layer.losses[0], 0.01 * 16)


@pytest.mark.parametrize("make", [CategoryEmbeddings, lambda sizes: CategoryBias(sizes, 1)])
@pytest.mark.parametrize(
    ("cardinalities", "message"),
    [
        (5, "cardinalities must be a sequence of integers.*Got 5 instead"),
        ((), "cardinalities must have an entry for each column of codes. Got none"),
        ((3, 0), r"cardinalities\[1\] must be an integer of at least 1. Got 0 instead"),
        ((2**24, 1), "cardinalities must sum to at most 16,777,216.*Got 16,777,217 instead. Merge"),
    ],
)
def test_invalid_cardinalities_raise(make, cardinalities, message):
    with pytest.raises(ValueError, match=message):
        make(cardinalities)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_units": 0}, "n_units must be an integer of at least 1. Got 0"),
        ({"n_units": (2,)}, "one integer, or one for each of the 2 columns of codes. Got 1"),
        ({"n_units": (2, 0)}, r"n_units\[1\] must be an integer of at least 1. Got 0"),
        ({"missing_rate": 1}, r"missing_rate must be a fraction in \[0, 1\). Got 1"),
        ({"missing_rate": -0.1}, r"missing_rate must be a fraction in \[0, 1\). Got -0.1"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        CategoryEmbeddings((3, 5), **arguments)


@pytest.mark.parametrize("layer", [CategoryEmbeddings((3, 5)), CategoryBias((3, 5), 1)])
def test_input_with_another_number_of_columns_raises(layer):
    with pytest.raises(
        ValueError, match=r"must have the shape \(n_batch, 2\).*Got \(1, 3\) instead"
    ):
        layer(np.zeros((1, 3), np.float32))
