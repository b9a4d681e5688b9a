"""Regression tests for known faults of SciKeras and of Keras' own scikit-learn wrapper."""

import keras
import numpy as np
import pytest
from networks import classifier_network, head
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score

from nnkit import KerasClassifier, KerasRegressor


def test_is_classifier_and_is_regressor():
    """SciKeras: mixins are right of the base class, so that cross-validation never stratifies."""
    assert is_classifier(KerasClassifier())
    assert is_regressor(KerasRegressor())
    assert not is_classifier(KerasRegressor())


def test_probability_scorers_work_in_cross_validation(cancer):
    """SciKeras: roc_auc raises 'y should be a 1d array'."""
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=5, random_state=0)

    for scoring in ("roc_auc", "average_precision"):
        assert cross_val_score(clf, X, y, cv=2, scoring=scoring).min() > 0.9


def test_predict_proba_of_one_row_has_two_dimensions(iris):
    """SciKeras: the shape is (3,) instead of (1, 3)."""
    clf = KerasClassifier("mlp", epochs=1).fit(*iris)

    assert clf.predict_proba(iris[0][:1]).shape == (1, 3)


def test_fit_does_not_modify_sample_weight(iris):
    """SciKeras: class weights are multiplied into sample_weight in place."""
    X, y = iris
    weight = np.ones(150)

    KerasClassifier("mlp", epochs=1, class_weight={"setosa": 5.0}).fit(X, y, sample_weight=weight)

    assert (weight == 1).all()


def test_predict_accepts_float64_after_fit_on_float32(iris):
    """SciKeras raises 'Got X with dtype float64 … not safe!'."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1).fit(X.astype(np.float32), y)

    assert clf.predict(X.astype(np.float64)).shape == (150,)


def test_optimizer_instance_can_be_used_in_several_fits(iris):
    """SciKeras raises 'Unknown variable …' in the second fit."""
    X, y = iris
    clf = KerasClassifier(classifier_network, optimizer=keras.optimizers.Adam(), epochs=1)

    clf.fit(X, y).fit(X, y)

    assert cross_val_score(clf, X, y, cv=2).shape == (2,)


def test_predict_raises_on_reordered_columns(iris_frame):
    """SciKeras accepts them silently."""
    X, y = iris_frame
    clf = KerasClassifier("mlp", epochs=1).fit(X, y)

    with pytest.raises(ValueError, match="order"):
        clf.predict(X[X.columns[::-1]])


def test_second_fit_restarts_from_the_initial_weights(iris):
    """SciKeras: a prebuilt model resumes from the weights of the first fit."""
    X, y = iris
    clf = KerasClassifier(head(3, "softmax"), epochs=2, random_state=0)

    first = clf.fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), first)


def test_history_is_a_dict_with_keras_metric_names(iris):
    """SciKeras: AUC is recorded as 'a_u_c'. Keras' own wrapper: history_ is no dict."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, metrics=["AUC"]).fit(X, y == "setosa")

    assert list(clf.history_) == ["AUC", "loss"] or list(clf.history_) == ["loss", "AUC"]
    assert type(clf.history_) is dict


def test_init_raises_on_a_misspelt_parameter():
    """SciKeras: KerasClassifier("mlp", epoch=5) fails in fit, if at all."""
    with pytest.raises(TypeError, match="Did you mean epochs"):
        KerasClassifier(classifier_network, epoch=5)


def test_model_accepts_a_bound_method(iris):
    """SciKeras raises '``model`` must be a callable'."""

    class Builder:
        def build(self, meta):
            return classifier_network(meta)

    assert KerasClassifier(Builder().build, epochs=1).fit(*iris).n_iter_ == 1


def test_arguments_are_routed_to_losses_and_metrics_given_by_name(iris):
    """SciKeras: a string metric or loss with arguments is refused."""
    X, y = iris
    clf = KerasClassifier(
        classifier_network,
        loss="categorical_crossentropy",
        loss__label_smoothing=0.5,
        metrics=["AUC"],
        metrics__0__name="area",
        epochs=1,
        random_state=0,
    )

    smoothed = clf.fit(X, y)
    assert "area" in smoothed.history_
    loss = smoothed.history_["loss"]
    assert clf.set_params(loss__label_smoothing=0.0).fit(X, y).history_["loss"] != loss


def test_optimizer_learning_rate_accepts_a_schedule(iris):
    """SciKeras: optimizer__learning_rate__decay_steps cannot build one."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
    clf = KerasClassifier("mlp", optimizer__learning_rate=schedule, epochs=10, batch_size=150)

    clf.fit(*iris)

    assert float(clf.model_.optimizer.learning_rate) == pytest.approx(0.1 * 0.5**2)


def test_grid_search_over_callback_arguments(iris):
    """SciKeras: callbacks__* cannot be set through set_params."""
    X, y = iris
    clf = KerasClassifier(
        "mlp", epochs=20, callbacks=keras.callbacks.EarlyStopping(monitor="loss", min_delta=10.0)
    )

    search = GridSearchCV(clf, {"callbacks__patience": [1, 3]}, cv=2, refit=False).fit(X, y)

    assert search.cv_results_["param_callbacks__patience"].tolist() == [1, 3]
    for patience in (1, 3):
        fitted = clone(clf).set_params(callbacks__patience=patience).fit(X, y)
        assert fitted.n_iter_ == patience + 1


def test_clone_keeps_all_parameters():
    """Keras' own wrapper: clone drops fit_kwargs, so that each fold trains one epoch."""
    clf = KerasClassifier(classifier_network, epochs=7, batch_size=3, units=2, loss__name="x")

    assert clone(clf).get_params() == clf.get_params()


def test_pretrained_model_keeps_its_weights_in_fit(iris):
    """Keras' own wrapper: the weights are re-initialised at each fit."""
    model = head(3, "softmax")
    clf = KerasClassifier(model, epochs=1, optimizer="sgd", optimizer__learning_rate=0.0)

    clf.fit(*iris)

    np.testing.assert_array_equal(clf.model_.get_weights()[0], model.get_weights()[0])


def test_class_weight_is_keyed_by_label(iris):
    """Keras' own wrapper: {'a': …} falls back to 1 silently, and 'balanced' crashes."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=20, random_state=0)

    plain = clf.fit(X, y).predict_proba(X)[:, 1]
    clf.set_params(class_weight={"versicolor": 50.0})
    weighted = clf.fit(X, y).predict_proba(X)[:, 1]

    assert weighted.mean() > plain.mean() + 0.1


def test_set_fit_request_applies_to_fit():
    """Keras' own wrapper: set_fit_request writes to score."""
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        request = KerasClassifier().set_fit_request(sample_weight=True).get_metadata_routing()

    assert request.fit.requests["sample_weight"] is True
    assert request.score.requests["sample_weight"] is None
