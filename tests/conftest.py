"""What all tests share: two logical CPUs, no screen, and real data."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

# Test modules make optimizers as they are collected, which starts TensorFlow.
_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture
def iris():
    """150 flowers of three kinds, four scaled columns, string labels."""
    bunch = load_iris()
    return scale(bunch.data), bunch.target_names[bunch.target]


@pytest.fixture
def iris_frame():
    """The same as a DataFrame with unscaled columns and labels 0, 1, 2."""
    return load_iris(return_X_y=True, as_frame=True)


@pytest.fixture
def cancer():
    """569 tumours, 30 scaled columns, labels 0 and 1."""
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


@pytest.fixture
def diabetes():
    """442 patients, ten columns, a continuous target around 150."""
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y


@pytest.fixture
def global_random_states():
    """Return a function that reads all global random states."""
    import random

    def read():
        kind, keys, *rest = np.random.get_state()
        return random.getstate(), kind, keys.tolist(), rest

    return read
