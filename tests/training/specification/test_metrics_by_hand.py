"""Metrics of steps, masked steps and weighted rows against values worked out by hand.

The learning rate is zero, so that the metrics of the epoch are those of the fitted network.
"""

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor

RNG = np.random.default_rng(0)
N, STEPS = 24, 5
TOKENS = RNG.integers(1, 9, (N, STEPS))
TOKENS[:, 3:] *= RNG.integers(0, 2, (N, 1))  # half of the rows are padded with zeros
LABELS = np.array(["a", "b", "c"])[RNG.integers(0, 3, (N, STEPS))]
WEIGHT = RNG.integers(1, 5, N).astype(float)
X = RNG.normal(size=(N, 3))
Y = (X[:, 0] > 0).astype(int)


def tagger(is_masked, **compiled):
    def builder(meta):
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((STEPS,)),
                layers.Embedding(9, 4, mask_zero=is_masked),
                layers.LSTM(4, return_sequences=True),
                layers.Dense(3, "softmax"),
            ]
        )
        model.compile(keras.optimizers.SGD(0.0), loss="sparse_categorical_crossentropy", **compiled)
        return model

    return builder


def classifier(**compiled):
    def builder(meta):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
        model.compile(keras.optimizers.SGD(0.0), loss="binary_crossentropy", **compiled)
        return model

    return builder


def regressor(**compiled):
    def builder(meta):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), loss="mse", **compiled)
        return model

    return builder


def fitted(cls, builder, *data, engine="auto", batch_size=N, **arguments):
    estimator = cls(builder, epochs=1, batch_size=7, random_state=0, engine=engine)
    return estimator.fit(*data, **arguments)


def proba_of_labels(clf):
    """Return the predicted probability of the true label of each step."""
    codes = np.searchsorted(["a", "b", "c"], LABELS)
    by_step = np.stack(clf.predict_proba(TOKENS), axis=1)
    return np.take_along_axis(by_step, codes[..., None], -1)[..., 0]


@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("name", ["accuracy", "sparse_categorical_crossentropy"])
def test_metrics_ignore_masked_steps(name, is_masked, engine):
    clf = fitted(
        KerasClassifier, tagger(is_masked, metrics=[name]), TOKENS, LABELS,
        engine=engine, batch_size=7, X_val=TOKENS, y_val=LABELS,
    )  # fmt: skip

    counts = np.where(TOKENS > 0, 1.0, 0.0) if is_masked else np.ones(TOKENS.shape)
    proba = proba_of_labels(clf)
    by_step = {
        "accuracy": clf.predict(TOKENS) == LABELS,
        "sparse_categorical_crossentropy": -np.log(proba),
    }
    expected = (by_step[name] * counts).sum() / counts.sum()
    assert clf.history_[name][0] == pytest.approx(expected, rel=1e-5)
    assert clf.history_[f"val_{name}"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_loss_ignores_masked_steps(engine):
    clf = fitted(
        KerasClassifier, tagger(True), TOKENS, LABELS, engine=engine, batch_size=7,
        X_val=TOKENS, y_val=LABELS,
    )  # fmt: skip

    proba = proba_of_labels(clf)
    expected = -np.log(proba)[TOKENS > 0].mean()
    assert clf.history_["val_loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_weighted_metrics_use_sample_weight_and_metrics_do_not(engine):
    arguments = {"metrics": ["binary_accuracy"], "weighted_metrics": ["Recall", "accuracy"]}

    clf = fitted(
        KerasClassifier, classifier(**arguments), X, Y, engine=engine, batch_size=7,
        sample_weight=WEIGHT,
    )  # fmt: skip

    is_right, found = clf.predict(X) == Y, clf.history_
    assert found["binary_accuracy"][0] == pytest.approx(is_right.mean(), rel=1e-5)
    assert found["accuracy"][0] == pytest.approx(np.average(is_right, weights=WEIGHT), rel=1e-5)
    recall = (WEIGHT * is_right * Y).sum() / (WEIGHT * Y).sum()
    assert found["Recall" if "Recall" in found else "recall"][0] == pytest.approx(recall, rel=1e-5)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_weighted_regression_metrics_use_sample_weight(engine):
    builder = regressor(metrics=["mae"], weighted_metrics=["mse"])

    reg = fitted(KerasRegressor, builder, X, X[:, 1], engine=engine, sample_weight=WEIGHT)

    errors = reg.predict(X) - X[:, 1]
    assert reg.history_["mae"][0] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    expected = np.average(errors**2, weights=WEIGHT)
    assert reg.history_["mse"][0] == pytest.approx(expected, rel=1e-5)
