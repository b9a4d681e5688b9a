"""fit, partial_fit, warm_start, initialize, time_limit and arguments of fit."""

import pickle
import time

import keras
import numpy as np
import pytest
from networks import classifier_network, head
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnkit
from nnkit import KerasClassifier, KerasRegressor
from nnkit.optimizers import Cosine

PARAMS = {"batch_size": 32, "random_state": 0}


def weights_of(estimator):
    return estimator.model_.get_weights()


def assert_same_weights(first, second):
    for one, other in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_partial_fit_three_times_equals_fit_with_three_epochs(iris, engine):
    """Weights, optimizer state and row order continue from one call to the next."""
    X, y = iris
    clf = KerasClassifier(classifier_network, encoder=None, engine=engine, **PARAMS)
    whole = KerasClassifier(classifier_network, epochs=3, engine=engine, **PARAMS).fit(X, y)

    for _ in range(3):
        clf.partial_fit(X, y)

    assert_same_weights(clf, whole)
    assert clf.history_ == whole.history_
    assert clf.n_iter_ == 3


@pytest.mark.parametrize("dropout_rate", [0.0, 0.5])
def test_partial_fit_resumes_identically_after_pickling(iris, dropout_rate):
    """The random stream of dropout continues too."""
    X, y = iris
    clf = KerasClassifier(classifier_network, model__dropout_rate=dropout_rate, **PARAMS)
    clf.partial_fit(X, y)

    restored = pickle.loads(pickle.dumps(clf))
    clf.partial_fit(X, y)
    restored.partial_fit(X, y)

    assert_same_weights(clf, restored)
    assert restored.history_ == clf.history_


def test_training_program_is_traced_once_for_many_fits(iris, monkeypatch):
    """Clones, folds, other seeds, other learning rates and further training share one trace."""
    from nnkit.training.loop import program

    traces = []
    traced = program.traced
    monkeypatch.setattr(
        program, "traced", lambda *args, **keys: traces.append(args) or traced(*args, **keys)
    )
    X, y = iris
    nnkit.clear_compiled_cache()

    for seed, n_rows, rate in [(0, 150, 0.1), (1, 149, 0.01), (None, 120, 0.001)]:
        clf = KerasClassifier(
            classifier_network,
            epochs=2,
            batch_size=32,
            random_state=seed,
            optimizer__learning_rate=rate,
        )
        clf.fit(X[:n_rows], y[:n_rows]).predict(X)
        clone(clf).partial_fit(X[:n_rows], y[:n_rows]).partial_fit(X, y).predict_proba(X[:3])

    assert len(traces) == 1


def test_partial_fit_accepts_classes_that_appear_in_later_calls(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, **PARAMS)

    for label in np.unique(y):
        clf.partial_fit(X[y == label], y[y == label], classes=np.unique(y))

    assert clf.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, np.where(y == "setosa", "rosa", y)), "y holds the label 'rosa', but the"),
        (lambda X, y: (X[:, :3], y), "X has 3 features"),
        (lambda X, y: (X, np.column_stack([y, y])), r"y must have rows of shape \(\), as in the f"),
    ],
    ids=["label", "columns", "kind of y"],
)
def test_partial_fit_raises_on_incompatible_data_and_keeps_the_estimator(iris, change, message):
    X, y = iris
    clf = KerasClassifier(classifier_network, **PARAMS).partial_fit(X, y)
    before = clf.predict_proba(X)

    with pytest.raises(ValueError, match=message):
        clf.partial_fit(*change(X, y))

    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.n_iter_ == 1


def test_partial_fit_raises_on_classes_that_differ_from_the_first_call(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, **PARAMS).partial_fit(X, y)

    with pytest.raises(ValueError, match="is not the same as in the first call of partial_fit"):
        clf.partial_fit(X, y, classes=["setosa", "virginica"])


def test_partial_fit_raises_on_epochs(iris):
    with pytest.raises(TypeError, match="partial_fit trains for one epoch"):
        KerasClassifier().partial_fit(*iris, epochs=3)


def test_partial_fit_keeps_the_target_scale_of_the_first_call(diabetes):
    X, y = diabetes
    reg = KerasRegressor(**PARAMS)
    for _ in range(30):
        reg.partial_fit(X, y)

    assert reg.score(X, y) > 0.4
    reg.partial_fit(X[:50], y[:50] + 1000.0)
    assert reg.predict(X).mean() < 400


def test_warm_start_resumes_and_cold_start_refits(iris):
    X, y = iris
    whole = KerasClassifier(classifier_network, epochs=4, **PARAMS).fit(X, y)
    warm = KerasClassifier(classifier_network, epochs=2, warm_start=True, **PARAMS)
    cold = KerasClassifier(classifier_network, epochs=2, **PARAMS)

    warm.fit(X, y).fit(X, y)
    cold.fit(X, y).fit(X, y)

    assert_same_weights(warm, whole)
    assert len(warm.history_["loss"]) == 2
    assert warm.history_["loss"] == whole.history_["loss"][2:]
    assert not np.array_equal(weights_of(cold)[0], weights_of(whole)[0])


def test_initialize_builds_the_model_without_training(iris):
    X, y = iris
    pretrained = head(3, "softmax")

    clf = KerasClassifier(pretrained).initialize(X, y)

    np.testing.assert_allclose(clf.predict_proba(X), pretrained(X).numpy(), rtol=1e-5)
    assert clf.history_ == {}
    assert clf.n_iter_ == 0
    assert clf.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert clf.partial_fit(X, y).n_iter_ == 1


@pytest.mark.filterwarnings("ignore:.*time_limit=1 was up")  # on a busy machine
def test_time_limit_stops_training_and_keeps_the_best_epoch(cancer):
    clf = KerasClassifier("mlp", epochs=1, early_stopping=True, **PARAMS)
    clf.fit(*cancer)  # tracing takes no part of the time limit
    clf.set_params(epochs=100_000, time_limit=1.0, n_iter_no_change=100_000)

    clf.fit(*cancer)

    assert 0 < clf.n_iter_ < 100_000
    assert clf.best_epoch_ == int(np.argmin(clf.history_["val_loss"]))


def test_time_limit_is_shared_by_all_estimators_of_an_ensemble(cancer):
    clf = KerasClassifier("mlp", epochs=100_000, time_limit=1.0, n_estimators=5, **PARAMS)
    # Tracing takes no part of the time limit.
    KerasClassifier("mlp", epochs=1, n_estimators=5, **PARAMS).fit(*cancer)

    begin = time.monotonic()
    clf.fit(*cancer)
    seconds = time.monotonic() - begin

    n_epochs = [len(history["loss"]) for history in clf.histories_]
    assert 0.9 < seconds < 4.5  # five separate time limits would take 5 s
    assert min(n_epochs) > 0.05 * max(n_epochs)


def test_time_limit_counts_from_the_start_of_fit(cancer):
    """Time before the first epoch, here in the encoder, counts too."""

    class Slow(StandardScaler):
        def fit(self, X, y=None):
            time.sleep(0.3)
            return super().fit(X, y)

    clf = KerasClassifier("mlp", epochs=100_000, time_limit=0.2, encoder=Slow(), **PARAMS)

    with pytest.warns(ConvergenceWarning, match="time_limit=0.2 was up after the first of 1000"):
        clf.fit(*cancer)

    assert clf.n_iter_ == 1


def test_fit_arguments_override_parameters(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=9, fit__epochs=5, **PARAMS)

    assert clf.fit(X, y, epochs=2).n_iter_ == 2
    assert clf.fit(X, y).n_iter_ == 5
    assert clf.epochs == 9
    assert clf.fit(X, y, initial_epoch=3).n_iter_ == 2
    assert clf.fit(X, y, callbacks=keras.callbacks.TerminateOnNaN()).callbacks_


def test_fit_arguments_pass_through_a_pipeline(iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), KerasClassifier(**PARAMS))

    pipeline.fit(X, y, kerasclassifier__epochs=2, kerasclassifier__validation_split=0.5)

    assert pipeline[-1].n_iter_ == 2
    assert "val_loss" in pipeline[-1].history_


@pytest.mark.parametrize(
    ("argument", "hint"),
    [("epoch", "Did you mean epochs"), ("units", "Other settings are parameters")],
)
def test_fit_raises_on_unknown_arguments(iris, argument, hint):
    with pytest.raises(
        TypeError, match=f"KerasClassifier.fit has no argument '{argument}'.*{hint}"
    ):
        KerasClassifier().fit(*iris, **{argument: 1})


def test_regressor_fit_raises_on_class_weight(diabetes):
    with pytest.raises(TypeError, match="KerasRegressor.fit has no argument 'class_weight'"):
        KerasRegressor().fit(*diabetes, class_weight="balanced")
    with pytest.raises(TypeError, match="KerasRegressor.fit has no argument 'class_weight'"):
        KerasRegressor("mlp", fit__class_weight="balanced").fit(*diabetes)


def test_predict_accepts_batch_size_and_raises_on_other_arguments(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, predict__batch_size=7, **PARAMS).fit(X, y)

    np.testing.assert_allclose(clf.predict_proba(X), clf.predict_proba(X, batch_size=-1), atol=1e-6)
    with pytest.raises(TypeError, match="predict has no argument 'steps'"):
        clf.predict(X, steps=3)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_dtype_policy_applies_to_the_model_and_is_restored_after_fit(iris, policy):
    X, y = iris
    before = keras.config.dtype_policy().name

    clf = KerasClassifier("mlp", dtype_policy=policy, epochs=30, **PARAMS).fit(X, y)

    assert clf.model_.layers[1].dtype_policy.name == policy
    assert keras.config.dtype_policy().name == before
    assert clf.score(X, y) > 0.85
    restored = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))


@pytest.fixture(scope="module")
def strategy():
    """Return one strategy for all tests: TensorFlow mixes up the sums of a second one in a process.

    In 2.21, the second strategy numbers its sums over devices like the first, so that networks of
    other shapes raise "Shape mismatch in the collective instance", with plain Keras too.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def test_distribution_strategy_selects_the_keras_backend(strategy, cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=3, **PARAMS)

    with strategy.scope():
        clf.fit(X, y)

    assert clf.engine_ == "keras"
    assert clf.score(X, y) > 0.9
    with strategy.scope(), pytest.raises(ValueError, match="cannot carry a tf.distribute strategy"):
        clf.set_params(engine="graph").fit(X, y)


@pytest.mark.parametrize("model", ["mlp", "realmlp", "tabm"])
def test_network_on_two_devices_equals_that_on_one(model, strategy, iris):
    # TabM's member of a row is its place modulo 8, in the half of the batch that a device has.
    X, y = iris[0][:144], iris[1][:144]
    # Each device would draw its own dropout.
    clf = KerasClassifier(
        model,
        model__dropout_rate=0.0,
        epochs=2,
        batch_size=16,
        early_stopping=False,
        random_state=0,
    )
    on_one = clone(clf).set_params(engine="keras").fit(X, y)

    for _ in range(2):
        with strategy.scope():
            on_two = clone(clf).fit(X, y)

        np.testing.assert_allclose(on_two.history_["loss"], on_one.history_["loss"], rtol=1e-5)
        np.testing.assert_allclose(on_two.predict_proba(X), on_one.predict_proba(X), atol=1e-4)
        restored = pickle.loads(pickle.dumps(on_two))
        np.testing.assert_array_equal(restored.predict_proba(X), on_two.predict_proba(X))


def test_tensorboard_callback_writes_readable_logs(cancer, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    X, y = cancer
    clf = KerasClassifier(
        "mlp", epochs=3, validation_split=0.2, callbacks=keras.callbacks.TensorBoard(str(tmp_path))
    )

    clf.fit(X, y)

    for part, name in (("train", "loss"), ("validation", "val_loss")):
        log = EventAccumulator(str(tmp_path / part))
        log.Reload()
        values = [
            float(np.ravel(keras.ops.convert_to_numpy(_as_array(event.tensor_proto)))[0])
            for event in log.Tensors("epoch_loss")
        ]
        np.testing.assert_allclose(values, clf.history_[name], rtol=1e-6)


def _as_array(tensor_proto):
    import tensorflow as tf

    return tf.make_ndarray(tensor_proto)


@pytest.mark.parametrize(
    "through",
    [lambda est: est, lambda est: pickle.loads(pickle.dumps(est))],
    ids=["in memory", "after pickling"],
)
def test_partial_fit_resumes_after_fit(iris, through):
    """A pickled estimator has no optimizer state; training resumes from its weights."""
    X, y = iris
    clf = through(KerasClassifier(classifier_network, epochs=20, **PARAMS).fit(X, y))
    loss = clf.history_["loss"][-1]

    clf.partial_fit(X, y)

    assert len(clf.history_["loss"]) == 21
    assert clf.history_["loss"][-1] < 1.05 * loss


def test_warm_start_resumes_after_fit_without_warm_start(iris):
    X, y = iris
    whole = KerasClassifier(classifier_network, epochs=4, **PARAMS).fit(X, y)
    clf = KerasClassifier(classifier_network, epochs=2, **PARAMS).fit(X, y)

    clf.set_params(warm_start=True).fit(X, y)

    assert_same_weights(clf, whole)


class Preset(KerasClassifier):
    """A subclass with its own ``__init__`` signature, as users of SciKeras write it."""

    def __init__(self, width=4, model=classifier_network, epochs=3, **kwargs):
        super().__init__(model, epochs=epochs, **kwargs)
        self.width = width

    def fit(self, X, y, **fit_arguments):
        self.set_params(model__units=self.width)
        return super().fit(X, y, **fit_arguments)


def test_subclass_with_its_own_signature_is_cloned_and_fitted(iris):
    from sklearn.base import clone

    X, y = iris
    clf = clone(Preset(width=5, batch_size=7, random_state=0)).set_params(epochs=2)

    clf.fit(X, y)

    assert clf.n_iter_ == 2
    assert clf.batch_size == 7
    assert clf.model_.layers[0].units == 5


@pytest.mark.parametrize("hook", ["_keras_build_fn", "feature_encoder", "target_encoder", "scorer"])
def test_fit_raises_on_subclass_hooks_of_scikeras(iris, hook):
    cls = type("Old", (KerasClassifier,), {hook: lambda self: None})

    with pytest.raises(TypeError, match=f"Old.{hook} is a hook of SciKeras"):
        cls().fit(*iris)


@pytest.mark.parametrize("further", ["warm_start", "partial_fit"])
def test_failed_further_training_restores_the_weights(diabetes, further):
    X, y = diabetes
    reg = KerasRegressor(
        lambda: head(1, "linear", 10), epochs=2, warm_start=True, optimizer="sgd", **PARAMS
    ).fit(X, y)
    before = reg.predict(X)

    with pytest.raises(FloatingPointError):
        (reg.fit if further == "warm_start" else reg.partial_fit)(X * 1e20, y)

    np.testing.assert_array_equal(reg.predict(X), before)
    assert np.isfinite(reg.partial_fit(X, y).predict(X)).all()


def test_class_weight_can_change_with_warm_start(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=3, warm_start=True, **PARAMS).fit(X, y)
    plain = pickle.loads(pickle.dumps(clf)).fit(X, y).predict_proba(X)[:, 0]

    weighted = clf.fit(X, y, class_weight={0: 50.0}).predict_proba(X)[:, 0]

    assert weighted.mean() > plain.mean() + 0.05


def test_initialized_estimator_can_be_pickled(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, **PARAMS).initialize(X, y)

    restored = pickle.loads(pickle.dumps(clf))

    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))
    assert_same_weights(restored.partial_fit(X, y), clf.partial_fit(X, y))


def test_partial_fit_accepts_dense_and_sparse_tables_in_turn(iris):
    from scipy import sparse

    X, y = iris
    clf = KerasClassifier(classifier_network, **PARAMS)
    dense = KerasClassifier(classifier_network, **PARAMS)

    for table in (X, sparse.csr_array(X), X):
        clf.partial_fit(table, y)
        dense.partial_fit(X, y)

    np.testing.assert_allclose(weights_of(clf)[0], weights_of(dense)[0], atol=1e-5)


def test_history_has_equal_lengths_after_warm_start_and_partial_fit(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=3, early_stopping=True, warm_start=True, **PARAMS).fit(X, y)

    clf.partial_fit(X, y)

    assert {name: len(values) for name, values in clf.history_.items()} == {
        "loss": 4,
        "val_loss": 4,
    }
    assert np.isnan(clf.history_["val_loss"][-1])
    assert (clf.n_iter_, clf.best_epoch_) == (4, 3)


@pytest.mark.parametrize("kind", ["CSVLogger", "TensorBoard"])
def test_estimator_with_file_writing_callbacks_can_be_pickled(iris, tmp_path, kind):
    X, y = iris
    callback = getattr(keras.callbacks, kind)(str(tmp_path / "log"))
    clf = KerasClassifier(classifier_network, callbacks=callback, epochs=1, **PARAMS).fit(X, y)

    restored = pickle.loads(pickle.dumps(clf))

    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))


def test_best_epoch_is_set_by_keras_early_stopping_callback(cancer):
    X, y = cancer
    stop = keras.callbacks.EarlyStopping(min_delta=10.0, patience=2, restore_best_weights=True)

    clf = KerasClassifier("mlp", epochs=9, validation_split=0.2, callbacks=stop, **PARAMS).fit(X, y)

    assert (clf.n_iter_, clf.best_epoch_) == (3, 0)


def test_initial_epoch_sets_the_number_of_the_first_epoch(iris):
    X, y = iris
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    clf = KerasClassifier("mlp", epochs=2, warm_start=True, callbacks=note, **PARAMS).fit(X, y)

    clf.fit(X, y, initial_epoch=2, epochs=4)

    assert seen == [0, 1, 2, 3]


def test_warm_start_trains_all_epochs_after_a_fit_that_stopped_early(iris):
    """The live model of callbacks keeps no flag of the last fit."""
    X, y = iris
    clf = KerasClassifier(
        "mlp", epochs=5, callbacks=keras.callbacks.LambdaCallback(), warm_start=True,
        time_limit=1e-9, random_state=0,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        clf.fit(X, y)
    assert clf.n_iter_ == 1

    clf.set_params(time_limit=None).fit(X, y)

    assert clf.n_iter_ == 5


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        ({"epochs": 5, "fit__initial_epoch": 3}, ["epoch 4/5", "epoch 5/5"]),
        ({"epochs": 2, "warm_start": True}, ["epoch 1/2", "epoch 2/2", "epoch 3/4", "epoch 4/4"]),
    ],
    ids=["initial_epoch", "warm_start"],
)
def test_verbose_numbers_epochs_from_the_first_fit(iris, capsys, params, lines):
    clf = KerasClassifier("mlp", verbose=2, random_state=0, **params).fit(*iris)
    if "warm_start" in params:
        clf.fit(*iris)

    shown = capsys.readouterr().out.splitlines()

    assert [line.partition(":")[0] for line in shown] == lines


def test_refused_resumption_names_the_schedule_and_the_remedy(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=2, optimizer=keras.optimizers.Adam(Cosine(0.01)))
    clf.fit(X, y).set_params(warm_start=True)

    with pytest.raises(ValueError, match="Give the schedule the n_steps of all fits"):
        clf.fit(X, y)
    n_steps = 4 * 5  # epochs * steps of both fits
    scheduled = keras.optimizers.Adam(Cosine(0.01, n_steps=n_steps))
    anew = (
        KerasClassifier("mlp", epochs=2, optimizer=scheduled, warm_start=True).fit(X, y).fit(X, y)
    )

    assert anew.n_iter_ == 2
