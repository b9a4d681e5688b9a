"""The ready-made networks train alike by every engine, and are laid out for the fast ones."""

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
# Random layers draw from other streams by XLA.
CASES = {
    "mlp": {"model__residual": True, "model__linear_skip": True},
    "realmlp": {"model__dropout_rate": 0.0, "model__linear_skip": True},
}


@pytest.mark.parametrize("model", CASES)
def test_all_engines_train_a_ready_made_network_alike(model):
    found = {
        engine: KerasClassifier(model, engine=engine, **CASES[model], **SMALL).fit(TABLE, LABELS)
        for engine in ("graph", "xla", "keras")
    }

    by_keras = found["keras"].predict_proba(TABLE)
    for engine in ("graph", "xla"):
        assert found[engine].engine_ == engine
        np.testing.assert_allclose(found[engine].predict_proba(TABLE), by_keras, atol=2e-4)


def test_dropout_that_fades_is_the_same_by_graph_and_keras():
    first, second = (
        KerasRegressor("realmlp", engine=engine, **SMALL).fit(TABLE, TABLE["size"])
        for engine in ("graph", "keras")
    )

    np.testing.assert_allclose(first.predict(TABLE), second.predict(TABLE), atol=2e-3)


@pytest.mark.parametrize("model", CASES)
def test_a_ready_made_network_can_be_machine_code_and_shares_its_programs(model):
    first, second = (
        KerasClassifier(model, **CASES[model], **{**SMALL, "random_state": seed}).fit(TABLE, LABELS)
        for seed in (0, 1)
    )

    architecture = first._network.compiled_model
    assert is_padded(architecture)
    assert second._network.compiled_model is architecture
