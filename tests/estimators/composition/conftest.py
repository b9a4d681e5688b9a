"""Data for tests of scikit-learn's tools."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale


@pytest.fixture
def two_targets():
    """Diabetes patients; the targets are disease progression and body mass index."""
    X, y = load_diabetes(return_X_y=True)
    return scale(np.delete(X, 2, axis=1)), np.column_stack([y, 1000 * X[:, 2]])


@pytest.fixture
def flower_labels(iris):
    """Multilabel target with three labels."""
    X, y = iris
    return np.column_stack([y == "setosa", y == "virginica", X[:, 3] > 0]).astype(int)


@pytest.fixture
def bits():
    """Sequences of bits, shape (240, 6 steps, 1 feature)."""
    return np.random.RandomState(0).randint(0, 2, (240, 6, 1))
