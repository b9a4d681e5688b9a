"""Pickle, cloudpickle, joblib and deepcopy of estimators."""

import copy
import functools
import pickle
import subprocess
import sys

import cloudpickle
import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from networks import classifier_network, head
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale

from nnkit import KerasClassifier, KerasRegressor


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def through_cloudpickle(estimator):
    return pickle.loads(cloudpickle.dumps(estimator))


class Scaled(keras.layers.Layer):
    """A custom layer that is not registered."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return self.factor * x


def closure(units):
    def build(meta):
        model = classifier_network(meta, units)
        return keras.Sequential([keras.Input(meta.X_shape_[1:]), Scaled(2.0), model])

    return build


@pytest.fixture(
    scope="module",
    params=[
        "mlp",
        classifier_network,
        lambda meta: classifier_network(meta, 3),
        functools.partial(classifier_network, units=3),
        closure(3),
        head(3, "softmax"),
        lambda X: head(3, "softmax", X.shape[1]),
    ],
    ids=["name", "function", "lambda", "partial", "closure", "model", "X"],
)
def fitted(request):
    """An estimator fitted on iris with each kind of model, not modified by tests."""
    X, y = load_iris(return_X_y=True)
    return KerasClassifier(
        request.param, epochs=2, random_state=0, callbacks=keras.callbacks.History
    ).fit(scale(X), y)


@pytest.mark.parametrize("copied", [through_pickle, through_cloudpickle, copy.deepcopy])
def test_pickled_and_copied_estimator_predicts_the_same(iris, fitted, copied):
    X, clf = iris[0], fitted

    restored = copied(copied(clf))

    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))
    assert restored.history_ == clf.history_
    assert restored.classes_.tolist() == clf.classes_.tolist()
    assert isinstance(restored.model_, keras.Model)
    np.testing.assert_array_equal(restored.model_.get_weights()[0], clf.model_.get_weights()[0])


def test_unfitted_estimator_with_a_lambda_can_be_pickled():
    restored = through_pickle(KerasClassifier(lambda meta, units=3: None, units=5))

    assert restored.get_params()["units"] == 5
    assert clone(restored).units == 5


def test_pipeline_is_loaded_with_joblib_in_another_process(iris_frame, tmp_path):
    X, y = iris_frame
    X = X.assign(colour=np.where(X.iloc[:, 0] > 6, "red", "blue"))
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["colour"]), remainder=StandardScaler()),
        KerasClassifier("mlp", epochs=2, random_state=0),
    ).fit(X, y)
    joblib.dump(pipeline, tmp_path / "pipeline.joblib")
    X.to_pickle(tmp_path / "X.pickle")
    code = (
        "import joblib, pandas as pd\n"
        f"pipeline = joblib.load(r'{tmp_path / 'pipeline.joblib'}')\n"
        f"X = pd.read_pickle(r'{tmp_path / 'X.pickle'}')\n"
        f"pd.DataFrame(pipeline.predict_proba(X)).to_pickle(r'{tmp_path / 'proba.pickle'}')"
    )

    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    there = pd.read_pickle(tmp_path / "proba.pickle").to_numpy()
    np.testing.assert_allclose(there, pipeline.predict_proba(X), atol=1e-6)


def test_attribute_with_the_name_of_a_method_is_pickled(iris):
    clf = KerasClassifier("mlp", epochs=1).fit(*iris)
    clf.score = "an attribute of the user"

    assert through_pickle(clf).score == clf.score


def test_pickle_of_another_format_is_refused(iris, monkeypatch):
    clf = KerasClassifier("mlp")
    with monkeypatch.context() as patch:
        patch.setattr("nnkit.persistence.stored_state.FORMAT", 99)
        pickled = pickle.dumps(clf)

    with pytest.raises(ValueError, match="in the format 99, but nnkit .* reads the format 1"):
        pickle.loads(pickled)


def test_pickle_excludes_training_data_and_optimizer_state():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5000, 10)), rng.normal(size=5000)
    small = KerasRegressor("mlp", epochs=1, background_size=0).fit(X, y)
    with_background = KerasRegressor("mlp", epochs=1, background_size=100).fit(X, y)

    n_weights = small.model_.count_params()

    assert len(pickle.dumps(small)) < 4 * n_weights + 12_000
    assert len(pickle.dumps(with_background)) < 4 * n_weights + 12_000 + 8 * 100 * 10


def test_estimator_of_another_device_is_unpickled_on_the_default_device(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=2, device="cpu:1", random_state=0).fit(X, y)

    restored = through_pickle(clf)

    assert clf.model_.weights[0].value.device.endswith("CPU:1")
    assert restored.model_.weights[0].value.device.endswith("CPU:0")
    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))


def test_changing_the_given_model_does_not_change_the_estimator(iris):
    """A fitted estimator has its own copy of the model."""
    X, y = iris
    model = head(3, "softmax")
    clf = KerasClassifier(model, epochs=1, random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    model.set_weights([2 * weights + 1 for weights in model.get_weights()])

    np.testing.assert_array_equal(clf.predict_proba(X), before)
    np.testing.assert_array_equal(through_pickle(clf).predict_proba(X), before)


def test_estimator_fitted_on_polars_object_columns_can_be_pickled():
    polars = pytest.importorskip("polars")
    days = pd.period_range("2020-01-01", periods=12, freq="D")
    table = polars.DataFrame({"day": list(days), "x": np.arange(12.0)})
    clf = KerasClassifier("mlp", model__units=(4,), epochs=1).fit(table, np.arange(12) % 2)

    again = pickle.loads(pickle.dumps(clf))

    np.testing.assert_array_equal(again.predict_proba(table), clf.predict_proba(table))


def test_callbacks_keep_their_container_through_pickle():
    clf = KerasClassifier("mlp", callbacks=(keras.callbacks.TerminateOnNaN(),))

    restored = pickle.loads(pickle.dumps(clf))

    assert isinstance(restored.callbacks, tuple)


def test_estimator_with_wrong_callbacks_pickles():
    clf = KerasClassifier("mlp", callbacks="abc")

    assert pickle.loads(pickle.dumps(clf)).callbacks == "abc"
