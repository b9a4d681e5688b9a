"""KeyboardInterrupt during fits, and predictions of other threads during fits."""

import signal
import threading

import keras
import numpy as np
import pytest
from networks import classifier_network
from sklearn.model_selection import GridSearchCV, cross_val_score

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    TabularClassifier,
    batched_training,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*lazy loading.*")


class Interrupts(keras.callbacks.Callback):
    """Callback whose first copy to reach an epoch sends SIGINT to the main thread, once."""

    def __init__(self, epoch, pending):
        super().__init__()
        self.epoch = epoch
        self.pending = pending

    def __deepcopy__(self, memo):
        return Interrupts(self.epoch, self.pending)

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch and self.pending.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def interrupts(epoch):
    return Interrupts(epoch, threading.Semaphore(1))


def small(cls=KerasClassifier, model=classifier_network, **params):
    return cls(model, **{"epochs": 6, "batch_size": 50, "random_state": 0} | params)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_interrupted_fit_raises_and_keeps_completed_epochs(iris, engine):
    X, y = iris
    clf = small(callbacks=interrupts(3), engine=engine)

    with pytest.raises(KeyboardInterrupt) as raised:
        clf.fit(X, y)

    assert "interrupted after 3 of 6 epochs" in raised.value.__notes__[0]
    assert clf.n_iter_ == len(clf.history_["loss"]) == 3
    reference = small(epochs=3, engine=engine).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), reference.predict_proba(X), atol=1e-5)


def test_interrupted_fit_with_early_stopping_keeps_the_best_weights(iris):
    X, y = iris
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 2 else 1e3)
    clf = small(
        early_stopping=True, validation_split=0.3, callbacks=[rate, interrupts(4)], epochs=9
    )

    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)

    assert clf.best_epoch_ == int(np.argmin(clf.history_["val_loss"])) < clf.n_iter_ - 1
    assert clf.score(X, y) > 0.6


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_interrupt_before_the_first_epoch_leaves_the_estimator_unfitted(iris, engine):
    X, y = iris
    clf = small(callbacks=interrupts(0), engine=engine)

    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)

    assert not hasattr(clf, "classes_")
    assert not clf.__sklearn_is_fitted__()


def test_interrupt_before_the_first_epoch_of_a_refit_keeps_the_last_fit(iris):
    X, y = iris
    clf = small(epochs=2).fit(X, y)
    before = clf.predict_proba(X)

    clf.set_params(callbacks=interrupts(0))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X[:, :2], y)

    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_interrupted_partial_fit_keeps_earlier_calls(iris):
    X, y = iris
    clf = small().partial_fit(X, y).partial_fit(X, y)
    before = clf.predict_proba(X)

    clf.set_params(callbacks=interrupts(2))
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(X, y)

    assert clf.n_iter_ == 2
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_interrupted_warm_start_keeps_completed_epochs(iris):
    X, y = iris
    clf = small(warm_start=True, epochs=2).fit(X, y)

    clf.set_params(epochs=5, callbacks=interrupts(5))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)

    assert clf.n_iter_ == 3
    reference = small(epochs=5).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), reference.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.parametrize("epoch", [1, 40])
def test_interrupted_ensemble_keeps_members_with_completed_epochs(iris, engine, epoch):
    X, y = iris
    clf = TabularClassifier(
        model=classifier_network, n_estimators=5, epochs=50_000, batch_size=-1, random_state=0,
        callbacks=interrupts(epoch), engine=engine, cv=5, calibration="temperature",
        encoder=None, early_stopping=False,
    )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)

    assert 1 <= len(clf.models_) == len(clf.histories_) <= 5
    assert all(history["loss"] for history in clf.histories_)
    assert clf.predict_proba(X).shape == (150, 3)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nnkit")]


def test_interrupted_warm_start_keeps_all_ensemble_members(iris):
    X, y = iris
    clf = small(n_estimators=3, warm_start=True, epochs=2).fit(X, y)

    clf.set_params(epochs=50_000, batch_size=-1, callbacks=interrupts(5))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)

    assert len(clf.models_) == 3
    assert clf.predict_proba(X).shape == (150, 3)


def test_interrupt_stops_cross_validation_and_grid_search(iris):
    X, y = iris
    clf = small(callbacks=interrupts(3))
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(clf, X, y, cv=3)

    search = GridSearchCV(small(callbacks=interrupts(3)), {"epochs": [5, 6]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)

    ensemble = small(n_estimators=3, callbacks=interrupts(3), epochs=50_000)
    with batched_training(), pytest.raises(KeyboardInterrupt):
        cross_val_score(ensemble, X, y, cv=2)


def test_interrupted_transformer_is_fitted(iris):
    X, _ = iris
    embedding = KerasTransformer(
        epochs=6, batch_size=50, callbacks=interrupts(3), random_state=0, model__n_components=2
    )

    with pytest.raises(KeyboardInterrupt):
        embedding.fit(X)

    assert len(embedding.history_["loss"]) == 3
    assert embedding.transform(X).shape == (150, 2)


# Other threads


def predictions_during(fit, predict, n_least=30):
    """Return the predictions and the errors of another thread during a fit."""
    found, errors, is_over = [], [], threading.Event()

    def run():
        while not is_over.is_set() or len(found) + len(errors) < n_least:
            try:
                found.append(predict())
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        fit()
    finally:
        is_over.set()
        thread.join()
    return found, errors


def test_predict_during_a_refit_uses_the_old_or_the_new_network(iris):
    X, y = iris
    clf = small(n_estimators=2, epochs=30, encoder="auto", model="mlp").fit(X, y)
    states = [clf.predict_proba(X)]

    def refit():
        for k in range(4):
            clf.set_params(random_state=k)
            # The scale of the columns changes with each fit, and with it the encoder.
            clf.fit(X * 10.0**k, y)
            states.append(clf.predict_proba(X))

    found, errors = predictions_during(refit, lambda: clf.predict_proba(X))

    assert errors == []
    assert all(any(np.array_equal(proba, state) for state in states) for proba in found)


@pytest.mark.parametrize("has_live_model", [False, True], ids=["compiled", "live"])
def test_predict_during_further_training_uses_no_intermediate_weights(diabetes, has_live_model):
    X, y = diabetes
    reg = small(KerasRegressor, "mlp", n_estimators=2, warm_start=True, epochs=20).fit(X, y)
    if has_live_model:
        models = reg.models_
        reg.set_params(callbacks=keras.callbacks.Callback())
    states = [reg.predict(X)]

    def train():
        for _ in range(4):
            reg.fit(X, y)
            states.append(reg.predict(X))

    found, errors = predictions_during(train, lambda: reg.predict(X))

    assert errors == []
    assert all(any(np.array_equal(values, state) for state in states) for values in found)
    if has_live_model:
        assert all(now is before for now, before in zip(reg.models_, models, strict=True))


def test_parameters_set_during_fit_are_kept(iris):
    X, y = iris
    clf = small()
    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: clf.set_params(verbose=2))

    clf.set_params(callbacks=seen).fit(X, y)

    assert clf.verbose == 2
