import keras
import numpy as np
import pytest

from nnkit.layers import CategoryEmbeddings
from nnkit.training.prediction.reach import check_reachable, leaves_of, tail_of

ROW = np.zeros((1, 2), np.float32)


def perceptron():
    return keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, name="hidden"), keras.layers.Dense(1)]
    )


def test_tail_of_a_layer_gives_the_outputs_from_its_output():
    model = perceptron()
    hidden = model.get_layer("hidden")(ROW)

    np.testing.assert_allclose(tail_of(model, "hidden")(hidden), model(ROW), rtol=1e-6)


def test_tail_raises_on_unknown_layers_and_on_branches():
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(2, name="hidden")(inputs)
    branched = keras.Model(inputs, keras.layers.Add()([hidden, inputs]))

    with pytest.raises(ValueError, match="layer='first' is no layer of the network"):
        tail_of(perceptron(), "first")
    with pytest.raises(ValueError, match="do not follow from layer 'hidden' alone"):
        tail_of(branched, "hidden")


def test_float_inputs_are_reachable():
    check_reachable(perceptron(), ROW, None)
    check_reachable(perceptron(), ROW, "hidden")


@pytest.mark.parametrize(
    "lookup",
    [
        keras.layers.Embedding(5, 2, name="lookup"),
        CategoryEmbeddings((5, 5), 2, name="lookup"),
    ],
    ids=["keras", "nnkit"],
)
def test_lookups_raise_with_the_layer_behind_which_gradients_exist(lookup):
    model = keras.Sequential(
        [keras.Input((2,)), lookup, keras.layers.Flatten(), keras.layers.Dense(1)]
    )

    with pytest.raises(ValueError, match="does not reach the input of layer 'lookup'.*at its out"):
        check_reachable(model, ROW, None)


def test_integer_inputs_raise():
    with pytest.raises(ValueError, match="inputs are of dtype int32, and only floats"):
        check_reachable(perceptron(), ROW.astype(np.int32), None)


def test_leaves_are_the_layers_of_nested_models():
    inner = perceptron()
    outer = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1, name="last")])

    assert [layer.name for layer in leaves_of(outer)][-1] == "last"
    assert "hidden" in [layer.name for layer in leaves_of(outer)]
