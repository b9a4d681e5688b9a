import keras
import numpy as np
import pytest

from nnkit.training.loop.state import StateLayout

L = keras.layers
OPTIMIZERS = {
    "SGD": keras.optimizers.SGD(0.1, momentum=0.9),
    "Adam": keras.optimizers.Adam(0.1, amsgrad=True, use_ema=True),
    "Nadam": keras.optimizers.Nadam(0.1),
    "schedule": keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    "Lamb": keras.optimizers.Lamb(0.1),
    "LossScale": keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1)),
}


def model_of(optimizer):
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(3), L.BatchNormalization(), L.Dropout(0.5), L.Dense(1)]
    )
    # Keras trains eagerly, since tracing a graph would take most of the time.
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


@pytest.mark.parametrize("is_flat", [True, False], ids=["flat", "pieces"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_round_trips_through_a_model(name, is_flat):
    if is_flat and name in ("Lamb", "LossScale"):
        pytest.skip("these look at whole tensors")
    optimizer = type(OPTIMIZERS[name]).from_config(OPTIMIZERS[name].get_config())
    trained = model_of(optimizer)
    X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    trained.fit(X, X[:, :1], epochs=2, verbose=0)
    layout = StateLayout(model_of(OPTIMIZERS[name]), is_flat)
    other = model_of(type(OPTIMIZERS[name]).from_config(OPTIMIZERS[name].get_config()))

    layout.assign(layout.state_of_model(trained), other)

    pairs = [(trained.variables, other.variables)]
    pairs += [(trained.optimizer.variables, other.optimizer.variables)]
    for ours, theirs in pairs:
        for one, another in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.numpy(), another.numpy())
    trained.fit(X, X[:, :1], epochs=1, shuffle=False, verbose=0)
    other.fit(X, X[:, :1], epochs=1, shuffle=False, verbose=0)
    for one, another in zip(trained.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "is_flat"),
    [
        (keras.optimizers.Adam(), True),
        (keras.optimizers.SGD(global_clipnorm=None), True),
        (keras.optimizers.Adam(clipnorm=1.0), False),
        (keras.optimizers.Adam(global_clipnorm=1.0), False),
        (keras.optimizers.Lamb(), False),
        (keras.optimizers.Muon(), False),
    ],
    ids=["Adam", "SGD", "clipnorm", "global", "Lamb", "Muon"],
)
def test_weights_are_one_vector_for_elementwise_optimizers(optimizer, is_flat):
    assert StateLayout(model_of(optimizer)).is_flat is is_flat


def test_wide_networks_keep_separate_tensors():
    model = keras.Sequential([keras.Input((100,)), L.Dense(500), L.Dense(1)])
    model.compile("adam", "mse")

    assert StateLayout(model).is_flat is False
