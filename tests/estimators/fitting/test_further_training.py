"""partial_fit and warm_start with schedules, ensembles and presets."""

import pickle

import numpy as np
import pytest
from cross_fitted import AUTO
from keras.optimizers import Adam
from networks import classifier_network

from nnkit import KerasClassifier, TabularClassifier
from nnkit.optimizers import Cosine


@pytest.mark.parametrize("is_pickled", [False, True], ids=["at once", "after pickling"])
@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_further_training_resumes_after_the_default_schedule_has_ended(iris, further, is_pickled):
    X, y = iris
    clf = TabularClassifier(epochs=4, n_estimators=2, model__units=(8,), random_state=0).fit(X, y)
    clf.set_params(warm_start=True, epochs=8)
    losses = [clf.history_["loss"][-1]]
    before = clf.predict_proba(X)
    if is_pickled:
        clf = pickle.loads(pickle.dumps(clf))

    for _ in range(1 if further == "fit" else 8):
        getattr(clf, further)(X, y)
    losses.append(clf.history_["loss"][-1])

    assert losses[1] < losses[0]
    assert not np.allclose(clf.predict_proba(X), before, atol=1e-3)
    assert len(clf.models_) == 2


def test_partial_fit_keeps_the_weights_when_the_schedule_is_removed(iris):
    X, y = iris
    clf = KerasClassifier("realmlp", epochs=2, model__units=(8,), random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    clf.set_params(optimizer__learning_rate=1e-12, model__weight_decay=0.0).partial_fit(X, y)

    np.testing.assert_allclose(clf.predict_proba(X), before, atol=1e-5)


@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_further_training_raises_after_a_user_schedule_has_ended(iris, further):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, optimizer=Adam(Cosine(0.01))).fit(X, y)
    clf.set_params(warm_start=True)

    with pytest.raises(ValueError, match="its learning rate schedule ended with the last fit"):
        getattr(clf, further)(X, y)


@pytest.mark.parametrize("fit", ["fit", "partial_fit", "initialize"])
def test_fit_raises_on_a_schedule_without_n_steps_if_the_length_is_unknown(iris, fit):
    clf = KerasClassifier("mlp", optimizer=Adam(Cosine(0.01)), warm_start=True)

    with pytest.raises(ValueError, match="is not known with warm_start=True, in partial_fit and"):
        getattr(clf, fit)(*iris)


def test_fit_raises_on_a_compiled_schedule_without_n_steps(iris):
    def build(meta):
        network = classifier_network(meta)
        network.compile(Adam(Cosine(0.01)))
        return network

    with pytest.raises(ValueError, match=r"n_steps of Cosine is None.*Set n_steps to epochs \*"):
        KerasClassifier(build).fit(*iris)


@pytest.mark.parametrize("optimizer", ["adam", Adam, Adam(0.01), Adam(Cosine(0.01, n_steps=50))])
def test_partial_fit_resumes_with_optimizers_of_fixed_schedules(iris, optimizer):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, optimizer=optimizer, random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    clf.partial_fit(X, y)

    assert not np.allclose(clf.predict_proba(X), before)


def test_compiled_model_is_shared_by_fits_with_other_epochs(iris):
    X, y = iris
    first, second = (
        KerasClassifier("mlp", epochs=epochs, optimizer=Adam(0.01)).fit(X, y) for epochs in (1, 2)
    )

    assert first._network.compiled_model is second._network.compiled_model


def test_warm_start_raises_on_a_changed_n_estimators(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, n_estimators=2, warm_start=True).fit(X, y)

    with pytest.raises(ValueError, match="n_estimators=3, but 2 network"):
        clf.set_params(n_estimators=3).fit(X, y)

    assert len(clf.set_params(n_estimators=2).fit(X, y).models_) == 2


def test_warm_start_does_not_keep_fit_arguments_of_the_previous_fit(iris):
    X, y = iris
    clf = KerasClassifier("mlp", model__units=(4,), warm_start=True).fit(X[::8], y[::8], epochs=1)

    clf.fit(X, y)

    assert clf.resolved_params_["epochs"] == 100
    assert clf.resolved_params_["batch_size"] == 32


def test_partial_fit_trains_one_default_network(learning):
    cls, X, y = learning
    estimator = cls(model__units=(8,), random_state=0)

    for _ in range(12):
        estimator.partial_fit(X, y)

    losses = estimator.history_["loss"]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    assert len(estimator.models_) == 1
    assert estimator.resolved_params_["n_estimators"] == 1


def test_warm_start_resumes_all_default_networks(learning):
    cls, X, y = learning
    estimator = cls(**AUTO, warm_start=True)

    losses = []
    for _ in range(4):
        losses.append([history["loss"] for history in estimator.fit(X, y).histories_])

    # (4 calls, 2 members, 3 epochs) -> (4, 2)
    means = np.mean(losses, axis=2)
    assert means.shape == (4, 2)
    assert (means[-1] < 0.9 * means[0]).all()


@pytest.mark.parametrize("model", ["auto", "realmlp"])
def test_warm_start_keeps_the_folds_of_the_first_fit(iris, model):
    """Rows used for training are biased for early stopping and calibration."""
    X, y = iris
    clf = TabularClassifier(model=model, **AUTO, warm_start=True).fit(X, y)
    first = clf.resolved_params_["cv"]

    clf.fit(X, y)

    assert first == 5
    assert clf.resolved_params_["cv"] == first


def test_partial_fit_between_warm_starts_keeps_resolved_params(iris):
    X, y = iris
    clf = TabularClassifier(model__units=(4,), epochs=1, warm_start=True, random_state=0)
    chosen = clf.fit(X, y).resolved_params_

    clf.partial_fit(X, y)
    clf.fit(X, y)

    assert len(clf.models_) == chosen["n_estimators"]
    assert clf.resolved_params_ == chosen
    assert "val_loss" in clf.history_
    assert clf.temperature_ != 1
