"""Settings and fixtures of all tests: two logical CPUs, no display, reproducible seeds, data."""

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

# Some test modules create optimizers on import, which initialises TensorFlow's devices.
_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def drawn_by_test(request, monkeypatch):
    """Draw the seeds of fits without a ``random_state`` from the name of the test."""
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
    """Iris as a DataFrame with unscaled columns and labels 0, 1, 2."""
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
    """Process that imports SciKeras, since the import replaces methods of Keras' classes.

    The scripts take long, so they start at once and run in parallel to other tests.
    """

    def __init__(self, scripts):
        self._pool = get_context("spawn").Pool(1)
        self._results = {
            name: self._pool.apply_async(runner.run, (name, "scikeras")) for name in scripts
        }

    def script(self, name):
        """Return the results of a script."""
        return self._results[name].get(timeout=600)

    def line(self, name):
        """Run a function of ``lines.py`` and return its result."""
        return self._pool.apply(runner.run_line, (name, "scikeras"))

    def close(self):
        """End the process."""
        self._pool.terminate()


_SCIKERAS = pytest.StashKey()


def pytest_collection_finish(session):
    items = [item for item in session.items if "scikeras" in item.fixturenames]
    if not items or session.config.option.collectonly or find_spec("scikeras") is None:
        return
    scripts = [item.callspec.params["script"] for item in items if hasattr(item, "callspec")]
    session.config.stash[_SCIKERAS] = SciKeras(scripts)


def pytest_sessionfinish(session):
    process = session.config.stash.get(_SCIKERAS, None)
    if process is not None:
        process.close()


@pytest.fixture
def scikeras(request):
    """The process with SciKeras; the test is skipped if SciKeras is not installed."""
    process = request.config.stash.get(_SCIKERAS, None)
    if process is None:
        pytest.skip("scikeras is not installed")
    return process
