"""MLflow, with the real package. TensorBoard is in estimators/fitting/test_stages.py."""

import mlflow
import mlflow.keras
import mlflow.sklearn
import numpy as np
import pytest
import skops.io as sio
from mixed_tables import raw_table
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, TabularClassifier
from nnkit.export import TRUSTED_TYPES

IRIS = load_iris(return_X_y=True, as_frame=True)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of MLflow that is stored in files."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    mlflow.set_experiment("nnkit")
    with mlflow.start_run() as active:
        yield active
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("kind", ["pipeline", "raw table"])
def test_mlflow_stores_and_loads_an_estimator_by_skops(run, kind):
    if kind == "pipeline":
        X, y = IRIS
        model = make_pipeline(StandardScaler(), KerasClassifier(epochs=2)).fit(X, y)
    else:
        X, y = raw_table()
        model = TabularClassifier("fast", epochs=2).fit(X, y)

    info = mlflow.sklearn.log_model(
        model, name="model", skops_trusted_types=list(TRUSTED_TYPES), pip_requirements=["nnkit"]
    )
    loaded = mlflow.sklearn.load_model(info.model_uri)

    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert set(sio.get_untrusted_types(data=sio.dumps(model))) <= set(TRUSTED_TYPES)


def test_mlflow_records_every_epoch_of_the_compiled_engine(run):
    X, y = IRIS
    callback = mlflow.keras.MlflowCallback()

    clf = KerasClassifier(epochs=4, validation_split=0.2, callbacks=callback).fit(X, y)
    mlflow.flush_async_logging()

    assert clf.engine_ != "keras"
    client = mlflow.MlflowClient()
    for name in ("loss", "val_loss"):
        history = client.get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in history] == [0, 1, 2, 3]
        np.testing.assert_allclose([metric.value for metric in history], clf.history_[name])
    assert client.get_run(run.info.run_id).data.params["optimizer_name"].startswith("adam")


def test_mlflow_that_records_steps_trains_by_keras(run):
    X, y = IRIS
    callback = mlflow.keras.MlflowCallback(log_every_epoch=False, log_every_n_steps=2)

    clf = KerasClassifier(epochs=2, callbacks=callback).fit(X, y)
    mlflow.flush_async_logging()

    assert clf.engine_ == "keras"
    steps = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in steps] == [2, 4, 6, 8, 10]
