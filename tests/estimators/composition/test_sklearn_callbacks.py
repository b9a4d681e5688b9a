"""scikit-learn's callbacks: hooks, progress bars and scoring monitors."""

import pickle

import numpy as np
import pytest
from networks import linear_network
from scipy import sparse
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from small_estimators import classifier, regressor, sepals_and_petals, two_inputs

from nnkit.exceptions import NonFiniteLossError


class Recorder:
    """Callback that records the names of its hooks as they are called."""

    def __init__(self):
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append("begin")

    def on_fit_task_end(self, estimator, context):
        self.calls.append("end")


class StopAfter(Recorder):
    """Callback that stops the fit after a number of tasks."""

    def __init__(self, n_tasks):
        super().__init__()
        self.n_tasks = n_tasks

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        return self.calls.count("end") >= self.n_tasks


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_sklearn_callback_hooks_are_called_for_each_epoch(iris, engine):
    recorder = Recorder()

    classifier(epochs=3, engine=engine).set_callbacks(recorder).fit(*iris)

    epochs = ["begin", "end"] * 3
    assert recorder.calls == ["setup", "begin", *epochs, "end", "teardown"]


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_sklearn_callback_stops_the_fit(iris, engine):
    clf = classifier(epochs=9, engine=engine).set_callbacks(StopAfter(2)).fit(*iris)

    assert clf.n_iter_ == 2


def test_sklearn_callback_teardown_is_called_after_an_error(iris):
    """Without teardown, the thread of a progress bar keeps the process alive."""
    X, _ = iris
    recorder = Recorder()
    reg = regressor(linear_network, optimizer="sgd", optimizer__learning_rate=1e300)
    reg.set_callbacks(recorder)

    with pytest.raises(NonFiniteLossError):
        reg.fit(X, X[:, 0])

    assert recorder.calls[0] == "setup"
    assert recorder.calls[-1] == "teardown"


def test_progress_bar_shows_the_fit(iris, capsys):
    pytest.importorskip("rich")
    clf = classifier(epochs=4).set_callbacks(ProgressBar())

    clf.fit(*iris)

    printed = capsys.readouterr().out
    assert "KerasClassifier" in printed
    assert "100%" in printed


def test_progress_bar_shows_fits_inside_a_grid_search(iris, capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(classifier(epochs=2), {"model__units": [(2,), (4,)]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))

    search.fit(*iris)

    printed = capsys.readouterr().out
    assert "GridSearchCV" in printed
    assert "KerasClassifier" in printed
    assert "100%" in printed


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_scoring_monitor_scores_each_epoch(iris, engine, early_stopping):
    X, y = iris
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    params = {"engine": engine, "early_stopping": early_stopping, "epochs": 5}

    clf = classifier(**params).set_callbacks(monitor).fit(X, y)

    log = monitor.get_logs().data_as_pandas
    assert log["task_name"].tolist() == ["fit", *["epoch"] * clf.n_iter_]
    assert log["accuracy"][0] == clf.score(X, y)
    shorter = classifier(**{**params, "epochs": 2, "early_stopping": False})
    if not early_stopping:
        assert log["accuracy"][2] == shorter.fit(X, y).score(X, y)
    assert log["neg_log_loss"].iloc[-1] > log["neg_log_loss"][1]


@pytest.mark.parametrize("container", ["pandas", "polars", "sparse", "dict", "encoder"])
def test_scoring_monitor_accepts_all_containers(iris_frame, container):
    X, y = iris_frame
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=3)
    if container == "polars":
        X = pytest.importorskip("polars").DataFrame({name: X[name].to_numpy() for name in X})
    elif container == "sparse":
        X = sparse.csr_array(X.to_numpy())
    elif container == "dict":
        X, clf = sepals_and_petals(X), classifier(two_inputs, epochs=3)
    elif container == "encoder":
        clf.set_params(model=two_inputs, encoder=FunctionTransformer(sepals_and_petals))

    clf.set_callbacks(monitor).fit(X, y)

    log = monitor.get_logs().data_as_pandas
    assert log["accuracy"][0] == clf.score(X, y)


def test_scoring_monitor_scores_a_regressor_in_units_of_y(diabetes):
    X, y = diabetes
    monitor = ScoringMonitor(scoring="r2")

    reg = regressor(epochs=4).set_callbacks(monitor).fit(X, y)

    assert monitor.get_logs().data_as_pandas["r2"][0] == pytest.approx(reg.score(X, y))


def test_scoring_monitor_in_a_grid_search(iris):
    X, y = iris
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=3).set_callbacks(monitor)

    search = GridSearchCV(clf, {"model__units": [(2,), (8,)]}, cv=2).fit(X, y)

    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "epoch").sum() == 3 * (2 * 2 + 1)
    assert search.score(X, y) in log["accuracy"].to_numpy()
    restored = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(restored.predict(X), search.predict(X))


@pytest.mark.slow
def test_scoring_monitor_in_a_grid_search_in_processes(iris):
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=2).set_callbacks(monitor)

    GridSearchCV(clf, {"model__units": [(2,), (8,)]}, cv=2, n_jobs=2).fit(*iris)

    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "epoch").sum() == 2 * (2 * 2 + 1)
