"""Errors of explain for feature groups, methods, outputs and classes."""

from __future__ import annotations

import re

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
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


def error_message(*arguments, **options):
    """Return the message of the ValueError of a call, after a check of its form."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        explain(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 320
    return message


@pytest.fixture(scope="module")
def classifier():
    return KerasClassifier(**SMALL).fit(FRAME, LABELS)


MANY = np.random.default_rng(1).normal(size=(40, WIDE))


@pytest.fixture(scope="module")
def regressor():
    return KerasRegressor(**SMALL).fit(FRAME, FRAME["a"])


@pytest.fixture(scope="module")
def with_one_unit():
    return KerasClassifier(one_unit, epochs=1, n_estimators=1, random_state=0).fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def wide():
    return LinearRegression().fit(MANY, MANY[:, 0])


# Feature groups and methods


def test_too_many_feature_groups_raise(wide):
    exact = error_message(wide, MANY[:2], MANY, method="exact")
    pairs = error_message(wide, MANY[:2], MANY, interactions=True)

    assert exact == (
        "method='exact' takes at most 16 feature groups, since it evaluates 2**n_groups "
        "coalitions. Got 17 feature groups. Use method='permutation', or group columns with "
        "feature_groups=."
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
        "elements of a table",
        "map of a table",
        "patch alone",
        "patch and map",
        "layer of permutation",
        "layer of auto",
        "layer of deep",
        "interactions by permutation",
        "tolerance of exact",
        "permutations of exact",
        "tolerance of gradient",
    ],
)
def test_invalid_combinations_of_parameters_raise(classifier, options, expected):
    assert error_message(classifier, ROWS, FRAME, **options).startswith(expected)


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

    message = error_message(classifier, ROWS, FRAME, **{name: value})

    assert re.match(rf"{name} must be ", message)
    assert message.endswith(f"Got {value!r} instead.")


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
    assert error_message(classifier, ROWS, FRAME, classes=classes) == expected


@pytest.mark.parametrize("classes", ["no", ["no", "yes"]], ids=["first", "both"])
def test_raw_output_of_one_unit_raises_for_first_class(with_one_unit, classes):
    message = error_message(with_one_unit, ROWS, FRAME, output="raw", classes=classes)

    assert message == (
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
    assert error_message(regressor, ROWS, FRAME, **options).startswith(expected)


def test_logit_without_predict_proba_raises():
    svm = LinearSVC(C=0.01).fit(ARRAY, LABELS)

    assert error_message(svm, ARRAY[:3], ARRAY, output="logit") == (
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
    assert error_message(classifier, ROWS, FRAME, output=function).startswith(expected)


def test_predicted_string_labels_as_output_raise(classifier):
    message = error_message(classifier, ROWS, FRAME, output=classifier.predict)

    assert message.startswith("The explained output must be numbers, one row for each row of X.")
    assert "could not convert string to float" in message


# Gradients


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "saliency", "deep"])
def test_gradient_methods_raise_without_network(method):
    logistic = LogisticRegression().fit(ARRAY, LABELS)

    message = error_message(logistic, ARRAY[:3], ARRAY, method=method)

    assert message == (
        f"method='{method}' needs a KerasClassifier or KerasRegressor as the last step. "
        "Use method='permutation'."
    )


def test_gradient_raises_for_mixing_preprocessing():
    mixed = make_pipeline(PCA(3), KerasClassifier(**SMALL)).fit(FRAME, LABELS)

    message = error_message(mixed, ROWS, FRAME, method="gradient")

    assert (
        "but the preprocessing mixes columns of X. Use feature_groups='transformed', or " in message
    )
    assert explain(mixed, ROWS, FRAME, method="gradient", feature_groups="transformed").shape == (
        3,
        3,
    )


def test_gradient_raises_for_callable_output(classifier):
    message = error_message(
        classifier, ROWS, FRAME, method="gradient", output=lambda rows: rows["a"]
    )

    assert message.startswith("method='gradient' differentiates the network, but output is a calla")


@pytest.mark.parametrize("layer", ["words", 3], ids=["unknown", "number"])
def test_unknown_layer_raises(classifier, layer):
    message = error_message(classifier, ROWS, FRAME, method="gradient", layer=layer)

    assert message.startswith(f"layer={layer!r} is no layer of the network, which has ['")


# Texts


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"background": ["b"]},
            "background must be None if X holds texts, whose masked words are removed. "
            "Leave it out.",
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
    ids=["background", "feature_groups", "interactions", "gradients"],
)
def test_options_that_texts_do_not_support_raise(classifier, options, expected):
    assert error_message(classifier, ["a text"], **options) == expected
