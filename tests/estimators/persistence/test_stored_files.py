"""Files that this and earlier versions of nnkit stored are loaded and compute the same."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io as sio
from mixed_tables import raw_table
from sklearn.datasets import load_iris
from stored_estimators import outputs

FOLDERS = sorted((Path(__file__).parent / "stored").iterdir())


@pytest.mark.parametrize("name", ["tabular", "regressor", "pipeline", "autoencoder"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_stored_files_compute_what_they_computed(folder, name):
    expected = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))[name]
    X = raw_table()[0] if name in ("tabular", "regressor") else load_iris(return_X_y=True)[0]
    data = (folder / f"{name}.skops").read_bytes()

    from_pickle = pickle.loads((folder / f"{name}.pickle").read_bytes())
    from_skops = sio.loads(data, trusted=sio.get_untrusted_types(data=data))

    for estimator in (from_pickle, from_skops):
        np.testing.assert_allclose(outputs(estimator, X), expected, rtol=1e-4, atol=1e-6)
