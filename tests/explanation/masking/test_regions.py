"""Feature groups of images and sequences: patches, timesteps, features, elements and maps."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from shapley_definition import shapley_values, value_function

from nnkit import KerasClassifier, KerasRegressor, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

IMAGE, SEQUENCE = (6, 4, 2), (5, 3)
SETTINGS = {"epochs": 2, "n_estimators": 1, "random_state": 0}


def activation(meta):
    if meta.target_type_.startswith("continuous"):
        return "linear"
    return "sigmoid" if meta.n_output_units_ == 1 else "softmax"


def conv(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Conv2D(3, 3, activation="tanh")(inputs)
    hidden = keras.layers.Flatten()(hidden)
    hidden = keras.layers.Dense(4, activation="tanh")(hidden)
    return keras.Model(
        inputs, keras.layers.Dense(meta.n_output_units_, activation=activation(meta))(hidden)
    )


def recurrent(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.SimpleRNN(4)(inputs)
    return keras.Model(
        inputs, keras.layers.Dense(meta.n_output_units_, activation=activation(meta))(hidden)
    )


def arrays(n, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


@pytest.fixture(scope="module")
def images():
    X = arrays(40, *IMAGE)
    y = (X[:, :3].mean(axis=(1, 2, 3)) > X[:, 3:].mean(axis=(1, 2, 3))).astype(int)
    return KerasClassifier(conv, **SETTINGS).fit(X, y), X[:3], X[20:29]


@pytest.fixture(scope="module")
def sequences():
    X = arrays(40, *SEQUENCE, seed=1)
    y = np.argmax(X.sum(axis=1), axis=1)
    return KerasClassifier(recurrent, **SETTINGS).fit(X, y), X[:3], X[20:29]


def second(estimator):
    return lambda rows: estimator.predict_proba(rows)[:, 1]


def region_values(values, of_element):
    """Return the sum over each region of values in the shape of a row."""
    flat = values.reshape(len(values), of_element.size, -1)
    sums = [flat[:, of_element.ravel() == label].sum(axis=1) for label in np.unique(of_element)]
    return np.stack(sums, axis=1)


def assert_adds_up(explanation, predicted):
    n = len(predicted)
    axes = tuple(range(1, explanation.values.ndim - (predicted.ndim - 1)))
    total = explanation.values.sum(axis=axes) + explanation.base_values
    np.testing.assert_allclose(total, predicted, atol=1e-6)
    assert np.abs(explanation.values).max() > 1e-4
    assert explanation.base_values.shape == (n, *predicted.shape[1:])


def patch_map(patch, shape=IMAGE):
    """Return the label map of patches, by loops."""
    labels = np.empty(shape[:2], dtype=int)
    number = 0
    for top in range(0, shape[0], patch[0]):
        for left in range(0, shape[1], patch[1]):
            labels[top : top + patch[0], left : left + patch[1]] = number
            number += 1
    return labels


# Images


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "permutation"),  # 24 patches of one pixel
        ({"feature_groups": "patches"}, "permutation"),
        ({"feature_groups": "patches", "patch": (3, 2)}, "exact"),
        ({"feature_groups": "patches", "patch": (4, 3)}, "exact"),
        ({"feature_groups": "patches", "patch": [100, 100]}, "exact"),
        ({"feature_groups": "elements"}, "permutation"),
        ({"feature_groups": patch_map((2, 4))}, "exact"),
        ({"feature_groups": np.arange(48).reshape(IMAGE) % 5}, "exact"),
    ],
    ids=["default", "patches", "3 x 2", "uneven", "whole", "elements", "pixel map", "element map"],
)
def test_image_values_sum_to_prediction(images, options, method):
    classifier, X, background = images

    explanation = explain(classifier, X, background, **options)

    assert explanation.values.shape == explanation.error_std.shape == X.shape
    np.testing.assert_array_equal(explanation.data, X)
    assert explanation.method == method
    assert_adds_up(explanation, classifier.predict_proba(X)[:, 1])


@pytest.mark.parametrize("patch", [(3, 2), (4, 3)], ids=["even", "uneven"])
def test_patch_value_equals_definition_and_is_spread_evenly(images, patch):
    classifier, X, background = images
    of_element = np.repeat(patch_map(patch)[..., np.newaxis], 2, axis=2)
    n_patches = of_element.max() + 1

    explanation = explain(classifier, X, background, feature_groups="patches", patch=patch)

    found = region_values(explanation.values, of_element)[..., 0]
    expected = [
        shapley_values(value_function(second(classifier), x, background, of_element), n_patches)
        for x in X
    ]
    np.testing.assert_allclose(found, expected, atol=3e-6)
    sizes = np.bincount(of_element.ravel())
    np.testing.assert_allclose(
        explanation.values,
        (found / sizes)[:, of_element.ravel()].reshape(X.shape),
        atol=1e-15,
    )


def test_default_patches_are_at_most_eight_per_side():
    X = arrays(30, 9, 20, 1)
    classifier = KerasClassifier(conv, **SETTINGS).fit(X, np.arange(30) % 2)

    by_default = explain(classifier, X[:1], X[5:8], random_state=3)
    of_element = patch_map((2, 3), (9, 20))

    assert np.unique(of_element).size == 5 * 7
    sizes = np.bincount(of_element.ravel())
    per_element = region_values(by_default.values, of_element)[0, :, 0] / sizes
    np.testing.assert_allclose(by_default.values[0, ..., 0], per_element[of_element], atol=1e-15)
    assert np.unique(np.round(per_element, 12)).size > 20
    as_map = explain(classifier, X[:1], X[5:8], feature_groups=of_element, random_state=3)
    np.testing.assert_allclose(as_map.values, by_default.values, atol=1e-15)


def test_label_map_equals_patches_for_any_labels(images):
    classifier, X, background = images
    expected = explain(classifier, X, background, feature_groups="patches", patch=(3, 2)).values
    labels = np.array([7, -1, 40, 3])[patch_map((3, 2))]

    of_pixels = explain(classifier, X, background, feature_groups=labels)
    of_elements = explain(
        classifier, X, background, feature_groups=np.repeat(labels[..., np.newaxis], 2, axis=2)
    )

    # Other numbers are another order of the feature groups, and so of the sums.
    np.testing.assert_allclose(of_pixels.values, expected, atol=1e-7)
    np.testing.assert_array_equal(of_elements.values, of_pixels.values)


def test_permutation_of_two_patches_equals_exact(images):
    classifier, X, background = images
    groups = {"feature_groups": "patches", "patch": (3, 4)}

    exact = explain(classifier, X, background, **groups).values
    drawn = explain(classifier, X, background, method="permutation", **groups)

    # Two feature groups have two orders, both of which are in each pair.
    np.testing.assert_allclose(drawn.values, exact, atol=1e-6)


def test_callable_output_gets_images(images):
    classifier, X, background = images
    groups = {"feature_groups": "patches", "patch": (3, 2)}
    shapes = set()

    def function(rows):
        shapes.add((rows.shape[1:], rows.dtype))
        return second(classifier)(rows)

    general = explain(classifier, X, background, output=function, **groups)

    expected = explain(classifier, X, background, **groups)
    np.testing.assert_allclose(general.values, expected.values, atol=1e-6)
    assert shapes == {(IMAGE, X.dtype)}


def test_elements_of_linear_image_function_have_closed_form():
    X, background = arrays(2, 4, 4, 1).astype(float), arrays(5, 4, 4, 1, seed=1).astype(float)
    weights = np.arange(16.0).reshape(4, 4, 1)
    regressor = KerasRegressor("mlp", **SETTINGS).fit(arrays(20, 2), arrays(20))

    explanation = explain(
        regressor,
        X,
        background,
        output=lambda rows: (rows * weights).sum(axis=(1, 2, 3)),
        feature_groups="elements",
    )

    expected = weights * (X - background.mean(axis=0))
    np.testing.assert_allclose(explanation.values, expected, atol=1e-12)


def test_interactions_of_patches(images):
    classifier, X, background = images
    groups = {"feature_groups": "patches", "patch": (3, 2)}
    of_element = np.repeat(patch_map((3, 2))[..., np.newaxis], 2, axis=2)

    explanation = explain(classifier, X, background, interactions=True, **groups)

    assert explanation.values.shape == (3, 4, 4)
    assert explanation.feature_names == [f"region {i}" for i in range(4)]
    assert explanation[:2, "region 1"].shape == (2, 4)
    by_patch = region_values(explain(classifier, X, background, **groups).values, of_element)
    np.testing.assert_allclose(explanation.values.sum(axis=2), by_patch[..., 0], atol=1e-12)


# Sequences


@pytest.mark.parametrize(
    ("feature_groups", "shape", "names"),
    [
        ("input", (5,), ["t0", "t1", "t2", "t3", "t4"]),
        ("timesteps", (5,), ["t0", "t1", "t2", "t3", "t4"]),
        ("features", (3,), ["f0", "f1", "f2"]),
        ("elements", SEQUENCE, None),
        (np.array([0, 0, 1, 1, 1]), SEQUENCE, None),
    ],
    ids=["default", "timesteps", "features", "elements", "map"],
)
def test_sequence_values_sum_to_prediction(sequences, feature_groups, shape, names):
    classifier, X, background = sequences

    explanation = explain(classifier, X, background, feature_groups=feature_groups)

    assert explanation.values.shape == (3, *shape, 3)
    assert explanation.feature_names == names
    assert explanation.output_names == ["0", "1", "2"]
    axis = {"t": 2, "f": 1}.get((names or ["-"])[0][0])
    shown = X if axis is None else X.mean(axis=axis)
    np.testing.assert_allclose(explanation.data, shown, atol=1e-6)
    assert_adds_up(explanation, classifier.predict_proba(X))


@pytest.mark.parametrize(("feature_groups", "axis"), [("timesteps", 0), ("features", 1)])
def test_timesteps_and_features_equal_definition(sequences, feature_groups, axis):
    classifier, X, background = sequences
    of_element = np.indices(SEQUENCE)[axis].ravel()

    found = explain(classifier, X, background, feature_groups=feature_groups).values

    expected = [
        shapley_values(
            value_function(classifier.predict_proba, x, background, of_element), SEQUENCE[axis]
        )
        for x in X
    ]
    np.testing.assert_allclose(found, expected, atol=3e-6)


def test_label_map_of_timesteps_equals_timesteps(sequences):
    classifier, X, background = sequences

    as_map = explain(classifier, X, background, feature_groups=np.arange(5)).values

    expected = explain(classifier, X, background, feature_groups="timesteps").values
    np.testing.assert_allclose(as_map.sum(axis=2), expected, atol=1e-7)
    np.testing.assert_allclose(as_map[:, :, 0], expected / 3, atol=1e-7)


def test_background_of_images_is_kept_by_estimator(images):
    classifier, X, _ = images

    explanation = explain(classifier, X, feature_groups="patches", patch=(3, 2))

    assert explanation.background == "40 rows kept by the estimator"
    np.testing.assert_allclose(
        explanation.base_values,
        classifier.predict_proba(classifier.background_)[:, 1].mean(),
        atol=1e-6,
    )


# Errors


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            "images",
            {"feature_groups": "patches", "patch": (0, 2)},
            "patch must be a pair of positive integers, height and width. Got (0, 2) instead.",
        ),
        (
            "images",
            {"feature_groups": "patches", "patch": 3},
            "patch must be a pair of positive integ",
        ),
        ("images", {"feature_groups": "patches", "patch": (2.0, 2)}, "Got (2.0, 2) instead"),
        ("images", {"feature_groups": "patches", "patch": (2, 2, 2)}, "Got (2, 2, 2) instead"),
        ("images", {"patch": (2, 2)}, "patch has no effect without feature_groups='patches'"),
        (
            "images",
            {"feature_groups": "timesteps"},
            "feature_groups='timesteps' needs sequences of shape (n_sa",
        ),
        ("images", {"feature_groups": "features"}, "Got rows of shape (6, 4, 2) instead"),
        (
            "images",
            {"feature_groups": np.zeros((4, 6), int)},
            "must be an array of integers of shape (6, 4, 2) or (6, 4), like a row of X. "
            "Got shape (4, 6) of dtype int64 instead.",
        ),
        (
            "images",
            {"feature_groups": np.zeros((6, 4))},
            "Got shape (6, 4) of dtype float64 instead",
        ),
        ("images", {"feature_groups": {"left": [0]}}, "'patches' or a map of regions. Got {'left'"),
        ("images", {"feature_groups": "pixels"}, "or a map of regions. Got 'pixels' instead"),
        (
            "sequences",
            {"feature_groups": "patches"},
            "needs images of shape (n_samples, height, width, ",
        ),
        ("sequences", {"feature_groups": "words"}, "or a map of regions. Got 'words' instead"),
    ],
)
def test_invalid_regions_raise(kind, options, message, request):
    estimator, X, background = request.getfixturevalue(kind)

    with pytest.raises(ValueError, match=re.escape(message)):
        explain(estimator, X, background, **options)


@pytest.mark.parametrize("feature_groups", ["patches", "elements", "timesteps", "features"])
def test_regions_of_table_raise(feature_groups):
    X = arrays(20, 4)
    regressor = KerasRegressor("mlp", **SETTINGS).fit(X, X[:, 0])

    with pytest.raises(
        ValueError, match=f"feature_groups='{feature_groups}' needs an array of more than two"
    ):
        explain(regressor, X, X, feature_groups=feature_groups)
    with pytest.raises(
        ValueError, match="feature_groups=a map of regions needs an array of more than"
    ):
        explain(regressor, X, X, feature_groups=np.zeros(4, int))
    with pytest.raises(ValueError, match="feature_groups must be 'input', .* Got 'words' instead"):
        explain(regressor, X, X, feature_groups="words")


def test_background_of_other_shape_raises(images, sequences):
    classifier, X, background = images
    of_sequences, steps, _ = sequences

    with pytest.raises(
        ValueError,
        match=re.escape(
            "background must be of the same type and shape as X. X is an array with rows of shape "
            "(6, 4, 2), background is an array with rows of shape (6, 4, 1)."
        ),
    ):
        explain(classifier, X, background[..., :1])
    with pytest.raises(
        ValueError, match=r"X is an array with rows of shape \(5, 3\), background is a table"
    ):
        explain(of_sequences, steps, steps.reshape(3, -1))


def test_arrays_without_rows_raise(images):
    classifier, X, background = images

    with pytest.raises(
        ValueError, match=r"X must have at least one row .* Got shape \(0, 48\) ins"
    ):
        explain(classifier, X[:0], background)
    with pytest.raises(ValueError, match=r"background must have at least one row and one column"):
        explain(classifier, X, background[:0])
