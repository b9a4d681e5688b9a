"""Losses of outputs and of the best constant prediction."""

import keras
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from nnkit.estimators.fitting.constant_predictions import objectives_of
from nnkit.training.specification.heads import Head

N = 60
RNG = np.random.default_rng(0)
WEIGHT = RNG.exponential(size=N)
CODES = RNG.choice(3, size=N, p=[0.6, 0.3, 0.1])
LABELS = (RNG.uniform(size=(N, 4)) < [0.1, 0.5, 0.9, 0.3]).astype(float)
VALUES = RNG.lognormal(size=(N, 2))
losses = keras.losses


def objective(loss, head, *, as_codes=False):
    loss.reduction = "mean_with_sample_weight"
    (found,) = objectives_of(loss, [head], [as_codes])
    return found


OF_CLASSES = [
    (losses.SparseCategoricalCrossentropy(), Head(3, "probabilities", "softmax"), CODES),
    (losses.SparseCategoricalCrossentropy(from_logits=True), Head(3, "logits", "linear"), CODES),
    (
        losses.CategoricalCrossentropy(from_logits=True),
        Head(3, "logits", "linear"),
        np.eye(3)[CODES],
    ),
    (
        losses.CategoricalCrossentropy(label_smoothing=0.2),
        Head(3, "probabilities", "softmax"),
        np.eye(3)[CODES],
    ),
    (losses.BinaryCrossentropy(from_logits=True), Head(1, "logits", "linear"), LABELS[:, :1]),
    (losses.BinaryCrossentropy(), Head(4, "probabilities", "sigmoid", 2, True), LABELS),
    (
        losses.BinaryCrossentropy(label_smoothing=0.2),
        Head(4, "probabilities", "sigmoid", 2, True),
        LABELS,
    ),
]
OF_VALUES = [
    (losses.MeanSquaredError(), Head(2, "values", "linear"), VALUES),
    (losses.MeanAbsoluteError(), Head(2, "values", "linear"), VALUES),
    (losses.Huber(delta=0.5), Head(2, "values", "linear"), VALUES),
    (losses.LogCosh(), Head(2, "values", "linear"), VALUES),
]


def outputs_for(head):
    raw = RNG.normal(size=(N, head.n_units))
    if head.scale == "probabilities":
        raw = 1 / (1 + np.exp(-raw))
        return raw / raw.sum(axis=1, keepdims=True) if head.is_one_of_many else raw
    return raw


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("loss", "head", "y"), OF_CLASSES + OF_VALUES)
def test_loss_of_outputs_equals_keras(loss, head, y, weight):
    outputs = outputs_for(head)
    found = objective(loss, head, as_codes=y is CODES).loss(y, outputs, weight)

    expected = float(loss(y.astype("float32"), outputs.astype("float32"), weight))

    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("loss", "head", "y"), OF_CLASSES + OF_VALUES)
def test_loss_of_constant_is_at_most_that_of_random_constants(loss, head, y, weight):
    one = objective(loss, head, as_codes=y is CODES)
    best = one.loss_of_constant(y, weight)

    tried = [one.loss(y, np.tile(row, (N, 1)), weight) for row in outputs_for(head)]

    # With Huber and LogCosh, the best constant is the better of mean and median only.
    slack = 1.1 if type(loss).__name__ in ("Huber", "LogCosh") else 1 + 1e-9
    assert best <= slack * min(tried)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_loss_of_constant_equals_sklearn_dummy_estimators(weight):
    X = np.zeros((N, 1))
    prior = DummyClassifier().fit(X, CODES, weight).predict_proba(X)
    mean = DummyRegressor().fit(X, VALUES, weight).predict(X)
    median = DummyRegressor(strategy="median").fit(X, VALUES, weight).predict(X)

    found = [
        objective(loss, head, as_codes=y is CODES).loss_of_constant(y, weight)
        for loss, head, y in (OF_CLASSES[0], *OF_VALUES[:2])
    ]

    assert found[0] == pytest.approx(log_loss(CODES, prior, sample_weight=weight))
    assert found[1] == pytest.approx(mean_squared_error(VALUES, mean, sample_weight=weight))
    # scikit-learn's median may lie between two values of equal loss.
    assert found[2] == pytest.approx(
        mean_absolute_error(VALUES, median, sample_weight=weight), rel=1e-2
    )


def test_loss_of_constant_shares_one_constant_between_time_steps():
    y = np.array([[0, 0, 1], [1, 1, 1]])
    head = Head(2, "probabilities", "softmax", 3)
    one = objective(losses.SparseCategoricalCrossentropy(), head, as_codes=True)

    found = one.loss_of_constant(y, np.array([1.0, 0.0]))

    rates = np.array([2 / 3, 1 / 3])
    assert found == pytest.approx(-(rates * np.log(rates)).sum())


class CustomLoss(keras.losses.MeanSquaredError):
    pass


@pytest.mark.parametrize(
    "loss",
    [
        CustomLoss(),
        losses.Poisson(),
        losses.MeanSquaredLogarithmicError(),
        losses.CosineSimilarity(),
        losses.MeanSquaredError(reduction="sum"),
        losses.SparseCategoricalCrossentropy(ignore_class=0),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_objectives_are_none_for_losses_without_a_known_constant(loss):
    if loss.reduction != "sum":
        loss.reduction = "mean_with_sample_weight"

    assert objectives_of(loss, [Head(3, "values", "linear")], [False]) is None
