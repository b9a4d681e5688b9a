"""`InputDict` in scikit-learn's selections of rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import KFold, train_test_split

from nnkit.encoding import InputDict

LEFT = np.arange(12.0).reshape(6, 2)
TEXTS = ["a", "b", "c", "d", "e", "f"]


def parts():
    return InputDict(
        {
            "left": LEFT,
            "frame": pd.DataFrame({"x": range(6)}),
            "texts": TEXTS,
            "sparse": sparse.csr_array(LEFT),
        }
    )


def test_shape_and_length_are_those_of_the_rows():
    X = parts()

    assert X.shape == (6, 4)
    assert len(X) == 6
    assert list(X) == list(X.keys()) == ["left", "frame", "texts", "sparse"]
    assert len(X.items()) == len(X.values()) == 4
    assert "left" in X
    assert 0 not in X


@pytest.mark.parametrize(
    "rows",
    [np.array([4, 1]), [4, 1], slice(1, 3), np.array([False, True, False, False, True, False])],
    ids=["positions", "list", "slice", "mask"],
)
def test_rows_of_all_parts_are_selected(rows):
    chosen = parts()[rows]

    positions = np.arange(6)[rows]
    assert isinstance(chosen, InputDict)
    assert chosen.shape == (2, 4)
    np.testing.assert_array_equal(chosen["left"], LEFT[positions])
    assert chosen["frame"]["x"].tolist() == positions.tolist()
    assert chosen["texts"] == [TEXTS[at] for at in positions]
    np.testing.assert_array_equal(chosen["sparse"].toarray(), LEFT[positions])


def test_scikit_learn_splits_rows_of_all_parts():
    X, y = parts(), np.arange(6)

    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=2, random_state=0)

    assert (len(X_train), len(X_test)) == (4, 2)
    np.testing.assert_array_equal(X_train["frame"]["x"], y_train)
    np.testing.assert_array_equal(X_test["frame"]["x"], y_test)
    assert [len(held) for _, held in KFold(3).split(X)] == [2, 2, 2]


def test_unequal_numbers_of_rows_raise():
    with pytest.raises(ValueError, match=r"same number of rows. Got {'a': 6, 'b': 5}"):
        InputDict({"a": LEFT, "b": TEXTS[:5]})


def test_empty_dict_raises():
    with pytest.raises(ValueError, match="inputs is empty"):
        InputDict({})


@pytest.mark.parametrize("inputs", [LEFT, {1: LEFT}, None])
def test_other_than_a_dict_of_names_raises(inputs):
    with pytest.raises(TypeError, match="inputs must be a dict"):
        InputDict(inputs)
