"""The faults of today's wrappers, each of which must stay impossible here."""

import keras
import numpy as np
import pytest
from networks import classifier_network, head
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score

from nnkit import KerasClassifier, KerasRegressor


def test_the_kind_of_estimator_is_known():
    """SciKeras: mixins right of the base, so that nothing stratifies."""
    assert is_classifier(KerasClassifier())
    assert is_regressor(KerasRegressor())
    assert not is_classifier(KerasRegressor())


def test_scorers_of_probabilities_work(cancer):
    """SciKeras: roc_auc raises 'y should be a 1d array'."""
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=5, random_state=0)

    for scoring in ("roc_auc", "average_precision"):
        assert cross_val_score(clf, X, y, cv=2, scoring=scoring).min() > 0.9


def test_one_row_keeps_its_axis(iris):
    """SciKeras: (3,) instead of (1, 3)."""
    clf = KerasClassifier("mlp", epochs=1).fit(*iris)

    assert clf.predict_proba(iris[0][:1]).shape == (1, 3)


def test_the_callers_weights_are_left_alone(iris):
    """SciKeras: sample_weight *= class weights, in place."""
    X, y = iris
    weight = np.ones(150)

    KerasClassifier("mlp", epochs=1, class_weight={"setosa": 5.0}).fit(X, y, sample_weight=weight)

    assert (weight == 1).all()


def test_fit_in_float32_and_predict_in_float64(iris):
    """SciKeras: 'Got X with dtype float64 … not safe!'."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1).fit(X.astype(np.float32), y)

    assert clf.predict(X.astype(np.float64)).shape == (150,)


def test_an_optimizer_instance_serves_many_fits(iris):
    """SciKeras: 'Unknown variable …' in the second fit."""
    X, y = iris
    clf = KerasClassifier(classifier_network, optimizer=keras.optimizers.Adam(), epochs=1)

    clf.fit(X, y).fit(X, y)

    assert cross_val_score(clf, X, y, cv=2).shape == (2,)


def test_columns_in_another_order_are_refused(iris_frame):
    """SciKeras: accepted silently."""
    X, y = iris_frame
    clf = KerasClassifier("mlp", epochs=1).fit(X, y)

    with pytest.raises(ValueError, match="order"):
        clf.predict(X[X.columns[::-1]])


def test_a_second_fit_starts_anew(iris):
    """SciKeras: a prebuilt model goes on from where the first fit ended."""
    X, y = iris
    clf = KerasClassifier(head(3, "softmax"), epochs=2, random_state=0)

    first = clf.fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), first)


def test_history_has_keras_names(iris):
    """SciKeras: AUC is recorded as 'a_u_c'. Keras' own wrapper: history_ is no dict."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, metrics=["AUC"]).fit(X, y == "setosa")

    assert list(clf.history_) == ["AUC", "loss"] or list(clf.history_) == ["loss", "AUC"]
    assert type(clf.history_) is dict


def test_a_typo_is_refused_at_once():
    """SciKeras: KerasClassifier("mlp", epoch=5) fails in fit, if at all."""
    with pytest.raises(TypeError, match="Did you mean epochs"):
        KerasClassifier(classifier_network, epoch=5)


def test_bound_methods_and_callable_objects_build(iris):
    """SciKeras: '``model`` must be a callable'."""

    class Architect:
        def build(self, meta):
            return classifier_network(meta)

    assert KerasClassifier(Architect().build, epochs=1).fit(*iris).n_iter_ == 1


def test_routed_arguments_of_named_losses_and_metrics(iris):
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


def test_a_learning_rate_schedule_can_be_routed(iris):
    """SciKeras: optimizer__learning_rate__decay_steps cannot build one."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
    clf = KerasClassifier("mlp", optimizer__learning_rate=schedule, epochs=10, batch_size=150)

    clf.fit(*iris)

    assert float(clf.model_.optimizer.learning_rate) == pytest.approx(0.1 * 0.5**2)


def test_callback_arguments_are_searched(iris):
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


def test_clone_keeps_every_parameter():
    """Keras' own wrapper: clone drops fit_kwargs, so that each fold trains one epoch."""
    clf = KerasClassifier(classifier_network, epochs=7, batch_size=3, units=2, loss__name="x")

    assert clone(clf).get_params() == clf.get_params()


def test_a_pretrained_model_keeps_its_weights(iris):
    """Keras' own wrapper: re-initialised at each fit."""
    model = head(3, "softmax")
    clf = KerasClassifier(model, epochs=1, optimizer="sgd", optimizer__learning_rate=0.0)

    clf.fit(*iris)

    np.testing.assert_array_equal(clf.model_.get_weights()[0], model.get_weights()[0])


def test_weights_of_classes_are_by_label(iris):
    """Keras' own wrapper: {'a': …} falls back to 1 silently, and 'balanced' crashes."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=20, random_state=0)

    plain = clf.fit(X, y).predict_proba(X)[:, 1]
    clf.set_params(class_weight={"versicolor": 50.0})
    weighted = clf.fit(X, y).predict_proba(X)[:, 1]

    assert weighted.mean() > plain.mean() + 0.1


def test_fit_is_routed_on_fit():
    """Keras' own wrapper: set_fit_request writes to score."""
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        request = KerasClassifier().set_fit_request(sample_weight=True).get_metadata_routing()

    assert request.fit.requests["sample_weight"] is True
    assert request.score.requests["sample_weight"] is None
