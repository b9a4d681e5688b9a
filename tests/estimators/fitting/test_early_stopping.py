"""early_stopping, n_iter_no_change, tol, scoring and validation_split."""

import keras
import numpy as np
import pytest
from networks import classifier_network
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss, make_scorer, roc_auc_score
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor


def test_early_stopping_stops_after_n_iter_no_change_epochs(cancer):
    X, y = cancer
    clf = KerasClassifier(
        "mlp", epochs=200, early_stopping=True, n_iter_no_change=5, batch_size=32, random_state=0
    )

    clf.fit(X, y)

    losses = clf.history_["val_loss"]
    assert clf.n_iter_ == len(losses) < 200
    assert clf.best_epoch_ == int(np.argmin(losses))
    assert clf.n_iter_ == clf.best_epoch_ + 1 + 5


def held_out_rows(clf, X, y):
    """Return the validation rows of a fit and their probabilities, recorded by a scorer."""
    seen = {}

    def scorer(estimator, X_validation, y_validation):
        seen["X"], seen["y"] = X_validation, y_validation
        seen["proba"] = estimator.predict_proba(X_validation)
        return 1.0

    clf.set_params(scoring=scorer).fit(X, y)
    return seen


def test_early_stopping_holds_out_a_stratified_tenth(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=1, early_stopping=True, random_state=0)

    seen = held_out_rows(clf, X, y)

    assert len(seen["y"]) == 57
    assert seen["y"].mean() == pytest.approx(y.mean(), abs=0.01)
    np.testing.assert_allclose(seen["proba"], clf.predict_proba(seen["X"]), atol=1e-6)


@pytest.fixture(scope="module")
def held_out_of_cancer():
    """The validation rows of a fit with early stopping and random_state=0."""
    X, y = load_breast_cancer(return_X_y=True)
    clf = KerasClassifier(classifier_network, epochs=1, early_stopping=True, random_state=0)
    return held_out_rows(clf, scale(X), y)


@pytest.mark.parametrize(
    ("scoring", "name", "recompute"),
    [
        ("roc_auc", "roc_auc", lambda y, y_proba: roc_auc_score(y, y_proba[:, 1])),
        ("neg_log_loss", "neg_log_loss", lambda y, y_proba: -log_loss(y, y_proba)),
        ("accuracy", "accuracy", lambda y, y_proba: (y_proba.argmax(axis=1) == y).mean()),
        (None, "score", lambda y, y_proba: (y_proba.argmax(axis=1) == y).mean()),
        (
            make_scorer(roc_auc_score, response_method="predict_proba"),
            "score",
            lambda y, y_proba: roc_auc_score(y, y_proba[:, 1]),
        ),
    ],
    ids=["roc_auc", "neg_log_loss", "accuracy", "None", "scorer"],
)
@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_scoring_is_recorded_as_computed_by_scikit_learn(
    cancer, held_out_of_cancer, scoring, name, recompute, engine
):
    X, y = cancer
    params = {"epochs": 2, "early_stopping": True, "random_state": 0, "engine": engine}
    clf = KerasClassifier(classifier_network, optimizer="sgd", scoring=scoring, **params)
    # The learning rate of the last epoch is 0, so that its score is that of the fitted network.
    clf.set_params(
        callbacks=keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 - epoch / 10)
    )

    clf.fit(X, y)

    held_out = held_out_of_cancer
    expected = recompute(held_out["y"], clf.predict_proba(held_out["X"]))
    assert clf.history_[f"val_{name}"][-1] == pytest.approx(expected, abs=1e-6)


def test_scoring_selects_the_best_epoch(diabetes):
    X, y = diabetes
    reg = KerasRegressor(
        "mlp", epochs=15, early_stopping=True, scoring="neg_mean_absolute_error", random_state=0
    )

    reg.fit(X, y)

    assert reg.best_epoch_ == int(np.argmax(reg.history_["val_neg_mean_absolute_error"]))


def test_tol_is_the_least_improvement(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=30, early_stopping=True, n_iter_no_change=2, random_state=0)

    n_patient = clf.fit(X, y).n_iter_
    n_strict = clf.set_params(tol=0.5).fit(X, y).n_iter_

    assert n_strict < n_patient


def test_validation_split_without_early_stopping_records_val_loss(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=3, validation_split=0.25, n_iter_no_change=1).fit(X, y)

    assert clf.n_iter_ == 3
    assert clf.best_epoch_ == 2
    assert set(clf.history_) == {"loss", "val_loss"}
    assert clf.X_shape_ == (569 - 143, 30)


def test_sample_weight_applies_to_held_out_rows(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=1, validation_split=0.25, random_state=0)

    plain = clf.fit(X, y).history_["val_loss"]
    weighted = clf.fit(X, y, sample_weight=1.0 + 9.0 * y).history_["val_loss"]

    assert weighted[0] != pytest.approx(plain[0], rel=1e-3)


def test_keras_early_stopping_callback_uses_validation_split(cancer):
    X, y = cancer
    stop = keras.callbacks.EarlyStopping(patience=1, min_delta=10.0)

    clf = KerasClassifier("mlp", epochs=50, validation_split=0.2, callbacks=stop).fit(X, y)

    assert clf.n_iter_ == 2


def test_fit_raises_on_a_scorer_that_predicts_other_rows(cancer):
    X, y = cancer
    clf = KerasClassifier(
        "mlp",
        epochs=1,
        early_stopping=True,
        scoring=lambda estimator, X, y: estimator.predict(X[:5]).mean(),
    )

    with pytest.raises(ValueError, match="it asked for other rows"):
        clf.fit(X, y)


class InterruptThird(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_interrupted_early_stopping_leaves_a_fitted_estimator(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=50, early_stopping=True, callbacks=InterruptThird)

    with pytest.raises(KeyboardInterrupt, match="interrupted after 2 of 50 epochs"):
        clf.fit(X, y)

    assert clf.n_iter_ == 2
    assert clf.score(X, y) > 0.5
