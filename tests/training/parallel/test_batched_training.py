"""Concurrent fits give the same results as separate fits."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import classifier_network
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedSplit,
    StratifiedKFold,
    cross_validate,
)

import nnkit
from nnkit import KerasClassifier, KerasRegressor, batched_training
from nnkit.training.loop.backends import REASON_FOR_ALONE
from nnkit.training.parallel import batched_group, scheduler

L, opt = keras.layers, keras.optimizers

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = RNG.normal(size=(60, 4)) + Y[:, None] * [1.0, 0.0, -0.5, 0.0]
TOKENS = RNG.integers(10, size=(60, 4))
WEIGHTS = RNG.uniform(0.2, 3.0, 60)
N_FOLDS = 4


@pytest.fixture(autouse=True)
def _timeout(monkeypatch):
    """Raise the timeouts, so that groups do not break up on slow machines."""
    monkeypatch.setattr(scheduler, "_TIMEOUT", 30.0)
    monkeypatch.setattr(scheduler, "_START_TIMEOUT", 1.0)


@pytest.fixture
def stacks(monkeypatch):
    """Return the stacks of the test, with the number of members in each of their calls."""
    made = []

    class Seen(batched_group.Stack):
        def __init__(self, runs):
            super().__init__(runs)
            self.sizes = []
            made.append(self)

        def train(self, requests):
            results = super().train(requests)
            self.sizes.append(len(requests))
            return results

    monkeypatch.setattr(batched_group, "Stack", Seen)
    return made


def network_around(meta, body):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:], dtype="int32" if body is embedding else None),
            *body(),
            L.Dense(3, "softmax"),
        ]
    )


def dense():
    return [L.Dense(5, "tanh", kernel_regularizer="l2")]


def dropout():
    return [L.Dense(8, "tanh"), L.Dropout(0.4)]


def noise():
    return [L.GaussianNoise(0.5), L.Dense(5, "tanh")]


def batch_normalization():
    return [L.Dense(5, "tanh"), L.BatchNormalization(momentum=0.8)]


def layer_normalization():
    return [L.Dense(5, "tanh"), L.LayerNormalization()]


def embedding():
    return [L.Embedding(10, 3), L.Flatten()]


def convolution_1d():
    return [L.Reshape((4, 1)), L.Conv1D(3, 2, activation="tanh"), L.GlobalAveragePooling1D()]


def convolution_2d():
    return [L.Reshape((2, 2, 1)), L.Conv2D(3, 2, padding="same", activation="tanh"), L.Flatten()]


def recurrence():
    return [L.Reshape((4, 1)), L.LSTM(3)]


@keras.saving.register_keras_serializable("tests")
class Gate(L.Layer):
    """A custom layer with a non-trainable weight."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[1:], initializer="ones")
        self.n_calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.n_calls.assign_add(1.0)
        return x * keras.ops.sigmoid(self.scale * x)


def own_layer():
    return [L.Dense(5), Gate()]


def attention_network(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    steps = L.Dense(4)(L.Reshape((4, 1))(inputs))
    attended = L.MultiHeadAttention(2, 3, dropout=0.2)(steps, steps)
    outputs = L.Dense(3, "softmax")(L.Flatten()(L.Add()([steps, attended])))
    return keras.Model(inputs, outputs)


def classifier(model=classifier_network, **params):
    params = {
        "optimizer": opt.Adam(0.03),
        "epochs": 3,
        "batch_size": 20,
        "random_state": 0,
    } | params
    return KerasClassifier(model, **params)


def validated(estimator, X=X, y=Y, cv=N_FOLDS, scoring="neg_log_loss", **keywords):
    return cross_validate(
        estimator,
        X,
        y,
        cv=cv,
        scoring=scoring,
        return_estimator=True,
        error_score="raise",
        **keywords,
    )


def assert_same_fits(found, expected, rtol=2e-4, atol=2e-6):
    for ours, theirs in zip(found, expected, strict=True):
        for part, other in zip(ours.model_.get_weights(), theirs.model_.get_weights(), strict=True):
            np.testing.assert_allclose(part, other, rtol=rtol, atol=atol)
        assert ours.history_.keys() == theirs.history_.keys()
        for name, values in ours.history_.items():
            np.testing.assert_allclose(values, theirs.history_[name], rtol=rtol, atol=atol)


def assert_same_alone_and_together(estimator, *arguments, max_networks=N_FOLDS, **keywords):
    """Return the estimators of each fold, fitted separately and together."""
    alone = validated(estimator, *arguments, **keywords)
    with batched_training(max_networks=max_networks, vectorize=True):
        together = validated(estimator, *arguments, **keywords)

    np.testing.assert_allclose(together["test_score"], alone["test_score"], rtol=2e-4, atol=2e-6)
    assert_same_fits(together["estimator"], alone["estimator"])
    # The networks of the folds differ, so that this test detects swapped results.
    assert len({clf.history_["loss"][0] for clf in alone["estimator"]}) == len(alone["estimator"])
    return alone["estimator"], together["estimator"]


@pytest.mark.parametrize(
    "body",
    [
        dense,
        dropout,
        noise,
        batch_normalization,
        layer_normalization,
        embedding,
        convolution_1d,
        convolution_2d,
        recurrence,
        own_layer,
    ],
)
def test_vectorised_layers_equal_separate_fits(body, stacks):
    clf = classifier(network_around, body=body)

    assert_same_alone_and_together(clf, TOKENS if body is embedding else X)

    assert {size for stack in stacks for size in stack.sizes} == {N_FOLDS}


def test_vectorised_attention_equals_separate_fits(stacks):
    # The outputs do not depend on the bias of the keys, so that Adam's steps for it would depend
    # on rounding errors.
    assert_same_alone_and_together(classifier(attention_network, optimizer=opt.SGD(0.3)))

    assert [stack.sizes for stack in stacks] == [[N_FOLDS] * 3]


OPTIMIZERS = {
    "momentum": opt.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": opt.Adam(0.03),
    "AdamW": opt.AdamW(0.03, weight_decay=0.1),
    "RMSprop": opt.RMSprop(0.01, momentum=0.5, centered=True),
    "Lion": opt.Lion(0.003),
    "Nadam": opt.Nadam(0.01),
    "Adagrad": opt.Adagrad(0.1),
    "Ftrl": opt.Ftrl(0.1, l1_regularization_strength=0.01),
    "LossScale": opt.LossScaleOptimizer(opt.Adam(0.01), 2.0**10, 5),
    "clipnorm": opt.Adam(0.03, clipnorm=0.2),
    "schedule": opt.Adam(opt.schedules.ExponentialDecay(0.05, 3, 0.5)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_vectorised_optimizers_equal_separate_fits(name, stacks):
    clf = classifier(network_around, body=dense, optimizer=OPTIMIZERS[name])

    assert_same_alone_and_together(clf)

    assert [set(stack.sizes) for stack in stacks] == [{N_FOLDS}]


def test_early_stopped_members_leave_the_group(stacks):
    clf = classifier(
        optimizer=opt.SGD(1.0),
        epochs=12,
        early_stopping=True,
        n_iter_no_change=2,
        validation_split=0.25,
    )

    alone, together = assert_same_alone_and_together(clf)

    n_epochs = [len(fitted.history_["loss"]) for fitted in alone]
    assert len(set(n_epochs)) > 1
    assert [fitted.best_epoch_ for fitted in together] == [fitted.best_epoch_ for fitted in alone]
    # One call per epoch of the longest training, with the members that still train.
    (stack,) = stacks
    assert stack.sizes == [sum(n > i for n in n_epochs) for i in range(max(n_epochs))]


@pytest.mark.parametrize(
    ("params", "keywords"),
    [
        ({}, {"params": {"sample_weight": WEIGHTS}}),
        ({"class_weight": {0: 1.0, 1: 4.0, 2: 0.5}}, {}),
        ({"class_weight": "balanced"}, {"params": {"sample_weight": WEIGHTS}}),
    ],
    ids=["of rows", "of classes", "of both"],
)
def test_vectorised_weighted_fits_equal_separate_fits(params, keywords, stacks):
    assert_same_alone_and_together(classifier(**params), **keywords)

    assert [set(stack.sizes) for stack in stacks] == [{N_FOLDS}]


@pytest.mark.parametrize("batch_size", [7, 44, 1000])
def test_vectorised_fits_with_a_partial_last_batch_equal_separate_fits(batch_size, stacks):
    clf = classifier(network_around, body=batch_normalization, batch_size=batch_size)

    assert_same_alone_and_together(clf)

    assert {size for stack in stacks for size in stack.sizes} == {N_FOLDS}


def test_folds_of_different_lengths_form_separate_groups(stacks):
    # Four folds have 10 rows, and four have 5.
    folds = np.repeat(np.arange(8), [10] * 4 + [5] * 4)
    clf = classifier(network_around, body=dropout)

    assert_same_alone_and_together(clf, cv=PredefinedSplit(folds), max_networks=8)

    assert sorted(set(stack.sizes).pop() for stack in stacks) == [4, 4]


def test_vectorised_metrics_equal_those_of_separate_fits(stacks):
    clf = classifier(metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)])

    _, together = assert_same_alone_and_together(clf)

    assert {"loss", "accuracy"} < together[0].history_.keys()
    assert {size for stack in stacks for size in stack.sizes} == {N_FOLDS}


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
        lambda: keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.1, patience=1, min_delta=1),
        lambda: keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True),
    ],
    ids=["schedule", "plateau", "early stopping"],
)
def test_callbacks_affect_only_their_member(make, stacks):
    clf = classifier(callbacks=[make()], validation_split=0.25, epochs=5, optimizer=opt.SGD(0.8))

    alone, together = assert_same_alone_and_together(clf)

    rates = [
        [float(fitted.model_.optimizer.learning_rate) for fitted in fits]
        for fits in (alone, together)
    ]
    assert rates[0] == pytest.approx(rates[1])
    assert max(stacks[0].sizes) == N_FOLDS


def test_learning_rates_and_seeds_of_a_grid_share_one_program(stacks):
    grid = {"optimizer__learning_rate": [0.001, 0.03, 0.3], "random_state": [0, 1]}
    search = GridSearchCV(
        classifier(optimizer="adam"), grid, cv=3, scoring="neg_log_loss", error_score="raise"
    )

    alone = clone(search).fit(X, Y)
    with batched_training(max_networks=18, vectorize=True):
        together = clone(search).fit(X, Y)

    for i in range(3):
        scores = f"split{i}_test_score"
        np.testing.assert_allclose(
            together.cv_results_[scores], alone.cv_results_[scores], rtol=2e-4
        )
    assert len(set(alone.cv_results_["mean_test_score"].round(6))) == 6
    assert together.best_params_ == alone.best_params_
    assert_same_fits([together.best_estimator_], [alone.best_estimator_])
    # The refit on all rows is a separate fit.
    assert [stack.sizes for stack in stacks] == [[18]]


def linear(meta):
    return keras.Sequential([keras.Input(meta.X_shape_[1:]), L.Dense(meta.n_output_units_)])


@pytest.mark.parametrize("n_targets", [1, 2])
def test_vectorised_regressors_equal_separate_fits(n_targets, stacks):
    targets = np.column_stack([X @ [3.0, 1.0, 0.0, -1.0] + 50, X[:, 0] ** 2])[:, :n_targets]
    y = targets.ravel() if n_targets == 1 else targets
    reg = KerasRegressor(linear, optimizer="sgd", epochs=4, batch_size=16, random_state=0)

    assert_same_alone_and_together(reg, y=y, scoring="neg_mean_squared_error")

    assert [set(stack.sizes) for stack in stacks] == [{N_FOLDS}]


def two_inputs(meta):
    inputs = {name: keras.Input((2,), name=name) for name in ("left", "right")}
    hidden = L.Concatenate()([L.Dense(3, "tanh")(part) for part in inputs.values()])
    return keras.Model(inputs, L.Dense(3, "softmax")(hidden))


class WithTwoInputs(ClassifierMixin, BaseEstimator):
    """Passes the columns of an array as a dict."""

    def fit(self, X, y):
        self.classifier_ = classifier(two_inputs).fit(self._parts(X), y)
        self.classes_ = self.classifier_.classes_
        return self

    def predict_proba(self, X):
        return self.classifier_.predict_proba(self._parts(X))

    @property
    def model_(self):
        return self.classifier_.model_

    @property
    def history_(self):
        return self.classifier_.history_

    @staticmethod
    def _parts(X):
        return {"left": X[:, :2], "right": X[:, 2:]}


def test_networks_with_several_inputs_are_vectorised(stacks):
    assert_same_alone_and_together(WithTwoInputs())

    assert [set(stack.sizes) for stack in stacks] == [{N_FOLDS}]


def test_float64_networks_are_vectorised(stacks):
    clf = classifier(dtype_policy="float64")

    _, together = assert_same_alone_and_together(clf)

    assert {weights.dtype.name for weights in together[0].model_.get_weights()} == {"float64"}
    assert [set(stack.sizes) for stack in stacks] == [{N_FOLDS}]


def half_precision_inputs(meta):
    return keras.Sequential([keras.Input((4,), dtype="bfloat16"), L.Dense(3, "softmax")])


def test_float16_inputs_are_vectorised(stacks):
    assert_same_alone_and_together(classifier(half_precision_inputs), scoring="accuracy")

    assert [set(stack.sizes) for stack in stacks] == [{N_FOLDS}]


def test_ensemble_members_equal_those_of_a_separate_fit():
    assert_same_alone_and_together(classifier(n_estimators=2))


# Threads


@pytest.mark.parametrize(
    ("vectorize", "engine", "body"),
    [
        (False, "graph", dense),
        (None, "graph", dropout),
        (False, "graph", batch_normalization),
        (True, "keras", dropout),
    ],
    ids=["dense", "dropout", "batch normalization", "keras"],
)
def test_threads_give_bit_identical_results(vectorize, engine, body, stacks):
    clf = classifier(network_around, body=body, engine=engine, early_stopping=True)

    alone = validated(clf, cv=4)
    nnkit.clear_compiled_cache()
    with batched_training(vectorize=vectorize):
        together = validated(clf, cv=4)

    np.testing.assert_array_equal(together["test_score"], alone["test_score"])
    for ours, theirs in zip(together["estimator"], alone["estimator"], strict=True):
        assert ours.history_ == theirs.history_
        for part, other in zip(ours.model_.get_weights(), theirs.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(part, other)
    assert not stacks


@pytest.mark.parametrize("n_folds", [2, 12])
def test_number_of_tasks_does_not_change_backend_or_bits(n_folds):
    """XLA would be faster for 12 fits of 840 steps, but not for one fit."""
    clf = classifier(network_around, body=dense, epochs=140, batch_size=10)
    folds = list(StratifiedKFold(12).split(X, Y))[:n_folds]

    alone = validated(clf, cv=folds[:1])
    with batched_training(vectorize=False):
        together = validated(clf, cv=folds)

    assert {fitted.engine_ for fitted in together["estimator"]} == {"graph"}
    assert together["estimator"][0].history_ == alone["estimator"][0].history_
    weights = [found["estimator"][0].model_.get_weights() for found in (alone, together)]
    for part, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(part, other)


def test_engine_xla_gives_bit_identical_results_in_threads():
    clf = classifier(network_around, body=dense, epochs=30, batch_size=10, engine="xla")
    fits = [validated(clf, cv=3)["estimator"]]
    for _ in range(2):
        with batched_training(vectorize=False):
            fits.append(validated(clf, cv=3)["estimator"])

    weights = [[fit.model_.get_weights()[0].tobytes() for fit in found] for found in fits]
    assert weights[0] == weights[1] == weights[2]
    assert {fit.engine_ for found in fits for fit in found} == {"xla"}


# Groups


def test_results_do_not_depend_on_other_members(stacks):
    def rates(*others):
        grid = {"optimizer__learning_rate": [0.02, *others]}
        return GridSearchCV(
            classifier(optimizer="adam"),
            grid,
            cv=2,
            scoring={"loss": "neg_log_loss", "accuracy": "accuracy"},
            refit=False,
            error_score=np.nan,
        )

    scores = []
    for others in [(0.01, 0.03), (1.0, 0.5, 5.0, 0.0001)]:
        with batched_training(max_networks=2 * (1 + len(others)), vectorize=True):
            found = rates(*others).fit(X, Y).cv_results_
        scores.append([found[f"split{i}_test_loss"][0] for i in range(2)])

    np.testing.assert_allclose(scores[0], scores[1], rtol=2e-4)
    assert [stack.sizes for stack in stacks] == [[6], [10]]


def test_results_do_not_depend_on_a_member_with_nan_loss(stacks):
    search = GridSearchCV(
        classifier(network_around, body=batch_normalization, optimizer="sgd", loss="mse"),
        {"optimizer__learning_rate": [0.01, 1e38, 0.1]},
        cv=2,
        scoring="neg_log_loss",
        refit=False,
    )

    def scores():
        with (
            pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 6"),
            pytest.warns(UserWarning, match="test scores are non-finite"),
        ):
            return clone(search).fit(X, Y).cv_results_

    alone = scores()
    with batched_training(max_networks=6, vectorize=True):
        together = scores()

    assert np.isnan(together["mean_test_score"]).tolist() == [False, True, False]
    np.testing.assert_allclose(together["mean_test_score"], alone["mean_test_score"], rtol=2e-4)
    assert max(stacks[0].sizes) == 6
    assert min(stacks[0].sizes) == 4


def test_compiled_models_and_engines_form_separate_groups(stacks):
    search = GridSearchCV(
        classifier(),
        [
            {"model__units": [3, 5]},
            {"model__units": [3], "engine": ["keras", "graph"]},
        ],
        cv=4,
        scoring="neg_log_loss",
        refit=False,
        error_score="raise",
    )

    alone = clone(search).fit(X, Y).cv_results_
    with batched_training(max_networks=16, vectorize=True):
        together = clone(search).fit(X, Y).cv_results_

    np.testing.assert_allclose(together["mean_test_score"], alone["mean_test_score"], rtol=2e-4)
    assert alone["mean_test_score"][0] != alone["mean_test_score"][1]
    # "graph" and "auto" are the same program here. Keras' fit joins no group.
    assert sorted(stack.sizes for stack in stacks) == [[4], [8]]


def test_batch_sizes_form_separate_groups(stacks):
    search = GridSearchCV(
        classifier(), {"batch_size": [8, 20]}, cv=4, scoring="neg_log_loss", refit=False
    )

    alone = clone(search).fit(X, Y).cv_results_
    with batched_training(max_networks=8, vectorize=True):
        together = clone(search).fit(X, Y).cv_results_

    np.testing.assert_allclose(together["mean_test_score"], alone["mean_test_score"], rtol=2e-4)
    assert [set(stack.sizes) for stack in stacks] == [{4}, {4}]


def test_numbers_of_epochs_share_one_group(stacks):
    search = GridSearchCV(
        classifier(network_around, body=dropout),
        {"epochs": [2, 5], "shuffle": [True, False]},
        cv=2,
        scoring="neg_log_loss",
        refit=False,
        error_score="raise",
    )

    alone = clone(search).fit(X, Y).cv_results_
    with batched_training(max_networks=8, vectorize=True):
        together = clone(search).fit(X, Y).cv_results_

    assert len(set(alone["mean_test_score"])) == 4
    np.testing.assert_allclose(together["mean_test_score"], alone["mean_test_score"], rtol=2e-4)
    assert len(stacks) == 1


def test_fewer_than_four_members_train_separately(stacks):
    assert_same_alone_and_together(classifier(), cv=3, max_networks=3)

    assert not stacks


@keras.saving.register_keras_serializable("tests")
class AboveZero(L.Layer):
    """Has a hidden output whose size depends on the rows, so that it cannot be vectorised."""

    def call(self, x):
        return x - tf.reduce_mean(tf.boolean_mask(x, x > 0))


def unstackable(meta):
    return keras.Sequential([keras.Input((4,)), AboveZero(), L.Dense(3, "softmax")])


def test_failed_vectorisation_trains_separately_and_logs_the_reason(stacks, caplog):
    clf = classifier(unstackable)

    with caplog.at_level(logging.INFO, "nnkit"):
        _, together = assert_same_alone_and_together(clf)

    assert len(stacks) == 1
    assert not stacks[0].sizes
    (message,) = [r.getMessage() for r in caplog.records if r.name.startswith("nnkit.")]
    assert "train one at a time: vectorised training failed: InvalidArgumentError" in message
    compiled_model = together[0]._network.compiled_model
    assert "vectorised training failed" in compiled_model.fact(REASON_FOR_ALONE, lambda: None)

    # The vectorisation is not tried a second time.
    with batched_training(max_networks=N_FOLDS, vectorize=True):
        validated(clf)

    assert len(stacks) == 1


def test_members_with_equal_rows_share_one_copy(stacks):
    search = GridSearchCV(
        classifier(optimizer="adam"),
        {"optimizer__learning_rate": [0.01, 0.02, 0.03, 0.04], "random_state": [0, 1]},
        cv=KFold(3),
        scoring="neg_log_loss",
        refit=False,
    )

    with batched_training(max_networks=24, vectorize=True):
        search.fit(X, Y)

    (stack,) = stacks
    assert stack.sizes == [24]
    assert stack._rows[0].shape == (3 * 40, 4)


def test_members_with_different_targets_or_weights_share_no_copy(stacks):
    """Rows with different targets or weights are not shared."""
    folds = np.repeat([-1, 0, 1, 2, 3], [20, 10, 10, 10, 10])
    rows = np.ones((60, 4))
    clf = classifier(shuffle=False)

    alone = validated(clf, rows, cv=PredefinedSplit(folds))
    with batched_training(max_networks=4, vectorize=True):
        together = validated(clf, rows, cv=PredefinedSplit(folds))

    assert_same_fits(together["estimator"], alone["estimator"])
    assert stacks[0]._rows[0].shape == (4 * 50, 4)
