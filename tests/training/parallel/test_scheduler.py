"""Concurrent tasks: errors, interrupts, locks, settings, and scikit-learn's uses of joblib."""

import _thread
import random
import threading
import time
import warnings
from typing import ClassVar

import joblib
import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import classifier_network, linear_network
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.pipeline import make_pipeline

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, batched_training
from nnkit.training.parallel import scheduler as scheduler

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = RNG.normal(size=(60, 4)) + Y[:, None] * [1.0, 0.0, -0.5, 0.0]

vectorized_or_not = pytest.mark.parametrize(
    "vectorize", [True, False], ids=["vectorised", "threads"]
)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("nnkit")]
    for thread in threads:
        thread.join(timeout=30)
    assert not [thread.name for thread in threads if thread.is_alive()]


def classifier(model=classifier_network, **params):
    params = {
        "optimizer": "sgd",
        "optimizer__learning_rate": 0.1,
        "epochs": 2,
        "batch_size": 20,
        "random_state": 0,
    } | params
    return KerasClassifier(model, **params)


def in_time(function, seconds=240):
    """Return the result of a function; fail if it takes so long that it must be blocked."""
    found = []

    def run():
        try:
            found.append((function(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=run, name="watched", daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, f"nothing after {seconds} seconds"
    result, error = found[0]
    if error is not None:
        raise error
    return result


def assert_same_together(function, vectorize, rtol=2e-4, **params):
    """Compare the results of a function without arguments inside and outside of the context."""
    alone = function()

    def together():
        with batched_training(vectorize=vectorize, **params):
            return function()

    found = in_time(together)
    np.testing.assert_allclose(found, alone, rtol=rtol, atol=2e-6)
    return found


# Parameters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_networks", 1),
        ("max_networks", 0),
        ("max_networks", 2.5),
        ("max_networks", True),
        ("max_networks", "4"),
        ("max_networks", None),
        ("max_bytes", 0),
        ("max_bytes", -1),
        ("max_bytes", 1e9),
        ("max_bytes", None),
        ("vectorize", "auto"),
        ("vectorize", 2),
    ],
    ids=str,
)
def test_batched_training_raises_on_invalid_parameters(name, value):
    with (
        pytest.raises(ValueError, match=rf"^{name} must be .* Got {value!r} instead\.$"),
        batched_training(**{name: value}),
    ):
        raise AssertionError


def test_batched_training_accepts_numpy_integers():
    with batched_training(np.int64(2), np.int32(1000)):
        pass


# Errors


def search_with(grid, **params):
    return GridSearchCV(classifier(), grid, cv=2, scoring="neg_log_loss", refit=False, **params)


@vectorized_or_not
@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"optimizer__learning_rate": [0.1, 1e38, 0.2]}, "NonFiniteLossError"),
        ({"batch_size": [20, -3, 30]}, "batch_size"),
        ({"loss": [None, "no such loss", "kl_divergence"]}, "no such loss"),
    ],
    ids=["loss", "parameter", "build"],
)
def test_failing_task_does_not_affect_other_tasks(grid, message, vectorize):
    search = search_with(grid)

    def scores():
        with (
            pytest.warns(
                FitFailedWarning, match=rf"(?s)2 fits failed out of a total of 6.*{message}"
            ),
            pytest.warns(UserWarning, match="test scores are non-finite"),
        ):
            return clone(search).fit(X, Y).cv_results_["mean_test_score"]

    alone = scores()
    with batched_training(vectorize=vectorize):
        together = scores()

    assert np.isnan(together).tolist() == [False, True, False]
    np.testing.assert_allclose(together, alone, rtol=2e-4)


# There are two such fits, so that a slot is left for the fit that ends them.
ENDLESS = 10_000_000


class Fails(keras.callbacks.Callback):
    """Fails while other trainings run."""

    n_training = None

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise RuntimeError("disk full")


@vectorized_or_not
@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_error_of_a_task_cancels_the_others(vectorize, engine):
    search = search_with({"callbacks": [[Fails()], None]}, error_score="raise")
    search.estimator.set_params(epochs=ENDLESS, engine=engine, batch_size=60)

    def fit():
        with batched_training(vectorize=vectorize):
            search.fit(X, Y)

    with pytest.raises(RuntimeError, match="disk full"):
        in_time(fit)


@vectorized_or_not
def test_invalid_parameters_end_a_search_immediately(vectorize):
    search = search_with({"epochs": [-1, ENDLESS]}, error_score="raise")

    def fit():
        with batched_training(vectorize=vectorize):
            search.fit(X, Y)

    with pytest.raises(ValueError, match="epochs"):
        in_time(fit)


def test_context_can_be_reentered_after_an_error():
    with pytest.raises(ValueError, match="cv"), batched_training():
        cross_val_score(classifier(), X, Y, cv=-1)

    backend, _ = joblib.parallel.get_active_backend()
    assert type(backend).__module__.startswith("joblib")
    with batched_training():
        assert cross_val_score(classifier(), X, Y, cv=2, error_score="raise").shape == (2,)


class Announces(keras.callbacks.Callback):
    """Signals that a training runs."""

    under_way = threading.Event()

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.under_way.set()


def interrupted(function):
    """Call a function, and interrupt it from the keyboard once a training runs."""
    Announces.under_way.clear()
    is_over = threading.Event()

    def interrupt():
        if Announces.under_way.wait(60) and not is_over.is_set():
            _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    begin = time.monotonic()
    try:
        function()
    except KeyboardInterrupt:
        return time.monotonic() - begin
    finally:
        is_over.set()
        thread.join()
    raise AssertionError("no KeyboardInterrupt came through")


@pytest.mark.parametrize(
    ("vectorize", "engine"),
    [(True, "auto"), (False, "auto"), (False, "keras")],
    ids=["vectorised", "threads", "keras"],
)
def test_keyboard_interrupt_ends_a_search(vectorize, engine):
    clf = classifier(epochs=ENDLESS, callbacks=[Announces()], engine=engine)

    def search():
        with batched_training(vectorize=vectorize):
            cross_validate(clf, X, Y, cv=12)

    # Without an interrupt, each fit would take hours.
    assert interrupted(search) < 60


def test_keyboard_interrupt_ends_nested_tasks():
    inner = inner_search(classifier(callbacks=[Announces()]), {"epochs": [ENDLESS, ENDLESS + 1]})

    def search():
        with batched_training(vectorize=True):
            cross_val_score(inner, X, Y, cv=4)

    assert interrupted(search) < 60


# Locks


class NeverFits(KerasClassifier):
    def fit(self, X, y):
        return self.initialize(X, y)


class FitsTwice(KerasClassifier):
    def fit(self, X, y):
        super().fit(X[::-1], y[::-1])
        return super().fit(X, y)


class FitsOnEvenRates(KerasClassifier):
    """Some tasks train, and others only build a model."""

    def fit(self, X, y):
        return super().fit(X, y) if self.random_state % 2 else self.initialize(X, y)


LOCK = threading.Lock()


class HoldsALock(KerasClassifier):
    def fit(self, X, y):
        with LOCK:
            return super().fit(X, y)


class HoldsALockAtOddRates(KerasClassifier):
    def fit(self, X, y):
        if self.random_state % 2:
            return super().fit(X, y)
        with LOCK:
            return super().fit(X, y)


@vectorized_or_not
@pytest.mark.parametrize(
    "cls", [NeverFits, FitsTwice, FitsOnEvenRates, HoldsALock, HoldsALockAtOddRates]
)
def test_no_deadlock_with_locks_and_members_that_never_train(cls, vectorize):
    params = {"epochs": 2, "batch_size": 20, "optimizer": "sgd"}
    search = GridSearchCV(
        cls(classifier_network, **params),
        {"random_state": range(4)},
        cv=2,
        scoring="neg_log_loss",
        refit=False,
        error_score="raise",
    )

    found = assert_same_together(
        lambda: clone(search).fit(X, Y).cv_results_["mean_test_score"], vectorize
    )

    assert len(set(found)) == 4


def inner_search(estimator, grid):
    """Return a search that runs inside a task.

    With ``pre_dispatch="all"``, joblib does not parse an expression, which CPython 3.11.7 does in
    one thread only.
    """
    return GridSearchCV(
        estimator, grid, cv=2, scoring="neg_log_loss", error_score="raise", pre_dispatch="all"
    )


@vectorized_or_not
def test_nested_tasks_give_the_same_results(vectorize):
    inner = inner_search(classifier(), {"optimizer__learning_rate": [0.01, 0.1]})

    assert_same_together(
        lambda: cross_val_score(inner, X, Y, cv=3, scoring="neg_log_loss", error_score="raise"),
        vectorize,
        max_networks=4,
    )


def test_three_levels_of_nested_tasks_give_the_same_results():
    innermost = inner_search(classifier(), {"optimizer__learning_rate": [0.01, 0.1]})
    inner = inner_search(innermost, {"estimator__epochs": [1, 2]})

    assert_same_together(
        lambda: cross_val_score(inner, X, Y, cv=2, scoring="neg_log_loss", error_score="raise"),
        True,
        max_networks=2,
    )


@vectorized_or_not
def test_grid_with_max_networks_2_gives_the_same_results(vectorize):
    """There are fewer slots than tasks."""
    assert_same_together(
        lambda: cross_val_score(classifier(), X, Y, cv=7, scoring="neg_log_loss"),
        vectorize,
        max_networks=2,
    )


def test_user_threads_are_not_tasks():
    def scores():
        found = []
        thread = threading.Thread(
            target=lambda: found.append(cross_val_score(classifier(), X, Y, cv=2))
        )
        thread.start()
        thread.join()
        return found[0]

    assert_same_together(scores, True)


# scikit-learn's uses of joblib


@pytest.mark.parametrize(
    ("n_jobs", "pre_dispatch"),
    [(None, 1), (1, "2*n_jobs"), (1, 3), (2, "2*n_jobs"), (2, "all"), (-1, "2*n_jobs"), (-1, 1)],
    ids=str,
)
def test_joblib_arguments_do_not_change_results(n_jobs, pre_dispatch):
    found = in_time(lambda: _search(n_jobs, pre_dispatch))

    np.testing.assert_allclose(found, _search_alone(), rtol=2e-4)


def _search_alone():
    return cross_val_score(classifier(), X, Y, cv=5, scoring="neg_log_loss", error_score="raise")


def _search(n_jobs, pre_dispatch):
    with batched_training(vectorize=True):
        return cross_val_score(
            classifier(),
            X,
            Y,
            cv=5,
            scoring="neg_log_loss",
            error_score="raise",
            n_jobs=n_jobs,
            pre_dispatch=pre_dispatch,
        )


def test_searches_print_their_verbose_output(capsys):
    search = GridSearchCV(classifier(), {"epochs": [1, 2]}, cv=2, verbose=3, n_jobs=2)

    with batched_training():
        search.fit(X, Y)

    lines = capsys.readouterr().out.splitlines()
    assert "Fitting 2 folds for each of 2 candidates, totalling 4 fits" in lines
    assert len([line for line in lines if line.startswith("[CV ") and "END" in line]) == 4


def test_contexts_can_be_nested():
    def scores():
        with batched_training(max_networks=3, vectorize=True):
            return cross_val_score(classifier(), X, Y, cv=4, scoring="neg_log_loss")

    assert_same_together(scores, False)


class EntersTheContext(KerasClassifier):
    def fit(self, X, y):
        with batched_training(vectorize=True):
            cross_val_score(classifier(), X, y, cv=2, error_score="raise", pre_dispatch="all")
            return super().fit(X, y)


def test_context_inside_a_task_uses_the_outer_scheduler():
    clf = EntersTheContext(classifier_network, epochs=2, random_state=0)

    assert_same_together(
        lambda: cross_val_score(clf, X, Y, cv=4, scoring="neg_log_loss", error_score="raise"), True
    )


def logits(meta):
    return linear_network(meta, dtype="float32")


def regressor():
    return KerasRegressor(logits, epochs=2, batch_size=20, optimizer="sgd", random_state=0)


def _validation_curve():
    return validation_curve(
        classifier(), X, Y, param_name="epochs", param_range=[1, 2], cv=3, scoring="neg_log_loss"
    )[1]


def _learning_curve():
    sizes = [0.5, 1.0]
    return learning_curve(
        classifier(), X, Y, train_sizes=sizes, cv=3, scoring="neg_log_loss", error_score="raise"
    )[2]


def _randomized():
    search = RandomizedSearchCV(
        classifier(),
        {"optimizer__learning_rate": np.geomspace(0.001, 0.3, 20)},
        n_iter=4,
        cv=2,
        scoring="neg_log_loss",
        random_state=0,
    )
    return search.fit(X, Y).cv_results_["mean_test_score"]


def _halving():
    search = HalvingGridSearchCV(
        classifier(),
        {"optimizer__learning_rate": [0.001, 0.01, 0.1, 0.2]},
        resource="epochs",
        max_resources=4,
        min_resources=1,
        factor=2,
        cv=2,
        scoring="neg_log_loss",
        random_state=0,
    )
    return search.fit(X, Y).cv_results_["mean_test_score"]


def _selection():
    selector = SequentialFeatureSelector(classifier(), n_features_to_select=2, cv=2)
    return selector.fit(X, Y).get_support()


def _importance():
    fitted = classifier().fit(X, Y)
    return permutation_importance(fitted, X, Y, n_repeats=2, random_state=0).importances


WAYS = {
    "BaggingClassifier": lambda: (
        BaggingClassifier(classifier(), 5, random_state=0).fit(X, Y).predict_proba(X)
    ),
    "OneVsRestClassifier": lambda: OneVsRestClassifier(classifier()).fit(X, Y).predict_proba(X),
    "StackingClassifier": lambda: (
        StackingClassifier(
            [("a", classifier()), ("b", classifier(model__units=3))], LogisticRegression(), cv=2
        )
        .fit(X, Y)
        .predict_proba(X)
    ),
    "VotingClassifier": lambda: (
        VotingClassifier([("a", classifier()), ("b", classifier(epochs=1))], voting="soft")
        .fit(X, Y)
        .predict_proba(X)
    ),
    "MultiOutputRegressor": lambda: (
        MultiOutputRegressor(regressor()).fit(X[:, :2], X).predict(X[:, :2])
    ),
    "ClassifierChain": lambda: (
        ClassifierChain(classifier(), random_state=0).fit(X, X[:, :2] > 0).predict_proba(X)
    ),
    "KerasTransformer": lambda: cross_val_score(
        make_pipeline(
            KerasTransformer(epochs=1, batch_size=20, random_state=0), LogisticRegression()
        ),
        X,
        Y,
        cv=4,
        scoring="neg_log_loss",
        error_score="raise",
    ),
    "cross_val_predict": lambda: cross_val_predict(
        classifier(), X, Y, cv=4, method="predict_proba"
    ),
    "learning_curve": _learning_curve,
    "validation_curve": _validation_curve,
    "RandomizedSearchCV": _randomized,
    "HalvingGridSearchCV": _halving,
    "SequentialFeatureSelector": _selection,
    "permutation_importance": _importance,
}


@pytest.mark.parametrize("name", WAYS)
def test_joblib_callers_give_the_same_results(name):
    found = assert_same_together(WAYS[name], False)

    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "name",
    [
        "BaggingClassifier",
        "MultiOutputRegressor",
        "KerasTransformer",
        "cross_val_predict",
        "learning_curve",
        "HalvingGridSearchCV",
    ],
)
def test_joblib_callers_give_the_same_results_vectorised(name):
    assert_same_together(WAYS[name], True)


def test_estimators_without_networks_run_in_the_context():
    assert_same_together(lambda: cross_val_score(LogisticRegression(), X, Y, cv=20), True)


def test_joblib_generators_can_overlap_with_other_calls():
    tasks = [joblib.delayed(lambda i: i * i)(i) for i in range(20)]

    def run():
        with batched_training():
            parallel = joblib.Parallel(n_jobs=2, return_as="generator", pre_dispatch=3)
            squares = parallel(tasks)
            first = next(squares)
            scores = cross_val_score(classifier(), X, Y, cv=3, error_score="raise")
            return [first, *squares], scores

    squares, scores = in_time(run)

    assert squares == [i * i for i in range(20)]
    assert scores.shape == (3,)


def test_joblib_parallel_can_be_called_twice():
    with batched_training(), joblib.Parallel(n_jobs=2) as parallel:
        found = [parallel(joblib.delayed(abs)(-i) for i in range(5)) for _ in range(2)]

    assert found == [[0, 1, 2, 3, 4]] * 2


# Settings of the caller


class Remembers(BaseEstimator, TransformerMixin):
    """Stores settings that a task reads."""

    seen: ClassVar = []

    def __init__(self, look=None):
        self.look = look

    def fit(self, X, y=None):
        type(self).seen.append(self.look())
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


def seen_by_tasks(look, vectorize=None, cv=6, **params):
    """Return the settings that tasks read, and the names of their threads."""
    Remembers.seen = []
    clf = make_pipeline(Remembers(look), classifier())
    with batched_training(vectorize=vectorize, **params):
        scores = cross_val_score(clf, X, Y, cv=cv, scoring="neg_log_loss", error_score="raise")
    assert len(Remembers.seen) == cv
    return Remembers.seen, scores


def name_of_thread():
    return threading.current_thread().name


def test_tasks_run_in_threads():
    names, _ = seen_by_tasks(name_of_thread)

    assert all(name.startswith("nnkit") for name in names)


@pytest.fixture
def double_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


@vectorized_or_not
@pytest.mark.usefixtures("double_precision")
def test_dtype_policy_of_the_caller_applies_in_tasks(vectorize):
    names, _ = seen_by_tasks(lambda: keras.config.dtype_policy().name)
    assert set(names) == {"float64"}

    with batched_training(vectorize=vectorize):
        fits = cross_validate(classifier(), X, Y, cv=4, return_estimator=True)["estimator"]

    dtypes = {weights.dtype.name for fitted in fits for weights in fitted.model_.get_weights()}
    assert dtypes == {"float64"}
    assert keras.config.dtype_policy().name == "float64"


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def doubled_network(meta):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.deserialize({"class_name": "Doubled", "config": {}}),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


@vectorized_or_not
def test_custom_objects_of_the_caller_apply_in_tasks(vectorize):
    clf = classifier(doubled_network)

    with keras.saving.custom_object_scope({"Doubled": Doubled}):
        alone = cross_val_score(clf, X, Y, cv=4, scoring="neg_log_loss", error_score="raise")
        with batched_training(vectorize=vectorize):
            found = cross_val_score(clf, X, Y, cv=4, scoring="neg_log_loss", error_score="raise")

    np.testing.assert_allclose(found, alone, rtol=2e-4)


def test_settings_of_a_task_do_not_leak():
    def look():
        before = (
            keras.config.dtype_policy().name,
            keras.saving.get_registered_object("Mine"),
        )
        keras.saving.custom_object_scope({"Mine": Doubled}).__enter__()
        keras.config.set_dtype_policy("float64")
        assert keras.saving.get_registered_object("Mine") is Doubled
        return before

    # There are two threads for six tasks.
    seen, _ = seen_by_tasks(look, max_networks=2)

    assert set(seen) == {("float32", None)}
    assert keras.config.dtype_policy().name == "float32"
    assert keras.saving.get_registered_object("Mine") is None


def test_device_of_the_caller_applies_in_tasks():
    with tf.device("CPU:1"):
        devices, _ = seen_by_tasks(lambda: tf.constant(1.0).device)
        assert tf.constant(1.0).device.endswith("CPU:1")

    assert {device.rsplit("device:")[-1] for device in devices} == {"CPU:1"}
    assert not tf.constant(1.0).device.endswith("CPU:1")


@vectorized_or_not
def test_warning_filters_are_restored(vectorize):
    def look():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            time.sleep(0.002)

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="a filter of the caller's own")
        before, shown = list(warnings.filters), warnings.showwarning
        seen_by_tasks(look, vectorize, cv=12)
        assert warnings.filters == before
        assert warnings.showwarning is shown


def test_warnings_of_tasks_reach_the_caller():
    def look():
        warnings.warn("beware", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="beware") as heard:
        seen_by_tasks(look)

    assert len(heard) == 6


@vectorized_or_not
def test_global_random_states_are_unchanged(vectorize, global_random_states):
    def draws():
        tf.random.set_seed(3)
        yield
        yield tf.random.uniform((3,)).numpy().tolist()

    undisturbed = list(draws())[1]
    generator = tf.random.get_global_generator().state.numpy().tolist()
    states = global_random_states()
    disturbed = draws()
    next(disturbed)
    with batched_training(vectorize=vectorize):
        cross_val_score(classifier(model__dropout_rate=0.3), X, Y, cv=5, error_score="raise")

    assert next(disturbed) == undisturbed
    assert global_random_states() == states
    assert tf.random.get_global_generator().state.numpy().tolist() == generator


def test_concurrent_builds_use_their_own_seeds():
    """Builds draw from Python's random generator, which all threads share."""
    random.seed(0)
    grid = {"random_state": list(range(3))}
    search = GridSearchCV(
        classifier(lambda meta: classifier_network(meta, units=random.choice(range(2, 30)))),
        grid,
        cv=2,
        scoring="neg_log_loss",
        refit=False,
        error_score="raise",
    )

    assert_same_together(lambda: clone(search).fit(X, Y).cv_results_["mean_test_score"], False)


# Memory


class Counts(BaseEstimator, TransformerMixin):
    """Counts the tasks that have started and not ended."""

    lock = threading.Lock()
    n_now = n_most = 0

    def fit(self, X, y=None):
        with Counts.lock:
            Counts.n_now += 1
            Counts.n_most = max(Counts.n_most, Counts.n_now)
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


def _score_and_end(estimator, X, y):
    score = estimator.score(X, y)
    with Counts.lock:
        Counts.n_now -= 1
    return score


def _most_at_once(vectorize, **params):
    Counts.n_now = Counts.n_most = 0
    clf = make_pipeline(Counts(), classifier())

    def scores():
        return cross_val_score(clf, X, Y, cv=10, scoring=_score_and_end, error_score="raise")

    alone = scores()
    Counts.n_most = 0
    with batched_training(vectorize=vectorize, **params):
        np.testing.assert_allclose(scores(), alone)
    return Counts.n_most


def test_max_bytes_limits_the_rows_of_waiting_tasks(monkeypatch):
    """One core has two slots. Waiting tasks release theirs while ``max_bytes`` allows it."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    monkeypatch.setattr(scheduler, "_TIMEOUT", 20.0)

    assert _most_at_once(True, max_bytes=1) <= 2
    assert _most_at_once(True, max_networks=10) > 2


def test_number_of_running_tasks_is_at_most_the_number_of_slots(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)

    assert _most_at_once(False) <= 3


def test_max_networks_limits_the_number_of_tasks(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 64)

    assert _most_at_once(True, max_networks=2) <= 2


# Strategies


def test_tasks_run_sequentially_in_a_distribution_strategy():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")

    with strategy.scope():
        names, _ = seen_by_tasks(name_of_thread, cv=3)

    assert set(names) == {threading.current_thread().name}
