"""Keras callbacks: copied state, written files, monitored values, backups and progress."""

import logging
import pickle
import queue
import threading
from collections import defaultdict, deque
from pathlib import Path

import keras
import numpy as np
import pytest
from networks import classifier_network
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from nnkit import KerasClassifier


def small(model=classifier_network, **params):
    return KerasClassifier(model, **{"epochs": 2, "batch_size": 50, "random_state": 0} | params)


# Copied and shared state


class Trial:
    """Like a trial of Optuna: reports to a copy would be lost."""

    def __init__(self):
        self.reported = []

    def report(self, value, step):
        self.reported.append((step, value))


class Reports(keras.callbacks.Callback):
    """Callback that reports to a given object and has state of its own."""

    def __init__(self, trial, mailbox=None):
        super().__init__()
        self.trial = trial
        self.mailbox = mailbox
        self.logger = logging.getLogger("nnkit.test")
        self.lock = threading.Lock()
        self.notes = []
        self.by_name = defaultdict(list, nested={"a": [np.zeros(2)]})
        self.hook = self.note

    def note(self, epoch):
        self.notes.append(epoch)
        self.by_name["epochs"].append(epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(logs["loss"], epoch)
        if self.mailbox is not None:
            self.mailbox.put(epoch)
        self.hook(epoch)


def test_callback_copy_shares_the_objects_given_to_it(iris):
    X, y = iris
    trial, mailbox = Trial(), queue.Queue()
    callback = Reports(trial, mailbox)

    clf = small(callbacks=[callback]).fit(X, y)

    assert [step for step, _ in trial.reported] == [0, 1]
    assert mailbox.qsize() == 2
    assert callback.notes == []
    assert "epochs" not in callback.by_name
    (copied,) = clf.callbacks_
    assert copied.notes == copied.by_name["epochs"] == [0, 1]
    assert copied.by_name["nested"]["a"][0] is not callback.by_name["nested"]["a"][0]
    assert copied.lock is callback.lock
    assert copied.logger is callback.logger


def test_callback_copies_of_folds_and_members_share_given_objects(iris):
    X, y = iris
    trial = Trial()
    clf = small(callbacks=Reports(trial), n_estimators=2)

    cross_val_score(clf, X, y, cv=2)
    assert len(trial.reported) == 2 * 2 * 2

    routed = small(callbacks=Reports, callbacks__trial=trial)
    cross_val_score(routed, X, y, cv=2)
    assert len(trial.reported) == 2 * 2 * 2 + 2 * 2


class Notes(keras.callbacks.Callback):
    """Callback that records epochs in given containers and in one of its own."""

    def __init__(self, container, hidden=None):
        super().__init__()
        self.container = container
        self._hidden = hidden
        self.own = []

    def on_epoch_end(self, epoch, logs=None):
        if isinstance(self.container, (dict, np.ndarray)):
            self.container[epoch] = logs["loss"]
        else:
            self.container.append(logs["loss"])
        self._hidden.append(epoch)
        self.own.append(epoch)


@pytest.mark.parametrize("make", [list, dict, deque, lambda: np.zeros(2)])
def test_callback_copy_shares_given_containers_and_copies_its_own(iris, make):
    container, hidden = make(), []
    notes = Notes(container, hidden)

    clf = KerasClassifier("mlp", epochs=2, callbacks=notes, random_state=0).fit(*iris)

    losses = list(container.values()) if isinstance(container, dict) else list(container)
    assert losses == clf.history_["loss"]
    assert hidden == [0, 1]
    assert notes.own == []
    assert clf.callbacks_[0].own == [0, 1]


def test_callbacks_nested_in_a_callback_are_copied(iris):
    class Both(keras.callbacks.Callback):
        def __init__(self, callbacks):
            super().__init__()
            self.callbacks = callbacks

        def on_epoch_end(self, epoch, logs=None):
            for callback in self.callbacks:
                callback.on_epoch_end(epoch, logs)

    inner = Notes([], [])

    clf = KerasClassifier("mlp", epochs=2, callbacks=Both([inner]), random_state=0).fit(*iris)

    assert inner.own == []
    assert clf.callbacks_[0].callbacks[0].own == [0, 1]


def test_clone_copies_callback_state_and_shares_given_objects():
    callback = Reports(Trial())
    clf = small(callbacks={"report": callback, "stop": keras.callbacks.EarlyStopping})

    cloned = clone(clf)

    assert cloned.callbacks["report"] is not callback
    assert cloned.callbacks["report"].trial is callback.trial
    assert cloned.callbacks["report"].notes is not callback.notes
    assert cloned.callbacks["stop"] is keras.callbacks.EarlyStopping
    assert cloned.get_params(deep=False).keys() == clf.get_params(deep=False).keys()


def test_ensemble_members_do_not_share_early_stopping_state(iris):
    X, y = iris
    stopping = keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    clf = small(callbacks=stopping, n_estimators=3, epochs=3).fit(X, y)

    first, second, third = (model.get_weights()[0] for model in clf.models_)

    assert not np.allclose(first, second)
    assert not np.allclose(second, third)
    assert stopping.best_weights is None


def test_pickle_drops_unpicklable_callback_attributes_with_a_warning(iris):
    X, y = iris
    clf = small(callbacks=[Reports(Trial(), queue.Queue())]).fit(X, y)

    with pytest.warns(UserWarning, match=r"callbacks: Reports\.\w+ \(\w+\) cannot be pickled"):
        again = pickle.loads(pickle.dumps(clf))

    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.callbacks[0].mailbox is None
    assert clf.callbacks[0].mailbox is not None


# Files


def test_callbacks_of_ensemble_members_write_separate_files(iris, tmp_path):
    X, y = iris
    callbacks = [
        keras.callbacks.ModelCheckpoint(str(tmp_path / "net.weights.h5"), save_weights_only=True),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "e{epoch}-{loss:.0f}.keras")),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(str(tmp_path / "board")),
        keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), delete_checkpoint=False),
    ]

    small(callbacks=callbacks, n_estimators=3).fit(X, y)

    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    for name in ("net.weights.h5", "log.csv", "backup/latest.weights.h5", "board/train"):
        assert name in names
    for k in (1, 2):
        assert f"net_member{k}.weights.h5" in names
        assert f"log_member{k}.csv" in names
        assert f"backup_member{k}/latest.weights.h5" in names
        assert f"board/member{k}/train" in names
        assert [name for name in names if name.startswith("e2-") and f"_member{k}.keras" in name]
    for log in tmp_path.glob("log*.csv"):
        assert len(log.read_text().splitlines()) == 3


# Backups


class FailsAt(keras.callbacks.Callback):
    """Callback that raises an error at an epoch."""

    def __init__(self, epoch, error):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error


@pytest.mark.parametrize("engine", ["graph", "keras"])
@pytest.mark.parametrize("error", [RuntimeError("power cut"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("n_estimators", [1, 2])
def test_backup_and_restore_resumes_after_an_error(iris, tmp_path, engine, error, n_estimators):
    X, y = iris
    folder = tmp_path / "backup"
    backup = keras.callbacks.BackupAndRestore(str(folder))
    params = {"epochs": 6, "engine": engine, "n_estimators": n_estimators}
    whole = small(**params).fit(X, y)

    with pytest.raises(type(error)):
        small(callbacks=[backup, FailsAt(4, error)], **params).fit(X, y)
    assert (folder / "latest.weights.h5").exists()

    resumed = small(callbacks=backup, **params).fit(X, y)

    assert not Path(folder).exists()
    n_left = len(resumed.history_["loss"])
    # An error in one network may end the other one an epoch earlier.
    assert n_left == 2 if n_estimators == 1 else n_left >= 2
    np.testing.assert_allclose(
        resumed.history_["loss"], whole.history_["loss"][-n_left:], rtol=1e-5, atol=1e-6
    )
    if n_estimators == 1:
        np.testing.assert_allclose(resumed.predict_proba(X), whole.predict_proba(X), atol=1e-5)


# Monitored values


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.EarlyStopping(),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True),
    ],
    ids=lambda callback: type(callback).__name__,
)
@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_fit_raises_if_a_callback_monitors_val_loss_without_validation_rows(iris, callback, engine):
    X, y = iris
    name = type(callback).__name__

    with pytest.raises(
        ValueError,
        match=f"^callbacks: {name} monitors 'val_loss', but the fit has no rows to validate on. "
        "Set validation_split=0.2 or early_stopping=True",
    ):
        small(callbacks=callback, engine=engine).fit(X, y)


def test_fit_raises_on_an_unknown_monitored_name(iris):
    X, y = iris
    clf = small(
        callbacks=keras.callbacks.EarlyStopping("val_acuracy", mode="max"),
        metrics="accuracy",
        validation_split=0.3,
    )

    with pytest.raises(
        ValueError,
        match="monitors 'val_acuracy', which no epoch records. Did you mean 'val_accuracy'",
    ):
        clf.fit(X, y)
    assert not clf.__sklearn_is_fitted__()


class AddsAValue(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["val_own"] = -float(epoch)


def test_callback_can_monitor_a_log_added_by_another_callback(iris):
    X, y = iris
    stopping = keras.callbacks.EarlyStopping("val_own", mode="max", patience=1)

    clf = small(callbacks=[AddsAValue(), stopping], epochs=9).fit(X, y)

    assert clf.n_iter_ == 2


# Progress


def test_verbose_2_prints_the_epochs_of_all_members(iris, capsys):
    X, y = iris

    small(n_estimators=2, verbose=2).fit(X, y)

    begins = sorted(line.split(": loss=")[0] for line in capsys.readouterr().out.splitlines())
    assert begins == [f"network {n}/2, epoch {e}/2" for n in (1, 2) for e in (1, 2)]


def test_verbose_1_progress_bar_of_an_ensemble_ends_at_its_total(iris, capsys):
    X, y = iris
    clf = small(n_estimators=3, verbose=1, epochs=60, early_stopping=True, n_iter_no_change=2)
    slow = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: threading.Event().wait(0.03))

    clf.set_params(callbacks=slow, optimizer__learning_rate=0.3).fit(X, y)

    n_epochs = sum(len(history["loss"]) for history in clf.histories_)
    assert n_epochs < 180
    assert f"{n_epochs}/{n_epochs} [" in capsys.readouterr().err


class HoldsItsEstimator(keras.callbacks.Callback):
    def __init__(self, estimator=None):
        super().__init__()
        self.estimator = estimator


def test_pickle_drops_the_estimator_from_its_own_callback(iris):
    X, y = iris
    callback = HoldsItsEstimator()
    clf = KerasClassifier("mlp", epochs=1, callbacks=callback, random_state=0)
    callback.estimator = clf
    clf.fit(X, y)

    with pytest.warns(UserWarning, match="HoldsItsEstimator.estimator .* cannot be pickled"):
        copied = pickle.loads(pickle.dumps(clf))

    np.testing.assert_array_equal(copied.predict(X), clf.predict(X))
    assert copied.callbacks.estimator is None


def test_callbacks_attribute_excludes_sklearn_callbacks(iris):
    from sklearn.callback import ProgressBar

    clf = KerasClassifier("mlp", epochs=1, random_state=0).set_callbacks(ProgressBar())

    assert clf.fit(*iris).callbacks_ == []
