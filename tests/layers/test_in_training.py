"""Training of all layers by nnkit, compared with Keras' fit."""

import keras
import numpy as np
import pytest

from nnkit import KerasRegressor
from nnkit.layers import (
    CategoryBias,
    CategoryEmbeddings,
    ColumnSlice,
    NTKDense,
    ParametricActivation,
    PeriodicEmbedding,
    Scale,
    ScheduledDropout,
)

EPOCHS, N_STEPS = 6, 12  # two batches of 32 rows per epoch


def network(meta, dropped=0.0):
    """Return a network with all layers for three numbers and two columns of codes."""
    inputs = keras.Input(meta.X_shape_[1:])
    numbers, codes = ColumnSlice(0, 3)(inputs), ColumnSlice(3)(inputs)
    vectors = CategoryEmbeddings((4, 6), (2, 3), missing_rate=dropped)(codes)
    features = keras.layers.Concatenate()([PeriodicEmbedding()(Scale()(numbers)), vectors])
    hidden = ParametricActivation("selu")(NTKDense(16)(features))
    scores = NTKDense(1)(ScheduledDropout(dropped, N_STEPS)(hidden))
    return keras.Model(inputs, keras.layers.Add()([scores, CategoryBias((4, 6), 1)(codes)]))


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(64, 3))
    codes = np.column_stack([rng.integers(0, 4, 64), rng.integers(0, 6, 64)])
    return np.hstack([numbers, codes]), numbers[:, 0] + np.sin(codes[:, 0])


def fitted(table, **arguments):
    arguments |= {"epochs": EPOCHS, "batch_size": 32, "encoder": None, "random_state": 0}
    return KerasRegressor(network, **arguments).fit(*table)


def test_engine_equals_keras_fit(table):
    ours, keras_own = (fitted(table, engine=engine) for engine in ("graph", "keras"))

    predictions = ours.predict(table[0])

    np.testing.assert_allclose(predictions, keras_own.predict(table[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_scheduled_dropout_counts_the_steps_of_each_backend(table, engine):
    regressor = fitted(table, engine=engine, model__dropped=0.2)

    counts = [
        int(variable.numpy())
        for variable in regressor.model_.non_trainable_variables
        if variable.name == "steps_done"
    ]

    assert counts == [N_STEPS]


def test_ensemble_with_all_layers_is_reproducible(table):
    first, second = (fitted(table, n_estimators=3, model__dropped=0.2) for _ in range(2))

    predictions = first.predict(table[0])

    np.testing.assert_array_equal(predictions, second.predict(table[0]))
