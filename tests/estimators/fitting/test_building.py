"""Ready-made networks give equal results on all backends, and are XLA-compiled with padding."""

import numpy as np
import pandas as pd
import pytest

from nnkit import KerasClassifier, KerasRegressor
from nnkit.training.loop.backends import is_padded

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "size": RNG.normal(size=120),
        "weight": RNG.normal(size=120),
        "kind": RNG.choice(list("abc"), 120),
        "maker": RNG.choice(list("abcdefghijkl"), 120),
    }
)
LABELS = np.where(TABLE["size"] + TABLE["kind"].eq("a") > 0.5, "big", "small")
SMALL = {"model__units": (8,), "epochs": 2, "batch_size": 40, "random_state": 0}
# The random streams of dropout differ with XLA.
CASES = {
    "mlp": {"model__residual": True, "model__linear_skip": True},
    "realmlp": {"model__dropout_rate": 0.0, "model__linear_skip": True},
}


@pytest.mark.parametrize("model", CASES)
def test_backends_train_a_ready_made_network_alike(model):
    found = {
        engine: KerasClassifier(model, engine=engine, **CASES[model], **SMALL).fit(TABLE, LABELS)
        for engine in ("graph", "xla", "keras")
    }

    by_keras = found["keras"].predict_proba(TABLE)
    for engine in ("graph", "xla"):
        assert found[engine].engine_ == engine
        np.testing.assert_allclose(found[engine].predict_proba(TABLE), by_keras, atol=2e-4)


def test_scheduled_dropout_is_the_same_with_graph_and_keras_backends():
    first, second = (
        KerasRegressor("realmlp", engine=engine, **SMALL).fit(TABLE, TABLE["size"])
        for engine in ("graph", "keras")
    )

    np.testing.assert_allclose(first.predict(TABLE), second.predict(TABLE), atol=2e-3)


@pytest.mark.parametrize("model", CASES)
def test_ready_made_network_is_padded_and_shares_its_compiled_model(model):
    first, second = (
        KerasClassifier(model, **CASES[model], **{**SMALL, "random_state": seed}).fit(TABLE, LABELS)
        for seed in (0, 1)
    )

    compiled_model = first._network.compiled_model
    assert is_padded(compiled_model)
    assert second._network.compiled_model is compiled_model
