"""Use with scikit-learn's ensembles, cross-validation, pipelines and inspection, on real data."""

import numpy as np
import pandas as pd
import pytest
from networks import classifier_network
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier, explain
from nnkit.encoding import TabularEncoder


def classifier(**params):
    return KerasClassifier(
        **{"model": "mlp", "epochs": 15, "batch_size": 64, "random_state": 0, **params}
    )


def regressor(**params):
    return KerasRegressor(
        **{"model": "mlp", "epochs": 40, "batch_size": 64, "random_state": 0, **params}
    )


@pytest.fixture
def tumours():
    return load_breast_cancer(return_X_y=True, as_frame=True)


@pytest.fixture
def patients():
    return load_diabetes(return_X_y=True, as_frame=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: VotingClassifier(
            [("net", classifier()), ("linear", LogisticRegression(max_iter=5000))], voting="soft"
        ),
        lambda: StackingClassifier(
            [("net", classifier()), ("linear", LogisticRegression(max_iter=5000))], cv=2
        ),
        lambda: BaggingClassifier(classifier(), n_estimators=2, random_state=0),
        lambda: AdaBoostClassifier(classifier(epochs=5), n_estimators=2, random_state=0),
        lambda: CalibratedClassifierCV(classifier(), cv=2),
        lambda: TunedThresholdClassifierCV(classifier(), cv=2),
    ],
    ids=["Voting", "Stacking", "Bagging", "AdaBoost", "Calibrated", "TunedThreshold"],
)
def test_ensembles_of_classifiers(tumours, make):
    X, y = tumours
    X_scaled = pd.DataFrame(StandardScaler().fit_transform(X), columns=X.columns)

    fitted = make().fit(X_scaled[:400], y[:400])

    assert fitted.score(X_scaled[400:], y[400:]) > 0.9


@pytest.mark.parametrize(
    "make",
    [
        lambda: VotingRegressor([("net", regressor()), ("linear", Ridge())]),
        lambda: StackingRegressor([("net", regressor()), ("linear", Ridge())], cv=2),
        lambda: BaggingRegressor(regressor(), n_estimators=2, random_state=0),
    ],
    ids=["Voting", "Stacking", "Bagging"],
)
def test_ensembles_of_regressors(patients, make):
    X, y = patients

    fitted = make().fit(X[:350], y[:350])

    assert fitted.score(X[350:], y[350:]) > 0.3


def test_cross_val_score_stratifies_with_an_integer_cv():
    """The labels of iris are sorted, so unstratified folds lack a class."""
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)

    scores = cross_val_score(classifier(epochs=40, batch_size=16), X, y, cv=3)

    by_hand = cross_val_score(classifier(epochs=40, batch_size=16), X, y, cv=StratifiedKFold(3))
    np.testing.assert_array_equal(scores, by_hand)
    assert scores.min() > 0.85


def test_cross_validate_a_column_transformer_pipeline_with_several_scorers(tumours):
    X, y = tumours
    pipeline = make_pipeline(
        make_column_transformer(
            (KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), ["mean area"]),
            remainder=StandardScaler(),
        ),
        classifier(class_weight="balanced", early_stopping=True),
    )

    result = cross_validate(
        pipeline, X, y, cv=3, scoring=["roc_auc", "average_precision", "neg_log_loss", "accuracy"]
    )

    assert result["test_roc_auc"].min() > 0.97
    assert result["test_average_precision"].min() > 0.97
    assert result["test_neg_log_loss"].min() > -0.3


def test_cross_val_predict_returns_probabilities(tumours):
    X, y = tumours

    y_proba = cross_val_predict(classifier(), X, y, cv=3, method="predict_proba")

    assert y_proba.shape == (569, 2)
    assert roc_auc_score(y, y_proba[:, 1]) > 0.97


def test_partial_dependence_and_permutation_importance(patients):
    X, y = patients
    reg = regressor().fit(X, y)

    dependence = partial_dependence(reg, X, ["bmi"], grid_resolution=5)
    importance = permutation_importance(reg, X, y, n_repeats=2, random_state=0)

    assert np.diff(dependence["average"][0]).min() > 0
    assert X.columns[importance.importances_mean.argmax()] in ("bmi", "s5")


def test_sample_weight_passes_through_a_pipeline(tumours):
    X, y = tumours
    weight = np.where(y == 0, 10.0, 0.1)
    pipeline = make_pipeline(StandardScaler(), classifier(epochs=3))

    plain = pipeline.fit(X, y).predict(X)
    weighted = pipeline.fit(X, y, kerasclassifier__sample_weight=weight).predict(X)

    assert (weighted == 0).sum() > (plain == 0).sum()


def test_explain_a_pipeline_in_the_columns_of_its_input(patients):
    """A table of text and numbers has one value for each column; they sum to the prediction."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X = X[["age", "sex", "bmi", "bp"]].assign(sex=lambda frame: frame["sex"].map({1: "a", 2: "b"}))
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["sex"]), remainder=StandardScaler()),
        regressor(epochs=10),
    ).fit(X, y)

    explanation = explain(pipeline, X.head(3), background=X.tail(20))

    assert explanation.feature_names == ["age", "sex", "bmi", "bp"]
    assert explanation.data[0].tolist() == X.iloc[0].tolist()
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, pipeline.predict(X.head(3)), rtol=1e-6)


def test_explain_uses_the_background_of_the_estimator(tumours):
    X, y = tumours
    clf = classifier(background_size=20).fit(X, y)

    explanation = explain(clf, X.head(2))

    by_hand = explain(clf, X.head(2), background=clf.background_)
    np.testing.assert_array_equal(explanation.values, by_hand.values)
    np.testing.assert_allclose(
        explanation.base_values[0], clf.predict_proba(clf.background_)[:, 1].mean(), rtol=1e-6
    )


def test_column_transformer_as_encoder_equals_a_pipeline_step(patients):
    X, y = patients
    X = X.assign(sex=np.where(X["sex"] > 0, "a", "b"))
    encoder = make_column_transformer((OneHotEncoder(), ["sex"]), remainder=StandardScaler())
    reg = regressor(encoder=encoder).fit(X, y)

    by_pipeline = make_pipeline(encoder, regressor(encoder=None)).fit(X, y)

    np.testing.assert_allclose(reg.predict(X), by_pipeline.predict(X), rtol=1e-5)
    assert reg.feature_names_in_.tolist() == X.columns.tolist()
    assert reg.X_shape_ == (442, 11)


def test_html_repr_shows_the_parameters():
    html = KerasClassifier(classifier_network, model__units=3)._repr_html_()

    assert "KerasClassifier" in html
    assert "model__units" in html


@pytest.mark.parametrize(
    "estimator",
    [KerasClassifier(), KerasRegressor(), KerasTransformer(), TabularClassifier()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_html_repr_of_a_pipeline_links_to_parameter_documentation(estimator):
    html = make_pipeline(StandardScaler(), estimator)._repr_html_()

    page = f"nnkit.{type(estimator).__name__}.html"
    assert page in html
    assert f"{page}#:~:text=random_state" in html
    assert "Seed of initial weights" in html


def test_html_repr_of_an_encoder_links_to_its_documentation():
    assert (
        "nnkit.encoding.TabularEncoder.html#:~:text=max_one_hot" in TabularEncoder()._repr_html_()
    )
