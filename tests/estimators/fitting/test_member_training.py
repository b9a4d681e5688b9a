"""n_estimators: deep ensembles of networks, averaged in one estimator."""

import dataclasses
import pickle
import signal
import threading

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor, TabularClassifier, batched_training
from nnkit.exceptions import NonFiniteLossError
from nnkit.training.loop import engine as engine_module


def ensemble(**params):
    return KerasClassifier(
        **{"model": "mlp", "n_estimators": 3, "epochs": 2, "random_state": 0, **params}
    )


@pytest.fixture(scope="module")
def fitted():
    """An ensemble fitted on iris, not modified by tests."""
    X, y = load_iris(return_X_y=True)
    return ensemble().fit(scale(X), y)


def test_n_estimators_averages_probabilities(iris, fitted):
    X, clf = iris[0], fitted

    y_proba, y_std = clf.predict_proba(X, return_std=True)

    rows = clf.encoder_.transform(X)
    by_member = np.stack([model.predict(rows, verbose=0) for model in clf.models_])
    np.testing.assert_allclose(y_proba, by_member.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(y_std, by_member.std(axis=0), atol=1e-5)
    assert y_std.max() > 0.01
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[y_proba.argmax(axis=1)])


def test_n_estimators_averages_regression_predictions(diabetes):
    X, y = diabetes
    reg = KerasRegressor("mlp", n_estimators=3, epochs=2, random_state=0).fit(X, y)

    y_pred, y_std = reg.predict(X, return_std=True)

    rows = reg.encoder_.transform(X)
    by_member = np.stack(
        [reg._target.scaling.decode(model.predict(rows, verbose=0)[:, 0]) for model in reg.models_]
    )
    np.testing.assert_allclose(y_pred, by_member.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(y_std, by_member.std(axis=0), rtol=1e-3, atol=1e-3)


def test_members_differ_and_the_first_equals_a_single_network(iris, fitted):
    clf, alone = fitted, ensemble(n_estimators=1).fit(*iris)

    kernels = [model.get_weights()[0] for model in clf.models_]

    assert not np.allclose(kernels[0], kernels[1], atol=1e-2)
    assert not np.allclose(kernels[1], kernels[2], atol=1e-2)
    np.testing.assert_allclose(kernels[0], alone.model_.get_weights()[0], rtol=1e-4, atol=1e-6)
    assert clf.model_ is clf.models_[0]
    assert clf.history_ == clf.histories_[0]
    assert len({histories["loss"][-1] for histories in clf.histories_}) == 3


def test_random_state_makes_an_ensemble_reproducible(iris, fitted):
    X, y = iris

    again = ensemble().fit(X, y)

    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_ensemble_has_a_lower_log_loss_than_its_members(cancer):
    from sklearn.metrics import log_loss

    X, y = cancer
    X_train, y_train, X_test, y_test = X[::2], y[::2], X[1::2], y[1::2]
    clf = ensemble(n_estimators=5, epochs=30).fit(X_train, y_train)

    rows = clf.encoder_.transform(X_test)
    each = [log_loss(y_test, member.predict(rows, verbose=0)) for member in clf.models_]

    assert log_loss(y_test, clf.predict_proba(X_test)) < np.mean(each)


def test_ensemble_can_be_pickled_and_cloned(iris, fitted):
    X, _ = iris

    restored = pickle.loads(pickle.dumps(fitted))

    np.testing.assert_array_equal(restored.predict_proba(X), fitted.predict_proba(X))
    assert len(restored.models_) == 3
    assert clone(fitted).n_estimators == 3


def test_partial_fit_resumes_all_members(iris):
    X, y = iris
    clf = ensemble().fit(X, y)
    before = [model.get_weights()[0] for model in clf.models_]

    clf.partial_fit(X, y)

    assert [len(history["loss"]) for history in clf.histories_] == [3, 3, 3]
    for model, kernel in zip(clf.models_, before, strict=True):
        assert not np.allclose(model.get_weights()[0], kernel)


def test_early_stopping_stops_each_member_separately(cancer):
    X, y = cancer
    clf = ensemble(
        n_estimators=6, epochs=60, early_stopping=True, n_iter_no_change=1, batch_size=16
    ).fit(X, y)

    lengths = [len(history["val_loss"]) for history in clf.histories_]

    assert len(set(lengths)) > 1
    assert clf.n_iter_ == lengths[0]


def test_each_member_has_its_own_callback(iris):
    X, y = iris
    seen = []

    class Noting(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            seen.append(self.model.get_weights()[0])

    clf = ensemble(callbacks=Noting).fit(X, y)

    assert len(seen) == 3
    for model in clf.models_:
        assert any(np.array_equal(model.get_weights()[0], kernel) for kernel in seen)


def test_n_estimators_averages_multilabel_probabilities():
    X, y = make_multilabel_classification(n_samples=80, n_labels=2, random_state=0)
    clf = ensemble(n_estimators=2).fit(X, y)

    y_proba, y_std = clf.predict_proba(X, return_std=True)

    assert y_proba.shape == y_std.shape == y.shape
    assert set(np.unique(clf.predict(X))) <= {0, 1}


def test_return_std_raises_with_a_single_network(iris, diabetes):
    with pytest.raises(ValueError, match="return_std=True needs several networks.*n_estimators=1"):
        ensemble(n_estimators=1).fit(*iris).predict_proba(iris[0], return_std=True)
    with pytest.raises(ValueError, match="return_std=True needs several networks"):
        KerasRegressor("mlp", epochs=1).fit(*diabetes).predict(diabetes[0], return_std=True)


@pytest.mark.parametrize("n_estimators", [0, -1, 2.5, True, "3"])
def test_fit_raises_on_an_invalid_n_estimators(iris, n_estimators):
    with pytest.raises(ValueError, match="n_estimators must be an integer of at least 1"):
        ensemble(n_estimators=n_estimators).fit(*iris)


def test_failed_warm_start_of_an_ensemble_keeps_all_weights(iris):
    X, y = iris
    clf = ensemble(warm_start=True).fit(X, y)
    before = clf.predict_proba(X)

    clf.set_params(optimizer__learning_rate=1e30)
    clf.set_params(callbacks=keras.callbacks.LearningRateScheduler(lambda *_: 1e30))
    with pytest.raises(NonFiniteLossError):
        clf.fit(X, y)

    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nnkit")]


def test_interrupted_ensemble_keeps_completed_epochs(iris):
    X, y = iris

    presses = iter([signal.SIGINT])

    class Interrupting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                for press in presses:
                    signal.pthread_kill(threading.main_thread().ident, press)

    clf = ensemble(epochs=100_000, callbacks=Interrupting, batch_size=-1)
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        clf.fit(X, y)

    assert 2 <= clf.n_iter_ < 100_000
    assert clf.predict_proba(X).shape == (150, 3)


def test_batched_training_of_ensembles_equals_separate_training(iris):
    X, y = iris
    clf = ensemble(n_estimators=2, scoring="loss")

    alone = cross_val_score(clf, X, y, cv=2, scoring="neg_log_loss")
    with batched_training():
        together = cross_val_score(clf, X, y, cv=2, scoring="neg_log_loss")

    np.testing.assert_allclose(together, alone, rtol=1e-4)


@pytest.mark.parametrize("engine", ["graph", "xla", "keras"])
def test_networks_that_hold_out_folds_share_the_rows_and_equal_networks_with_copies(
    iris, monkeypatch, engine
):
    X, y = iris
    weight = np.linspace(0.5, 1.5, len(y))
    params = {"model": "mlp", "epochs": 3, "n_estimators": 3, "cv": 3, "random_state": 0}
    clf = TabularClassifier(engine=engine, **params)
    trained = []
    train = engine_module.train

    def noted(network, data, plan, scheduler=None):
        trained.append(data)
        return train(network, data, plan, scheduler)

    def copied(network, data, plan, scheduler=None):
        own = dataclasses.replace(data.own, validation=data.validation.own)
        return train(network, own, plan, scheduler)

    monkeypatch.setattr(engine_module, "train", noted)
    shared = clone(clf).fit(X, y, sample_weight=weight)
    monkeypatch.setattr(engine_module, "train", copied)
    separate = clone(clf).fit(X, y, sample_weight=weight)

    assert len({id(data.X) for data in trained}) == 1
    assert all(data.validation.X is data.X for data in trained)
    assert [data.n_samples for data in trained] == [100, 100, 100]
    np.testing.assert_array_equal(shared.predict_proba(X), separate.predict_proba(X))
    assert shared.histories_ == separate.histories_
