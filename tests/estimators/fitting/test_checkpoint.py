"""A fit whose process was killed goes on from its checkpoint, and ends with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier
from nnkit.estimators.fitting import stages

X, Y = load_breast_cancer(return_X_y=True)
SETTINGS = {"model__units": (8,), "epochs": 6, "batch_size": 64, "random_state": 0}


class Killed(keras.callbacks.Callback):
    """Raises an error before the epoch KILLED_IN: what the fit has stored is all that is left."""

    def on_epoch_begin(self, epoch, logs=None):
        EPOCHS.append(epoch)
        if epoch == int(os.environ.get("KILLED_IN", "-1")):
            raise RuntimeError("killed")


# The epochs that were begun.
EPOCHS: list[int] = []


def _classifier(folder: Path | None, **parameters) -> KerasClassifier:
    settings = {**SETTINGS, "checkpoint_seconds": 0.0, **parameters}
    return KerasClassifier("mlp", checkpoint=folder, **settings)


def _fitted_after_a_kill(make, folder, monkeypatch, epoch=3):
    fitted = _fitted_again(make, folder, monkeypatch, epoch)
    assert min(EPOCHS) == epoch
    return fitted


def _fitted_again(make, folder, monkeypatch, epoch):
    """Return an estimator whose fit went on; EPOCHS has the epochs that it trained."""
    monkeypatch.setenv("KILLED_IN", str(epoch))
    with pytest.raises(RuntimeError, match="killed"):
        make(folder).fit(X, Y)
    assert folder.is_dir()
    monkeypatch.setenv("KILLED_IN", "-1")
    EPOCHS.clear()
    fitted = make(folder).fit(X, Y)
    assert not folder.exists()
    return fitted


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"early_stopping": True, "n_iter_no_change": 2, "epochs": 12},
        {"engine": "keras", "optimizer": "adam"},
        {"model": "realmlp", "early_stopping": True},
        {"optimizer": keras.optimizers.SGD, "optimizer__momentum": 0.9},
        {"model__dropout_rate": 0.3},
    ],
    ids=["plain", "early stopping", "keras", "schedule", "momentum", "dropout"],
)
def test_a_killed_fit_ends_with_the_same_bits(tmp_path, monkeypatch, parameters):
    parameters = {"callbacks": [Killed()], **parameters}
    if parameters.get("model") == "realmlp":
        parameters["model__units"] = (8, 8)

    def make(folder):
        model = {"model": "mlp", **parameters}.pop("model")
        rest = {name: value for name, value in parameters.items() if name != "model"}
        return _classifier(folder, **rest).set_params(model=model)

    whole = make(None).fit(X, Y)
    fitted = _fitted_after_a_kill(make, tmp_path / "checkpoint", monkeypatch)
    assert fitted.histories_ == whole.histories_
    assert fitted.n_iter_ == whole.n_iter_
    assert fitted.best_epoch_ == whole.best_epoch_
    assert fitted._n_epochs_trained == whole._n_epochs_trained
    np.testing.assert_array_equal(fitted.predict_proba(X), whole.predict_proba(X))


def test_callbacks_go_on_too(tmp_path, monkeypatch):
    def make(folder):
        plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=9.0)
        return _classifier(folder, callbacks=[plateau, Killed()], optimizer="adam")

    whole = make(None).fit(X, Y)
    fitted = _fitted_after_a_kill(make, tmp_path / "checkpoint", monkeypatch)
    assert fitted.history_["learning_rate"] == whole.history_["learning_rate"]
    np.testing.assert_array_equal(fitted.predict_proba(X), whole.predict_proba(X))


def test_without_a_seed_the_stored_seeds_are_used(tmp_path, monkeypatch):
    def make(folder):
        return _classifier(folder, callbacks=[Killed()], random_state=None)

    folder = tmp_path / "checkpoint"
    monkeypatch.setenv("KILLED_IN", "2")
    with pytest.raises(RuntimeError, match="killed"):
        make(folder).fit(X, Y)
    # The same checkpoint twice gives the same weights, although a fit draws new seeds.
    copied = tmp_path / "copy"
    os.system(f"cp -r {folder} {copied}")
    monkeypatch.setenv("KILLED_IN", "-1")
    fits = [make(path).fit(X, Y) for path in (folder, copied)]
    np.testing.assert_array_equal(*[fitted.predict_proba(X) for fitted in fits])
    assert len(fits[0].history_["loss"]) == 6


def _ensemble(folder: Path | None) -> TabularClassifier:
    return TabularClassifier(
        n_estimators=2,
        cv=2,
        model__units=(8,),
        epochs=4,
        random_state=0,
        callbacks=[Killed()],
        checkpoint=folder,
        checkpoint_seconds=0.0,
    )


def test_each_network_of_an_ensemble_goes_on(tmp_path, monkeypatch):
    whole = _ensemble(None).fit(X, Y)
    fitted = _fitted_again(_ensemble, tmp_path / "checkpoint", monkeypatch, 3)
    # The killed network trains its last epoch. The other one, in a thread of its own, may have been
    # stopped in any epoch.
    assert EPOCHS.count(3) <= 2
    assert 1 <= len(EPOCHS) <= 5
    _assert_same_ensemble(fitted, whole)


def test_networks_that_were_ready_are_not_trained_again(tmp_path, monkeypatch):
    def killed(draft, result):
        raise RuntimeError("killed")

    monkeypatch.setenv("KILLED_IN", "-1")
    whole = _ensemble(None).fit(X, Y)
    with monkeypatch.context() as patched:
        patched.setattr(stages, "_calibrate", killed)
        with pytest.raises(RuntimeError, match="killed"):
            _ensemble(tmp_path / "checkpoint").fit(X, Y)
    EPOCHS.clear()
    fitted = _ensemble(tmp_path / "checkpoint").fit(X, Y)
    assert EPOCHS == []
    _assert_same_ensemble(fitted, whole)


def _assert_same_ensemble(fitted: TabularClassifier, whole: TabularClassifier) -> None:
    assert fitted.histories_ == whole.histories_
    assert fitted.temperature_ == whole.temperature_
    np.testing.assert_array_equal(fitted.predict_proba(X), whole.predict_proba(X))


_SCRIPT = """
import os, signal, sys
import keras, numpy as np
from sklearn.datasets import load_breast_cancer
from nnkit import KerasClassifier

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

X, y = load_breast_cancer(return_X_y=True)
clf = KerasClassifier(
    lambda meta: keras.Sequential(
        [keras.Input(meta.X_shape_[1:]), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    ),
    epochs=6, random_state=0, callbacks=[Kill()], checkpoint=sys.argv[1], checkpoint_seconds=0.0,
)
np.save(sys.argv[3], clf.fit(X / X.max(axis=0), y).predict_proba(X / X.max(axis=0)))
"""


@pytest.mark.slow
def test_kill_9(tmp_path):
    def run(folder: str, epoch: int, result: str) -> int:
        command = [sys.executable, "-c", _SCRIPT, str(tmp_path / folder), str(epoch)]
        return subprocess.run([*command, str(tmp_path / result)], check=False).returncode

    assert run("a", 4, "killed.npy") == -signal.SIGKILL
    assert run("a", -1, "resumed.npy") == 0
    assert run("b", -1, "whole.npy") == 0
    np.testing.assert_array_equal(
        np.load(tmp_path / "resumed.npy"), np.load(tmp_path / "whole.npy")
    )


def test_another_configuration_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoint"
    killed = {"callbacks": [Killed()]}
    monkeypatch.setenv("KILLED_IN", "2")
    with pytest.raises(RuntimeError, match="killed"):
        _classifier(folder, **killed).fit(X, Y)
    monkeypatch.setenv("KILLED_IN", "-1")
    before = sorted(folder.iterdir())
    with pytest.raises(ValueError, match=r"holds a fit with batch_size=64, and this one has 32"):
        _classifier(folder, batch_size=32, **killed).fit(X, Y)
    with pytest.raises(ValueError, match=r"holds a fit with model__units=\[.8.\], and this"):
        _classifier(folder, model__units=(9,), **killed).fit(X, Y)
    for rows in ((X + 1, Y), (X, 1 - Y), (X, Y, np.arange(len(Y)) + 1.0)):
        with pytest.raises(ValueError, match="holds a fit with other data. Give another folder"):
            _classifier(folder, **killed).fit(*rows)
    assert sorted(folder.iterdir()) == before
    # Other settings of what is shown and stored do not matter.
    _classifier(folder, verbose=0, time_limit=1000, **killed).fit(X, Y)


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files, such as 'notes.txt'. Give a new"):
        _classifier(tmp_path).fit(X, Y)
    with pytest.raises(ValueError, match="is a file. Give a folder"):
        _classifier(tmp_path / "notes.txt").fit(X, Y)
    assert os.listdir(tmp_path) == ["notes.txt"]
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "nnkit-checkpoint.pickle").write_bytes(b"?")
    with pytest.raises(ValueError, match=r"cannot be read .*Delete the folder, and fit anew"):
        _classifier(tmp_path / "broken").fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"checkpoint": 3}, "checkpoint must be the path of a folder, or None. Got 3 instead"),
        ({"checkpoint_seconds": -1}, r"checkpoint_seconds must be a number in \[0, inf\)"),
        ({"fine_tune__epochs": 1}, "checkpoint= stores one training, but fine_tune__"),
    ],
)
def test_values_are_checked(tmp_path, parameters, message):
    with pytest.raises(ValueError, match=message):
        _classifier(tmp_path / "new").set_params(**parameters).fit(X, Y)


def test_checkpoints_wait_for_the_seconds(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoint"
    monkeypatch.setenv("KILLED_IN", "4")
    with pytest.raises(RuntimeError, match="killed"):
        _classifier(folder, callbacks=[Killed()], checkpoint_seconds=1e6).fit(X, Y)
    assert [path.name for path in folder.iterdir()] == ["nnkit-checkpoint.pickle"]


def test_an_interrupted_fit_can_go_on(tmp_path, monkeypatch):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3 and os.environ["KILLED_IN"] == "3":
                raise KeyboardInterrupt

    def make(folder):
        return _classifier(folder, callbacks=[Interrupt()])

    monkeypatch.setenv("KILLED_IN", "-1")
    whole = make(None).fit(X, Y)
    monkeypatch.setenv("KILLED_IN", "3")
    interrupted = make(tmp_path / "checkpoint")
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, Y)
    assert interrupted.n_iter_ == 3
    monkeypatch.setenv("KILLED_IN", "-1")
    fitted = make(tmp_path / "checkpoint").fit(X, Y)
    np.testing.assert_array_equal(fitted.predict_proba(X), whole.predict_proba(X))


def test_regressors_and_transformers_take_checkpoints(tmp_path):
    for cls in (KerasRegressor, KerasTransformer):
        model = "mlp" if cls is KerasRegressor else "autoencoder"
        folder = tmp_path / cls.__name__
        parameters = {"epochs": 2, "random_state": 0}
        stored = cls(model, checkpoint=folder, checkpoint_seconds=0, **parameters).fit(X, X[:, 0])
        plain = cls(model, **parameters).fit(X, X[:, 0])
        assert stored.history_ == plain.history_
        assert not folder.exists()


def test_further_training_has_checkpoints_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("KILLED_IN", "-1")
    folder = tmp_path / "checkpoint"
    parameters = {"callbacks": [Killed()], "warm_start": True}
    first = _classifier(None, **parameters).fit(X, Y).set_params(checkpoint=folder)
    monkeypatch.setenv("KILLED_IN", "9")
    with pytest.raises(RuntimeError, match="killed"):
        first.fit(X, Y)
    monkeypatch.setenv("KILLED_IN", "-1")
    EPOCHS.clear()
    first.fit(X, Y)
    assert EPOCHS == [9, 10, 11]
    whole = _classifier(None, **parameters).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(first.predict_proba(X), whole.predict_proba(X))
