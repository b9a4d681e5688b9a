import keras
import numpy as np
import pytest
from scipy import sparse

from nnkit.training.loop.backends import choose_backend, is_padded
from nnkit.training.loop.plan import TrainingData, TrainingPlan
from nnkit.training.network import Network
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.heads import Task
from nnkit.training.specification.model_spec import ModelSpec

L = keras.layers
X = np.zeros((100, 4), np.float32)
Y = np.zeros((100, 1), np.float32)
LONG = {"epochs": 100, "batch_size": 10}


def perceptron(*layers, units=8):
    return keras.Sequential([keras.Input((4,)), L.Dense(units, "relu"), *layers, L.Dense(1)])


def own_loss(y_true, y_pred):
    return keras.ops.mean(y_true - y_pred)


def compiled_model_of(build=perceptron, **compilation):
    model_spec = ModelSpec(build, {}, Compilation(**compilation))
    return Network(model_spec, [[Task("regression")]], X[:1], None).compiled_model


def backend_of(compiled_model, engine="auto", data=None, **plan):
    plan = TrainingPlan(**{**LONG, **plan}, engine=engine)
    return choose_backend(compiled_model, data or TrainingData(X, Y), plan)


def test_long_fits_of_small_networks_use_xla():
    assert backend_of(compiled_model_of()) == "xla"


@pytest.mark.parametrize(
    ("build", "compilation", "plan"),
    [
        (perceptron, {}, {"epochs": 99}),
        (lambda: perceptron(units=4000), {}, {"batch_size": 100, "epochs": 1000}),
        (lambda: perceptron(L.BatchNormalization()), {}, {}),
        (perceptron, {"metrics": ["mae"]}, {}),
        (perceptron, {"loss": own_loss}, {}),
    ],
    ids=["short", "wide", "batch statistics", "metrics", "own loss"],
)
def test_other_fits_use_a_graph(build, compilation, plan):
    assert backend_of(compiled_model_of(build, **compilation), **plan) == "graph"


@pytest.mark.parametrize(
    ("build", "compilation", "data", "reason"),
    [
        (lambda: perceptron(L.BatchNormalization()), {}, None, "combine rows of a batch"),
        (perceptron, {"metrics": ["mae"]}, None, "metrics"),
        (perceptron, {}, TrainingData(sparse.csr_array(X), Y), "sparse rows"),
    ],
    ids=["batch statistics", "metrics", "sparse"],
)
def test_engine_xla_raises_on_unsupported_models(build, compilation, data, reason):
    with pytest.raises(ValueError, match=f"engine='xla' cannot carry .*{reason}"):
        backend_of(compiled_model_of(build, **compilation), "xla", data)


class CustomLoss(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = L.Dense(1)

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean((y - y_pred) ** 4)


@pytest.mark.parametrize("engine", ["graph", "xla"])
def test_overridden_methods_need_keras_fit(engine):
    compiled_model = compiled_model_of(CustomLoss, loss=keras.losses.MeanSquaredError())

    assert backend_of(compiled_model) == "keras"
    with pytest.raises(ValueError, match=f"engine='{engine}' cannot carry a model with its own"):
        backend_of(compiled_model, engine)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (L.Dropout(0.1), True),
        (L.LayerNormalization(), True),
        (L.BatchNormalization(), False),
        (L.ActivityRegularization(0.1), False),
        (L.Dense(3, activity_regularizer="l2"), False),
        (L.Dense(3, activation=lambda x: x - keras.ops.mean(x)), False),
    ],
    ids=["dropout", "layer norm", "batch norm", "activity", "regularised", "own activation"],
)
def test_batches_are_padded_if_rows_are_independent(layer, expected):
    assert is_padded(compiled_model_of(lambda: perceptron(layer))) is expected
