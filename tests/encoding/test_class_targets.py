import numpy as np
import pytest

from nnkit.encoding import ClassTarget


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
def test_decoding_returns_targets_in_shape_and_dtype(y, kind):
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


def test_announced_labels_need_not_occur():
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
def test_classes_that_do_not_fit_are_refused(y, classes, message):
    with pytest.raises(ValueError, match=message):
        ClassTarget.of(y, "multiclass", classes)


def test_rows_of_another_shape_are_refused():
    target = ClassTarget.of(np.array(["a", "b"]), "binary")

    with pytest.raises(
        ValueError, match=r"y must have rows of shape \(\), as in the first fit. Got"
    ):
        target.encode(np.array([["a"], ["b"]]))
