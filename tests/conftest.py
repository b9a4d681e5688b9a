"""What all tests share: two logical CPUs, no screen, and real data."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

from importlib.util import find_spec
from multiprocessing import get_context
from zlib import crc32

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import settings
from scikeras_scripts import runner
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

from nnkit.estimators.rows import training_rows

# The same examples in every run; `make fuzz` draws others.
settings.register_profile("same examples", derandomize=True, database=None)
settings.load_profile("same examples")

# Test modules make optimizers as they are collected, which starts TensorFlow.
_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def drawn_by_test(request, monkeypatch):
    """Let fits without a ``random_state`` draw new seeds, but the same ones in every run."""
    rng = np.random.RandomState(crc32(request.node.name.encode()))
    monkeypatch.setattr(
        training_rows,
        "unseeded",
        lambda: np.random.RandomState(rng.randint(2**32, dtype=np.uint64)),
    )


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


class SciKeras:
    """A process that has imported SciKeras, which replaces methods of Keras' classes.

    Its fits take long, so that it begins with the scripts while other tests run.
    """

    def __init__(self, scripts):
        self._pool = get_context("spawn").Pool(1)
        self._under_way = {
            name: self._pool.apply_async(runner.run, (name, "scikeras")) for name in scripts
        }

    def script(self, name):
        """Return what a script finds."""
        return self._under_way[name].get(timeout=600)

    def line(self, name):
        """Run a line."""
        return self._pool.apply(runner.run_line, (name, "scikeras"))

    def close(self):
        """End the process."""
        self._pool.terminate()


_SCIKERAS = pytest.StashKey()


def pytest_collection_finish(session):
    wanting = [item for item in session.items if "scikeras" in item.fixturenames]
    if not wanting or session.config.option.collectonly or find_spec("scikeras") is None:
        return
    scripts = [item.callspec.params["script"] for item in wanting if hasattr(item, "callspec")]
    session.config.stash[_SCIKERAS] = SciKeras(scripts)


def pytest_sessionfinish(session):
    process = session.config.stash.get(_SCIKERAS, None)
    if process is not None:
        process.close()


@pytest.fixture
def scikeras(request):
    """A process with SciKeras in it."""
    process = request.config.stash.get(_SCIKERAS, None)
    if process is None:
        pytest.skip("scikeras is not installed")
    return process
