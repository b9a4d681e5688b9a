"""Which networks share their programs, and what is kept of them."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from networks import classifier_network

import nnkit
from nnkit import KerasClassifier, KerasRegressor
from nnkit.training.caching import cache

L = keras.layers


@pytest.fixture(autouse=True)
def _empty_cache():
    nnkit.clear_compiled_cache()


def architecture_of(estimator):
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
def test_fits_share_an_architecture(iris, changed):
    first, second = fitted(*iris), fitted(*iris, **changed)

    assert architecture_of(first) is architecture_of(second)


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
def test_other_architectures_are_kept_apart(iris, changed):
    first, second = fitted(*iris), fitted(*iris, **changed)

    assert architecture_of(first) is not architecture_of(second)


def test_a_shared_architecture_gives_what_a_new_one_gives(iris):
    X, y = iris
    params = {"epochs": 3, "model__dropout_rate": 0.3, "random_state": 7}
    alone = fitted(X, y, **params)
    nnkit.clear_compiled_cache()
    for seed in range(8):
        fitted(
            X, y, **params | {"random_state": seed, "epochs": 1, "optimizer__learning_rate": 1.0}
        )

    among_others = fitted(X, y, **params)

    assert architecture_of(alone) is not architecture_of(among_others)
    np.testing.assert_array_equal(alone.predict_proba(X), among_others.predict_proba(X))
    np.testing.assert_array_equal(
        alone.model_.predict(X, verbose=0), among_others.model_.predict(X, verbose=0)
    )


UNITS = 4


def reads_a_global(meta):
    return classifier_network(meta, units=UNITS)


def test_a_global_that_changes_is_another_network(iris, monkeypatch):
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
def test_a_builder_that_looks_at_the_number_of_rows_is_asked_again(iris, units_of):
    X, y = iris

    def build(meta):
        return classifier_network(meta, units=units_of(meta))

    sizes = [fitted(X[-n:], y[-n:], build).model_.layers[0].units for n in (100, 140, 100)]

    assert sizes == [5, 7, 5]


def test_a_builder_with_a_state_of_its_own_is_called_each_time(iris):
    class Growing:
        units = 2

        def __call__(self, meta):
            self.units += 1
            return classifier_network(meta, units=self.units)

    grow = Growing()
    sizes = [fitted(*iris, grow).model_.layers[0].units for _ in range(3)]

    assert sizes == [3, 4, 5]


def test_a_builder_that_draws_its_network_is_called_each_time(iris):
    """Keras' seeds come from Python's random module, which is seeded: so do these units."""
    import random

    def build(meta):
        return classifier_network(meta, units=random.choice(range(2, 30)))

    sizes = [fitted(*iris, build, random_state=seed).model_.layers[0].units for seed in range(5)]
    again = [fitted(*iris, build, random_state=seed).model_.layers[0].units for seed in range(5)]

    assert len(set(sizes)) > 2
    assert again == sizes


def test_a_builder_that_draws_one_of_two_networks_is_called_each_time(iris):
    """The first two builds may be alike by chance."""
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


def test_the_epsilon_of_keras_counts(iris):
    first = fitted(*iris)
    before = keras.config.epsilon()
    try:
        keras.config.set_epsilon(1e-2)
        second = fitted(*iris)
    finally:
        keras.config.set_epsilon(before)

    assert architecture_of(first) is not architecture_of(second)


def test_what_is_registered_under_a_name_counts(iris):
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


def test_networks_that_turn_out_the_same_share_programs(iris):
    def build(meta, rate, X):
        model = classifier_network(meta)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        return model

    first, second = fitted(*iris, build, rate=0.1), fitted(*iris, build, rate=0.001)

    assert architecture_of(first) is architecture_of(second)
    assert float(first.model_.optimizer.learning_rate) == pytest.approx(0.1)
    assert float(second.model_.optimizer.learning_rate) == pytest.approx(0.001)
    assert not np.allclose(first.predict_proba(iris[0]), second.predict_proba(iris[0]))


def test_what_a_layer_has_adapted_to_is_its_own(iris):
    """A Normalization keeps means that no configuration tells."""
    X, y = iris

    def build(meta, X):
        normalization = L.Normalization()
        normalization.adapt(X)
        model = classifier_network(meta)
        return keras.Sequential([keras.Input((4,)), normalization, *model.layers])

    first, second = fitted(X, y, build), fitted(X + 100, y, build)

    assert architecture_of(first) is not architecture_of(second)
    np.testing.assert_allclose(
        first.predict_proba(X), second.predict_proba(X + 100), rtol=1e-3, atol=1e-4
    )


def test_a_model_is_taken_with_its_weights_each_time(iris):
    X, _ = iris
    y = X[:, 0]
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    reg = KerasRegressor(model)

    before = reg.initialize(X, y).predict(X)
    model.set_weights([2 * weights for weights in model.get_weights()])
    after = reg.initialize(X, y).predict(X)

    np.testing.assert_allclose(after, 2 * before, rtol=1e-5)


def test_the_number_of_architectures_is_bounded(iris, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_COMPILED_MODELS", 2)
    kept = [weakref.ref(architecture_of(fitted(*iris, model__units=n))) for n in (2, 3, 4)]
    gc.collect()

    assert [reference() is None for reference in kept] == [True, False, False]


def test_the_memory_of_architectures_is_bounded(iris, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_BYTES", 4000)
    kept = [weakref.ref(architecture_of(fitted(*iris, model__units=n))) for n in (40, 100, 101)]
    gc.collect()

    assert [reference() is None for reference in kept] == [True, True, False]


def test_forgotten_programs_leave_fitted_estimators_alone(iris):
    X, y = iris
    clf = fitted(X, y)
    before = clf.predict_proba(X)

    nnkit.clear_compiled_cache()

    np.testing.assert_array_equal(clf.predict_proba(X), before)
    clf.partial_fit(X, y)
    assert architecture_of(fitted(X, y)) is not architecture_of(clf)


def test_many_threads_fit_the_same_and_other_networks_at_once(iris):
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


def test_the_rate_of_an_optimizer_instance_is_its_own(iris):
    X, y = iris
    slow, fast = (fitted(X, y, optimizer=keras.optimizers.Adam(rate)) for rate in (1e-4, 0.5))

    assert float(fast.model_.optimizer.learning_rate) == pytest.approx(0.5)
    assert not np.allclose(slow.predict_proba(X), fast.predict_proba(X))


def test_metrics_keep_their_names(iris):
    names = [
        set(fitted(*iris, metrics=[keras.metrics.SparseCategoricalAccuracy(name=name)]).history_)
        for name in ("one", "other")
    ]

    assert names == [{"loss", "one"}, {"loss", "other"}]


def test_a_function_of_a_known_name_is_not_taken_for_keras_own(iris):
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


def test_a_schedule_of_ones_own_is_looked_at_each_time(iris, monkeypatch):
    X, y = iris
    first = fitted(X, y, optimizer__learning_rate=Rate()).predict_proba(X)

    monkeypatch.setattr(Rate, "__call__", lambda self, step: 1e-6)

    assert not np.allclose(fitted(X, y, optimizer__learning_rate=Rate()).predict_proba(X), first)


class Scaled(keras.optimizers.SGD):
    """An optimizer of one's own, whose configuration leaves an argument out."""

    def __init__(self, factor=1.0, **arguments):
        super().__init__(**arguments)
        self.factor = factor

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(self.factor * gradient, variable, learning_rate)


def test_arguments_that_no_configuration_tells_are_kept(iris):
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


def test_builders_that_name_their_layers_anew_give_models_of_their_own(iris):
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
def test_fits_of_half_precision_share_and_have_live_models(iris, activation):
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

    assert architecture_of(fits[0]) is architecture_of(fits[1])
    for clf in fits:
        assert isinstance(clf.model_.optimizer, keras.optimizers.LossScaleOptimizer)
        np.testing.assert_allclose(
            clf.model_.predict(X, verbose=0), clf.predict_proba(X), rtol=2e-2, atol=2e-3
        )
