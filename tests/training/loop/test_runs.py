from functools import cache

import keras
import numpy as np
import pytest
from scipy import sparse

from nnkit.training.loop import runs
from nnkit.training.loop.engine import train
from nnkit.training.loop.plan import TrainingData, TrainingPlan
from nnkit.training.network import Network
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.heads import Task
from nnkit.training.specification.model_spec import ModelSpec

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype(np.float32)
Y = (X[:, :1] > 0).astype(np.float32)
WEIGHTS = RNG.uniform(0.5, 2.0, 50).astype(np.float32)


def perceptron():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), head()])


def normalised():
    return keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(), head()])


def head():
    return keras.layers.Dense(1, "sigmoid")


def trained(build, data, **plan):
    network = Network(
        ModelSpec(build, {}, Compilation(metrics=["accuracy"] if build is normalised else None)),
        [[Task("classification", n_classes=2)]],
        X[:1],
        None,
    )
    plan = {"epochs": 3, "batch_size": 8, "seed": 1, **plan}
    return network, train(network, data, TrainingPlan(**plan))


def assert_same(first, second):
    for ours, theirs in zip(first[0].values, second[0].values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    for name, values in first[1].history.items():
        np.testing.assert_allclose(values, second[1].history[name], rtol=1e-5)


@pytest.mark.parametrize("table", [X, sparse.csr_array(X)], ids=["dense", "sparse"])
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("build", [perceptron, normalised])
def test_rows_beyond_device_memory_are_copied_per_call(monkeypatch, build, weight, table):
    validation = TrainingData(table[:20], Y[:20], None if weight is None else weight[:20])
    data = TrainingData(table, Y, weight, validation)
    whole = trained(build, data)

    monkeypatch.setattr(runs, "_MAX_DEVICE_BYTES", 100)
    in_pieces = trained(build, data)

    assert_same(whole, in_pieces)


@pytest.mark.parametrize("engine", ["graph", "xla"])
def test_steps_per_call_do_not_change_results(monkeypatch, engine):
    whole = trained(perceptron, TrainingData(X, Y), engine=engine)

    monkeypatch.setattr(runs, "_CALL_SECONDS", 1e-4)
    monkeypatch.setattr(runs, "_XLA_BYTES", 16 * 8 * 16)
    in_calls = trained(perceptron, TrainingData(X, Y), engine=engine)

    assert_same(whole, in_calls)


@cache
def trained_by_keras(build, batch_size):
    return trained(build, TrainingData(X, Y, WEIGHTS), engine="keras", batch_size=batch_size)


@pytest.mark.parametrize(
    ("build", "engine"),
    [(normalised, "graph"), (perceptron, "graph"), (perceptron, "xla")],
    ids=["as they are", "filled up", "filled up in XLA-compiled code"],
)
@pytest.mark.parametrize("batch_size", [1, 49])
def test_any_batch_size_agrees_with_keras_fit(build, engine, batch_size):
    found = trained(build, TrainingData(X, Y, WEIGHTS), engine=engine, batch_size=batch_size)

    expected = trained_by_keras(build, batch_size)
    for ours, theirs in zip(found[0].values, expected[0].values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
