"""Write the files of this version of nnkit that later versions must be able to load.

PYTHONPATH=.:tests python tests/stored_estimators.py

The files are in ``estimators/persistence/stored/<version>/``. They are written once for each version
and never again.
"""

import json
import pickle
from pathlib import Path

import skops.io as sio
from mixed_tables import raw_table
from networks import classifier_network
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnkit
from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier

SETTINGS = {"epochs": 3, "random_state": 0, "background_size": 10}


def fitted_estimators():
    """Return small fitted estimators by name, and the rows that they predict."""
    X, y = load_iris(return_X_y=True)
    X_raw, y_raw = raw_table()
    return {
        "tabular": (
            TabularClassifier(model__units=(4,), n_estimators=2, cv=2, **SETTINGS).fit(
                X_raw, y_raw
            ),
            X_raw,
        ),
        "regressor": (
            KerasRegressor("mlp", units=(4,), **SETTINGS).fit(X_raw, y_raw == "yes"),
            X_raw,
        ),
        "pipeline": (
            make_pipeline(StandardScaler(), KerasClassifier(classifier_network, **SETTINGS)).fit(
                X, y
            ),
            X,
        ),
        "autoencoder": (
            KerasTransformer("autoencoder", epochs=3, random_state=0).fit(X),
            X,
        ),
    }


def outputs(estimator, X):
    """Return what an estimator computes for the first rows of a table."""
    rows = X[:5]
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(rows)
    return estimator.predict(rows) if hasattr(estimator, "predict") else estimator.transform(rows)


def main():
    """Write the files of this version."""
    folder = Path(__file__).parent / "estimators/persistence/stored" / nnkit.__version__
    folder.mkdir()
    expected = {}
    for name, (estimator, X) in fitted_estimators().items():
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(estimator, protocol=4))
        (folder / f"{name}.skops").write_bytes(sio.dumps(estimator, compression=8))
        expected[name] = outputs(estimator, X).tolist()
    (folder / "outputs.json").write_text(json.dumps(expected), encoding="utf-8")


if __name__ == "__main__":
    main()
