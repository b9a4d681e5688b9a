import numpy as np
import pytest

from nnkit.builders import Meta, find_builder, mlp


def meta_of(target_type, n_outputs):
    return Meta(X_shape_=(10, 4), target_type_=target_type, n_output_units_=n_outputs)


@pytest.mark.parametrize(
    ("target_type", "n_outputs", "activation"),
    [("binary", 1, "sigmoid"), ("multiclass", 3, "softmax"), ("continuous", 1, "linear")],
)
def test_the_head_fits_the_target(target_type, n_outputs, activation):
    model = mlp(meta_of(target_type, n_outputs))

    assert model.output_shape == (None, n_outputs)
    assert model.layers[-1].activation.__name__ == activation


def test_sizes_and_rates_are_those_asked_for():
    model = mlp(meta_of("binary", 1), units=(5, 3), activation="tanh", dropout_rate=0.25)

    assert model.count_params() == (4 + 1) * 5 + (5 + 1) * 3 + (3 + 1) * 1
    assert model.layers[1].activation.__name__ == "tanh"
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.25, 0.25]


def test_no_hidden_layer_makes_a_linear_model():
    model = mlp(meta_of("continuous", 1), units=())
    X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)

    weights, bias = model.get_weights()

    np.testing.assert_allclose(model(X).numpy(), X @ weights + bias, rtol=1e-5, atol=1e-6)


def test_an_unknown_builder_names_the_nearest():
    with pytest.raises(ValueError, match="model='mpl' is not a ready-made builder.*mean 'mlp'"):
        find_builder("mpl")
