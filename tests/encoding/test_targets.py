"""Codecs of class labels and of continuous targets."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nnkit.encoding.targets import ClassLabels, ClassTarget, ContinuousTarget


@pytest.mark.parametrize(
    "y",
    [["b", "a", "c", "a"], [3, -1, 3, 7], [True, False, True], [2.0, 1.0], [b"x", b"y"]],
    ids=["strings", "integers", "booleans", "floats", "bytes"],
)
def test_decoded_labels_have_their_dtype(y):
    y = np.array(y)
    labels = ClassLabels.of(y)

    decoded = labels.decode(labels.encode(y))

    assert decoded.dtype == y.dtype
    assert decoded.tolist() == y.tolist()


def test_code_is_the_position_of_the_sorted_label():
    labels = ClassLabels.of(np.array(["b", "a", "c"]))

    assert labels.encode(np.array(["c", "a", "b"])).tolist() == [2, 0, 1]


def test_class_labels_raises_on_labels_of_several_types():
    with pytest.raises(ValueError, match=r"labels of y must have one type.*Got \['int', 'str'\]"):
        ClassLabels.of(np.array([1, "a"], dtype=object))


def one_hot(codes, n_classes):
    return np.eye(n_classes)[codes]


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.array(["b", "a", "b"]), "binary"),
        (np.array([3, 1, 2]), "multiclass"),
        (np.array([["b"], ["a"], ["b"]]), "binary"),
        (np.array([["b", "x"], ["a", "z"], ["b", "y"]]), "multiclass-multioutput"),
        (np.array([[0, 1, 1], [1, 0, 0]]), "multilabel-indicator"),
    ],
    ids=["labels", "numbers", "column", "columns", "indicator"],
)
def test_decoded_targets_have_their_shape_and_dtype(y, kind):
    target = ClassTarget.of(y, kind)
    encoded = target.encode(y)

    if target.is_indicator:
        probabilities = [encoded]
    else:
        probabilities = [
            one_hot(column, len(labels.classes))
            for column, labels in zip(encoded.T, target.columns, strict=True)
        ]
    decoded = target.decode(probabilities)

    assert decoded.dtype == y.dtype
    assert decoded.tolist() == y.tolist()
    assert target.kind == kind


def test_classes_can_have_labels_that_do_not_occur():
    target = ClassTarget.of(np.array(["b"]), "binary", ["c", "b", "a"])

    assert target.kind == "multiclass"
    assert target.encode(np.array(["b"])).tolist() == [[1]]


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.array(["a", "a"]), None, "at least 2 classes. Got 1 class, 'a'"),
        (np.array([["a", "x"], ["b", "x"]]), None, "at least 2 classes in column 1. Got 1 class"),
        (np.array(["a", "d"]), ["a", "b"], "y holds the label 'd', but the known labels are"),
    ],
)
def test_class_target_raises_on_single_and_unknown_classes(y, classes, message):
    with pytest.raises(ValueError, match=message):
        ClassTarget.of(y, "multiclass", classes)


def test_encode_raises_on_rows_of_another_shape():
    target = ClassTarget.of(np.array(["a", "b"]), "binary")

    with pytest.raises(
        ValueError, match=r"y must have rows of shape \(\), as in the first fit. Got"
    ):
        target.encode(np.array([["a"], ["b"]]))


def test_standardized_values_have_mean_zero_and_deviation_one():
    y = np.array([1.0, 3.0, 8.0])

    encoded = ContinuousTarget.standard(y, None).encode(y)

    assert encoded.mean() == pytest.approx(0.0)
    assert encoded.std() == pytest.approx(1.0)


def test_integer_weights_equal_repeated_rows():
    weighted = ContinuousTarget.standard(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    repeated = ContinuousTarget.standard(np.array([1.0, 4.0, 4.0]), None)

    assert weighted.location == pytest.approx(repeated.location)
    assert weighted.scale == pytest.approx(repeated.scale)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_target_is_only_centred(value):
    target = ContinuousTarget.standard(np.full(7, value), None)

    assert target.scale == 1.0
    np.testing.assert_allclose(target.encode(np.full(7, value)), 0.0, atol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
@example([0.0, 5e-324])
def test_decoded_values_equal_the_target(values):
    y = np.array(values)
    target = ContinuousTarget.standard(y, None)

    decoded = target.decode(target.encode(y))

    np.testing.assert_allclose(decoded, y, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(y).max()))


@pytest.mark.parametrize("factor", [1e-300, 1e-165, 1e155, 1e300, 1.7e308])
def test_standardization_does_not_depend_on_the_scale(factor):
    y = np.array([-1.0, -0.5, 0.25, 1.0])
    moderate = ContinuousTarget.standard(y, None).encode(y)

    units = ContinuousTarget.standard(factor * y, None)
    encoded = units.encode(factor * y)

    np.testing.assert_allclose(encoded, moderate, rtol=1e-12)
    np.testing.assert_allclose(units.decode(encoded) / factor, y, rtol=1e-12)


def test_positions_of_a_target_with_three_axes_share_their_classes():
    y = np.array([[["b", "a"], ["c", "a"]], [["a", "a"], ["b", "b"]]])

    target = ClassTarget.of(y, "multiclass-multioutput")
    encoded = target.encode(y)

    assert target.has_shared_classes
    assert encoded.tolist() == [[[1, 0], [2, 0]], [[0, 0], [1, 1]]]
    assert target.decode([np.eye(3)[encoded]]).tolist() == y.tolist()
    with pytest.raises(ValueError, match="y holds the label 'd'"):
        target.encode(np.full((1, 2, 2), "d"))
