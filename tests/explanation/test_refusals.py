"""What is refused, and whether the sentence names what came and what to do."""

from __future__ import annotations

import re

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from nnkit import KerasClassifier, KerasRegressor, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

SMALL = {"model": "mlp", "model__units": (8,), "epochs": 2, "n_estimators": 1, "random_state": 0}
WIDE = 17


def one_unit(meta):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])


FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)), columns=list("abcd"))
ARRAY = FRAME.to_numpy()
LABELS = np.where(FRAME["a"] > 0, "yes", "no")
ROWS = FRAME.iloc[:3]
MANY = np.random.default_rng(1).normal(size=(40, WIDE))


def refused(*arguments, **options):
    """Return what is said to a call that is refused, after a look at how it is said."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        explain(*arguments, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert len(said) < 320
    return said


@pytest.fixture(scope="module")
def classifier():
    return KerasClassifier(**SMALL).fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def regressor():
    return KerasRegressor(**SMALL).fit(FRAME, FRAME["a"])


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(StandardScaler(), KerasClassifier(**SMALL)).fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def on_array():
    return KerasClassifier(**SMALL).fit(ARRAY, LABELS)


@pytest.fixture(scope="module")
def with_one_unit():
    return KerasClassifier(one_unit, epochs=1, n_estimators=1, random_state=0).fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def wide():
    return LinearRegression().fit(MANY, MANY[:, 0])


# Estimators


@pytest.mark.parametrize(
    "make",
    [
        lambda: KerasClassifier(),
        lambda: KerasRegressor(),
        lambda: make_pipeline(StandardScaler(), KerasClassifier()),
        lambda: LinearRegression(),
        lambda: GridSearchCV(KerasClassifier(), {"epochs": [1]}),
    ],
    ids=["classifier", "regressor", "pipeline", "scikit-learn", "search"],
)
def test_unfitted_estimator_raises_not_fitted_error(make):
    with pytest.raises(NotFittedError, match="not fitted yet. Call 'fit'"):
        explain(make(), FRAME, FRAME)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda model: model, "Sequential"),
        (lambda model: model.predict, "method"),
        (lambda _: "model.keras", "str"),
        (lambda _: None, "NoneType"),
    ],
    ids=["Keras model", "function", "path", "none"],
)
def test_non_estimators_raise(make, kind):
    said = refused(make(one_unit(None)), FRAME, FRAME)

    assert said.startswith("estimator must be a fitted scikit-learn estimator. Got ")
    assert f"Got {kind} instead. Fit a Keras model as KerasClassifier(model)" in said


def test_clusterer_raises():
    said = refused(KMeans(2, n_init=1).fit(ARRAY), ARRAY)

    assert said == (
        "estimator must be a classifier or a regressor. Got KMeans instead. Give output= a "
        "callable to explain another function of X."
    )


# Columns of X


@pytest.mark.parametrize("kind", ["classifier", "regressor", "pipeline"])
def test_columns_other_than_in_fit_raise(kind, request):
    estimator = request.getfixturevalue(kind)

    missing = refused(estimator, ROWS[["a", "c"]], FRAME[["a", "c"]])
    extra = refused(estimator, ROWS.assign(z=1, y=2), FRAME.assign(z=1, y=2))
    other_order = refused(estimator, ROWS[list("dcba")], FRAME)
    renamed = refused(estimator, ROWS.rename(columns={"b": "B"}), FRAME)

    assert missing == (
        "X lacks the column(s) ['b', 'd'] that the estimator was fitted with. Give X as in fit."
    )
    assert extra == (
        "X has the column(s) ['z', 'y'], which the estimator does not know. "
        "Use X[list(estimator.feature_names_in_)]."
    )
    assert other_order == (
        "X has the columns of fit in another order. Use X[list(estimator.feature_names_in_)]."
    )
    assert "lacks the column(s) ['b']" in renamed


def test_reordering_columns_as_in_message_works(classifier):
    shuffled = ROWS.assign(z=1)[list("zdcba")]

    found = explain(classifier, shuffled[list(classifier.feature_names_in_)], FRAME)

    np.testing.assert_array_equal(found.values, explain(classifier, ROWS, FRAME).values)


def test_array_with_other_number_of_columns_raises(on_array):
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4 features"):
        explain(on_array, ARRAY[:3, :3], ARRAY[:, :3])


# Kinds of X and of the background


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (FRAME.iloc[:0], "X must have at least one row and one column. Got shape (0, 4) instead."),
        (FRAME[[]], "X must have at least one row and one column. Got shape (40, 0) instead."),
        (FRAME["a"], "X must have two dimensions, rows and columns. Got shape (40,) instead."),
        (ARRAY[0], "X must have two dimensions, rows and columns. Got shape (4,) instead."),
        (None, "X must have two dimensions, rows and columns. Got shape () instead."),
        (3.0, "X must have two dimensions, rows and columns. Got shape () instead."),
        (
            sparse.csr_array(ARRAY),
            "X must be a pandas DataFrame or a dense array. Got a sparse matrix instead. "
            "Use its toarray().",
        ),
        (
            pd.concat([ROWS, ROWS[["b"]]], axis=1),
            "X has the column name(s) 'b' more than once. Rename them.",
        ),
        ({}, "X must be a dict of arrays with the same number of rows. Got {} instead."),
        (
            {"a": [1, 2], "b": [1]},
            "X must be a dict of arrays with the same number of rows. Got {'a': 2, 'b': 1} inst",
        ),
        ({"a": ["x"]}, "X['a'] must hold numbers to be explained. Got values of dtype <U1 instead"),
    ],
    ids=[
        "no rows",
        "no columns",
        "series",
        "one row",
        "none",
        "number",
        "sparse",
        "name twice",
        "empty dict",
        "lengths",
        "texts by name",
    ],
)
def test_invalid_x_raises(classifier, X, expected):
    assert refused(classifier, X, FRAME).startswith(expected)


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        (FRAME[["a", "d"]], "background lacks the column(s) 'b', 'c' of X."),
        (FRAME.assign(z=1), "background has the column(s) 'z', which X lacks."),
        (ARRAY, "background must be of the same type as X. X is a DataFrame, background is a nda"),
        (FRAME.iloc[:0], "background must have at least one row and one column. Got shape (0, 4)"),
        (FRAME.iloc[0], "background must have two dimensions, rows and columns. Got shape (4,)"),
        (sparse.csr_array(ARRAY), "background must be a pandas DataFrame or a dense array. Got a"),
        (ARRAY[None], "background must be of the same type and shape as X. X is a"),
        ({"a": ARRAY}, "background must be of the same type and shape as X. X is a"),
        ("kmeans", "background must have two dimensions, rows and columns. Got shape ()"),
        (10, "background must have two dimensions, rows and columns. Got shape ()"),
    ],
    ids=[
        "columns missing",
        "columns more",
        "array",
        "no rows",
        "one row",
        "sparse",
        "images",
        "inputs",
        "name",
        "number",
    ],
)
def test_background_with_other_columns_or_type_raises(classifier, background, expected):
    assert refused(classifier, ROWS, background).startswith(expected)


def test_background_array_with_other_width_or_dtype_raises(on_array):
    narrow = refused(on_array, ARRAY[:3], ARRAY[:, :2])
    texts = refused(on_array, ARRAY[:3], ARRAY.astype(str))
    frame = refused(on_array, ARRAY[:3], FRAME)

    assert narrow == "background must have the 4 column(s) of X. Got 2 instead."
    assert texts.startswith("background must hold values like those of X. X is of dtype float64, ")
    assert frame.startswith("background must be of the same type as X. X is a ndarray, backgroun")


def test_polars_tables_are_explained(classifier):
    pl = pytest.importorskip("polars")
    rows, background = (
        pl.DataFrame({name: frame[name].to_numpy() for name in frame}) for frame in (ROWS, FRAME)
    )

    found = explain(classifier, rows, background)

    np.testing.assert_array_equal(found.values, explain(classifier, ROWS, FRAME).values)
    assert refused(classifier, rows.drop("b"), background).startswith("X lacks the column(s) ['b']")
    assert refused(classifier, rows, background.drop("b")) == (
        "background lacks the column(s) 'b' of X."
    )


# FeatureGroups and methods


def test_too_many_feature_groups_raise(wide):
    exact = refused(wide, MANY[:2], MANY, method="exact")
    pairs = refused(wide, MANY[:2], MANY, interactions=True)

    assert exact == (
        "method='exact' takes at most 16 feature groups, since it evaluates 2**n_groups coalitions. "
        "Got 17 feature groups. Use method='permutation', or group columns with feature_groups=."
    )
    assert pairs == (
        "interactions=True takes at most 12 feature groups, since it evaluates 2**n_groups "
        "coalitions. Got 17 feature groups. Group columns with feature_groups=."
    )
    groups = {"rest": list(range(11, WIDE))}
    assert explain(wide, MANY[:1], MANY[:2], interactions=True, feature_groups=groups).shape == (
        1,
        12,
        12,
    )
    groups = {"two": [0, 1]}
    assert explain(wide, MANY[:1], MANY[:1], method="exact", feature_groups=groups).shape == (1, 16)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"feature_groups": {"g": ["a", "weight"]}},
            "feature_groups names the column 'weight' in the group 'g', but X has no such column.",
        ),
        (
            {"feature_groups": {"g": []}},
            "feature_groups must have at least one column in the group 'g'. Got none.",
        ),
        (
            {"feature_groups": {"g": ["a"], "h": ["b", "a"]}},
            "feature_groups names the column 'a' twice. A column belongs to one group.",
        ),
        (
            {"feature_groups": {"b": ["a"]}},
            "feature_groups would give the name 'b' to two feature groups. Rename the ",
        ),
        (
            {"feature_groups": {}},
            "feature_groups must be 'input', 'transformed' or a dict of group names",
        ),
        (
            {"feature_groups": ["a", "b"]},
            "feature_groups must be 'input', 'transformed' or a dict of group names",
        ),
        (
            {"feature_groups": None},
            "feature_groups must be 'input', 'transformed' or a dict of group names",
        ),
        (
            {"feature_groups": "columns"},
            "feature_groups must be 'input', 'transformed' or a dict of group names",
        ),
        (
            {"feature_groups": "elements"},
            "feature_groups='elements' needs an array of more than two axes.",
        ),
        (
            {"feature_groups": np.arange(4)},
            "feature_groups=a map of regions needs an array of more than two axe",
        ),
        ({"patch": (2, 2)}, "patch has no effect without feature_groups='patches'. Give both."),
        (
            {"patch": (2, 2), "feature_groups": np.arange(4)},
            "patch has no effect without feature_groups='patches'. Give both.",
        ),
        (
            {"layer": "dense", "method": "permutation"},
            "layer='dense' has no effect on method='permutation'. Leave it out, or use "
            "method='gradient'.",
        ),
        ({"layer": "dense"}, "layer='dense' has no effect on method='auto'. Leave it out, or use"),
        ({"layer": "dense", "method": "deep"}, "layer='dense' has no effect on method='deep'."),
        (
            {"interactions": True, "method": "permutation"},
            "interactions=True needs all coalitions, which method='permutation' does not evaluate. "
            "Use method='exact' or leave it out.",
        ),
        (
            {"tol": 0.1, "method": "exact"},
            "tol and n_permutations have no effect on method='exact'. Leave them out, or use "
            "method='permutation'.",
        ),
        ({"n_permutations": 3, "method": "exact"}, "tol and n_permutations have no effect on met"),
        ({"tol": 0.1, "method": "gradient"}, "tol and n_permutations have no effect on method='g"),
    ],
    ids=[
        "unknown column",
        "empty group",
        "column twice",
        "name twice",
        "no groups",
        "list",
        "none",
        "unknown name",
        "cells of a table",
        "map of a table",
        "patch alone",
        "patch and map",
        "layer of permutation",
        "layer of auto",
        "layer of deep",
        "pairs by permutation",
        "tolerance of exact",
        "permutations of exact",
        "tolerance of gradient",
    ],
)
def test_invalid_combinations_of_parameters_raise(classifier, options, expected):
    assert refused(classifier, ROWS, FRAME, **options).startswith(expected)


BAD = {
    "method": [None, "kernel", ["exact"], 1],
    "output": [None, "probability", 1, ["proba"]],
    "n_permutations": [0, -1, 1.5, True, None, "many"],
    "tol": [0, -0.1, True, "1%", float("nan"), [0.1]],
    "interactions": ["yes", 1, None],
    "max_background": [0, -1, 1.5, None, True, "all"],
    "batch_rows": [0, 1e4, None, True, "many"],
    "random_state": [-1, 1.5, "seed", True, np.random.default_rng(0)],
    "progress": ["yes", 1, None],
}


@pytest.mark.parametrize(
    ("name", "position"),
    [(name, position) for name, values in BAD.items() for position in range(len(values))],
    ids=[f"{name}-{position}" for name, values in BAD.items() for position in range(len(values))],
)
def test_invalid_parameter_value_raises_with_requirement_and_value(classifier, name, position):
    value = BAD[name][position]

    said = refused(classifier, ROWS, FRAME, **{name: value})

    assert re.match(rf"{name} must be ", said)
    assert said.endswith(f"Got {value!r} instead.")


# Outputs and classes


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("maybe", "classes holds 'maybe', but the estimator's classes are 'no', 'yes'."),
        (1, "classes holds 1, but the estimator's classes are 'no', 'yes'."),
        ([], "classes must name at least one class. The classes are 'no', 'yes'."),
        (["yes", "yes"], "classes names 'yes' twice. Name each class once."),
    ],
    ids=["unknown", "position", "none", "twice"],
)
def test_unknown_classes_raise(classifier, classes, expected):
    assert refused(classifier, ROWS, FRAME, classes=classes) == expected


@pytest.mark.parametrize("classes", ["no", ["no", "yes"]], ids=["first", "both"])
def test_raw_output_of_one_unit_raises_for_first_class(with_one_unit, classes):
    said = refused(with_one_unit, ROWS, FRAME, output="raw", classes=classes)

    assert said == (
        "output='raw' is the output of the network, which has one unit for the second class. "
        "Leave out classes, or use output='proba'."
    )
    assert explain(with_one_unit, ROWS, FRAME, output="raw", classes="yes").values.shape == (3, 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"classes": 1}, "classes must be None for a regressor. Got 1 instead."),
        (
            {"output": "logit"},
            "output='logit' needs a classifier, but KerasRegressor is a regressor. "
            "Use output='auto'.",
        ),
        ({"output": "proba"}, "output='proba' needs a classifier, but KerasRegressor is a regr"),
        (
            {"output": lambda rows: rows["a"], "classes": "yes"},
            "classes must be None when output is a callable. Have the callable return the columns",
        ),
    ],
    ids=["classes", "logit", "proba", "callable"],
)
def test_classifier_options_raise_for_regressor(regressor, options, expected):
    assert refused(regressor, ROWS, FRAME, **options).startswith(expected)


def test_logit_without_predict_proba_raises():
    svm = LinearSVC(C=0.01).fit(ARRAY, LABELS)

    assert refused(svm, ARRAY[:3], ARRAY, output="logit") == (
        "output='logit' needs predict_proba, which LinearSVC does not have. "
        "Use output='raw' or a callable."
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda rows: rows["a"] * np.nan, "The explained output must be finite. It is NaN or inf"),
        (lambda rows: rows["a"][:2], "The explained output must have shape (3,) or (3, n_output"),
        (lambda rows: 1.0, "The explained output must have shape (3,) or (3, n_outputs) for 3 ro"),
        (lambda rows: None, "The explained output must have shape (3,) or (3, n_outputs) for 3 r"),
        (lambda rows: np.full(len(rows), "yes"), "The explained output must be numbers, one row"),
        (lambda rows: [[1], [1, 2], [1]], "The explained output must be numbers, one row for eac"),
    ],
    ids=["missing", "rows lost", "one number", "nothing", "labels", "ragged"],
)
def test_callable_output_without_one_number_per_row_raises(classifier, function, expected):
    assert refused(classifier, ROWS, FRAME, output=function).startswith(expected)


def test_predicted_string_labels_as_output_raise(classifier):
    said = refused(classifier, ROWS, FRAME, output=classifier.predict)

    assert said.startswith("The explained output must be numbers, one row for each row of X.")
    assert "could not convert string to float" in said


# Derivatives


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "saliency", "deep"])
def test_gradient_methods_raise_without_network(method):
    logistic = LogisticRegression().fit(ARRAY, LABELS)

    said = refused(logistic, ARRAY[:3], ARRAY, method=method)

    assert said == (
        f"method='{method}' needs a KerasClassifier or KerasRegressor as the last step. "
        "Use method='permutation'."
    )


def test_gradient_raises_for_mixing_preprocessing():
    mixed = make_pipeline(PCA(3), KerasClassifier(**SMALL)).fit(FRAME, LABELS)

    said = refused(mixed, ROWS, FRAME, method="gradient")

    assert "but the preprocessing mixes columns of X. Use feature_groups='transformed', or " in said
    assert explain(mixed, ROWS, FRAME, method="gradient", feature_groups="transformed").shape == (
        3,
        3,
    )


def test_gradient_raises_for_callable_output(classifier):
    said = refused(classifier, ROWS, FRAME, method="gradient", output=lambda rows: rows["a"])

    assert said.startswith("method='gradient' differentiates the network, but output is a calla")


@pytest.mark.parametrize("layer", ["words", 3], ids=["unknown", "number"])
def test_unknown_layer_raises(classifier, layer):
    said = refused(classifier, ROWS, FRAME, method="gradient", layer=layer)

    assert said.startswith(f"layer={layer!r} is no layer of the network, which has ['")


# Texts


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"background": ["b"]},
            "background must be None if X holds texts, whose masked words are removed. Leave it out.",
        ),
        (
            {"feature_groups": "patches"},
            "feature_groups must be 'input' or 'words' if X holds texts. Got 'patches' instead.",
        ),
        (
            {"interactions": True},
            "interactions=True does not support texts, whose numbers of words differ. "
            "Use method='permutation' or 'exact'.",
        ),
        (
            {"method": "saliency"},
            "method='saliency' does not support texts, whose numbers of words differ. "
            "Use method='permutation' or 'exact'.",
        ),
    ],
    ids=["background", "feature_groups", "pairs", "derivatives"],
)
def test_options_that_texts_do_not_support_raise(classifier, options, expected):
    assert refused(classifier, ["a text"], **options) == expected
