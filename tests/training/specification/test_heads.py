import keras
import numpy as np
import pytest
from networks import head as network

from nnkit.training.specification.heads import Head, Task, choose_loss, output_structure, read_heads

BINARY = Task("classification", n_classes=2)
THREE = Task("classification", n_classes=3)
VALUES = Task("regression")
EXAMPLE = np.zeros((1, 4), np.float32)


def read_one(model, task, loss):
    """Return the head of a model with one output."""
    (found,) = read_heads(model, output_structure(model, EXAMPLE), [task], [loss])
    return found


@pytest.mark.parametrize(
    ("n_units", "activation", "task", "loss", "from_logits"),
    [
        (1, "sigmoid", BINARY, "BinaryCrossentropy", False),
        (1, "linear", BINARY, "BinaryCrossentropy", True),
        (2, "softmax", BINARY, "SparseCategoricalCrossentropy", False),
        (2, "linear", BINARY, "SparseCategoricalCrossentropy", True),
        (3, "softmax", THREE, "SparseCategoricalCrossentropy", False),
        (3, "linear", THREE, "SparseCategoricalCrossentropy", True),
        (3, "sigmoid", THREE, "BinaryCrossentropy", False),
        (1, "linear", VALUES, "MeanSquaredError", None),
        (1, "relu", VALUES, "MeanSquaredError", None),
    ],
)
def test_default_loss_follows_from_task_and_activation(
    n_units, activation, task, loss, from_logits
):
    head = read_one(network(n_units, activation), task, None)

    chosen, _ = choose_loss(None, {}, head, task)

    assert type(chosen).__name__ == loss
    assert chosen.get_config().get("from_logits") is from_logits
    assert chosen.reduction == "mean_with_sample_weight"


@pytest.mark.parametrize(
    "last",
    [
        keras.layers.Softmax(),
        keras.layers.Activation("softmax"),
        keras.Sequential([keras.Input((3,)), keras.layers.Softmax()]),
    ],
    ids=["Softmax", "Activation", "nested"],
)
def test_activation_is_read_from_activation_layers_and_nested_models(last):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), last])

    assert read_one(model, THREE, None).scale == "probabilities"


def test_sum_of_layers_counts_as_logits():
    inputs = keras.Input((4,))
    outputs = keras.layers.Add()([keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])

    assert read_one(keras.Model(inputs, outputs), BINARY, None).scale == "logits"


def test_from_logits_of_the_loss_decides_for_unknown_activations():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1), keras.layers.Dropout(0.1)])

    with pytest.raises(ValueError, match="outputs may be probabilities or logits"):
        read_one(model, BINARY, None)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    assert read_one(model, BINARY, loss).scale == "logits"


@pytest.mark.parametrize(
    ("n_units", "activation", "task", "message"),
    [
        (3, "softmax", BINARY, "has 3 output unit.s., but y has 2 classes"),
        (1, "sigmoid", THREE, "has 1 output unit.s., but y has 3 classes. Give the last layer"),
        (1, "softmax", BINARY, "softmax over one unit, which is always 1"),
        (2, "linear", VALUES, "has 2 output unit.s., but y has 1 column"),
        (1, "sigmoid", VALUES, "'sigmoid', which gives values between 0 and 1 only"),
        (3, "relu", THREE, "last activation is 'relu', so that"),
    ],
)
def test_read_heads_raises_on_outputs_that_do_not_fit_the_task(n_units, activation, task, message):
    with pytest.raises(ValueError, match=message):
        read_one(network(n_units, activation), task, None)


@pytest.mark.parametrize(
    ("n_units", "activation", "task", "loss", "message"),
    [
        (1, "linear", BINARY, "binary_crossentropy", "last layer is linear. Give it the activ"),
        (3, "linear", THREE, "sparse_categorical_crossentropy", "the activation 'softmax'"),
        (
            1,
            "sigmoid",
            BINARY,
            keras.losses.BinaryCrossentropy(from_logits=True),
            "takes unnormalised scores, but the model's last activation is 'sigmoid'",
        ),
        (1, "sigmoid", BINARY, "categorical_crossentropy", "needs one output unit per class"),
        (1, "linear", VALUES, "binary_crossentropy", "y is continuous. Use a regression loss"),
        (1, "linear", VALUES, "mean_squared", "must be a name that Keras knows"),
    ],
)
def test_choose_loss_raises_on_a_loss_that_does_not_fit_the_head(
    n_units, activation, task, loss, message
):
    head = read_one(network(n_units, activation), task, None)

    with pytest.raises(ValueError, match=message):
        choose_loss(loss, {}, head, task)


def test_categorical_losses_get_one_hot_rows_and_sparse_losses_codes():
    head = Head(3, "probabilities", "softmax")
    codes = np.array([2, 0], np.int32)

    _, sparse_as_codes = choose_loss("sparse_categorical_crossentropy", {}, head, THREE)
    _, dense_as_codes = choose_loss("categorical_crossentropy", {}, head, THREE)

    assert sparse_as_codes
    assert not dense_as_codes
    assert head.targets(codes, as_codes=True, dtype="float32").tolist() == [2, 0]
    assert head.targets(codes, as_codes=False, dtype="float32").tolist() == [[0, 0, 1], [1, 0, 0]]


def test_continuous_target_gets_the_rank_of_the_outputs():
    """(n,) - (n, 1) would broadcast to (n, n)."""
    assert Head(1, "values", "linear").targets(
        np.array([1.0, 2.0]), as_codes=False, dtype="float32"
    ).shape == (2, 1)


def test_routed_arguments_reach_the_loss():
    head = Head(3, "probabilities", "softmax")
    loss, _ = choose_loss("categorical_crossentropy", {"label_smoothing": 0.25}, head, THREE)

    value = loss(np.array([[1.0, 0.0, 0.0]]), np.array([[0.5, 0.25, 0.25]]))

    smoothed = np.array([0.75 + 0.25 / 3, 0.25 / 3, 0.25 / 3])
    assert float(value) == pytest.approx(-(smoothed @ np.log([0.5, 0.25, 0.25])), rel=1e-5)


def test_weighted_loss_is_the_weighted_mean():
    loss, _ = choose_loss("mse", {}, Head(1, "values", "linear"), VALUES)

    value = loss(np.array([[1.0], [5.0]]), np.zeros((2, 1)), sample_weight=np.array([3.0, 1.0]))

    assert float(value) == pytest.approx((3 * 1 + 1 * 25) / 4)


def test_sum_reduction_is_kept():
    loss, _ = choose_loss(
        keras.losses.MeanSquaredError(reduction="sum"), {}, Head(1, "values", "linear"), VALUES
    )

    assert float(loss(np.array([[1.0], [2.0]]), np.zeros((2, 1)))) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("head", "outputs", "expected"),
    [
        (Head(1, "probabilities", "sigmoid"), [[0.25]], [[0.75, 0.25]]),
        (Head(1, "logits", "linear"), [[np.log(3.0)]], [[0.25, 0.75]]),
        (Head(1, "probabilities", "sigmoid", rank=1), [0.25], [[0.75, 0.25]]),
        (Head(2, "logits", "linear"), [[0.0, np.log(3.0)]], [[0.25, 0.75]]),
        (Head(3, "probabilities", "softmax"), [[0.5, 0.25, 0.25]], [[0.5, 0.25, 0.25]]),
        (Head(3, "probabilities", "sigmoid"), [[0.9, 0.9, 0.0]], [[0.5, 0.5, 0.0]]),
        (Head(2, "probabilities", "sigmoid"), [[0.0, 0.0]], [[0.5, 0.5]]),
    ],
)
def test_probabilities_equal_hand_worked_values(head, outputs, expected):
    np.testing.assert_allclose(head.probabilities(np.array(outputs)), expected, atol=1e-12)


def test_read_heads_raises_on_several_outputs_for_one_task():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])

    with pytest.raises(ValueError, match="has 2 outputs, but y is one target"):
        read_one(model, VALUES, None)
