"""Networks with several inputs: one DataFrame with a dict of encoders, and `InputDict`."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from nnkit import KerasClassifier, KerasRegressor, explain
from nnkit.encoding import InputDict, MultiInputEncoder

RNG = np.random.default_rng(0)
N = 90
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(40, 10, N),
        "height": RNG.normal(1.7, 0.1, N),
        "city": RNG.choice(["Rome", "Oslo", "Paris"], N),
    }
)
Y = np.where((TABLE["city"] == "Rome") | (TABLE["age"] > 55), "yes", "no")
ENCODER = {"numbers": ["age", "height"], "city": ["city"]}
ARRAYS = InputDict(
    {
        "numbers": TABLE[["age", "height"]].to_numpy() / [40, 1.7] - 1,
        "city": pd.get_dummies(TABLE["city"]).to_numpy(float),
    }
)


def two_branches(meta, units=8):
    inputs = {
        name: keras.Input(shape[1:], name=name) for name, shape in sorted(meta.X_shape_.items())
    }
    hidden = [keras.layers.Dense(units, activation="relu")(part) for part in inputs.values()]
    x = keras.layers.Concatenate()(hidden)
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_, activation="sigmoid")(x))


def classifier(model=two_branches, **params):
    return KerasClassifier(
        model,
        **{
            "epochs": 30,
            "random_state": 0,
            "encoder": ENCODER,
            "optimizer__learning_rate": 0.02,
            **params,
        },
    )


def test_dict_of_encoders_feeds_inputs_of_these_names():
    clf = classifier().fit(TABLE, Y)

    assert isinstance(clf.encoder_, MultiInputEncoder)
    assert clf.X_shape_ == {"numbers": (N, 2), "city": (N, 3)}
    assert clf.score(TABLE, Y) > 0.9
    assert clf.feature_names_in_.tolist() == ["age", "height", "city"]


def test_dict_of_encoders_is_cross_validated_in_a_pipeline():
    pipeline = make_pipeline(FunctionTransformer(), classifier())

    scores = cross_val_score(pipeline, TABLE, Y, cv=3)

    assert scores.mean() > 0.85


def test_encoders_in_a_dict_are_searched():
    encoder = MultiInputEncoder({**ENCODER, "city": (OneHotEncoder(), ["city"])})
    search = GridSearchCV(
        classifier(encoder=encoder, epochs=3),
        {"encoder__city__min_frequency": [1, 1000], "model__units": [4]},
        cv=2,
    )

    search.fit(TABLE, Y)

    assert search.cv_results_["mean_test_score"].shape == (2,)
    assert encoder.encoders["city"][0].min_frequency is None


def test_input_dict_equals_a_dict_of_arrays():
    plain = {name: ARRAYS[name] for name in ARRAYS}

    by_container = classifier(encoder=None, epochs=3).fit(ARRAYS, Y)

    by_dict = classifier(encoder=None, epochs=3).fit(plain, Y)
    np.testing.assert_array_equal(by_container.predict_proba(ARRAYS), by_dict.predict_proba(plain))


def test_input_dict_is_cross_validated_and_searched():
    clf = classifier(encoder=None)

    proba = cross_val_predict(clf, ARRAYS, Y, cv=3, method="predict_proba")
    search = GridSearchCV(clf, {"model__units": [2, 8]}, cv=2).fit(ARRAYS, Y)

    assert (proba.argmax(axis=1) == (Y == "yes")).mean() > 0.85
    assert search.predict(ARRAYS[:5]).shape == (5,)


def test_input_dict_goes_through_the_encoders_of_its_parts():
    parts = InputDict({"numbers": TABLE[["age", "height"]], "city": TABLE[["city"]]})

    clf = classifier(encoder={"numbers": ["age", "height"], "city": ["city"]}, epochs=3)
    by_parts = clone(clf).fit(parts, Y)

    by_table = clf.fit(TABLE, Y)
    np.testing.assert_array_equal(by_parts.predict_proba(parts), by_table.predict_proba(TABLE))


def test_held_out_rows_and_groups_work_with_several_inputs():
    clf = classifier(encoder=None, early_stopping=True, validation_split=0.2)

    clf.fit(ARRAYS, Y, groups=np.arange(N) % 10)

    assert "val_loss" in clf.history_


def test_regression_with_weights():
    reg = KerasRegressor(
        lambda meta: keras.Model(
            (inputs := {n: keras.Input(s[1:], name=n) for n, s in meta.X_shape_.items()}),
            keras.layers.Dense(1)(keras.layers.Concatenate()(list(inputs.values()))),
        ),
        encoder=ENCODER,
        epochs=3,
        random_state=0,
    )

    reg.fit(TABLE, TABLE["age"], sample_weight=np.ones(N))

    assert reg.predict(TABLE).shape == (N,)


def test_model_without_an_input_of_the_name_raises():
    with pytest.raises(ValueError, match="town"):
        classifier(encoder={"numbers": ["age"], "town": ["city"]}, model=without_town).fit(TABLE, Y)


def without_town(meta):
    inputs = {"numbers": keras.Input((1,), name="numbers")}
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs["numbers"]))


def test_table_lacking_a_column_raises_in_predict():
    clf = classifier(epochs=1).fit(TABLE, Y)

    with pytest.raises(ValueError, match="city"):
        clf.predict(TABLE[["age", "height"]])


def test_explanation_has_a_value_for_each_column():
    clf = classifier(epochs=5).fit(TABLE, Y)

    explanation = explain(clf, TABLE.head(3))

    assert list(explanation.feature_names) == ["age", "height", "city"]
    total = explanation.base_values + explanation.values.sum(axis=1)
    np.testing.assert_allclose(total, clf.predict_proba(TABLE.head(3))[:, 1], atol=1e-4)
