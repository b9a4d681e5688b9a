"""The cache of compiled models: sharing, keys and limits."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import classifier_network

import nnkit
from nnkit import KerasClassifier, KerasRegressor
from nnkit._compat import compiled, traced
from nnkit.training.caching import cache

L = keras.layers
SCALAR = tf.TensorSpec((), tf.float32)


@pytest.fixture(autouse=True)
def _empty_cache():
    nnkit.clear_compiled_cache()


def compiled_model_of(estimator):
    return estimator._network.compiled_model


def fitted(X, y, build=classifier_network, **params):
    params = {"epochs": 1, "batch_size": 32, "random_state": 0, **params}
    return KerasClassifier(build, **params).fit(X, y)


@pytest.mark.parametrize(
    "changed",
    [
        {"random_state": 1},
        {"optimizer__learning_rate": 0.1},
        {"epochs": 2},
        {"early_stopping": True},
        {"class_weight": "balanced"},
        {"shuffle": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_fits_share_a_compiled_model(iris, changed):
    first, second = fitted(*iris), fitted(*iris, **changed)

    assert compiled_model_of(first) is compiled_model_of(second)


@pytest.mark.parametrize(
    "changed",
    [
        {"model__units": 5},
        {"model__activation": "tanh"},
        {"optimizer": "sgd"},
        {"optimizer__beta_1": 0.8},
        {"loss": "kl_divergence"},
        {"metrics": ["accuracy"]},
        {"dtype_policy": "float64"},
        {"optimizer__learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)},
    ],
    ids=lambda changed: next(iter(changed)) + str(next(iter(changed.values())))[:8],
)
def test_different_specifications_have_separate_compiled_models(iris, changed):
    first, second = fitted(*iris), fitted(*iris, **changed)

    assert compiled_model_of(first) is not compiled_model_of(second)


def test_shared_compiled_model_gives_the_results_of_a_new_one(iris):
    X, y = iris
    params = {"epochs": 3, "model__dropout_rate": 0.3, "random_state": 7}
    alone = fitted(X, y, **params)
    nnkit.clear_compiled_cache()
    for seed in range(8):
        fitted(
            X, y, **params | {"random_state": seed, "epochs": 1, "optimizer__learning_rate": 1.0}
        )

    among_others = fitted(X, y, **params)

    assert compiled_model_of(alone) is not compiled_model_of(among_others)
    np.testing.assert_array_equal(alone.predict_proba(X), among_others.predict_proba(X))
    np.testing.assert_array_equal(
        alone.model_.predict(X, verbose=0), among_others.model_.predict(X, verbose=0)
    )


UNITS = 4


def reads_a_global(meta):
    return classifier_network(meta, units=UNITS)


def test_changed_global_builds_another_network(iris, monkeypatch):
    first = fitted(*iris, reads_a_global)

    monkeypatch.setitem(globals(), "UNITS", 5)
    second = fitted(*iris, reads_a_global)

    assert first.model_.layers[0].units == 4
    assert second.model_.layers[0].units == 5


@pytest.mark.parametrize(
    "units_of",
    [
        lambda meta: meta.X_shape_[0] // 20,
        lambda meta: meta["X_shape_"][-2] // 20,
        lambda meta: max(meta.X_shape_) // 20,
        lambda meta: int(np.prod(meta.X_shape_)) // 80,
        lambda meta: 7 if 140 in meta.X_shape_ else 5,
        lambda meta: 7 if meta.X_shape_ > (100, 4) else 5,
        lambda meta: 5 if meta.X_shape_ != (140, 4) else 7,
        lambda meta: 7 if meta.X_shape_.count(140) else 5,
        lambda meta: ((0,) + meta.X_shape_)[1] // 20,  # noqa: RUF005
        lambda meta: (2 * meta.X_shape_)[2] // 20,
    ],
    ids=[
        "position", "from the end", "all", "numpy", "in", "order", "unequal", "count", "added",
        "repeated",
    ],
)  # fmt: skip
def test_builder_that_reads_the_number_of_rows_is_called_again(iris, units_of):
    X, y = iris

    def build(meta):
        return classifier_network(meta, units=units_of(meta))

    sizes = [fitted(X[-n:], y[-n:], build).model_.layers[0].units for n in (100, 140, 100)]

    assert sizes == [5, 7, 5]


def test_builder_with_state_is_called_for_each_fit(iris):
    class Growing:
        units = 2

        def __call__(self, meta):
            self.units += 1
            return classifier_network(meta, units=self.units)

    grow = Growing()
    sizes = [fitted(*iris, grow).model_.layers[0].units for _ in range(3)]

    assert sizes == [3, 4, 5]


def test_builder_that_draws_its_network_is_called_for_each_fit(iris):
    """A build seeds Python's random module, so that the drawn units follow from the seed."""
    import random

    def build(meta):
        return classifier_network(meta, units=random.choice(range(2, 30)))

    sizes = [fitted(*iris, build, random_state=seed).model_.layers[0].units for seed in range(5)]
    again = [fitted(*iris, build, random_state=seed).model_.layers[0].units for seed in range(5)]

    assert len(set(sizes)) > 2
    assert again == sizes


def test_builder_that_draws_one_of_two_networks_is_called_for_each_fit(iris):
    """The first two builds may be equal by chance."""
    import random

    def build(meta):
        return classifier_network(meta, units=random.choice((3, 4)))

    sizes = {}
    for seed in range(8):
        nnkit.clear_compiled_cache()
        sizes[seed] = fitted(*iris, build, random_state=seed).model_.layers[0].units
    nnkit.clear_compiled_cache()
    together = {
        seed: fitted(*iris, build, random_state=seed).model_.layers[0].units for seed in range(8)
    }

    assert set(sizes.values()) == {3, 4}
    assert together == sizes


def test_keras_epsilon_is_part_of_the_cache_key(iris):
    first = fitted(*iris)
    before = keras.config.epsilon()
    try:
        keras.config.set_epsilon(1e-2)
        second = fitted(*iris)
    finally:
        keras.config.set_epsilon(before)

    assert compiled_model_of(first) is not compiled_model_of(second)


def test_registered_objects_are_part_of_the_cache_key(iris):
    def registered(k):
        class Scaled(L.Layer):
            def call(self, inputs):
                return k * inputs

        return Scaled

    config = {"module": None, "class_name": "Scaled", "config": {}, "registered_name": "Scaled"}

    def build(meta):
        scaled = keras.layers.deserialize(config)
        return keras.Sequential([keras.Input((4,)), scaled, *classifier_network(meta).layers])

    found = []
    for k in (1, 3):
        with keras.saving.custom_object_scope({"Scaled": registered(k)}):
            found.append(fitted(*iris, build).history_["loss"])

    assert not np.allclose(*found)


def test_equal_networks_of_different_builders_share_programs(iris):
    def build(meta, rate, X):
        model = classifier_network(meta)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        return model

    first, second = fitted(*iris, build, rate=0.1), fitted(*iris, build, rate=0.001)

    assert compiled_model_of(first) is compiled_model_of(second)
    assert float(first.model_.optimizer.learning_rate) == pytest.approx(0.1)
    assert float(second.model_.optimizer.learning_rate) == pytest.approx(0.001)
    assert not np.allclose(first.predict_proba(iris[0]), second.predict_proba(iris[0]))


def test_adapted_layers_are_not_shared(iris):
    """The means of a Normalization layer are not part of its configuration."""
    X, y = iris

    def build(meta, X):
        normalization = L.Normalization()
        normalization.adapt(X)
        model = classifier_network(meta)
        return keras.Sequential([keras.Input((4,)), normalization, *model.layers])

    first, second = fitted(X, y, build), fitted(X + 100, y, build)

    assert compiled_model_of(first) is not compiled_model_of(second)
    np.testing.assert_allclose(
        first.predict_proba(X), second.predict_proba(X + 100), rtol=1e-3, atol=1e-4
    )


def test_model_as_builder_is_used_with_its_current_weights(iris):
    X, _ = iris
    y = X[:, 0]
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    reg = KerasRegressor(model)

    before = reg.initialize(X, y).predict(X)
    model.set_weights([2 * weights for weights in model.get_weights()])
    after = reg.initialize(X, y).predict(X)

    np.testing.assert_allclose(after, 2 * before, rtol=1e-5)


def test_number_of_cached_compiled_models_is_limited(iris, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_COMPILED_MODELS", 2)
    kept = [weakref.ref(compiled_model_of(fitted(*iris, model__units=n))) for n in (2, 3, 4)]
    gc.collect()

    assert [reference() is None for reference in kept] == [True, False, False]


def test_memory_of_cached_compiled_models_is_limited(iris, monkeypatch):
    one = compiled_model_of(fitted(*iris, model__units=30)).n_bytes
    monkeypatch.setattr(cache, "_MAX_BYTES", int(2.5 * one))
    kept = [weakref.ref(compiled_model_of(fitted(*iris, model__units=n))) for n in (40, 41, 42)]
    fitted(*iris, model__units=43)
    gc.collect()

    assert [reference() is None for reference in kept] == [True, False, False]


def test_size_of_a_compiled_model_includes_its_programs(iris):
    compiled_model = compiled_model_of(fitted(*iris, model__units=31))
    size = compiled_model.n_bytes

    compiled_model.program("another", lambda: traced(compiled(tf.square), SCALAR))

    assert compiled_model.n_bytes > size > 100_000


def test_clear_compiled_cache_frees_compiled_models_at_once(iris):
    reference = weakref.ref(compiled_model_of(fitted(*iris, model__units=32)))

    nnkit.clear_compiled_cache()

    assert reference() is None


def test_clear_compiled_cache_does_not_affect_fitted_estimators(iris):
    X, y = iris
    clf = fitted(X, y)
    before = clf.predict_proba(X)

    nnkit.clear_compiled_cache()

    np.testing.assert_array_equal(clf.predict_proba(X), before)
    clf.partial_fit(X, y)
    assert compiled_model_of(fitted(X, y)) is not compiled_model_of(clf)


def test_concurrent_fits_in_threads_share_the_cache(iris):
    X, y = iris
    cases = [
        {"random_state": seed, "model__units": units, "epochs": 4, "early_stopping": seed == 2}
        for seed in range(4)
        for units in (4, 7)
    ]
    expected = [fitted(X, y, **case).predict_proba(X) for case in cases]
    nnkit.clear_compiled_cache()
    barrier = threading.Barrier(len(cases))

    def at_once(case):
        barrier.wait()
        return fitted(X, y, **case).predict_proba(X)

    with ThreadPoolExecutor(len(cases)) as pool:
        found = list(pool.map(at_once, cases))

    for ours, alone in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, alone)


def test_learning_rate_of_an_optimizer_instance_is_respected(iris):
    X, y = iris
    slow, fast = (fitted(X, y, optimizer=keras.optimizers.Adam(rate)) for rate in (1e-4, 0.5))

    assert float(fast.model_.optimizer.learning_rate) == pytest.approx(0.5)
    assert not np.allclose(slow.predict_proba(X), fast.predict_proba(X))


def test_shared_metrics_keep_their_names(iris):
    names = [
        set(fitted(*iris, metrics=[keras.metrics.SparseCategoricalAccuracy(name=name)]).history_)
        for name in ("one", "other")
    ]

    assert names == [{"loss", "one"}, {"loss", "other"}]


def test_custom_function_with_a_keras_name_is_not_shared(iris):
    def relu(x):
        return -x

    def with_activation(activation):
        return lambda meta: classifier_network(meta, activation=activation)

    X, y = iris
    nnkit.clear_compiled_cache()
    alone = fitted(X, y, with_activation(relu)).predict_proba(X)
    fitted(X, y, with_activation("relu"))

    np.testing.assert_array_equal(fitted(X, y, with_activation(relu)).predict_proba(X), alone)


@keras.saving.register_keras_serializable()
class Rate(keras.optimizers.schedules.LearningRateSchedule):
    value = 0.5

    def __call__(self, step):
        return self.value

    def get_config(self):
        return {}


def test_custom_schedule_is_read_for_each_fit(iris, monkeypatch):
    X, y = iris
    first = fitted(X, y, optimizer__learning_rate=Rate()).predict_proba(X)

    monkeypatch.setattr(Rate, "__call__", lambda self, step: 1e-6)

    assert not np.allclose(fitted(X, y, optimizer__learning_rate=Rate()).predict_proba(X), first)


class Scaled(keras.optimizers.SGD):
    """A custom optimizer whose configuration lacks an argument."""

    def __init__(self, factor=1.0, **arguments):
        super().__init__(**arguments)
        self.factor = factor

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(self.factor * gradient, variable, learning_rate)


def test_optimizer_arguments_outside_of_the_configuration_are_kept(iris):
    X, y = iris
    params = {"optimizer": Scaled, "epochs": 3}
    stands, moves = (fitted(X, y, **params, optimizer__factor=f) for f in (0.0, 50.0))

    assert stands.history_["loss"][0] == pytest.approx(stands.history_["loss"][-1], rel=1e-4)
    assert moves.history_["loss"][0] > 1.01 * moves.history_["loss"][-1]


def test_layers_without_a_configuration_train(iris):
    class Cell(L.Layer):
        def __init__(self, made_with):
            super().__init__()
            self.dense, self.state_size = made_with(3), 3

        def build(self, input_shape):
            self.dense.build(input_shape)

        def call(self, inputs, states):
            output = self.dense(inputs) + states[0]
            return output, [output]

    def build(meta):
        return keras.Sequential(
            [keras.Input((4,)), L.Reshape((2, 2)), L.RNN(Cell(L.Dense)), L.Dense(3, "softmax")]
        )

    assert fitted(*iris, build).predict(iris[0]).shape == (150,)


def test_builders_with_new_layer_names_give_separate_models(iris):
    import uuid

    def build(meta):
        model = classifier_network(meta)
        model.name = uuid.uuid4().hex
        return model

    X, y = iris
    first, second = fitted(X, y, build), fitted(X, y, build)
    before = second.predict_proba(X)

    first.model_.set_weights([0 * weights for weights in first.model_.get_weights()])

    assert first.model_ is not second.model_
    np.testing.assert_allclose(second.predict_proba(X), before, rtol=1e-5)


@pytest.mark.parametrize("activation", ["tanh", lambda x: x], ids=["stock", "own"])
def test_mixed_precision_fits_share_and_have_live_models(iris, activation):
    X, y = iris

    def build():
        return keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(5, activation),
                keras.layers.Dense(3, "softmax"),
            ]
        )

    fits = [fitted(X, y, build, dtype_policy="mixed_float16") for _ in range(3)]

    assert compiled_model_of(fits[0]) is compiled_model_of(fits[1])
    for clf in fits:
        assert isinstance(clf.model_.optimizer, keras.optimizers.LossScaleOptimizer)
        np.testing.assert_allclose(
            clf.model_.predict(X, verbose=0), clf.predict_proba(X), rtol=2e-2, atol=2e-3
        )
