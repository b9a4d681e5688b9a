"""Facts about images for builders, and small sets of images."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nnkit.builders import Meta


@pytest.fixture
def facts():
    """Return a function that makes the facts about images of a shape."""

    def make(shape=(28, 28, 1), target="multiclass", n_units=3, **more):
        return Meta(X_shape_=(100, *shape), target_type_=target, n_output_units_=n_units, **more)

    return make


@pytest.fixture(scope="session")
def digits():
    """Return 200 images of digits, uint8 (n, 8, 8), and their labels."""
    data = load_digits()
    return (data.images[:200] * 15).astype(np.uint8), data.target[:200]
