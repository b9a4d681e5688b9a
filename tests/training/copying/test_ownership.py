"""Builders that refer to Keras objects of the user: each fit has copies of them."""

import functools
import itertools
import sys
import threading
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.model_selection import KFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, batched_training
from nnkit.training.copying.ownership import with_copies

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5, 1.0] > 0).astype(int)


def pretrained():
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.BatchNormalization(),
        ]
    )


def with_head(body):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(body(inputs)))


body = pretrained()
backbones = types.ModuleType("backbones_of_this_test")
backbones.body = pretrained()
CACHE = {}


def reads_global(meta):
    return with_head(body)


def helper():
    return [{"body": body}]


def reads_global_of_helper(meta):
    return with_head(helper()[0]["body"])


def reads_module(meta):
    return with_head(backbones.body)


def imports_module(meta):
    import backbones_of_this_test

    return with_head(backbones_of_this_test.body)


def reads_globals_by_name(meta):
    return with_head(globals()["body"])


def sets_global(meta):
    global n_builds
    n_builds = 1
    return with_head(body)


def has_default(meta, part=body):
    return with_head(part)


def takes_part(meta, part=None):
    return with_head(part)


class Builder:
    shared = body

    def __init__(self):
        self.part = body

    def __call__(self, meta):
        return with_head(self.part)

    def of_class(self, meta):
        return with_head(self.shared)

    @classmethod
    def of_class_method(cls, meta):
        return with_head(cls.shared)


class Outer(keras.Model):
    def __init__(self):
        super().__init__()
        self.body, self.head = body, keras.layers.Dense(1, activation="sigmoid")

    def call(self, x):
        return self.head(self.body(x))


def makes_subclass(meta):
    outer = Outer()
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Activation("sigmoid")(outer(inputs)))


def closes_over(part):
    return lambda meta: with_head(part)


BUILDERS = {
    "global": reads_global,
    "global of a helper": reads_global_of_helper,
    "lambda": lambda meta: with_head(body),
    "closure": closes_over(body),
    "default": has_default,
    "partial": functools.partial(takes_part, part=body),
    "callable object": Builder(),
    "bound method": Builder().of_class,
    "class method": Builder.of_class_method,
    "subclass": makes_subclass,
    "module": reads_module,
    "imported module": imports_module,
    "globals()": reads_globals_by_name,
    "sets a global": sets_global,
    "hyperparameter": takes_part,
}


@pytest.fixture(autouse=True)
def _module(monkeypatch):
    monkeypatch.setitem(sys.modules, backbones.__name__, backbones)


def values_of(*models):
    return [variable.numpy() for model in models for variable in model.variables]


def assert_same(values, others):
    for value, other in zip(values, others, strict=True):
        np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize("name", BUILDERS)
def test_live_fit_does_not_change_objects_of_the_builder(name):
    before = values_of(body, backbones.body)
    hyperparameters = {"model__part": body} if name == "hyperparameter" else {}
    classifier = KerasClassifier(
        BUILDERS[name],
        epochs=2,
        callbacks=keras.callbacks.Callback(),
        random_state=0,
        **hyperparameters,
    )

    first = classifier.fit(X, Y).predict_proba(X)
    again = classifier.fit(X, Y).predict_proba(X)

    assert_same(values_of(body, backbones.body), before)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "graph"},
        {"engine": "keras"},
        {"early_stopping": True, "callbacks": keras.callbacks.Callback()},
        {"n_estimators": 2, "callbacks": keras.callbacks.Callback()},
    ],
    ids=["graph", "keras", "early stopping", "members"],
)
def test_fit_does_not_change_objects_of_the_builder_with_any_backend(settings):
    before = values_of(body)
    classifier = KerasClassifier(reads_global, epochs=2, random_state=0, **settings)

    classifier.fit(X, Y)
    classifier.model_.fit(X, Y, verbose=0)
    classifier.partial_fit(X, Y)

    assert_same(values_of(body), before)


def test_xla_does_not_change_a_layer_of_the_builder():
    layer = keras.layers.Dense(5)
    layer.build((None, 4))
    before = values_of(layer)
    classifier = KerasClassifier(
        lambda: keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1, "sigmoid")]),
        engine="xla",
        epochs=2,
        callbacks=keras.callbacks.Callback(),
    )

    classifier.fit(X, Y)

    assert_same(values_of(layer), before)
    assert not np.allclose(classifier.model_.get_weights()[0], before[0])


def test_batched_folds_do_not_change_the_users_weights():
    before = values_of(body)
    classifier = KerasClassifier(reads_global, epochs=2, callbacks=keras.callbacks.Callback())

    with batched_training():
        cross_val_score(classifier, X, Y, cv=3, error_score="raise")

    assert_same(values_of(body), before)


def test_transformer_does_not_change_the_users_weights():
    before = values_of(body)

    def autoencoder(meta):
        inputs = keras.Input((4,))
        return keras.Model(inputs, keras.layers.Dense(4)(body(inputs)))

    transformer = KerasTransformer(autoencoder, layer=None, epochs=2, engine="keras").fit(X)
    transformer.model_.fit(X, X, verbose=0)

    assert_same(values_of(body), before)


def test_folds_with_shuffled_labels_score_at_chance():
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    labels = np.random.default_rng(1).permutation(np.arange(60) % 5)
    wide = [keras.layers.Dense(128, activation="relu") for _ in range(2)]
    part = keras.Sequential([keras.Input((8,)), *wide])

    def build(meta):
        inputs = keras.Input((8,))
        return keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(part(inputs)))

    classifier = KerasClassifier(
        build,
        epochs=40,
        optimizer="adam",
        optimizer__learning_rate=0.005,
        callbacks=keras.callbacks.Callback(),
        random_state=0,
    )

    scores = cross_val_score(
        classifier, rows, labels, cv=KFold(5, shuffle=True, random_state=0), error_score="raise"
    )

    # A body that all folds share has seen the held-out rows. It scores 0.92.
    assert np.mean(scores[3:]) < 0.6


@pytest.mark.parametrize("kind", ["lru_cache", "dict"])
def test_cached_body_of_the_builder_is_not_trained(kind):
    CACHE.clear()
    cached = functools.lru_cache(pretrained)

    def kept():
        return cached() if kind == "lru_cache" else CACHE.setdefault("body", pretrained())

    classifier = KerasClassifier(
        lambda meta: with_head(kept()), epochs=2, callbacks=keras.callbacks.Callback()
    )

    classifier.fit(X, Y)
    fresh = values_of(kept())
    classifier.fit(X, Y)

    # The BatchNormalization has its initial statistics.
    assert_same(fresh[3:], [np.zeros(6), np.zeros(6), np.ones(6)])
    assert_same(values_of(kept()), fresh)


def test_frozen_part_stays_frozen_and_the_users_flag_is_unchanged():
    part = pretrained()
    part.trainable = False

    def build(meta):
        part.layers[0].trainable = True
        return with_head(part)

    classifier = KerasClassifier(build, epochs=2, callbacks=keras.callbacks.Callback()).fit(X, Y)

    names = [variable.path for variable in classifier.model_.trainable_variables]
    assert not any("batch_normalization" in name for name in names)
    assert not part.layers[0].trainable
    assert part._inbound_nodes == []


def test_unbuilt_layer_of_the_user_stays_unbuilt():
    layer = keras.layers.Dense(3)

    def build(meta):
        return keras.Sequential([keras.Input(meta.X_shape_[1:]), layer, keras.layers.Dense(1)])

    narrow = KerasRegressor(build, epochs=1).fit(X[:, :2], Y).predict(X[:, :2])
    wide = KerasRegressor(build, epochs=1).fit(X, Y).predict(X)

    assert narrow.shape == wide.shape == (40,)
    assert not layer.built


def test_builder_that_returns_the_users_model_does_not_change_it():
    model = keras.Sequential([pretrained(), keras.layers.Dense(1)])
    model.compile("sgd", "mae")
    before, optimizer = values_of(model), model.optimizer

    KerasRegressor(lambda: model, epochs=2, engine="keras").fit(X, Y)

    assert_same(values_of(model), before)
    assert model.optimizer is optimizer
    assert model.loss == "mae"


def test_optimizer_loss_metric_and_scaler_of_the_builder_are_unchanged():
    optimizer, metric = keras.optimizers.Adam(0.01), keras.metrics.MeanAbsoluteError()
    loss, scaler = keras.losses.Huber(), StandardScaler()

    def build(X):
        scaler.fit(X)
        inputs = keras.Input((4,))
        hidden = keras.layers.Rescaling(1.0 / scaler.scale_.astype("float32"))(inputs)
        model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
        model.compile(optimizer, loss, weighted_metrics=[metric])
        return model

    KerasRegressor(build, epochs=2, engine="keras").fit(X, Y)

    assert not optimizer.built
    assert float(metric.result()) == 0
    assert loss.reduction == "sum_over_batch_size"
    assert not hasattr(scaler, "scale_")


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_network_in_a_loss_function_is_unchanged(engine):
    part = pretrained()
    before = values_of(part)

    def perceptual(y_true, y_pred):
        rows = keras.ops.tile(y_true - y_pred, (1, 4))
        return keras.ops.mean(part(rows, training=True) ** 2, axis=-1)

    def build():
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])

    KerasRegressor(build, loss=perceptual, epochs=2, engine=engine).fit(X, Y)

    assert_same(values_of(part), before)


def test_two_references_to_an_object_refer_to_one_copy():
    layer = keras.layers.Dense(4)
    pair = [layer, layer]

    def build(part):
        return layer, pair, part

    copied, arguments = with_copies(build, {"part": layer})
    first, (second, third), fourth = copied(**arguments)

    assert first is second is third is fourth
    assert first is not layer


def test_builder_without_keras_objects_is_not_copied():
    counter = itertools.count()

    def build(meta, units=(3, 4)):
        next(counter)
        return keras.Sequential([keras.layers.Dense(n) for n in units])

    assert with_copies(build, {})[0] is build


def test_users_function_is_not_changed_for_other_threads():
    seen = []
    part = pretrained()

    def build(meta):
        inner = threading.Thread(target=lambda: seen.append(build.__closure__))
        inner.start()
        inner.join()
        return with_head(part)

    before = [cell.cell_contents for cell in build.__closure__]

    KerasClassifier(build, epochs=1).fit(X, Y)

    assert [cell.cell_contents for cell in build.__closure__] == before
    assert build(None).layers[1] is part


def test_fit_raises_on_an_object_that_cannot_be_copied():
    layer = keras.layers.Dense(3)
    layer.build((None, 4))
    layer.step = tf.function(layer.call)

    with pytest.raises(ValueError, match="Create or load the object inside"):
        KerasRegressor(lambda: keras.Sequential([layer, keras.layers.Dense(1)])).fit(X, Y)
