import numpy as np
import pytest

from nnkit.encoding import ClassLabels, class_weights


@pytest.mark.parametrize(
    "y",
    [["b", "a", "c", "a"], [3, -1, 3, 7], [True, False, True], [2.0, 1.0], [b"x", b"y"]],
    ids=["strings", "integers", "booleans", "floats", "bytes"],
)
def test_decoding_returns_the_labels_in_their_dtype(y):
    y = np.array(y)
    labels = ClassLabels.of(y)

    decoded = labels.decode(labels.encode(y))

    assert decoded.dtype == y.dtype
    assert decoded.tolist() == y.tolist()


def test_a_code_is_the_position_of_the_sorted_label():
    labels = ClassLabels.of(np.array(["b", "a", "c"]))

    assert labels.encode(np.array(["c", "a", "b"])).tolist() == [2, 0, 1]


def test_named_labels_weigh_what_they_are_given_and_others_one():
    labels = ClassLabels.of(np.array(["a", "b", "c"]))
    weights = class_weights({"b": 5.0}, labels, np.array([0, 1, 2, 1]), None)

    assert weights.tolist() == [1.0, 5.0, 1.0]


def test_balanced_weights_are_worked_by_hand():
    """n / (n_classes * count): 4 / (2 * 3) and 4 / (2 * 1)."""
    labels = ClassLabels.of(np.array(["a", "b"]))

    weights = class_weights("balanced", labels, np.array([0, 0, 0, 1]), None)

    np.testing.assert_allclose(weights, [2 / 3, 2.0])


def test_balanced_weights_count_a_weight_of_two_as_two_rows():
    labels = ClassLabels.of(np.array(["a", "b"]))

    weighted = class_weights("balanced", labels, np.array([0, 0, 1]), np.array([1.0, 2.0, 1.0]))
    repeated = class_weights("balanced", labels, np.array([0, 0, 0, 1]), None)

    np.testing.assert_allclose(weighted, repeated)


def test_a_class_without_weight_leaves_balanced_finite():
    labels = ClassLabels.of(np.array(["a", "b", "c"]))

    weights = class_weights("balanced", labels, np.array([0, 1, 2]), np.array([1.0, 1.0, 0.0]))

    np.testing.assert_allclose(weights, 1.0)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"d": 1.0}, r"class_weight names the label 'd', but y has the labels \['a', 'b'\]"),
        ({"a": -1.0}, r"at least 0. Got -1.0 for the label 'a'"),
        ({"a": np.nan}, r"must be finite"),
        ("balance", r"must be 'balanced', a dict of label to weight, or None; .* Got 'balance'"),
    ],
)
def test_wrong_class_weights_are_refused_by_name(class_weight, message):
    labels = ClassLabels.of(np.array(["a", "b"]))

    with pytest.raises(ValueError, match=message):
        class_weights(class_weight, labels, np.array([0, 1]), None)


def test_labels_of_several_kinds_are_refused():
    with pytest.raises(ValueError, match=r"labels of y must have one type.*Got \['int', 'str'\]"):
        ClassLabels.of(np.array([1, "a"], dtype=object))
