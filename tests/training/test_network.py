import pickle

import keras
import numpy as np
import pytest

from nnkit.training.network import Network
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.heads import Task
from nnkit.training.specification.model_spec import ModelSpec

X = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32)


def build(units=3):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, "tanh")])


def network_of(build, seed=3, units=3):
    model_spec = ModelSpec(build, {}, Compilation(), seed=seed)
    return Network(model_spec, [[Task("regression", row_shape=(units,))]], X[:1], None)


def test_outputs_equal_keras_predictions_for_any_chunk_size():
    network = network_of(build)

    (whole,) = network.outputs(X)
    (chunked,) = network.outputs(X, chunk_rows=9)

    expected = network.model.predict(X, verbose=0)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(chunked, whole, rtol=1e-5, atol=1e-6)


def test_predictions_follow_weights_set_in_the_live_model():
    network = network_of(build)
    before = network.outputs(X)[0]

    network.model.set_weights([2 * weights for weights in network.model.get_weights()])

    assert not np.allclose(network.outputs(X)[0], before)
    np.testing.assert_allclose(
        network.outputs(X)[0], network.model.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_assign_weights_changes_one_network_and_not_the_shared_model():
    first, second = network_of(build, seed=1), network_of(build, seed=2)
    shared, before = first.compiled_model.model.get_weights(), second.values
    seen = []

    def double(model):
        seen.append(keras.ops.convert_to_numpy(model.layers[0].kernel))
        model.layers[0].kernel.assign(2 * model.layers[0].kernel)

    kernel, bias = first.values
    first.assign_weights(double)

    np.testing.assert_array_equal(seen[0], kernel)
    np.testing.assert_array_equal(first.values[0], 2 * kernel)
    np.testing.assert_array_equal(first.values[1], bias)
    for one, other in zip(second.values, before, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(first.compiled_model.model.get_weights()[0], shared[0])


def test_live_models_of_one_compiled_model_have_separate_weights():
    first, second = network_of(build, seed=1), network_of(build, seed=2)
    assert first.compiled_model is second.compiled_model

    first.model.set_weights([np.zeros_like(part) for part in first.model.get_weights()])

    assert first.model is not second.model
    assert not first.outputs(X)[0].any()
    assert second.outputs(X)[0].any()


def test_seed_of_the_model_spec_determines_the_weights():
    first, again, other = (
        ModelSpec(build, {}, Compilation(), seed=seed).build(X).get_weights()[0]
        for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_model_as_builder_is_copied_with_its_weights():
    model = build()

    copied = ModelSpec(model, {}, Compilation()).build(X)

    assert copied is not model
    np.testing.assert_array_equal(copied.get_weights()[0], model.get_weights()[0])


def test_model_without_input_layer_is_built_on_example_rows():
    model = ModelSpec(lambda: keras.Sequential([keras.layers.Dense(2)]), {}, Compilation()).build(X)

    assert model.built
    assert model.count_params() == 4 * 2 + 2


@pytest.mark.parametrize("spec_source", ["function", "model", "data"])
def test_pickled_network_predicts_the_same(spec_source):
    if spec_source == "data":
        model_spec = ModelSpec(
            lambda X: build(), {"X": X}, Compilation(), seed=3, is_rebuildable=False
        )
    else:
        model_spec = ModelSpec(
            build if spec_source == "function" else build(), {}, Compilation(), seed=3
        )
    network = Network(model_spec, [[Task("regression", row_shape=(3,))]], X[:1], None)
    import cloudpickle

    for _ in range(2):
        dumped = cloudpickle.dumps(network)
        restored = pickle.loads(dumped)
        np.testing.assert_array_equal(restored.outputs(X)[0], network.outputs(X)[0])
        network = restored

    assert len(dumped) < 60_000


@pytest.mark.parametrize(
    ("built", "error", "message"),
    [
        (None, TypeError, "must return a keras.Model. Got NoneType instead. Does it end with"),
        ("mlp", TypeError, "must return a keras.Model. Got str instead"),
    ],
)
def test_build_raises_if_the_builder_returns_no_model(built, error, message):
    with pytest.raises(error, match=message):
        ModelSpec(lambda: built, {}, Compilation()).build(X)


def test_build_raises_if_the_input_shape_differs_from_the_rows():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])

    with pytest.raises(ValueError, match=r"takes rows of shape \(5,\), but the encoded rows of X"):
        ModelSpec(model, {}, Compilation()).build(X)


def test_build_raises_if_the_number_of_inputs_differs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    model = keras.Model(inputs, keras.layers.Add()(inputs))

    with pytest.raises(ValueError, match="has 2 inputs, but X is one table"):
        ModelSpec(model, {}, Compilation()).build(X)


def test_live_model_recompiled_with_frozen_layers_trains_the_others():
    from nnkit.training.loop.engine import train
    from nnkit.training.loop.plan import TrainingData, TrainingPlan

    def stack():
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(3)])

    network = network_of(stack)
    network.keeps_optimizer = True
    data, plan = TrainingData(X, X[:, :3]), TrainingPlan(epochs=2, batch_size=10)
    train(network, data, plan)
    network.model.layers[0].trainable = False
    network.model.compile("sgd", "mse")
    before = network.values

    record = train(network, data, plan)
    restored = pickle.loads(pickle.dumps(network.values))

    assert record.engine == "graph"
    changed = [not np.array_equal(*pair) for pair in zip(before, restored, strict=True)]
    assert changed == [False, False, True, True]
    assert type(network.model.optimizer) is keras.optimizers.SGD
    np.testing.assert_allclose(
        network.outputs(X)[0], network.model.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )
    import cloudpickle

    again = pickle.loads(cloudpickle.dumps(network))
    np.testing.assert_allclose(again.outputs(X)[0], network.outputs(X)[0], rtol=1e-5, atol=1e-6)
    train(again, data, plan)


def test_prediction_of_a_row_does_not_depend_on_other_rows():
    wide = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(96, "mish"), keras.layers.Dense(96, "mish")]
    )
    wide.add(keras.layers.Dense(3))
    network = network_of(lambda: wide)
    together = network.outputs(X)[0]

    for size in (1, 2, 3, 5):
        chunked = network.outputs(X, chunk_rows=size)[0]

        assert np.array_equal(chunked, together)
    assert np.array_equal(network.outputs(X[:1])[0], together[:1])
