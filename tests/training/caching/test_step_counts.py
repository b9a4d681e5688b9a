"""Fits of different lengths share a program, which reads the number of steps from the state."""

import pickle

import keras
import numpy as np
import pytest
from networks import classifier_network
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, TabularClassifier, clear_compiled_cache
from nnkit.optimizers import Cosine, CosLog, FlatCosine, GroupedAdam, OneCycle, StepDecay, WarmUp
from nnkit.training.loop import runs

X, Y = load_iris(return_X_y=True)
X = scale(X)
SCHEDULES = {
    "adam": lambda: keras.optimizers.Adam(Cosine(0.02)),
    "sgd": lambda: keras.optimizers.SGD(OneCycle(0.1), momentum=0.9),
    "adamw": lambda: keras.optimizers.AdamW(StepDecay(0.02)),
    "clipped": lambda: keras.optimizers.Adam(WarmUp(0.02, warmup_fraction=0.3), clipnorm=1.0),
    "averages": lambda: keras.optimizers.Adam(Cosine(0.02), use_ema=True, ema_momentum=0.9),
    "grouped": lambda: GroupedAdam(CosLog(0.05), weight_decay=FlatCosine(0.02)),
}


def fitted(optimizer, epochs, **params):
    params = {"batch_size": 50, "random_state": 0, **params}
    return KerasClassifier(classifier_network, optimizer=optimizer, epochs=epochs, **params).fit(
        X, Y
    )


@pytest.mark.parametrize("engine", ["graph", "xla"])
@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_fits_of_other_lengths_share_a_program_and_equal_fits_alone(name, engine):
    make = SCHEDULES[name]
    clear_compiled_cache()
    short = fitted(make(), 2, engine=engine)
    long = fitted(make(), 5, engine=engine)
    clear_compiled_cache()
    alone = fitted(make(), 5, engine=engine)

    assert long._network.compiled_model is short._network.compiled_model
    assert alone._network.compiled_model is not short._network.compiled_model
    np.testing.assert_array_equal(long.predict_proba(X), alone.predict_proba(X))
    assert not np.allclose(long.predict_proba(X), short.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_shared_program_agrees_with_keras_fit(name):
    make = SCHEDULES[name]
    clear_compiled_cache()
    fitted(make(), 2)

    shared, by_keras = fitted(make(), 5), fitted(make(), 5, engine="keras")

    np.testing.assert_allclose(
        shared.predict_proba(X), by_keras.predict_proba(X), rtol=2e-4, atol=1e-6
    )
    np.testing.assert_allclose(shared.history_["loss"], by_keras.history_["loss"], rtol=1e-4)


def test_callbacks_read_the_learning_rate_of_their_own_fit():
    seen = []

    class Rate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    clear_compiled_cache()
    fitted(SCHEDULES["adam"](), 2)

    fitted(SCHEDULES["adam"](), 4, callbacks=Rate())

    schedule = Cosine(0.02, n_steps=12)
    np.testing.assert_allclose(seen, [float(schedule(step)) for step in (0, 3, 6, 9)], rtol=1e-6)


def test_live_model_and_pickle_keep_the_number_of_steps():
    clear_compiled_cache()
    fitted(SCHEDULES["grouped"](), 2)
    clf = fitted(SCHEDULES["grouped"](), 4)

    restored = pickle.loads(pickle.dumps(clf))

    for estimator in (clf, restored):
        optimizer = estimator.model_.optimizer
        assert optimizer.get_config()["learning_rate"]["config"]["n_steps"] == 12
        assert optimizer.weight_decay.n_steps == 12


def test_schedules_with_other_peaks_share_no_program():
    clear_compiled_cache()
    first = fitted(keras.optimizers.Adam(Cosine(0.02)), 2)

    second = fitted(keras.optimizers.Adam(Cosine(0.05)), 2)

    assert second._network.compiled_model is not first._network.compiled_model


@pytest.mark.parametrize("vectorize", [False, True])
def test_stacked_fits_of_one_length_follow_their_schedule(vectorize):
    import nnkit

    clear_compiled_cache()
    fitted(SCHEDULES["adam"](), 2, n_estimators=3)
    with nnkit.batched_training(vectorize=vectorize):
        together = fitted(SCHEDULES["adam"](), 5, n_estimators=3)

    alone = fitted(SCHEDULES["adam"](), 5, n_estimators=3)

    np.testing.assert_allclose(together.predict_proba(X), alone.predict_proba(X), atol=1e-5)


def test_default_fits_on_tables_of_other_lengths_share_a_program():
    clear_compiled_cache()
    params = {"epochs": 2, "n_estimators": 2, "model__units": (8,), "random_state": 0}
    fits = [TabularClassifier(**params).fit(X[:n], Y[:n] > 0) for n in (80, 110, 150)]
    clear_compiled_cache()
    alone = TabularClassifier(**params).fit(X[:110], Y[:110] > 0)

    assert len({id(clf._network.compiled_model) for clf in fits}) == 1
    np.testing.assert_array_equal(fits[1].predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_scheduled_dropout_of_another_length_shares_a_program(engine):
    params = {"model__units": (16,), "model__dropout_rate": 0.5, "random_state": 0}

    def fit(epochs):
        clf = KerasClassifier("realmlp", epochs=epochs, engine=engine, **params)
        return clf.fit(X, Y)

    clear_compiled_cache()
    short, long = fit(2), fit(6)
    clear_compiled_cache()
    alone = fit(6)

    assert long._network.compiled_model is short._network.compiled_model
    np.testing.assert_array_equal(long.predict_proba(X), alone.predict_proba(X))
    layer = next(layer for layer in long.model_.layers if "dropout" in layer.name)
    assert float(layer.step_count) == layer.n_steps == 6


def test_default_fits_of_ten_sizes_compile_once(monkeypatch):
    """The batch size is 64 below 2,000 rows and 128 above."""
    clear_compiled_cache()
    n_traced = []
    padded_training = runs.padded_training
    monkeypatch.setattr(
        runs, "padded_training", lambda *a, **k: n_traced.append(1) or padded_training(*a, **k)
    )
    rng = np.random.default_rng(0)
    X_many = rng.normal(size=(3000, 4))
    y_many = (X_many[:, 0] > 0).astype(int)
    params = {"epochs": 1, "n_estimators": 1, "cv": None, "random_state": 0}
    batch_sizes = set()

    for n_samples in range(300, 3001, 300):
        clf = TabularClassifier(**params).fit(X_many[:n_samples], y_many[:n_samples])
        batch_sizes.add(clf.resolved_params_["batch_size"])

    assert len(batch_sizes) > 1
    assert len(n_traced) == 1
