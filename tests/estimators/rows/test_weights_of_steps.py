"""Weights of rows, of classes and of steps where each row has losses of its own for its steps."""

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor

L = keras.layers
N_STEPS = 8
X = np.random.default_rng(0).normal(size=(64, N_STEPS, 1)).astype(np.float32)
CODES = (X[..., 0] > 0.3).astype(int) + (X[..., 0] > 1)
ROW_WEIGHT = np.repeat([1.0, 0.0, 3.0, 0.5], 16)


def tagger(meta):
    """Class scores for each step."""
    return keras.Sequential(
        [keras.Input((N_STEPS, 1)), L.Dense(3, kernel_initializer="zeros", activation="softmax")]
    )


def first_loss(engine="graph", build=tagger, y=CODES, **params):
    """The loss of the first and only batch, before any step."""
    fit_arguments = {"sample_weight": params.pop("sample_weight", None)}
    clf = KerasClassifier(
        build, epochs=1, batch_size=64, random_state=0, engine=engine, optimizer="sgd", **params
    )
    return clf.fit(X, y, **fit_arguments).history_["loss"][0]


def biased(meta):
    """Forecasts 0.5, 0.25 and 0.25 for each step."""
    logits = keras.initializers.Constant(np.log([0.5, 0.25, 0.25]))
    return keras.Sequential(
        [
            keras.Input((N_STEPS, 1)),
            L.Dense(3, "softmax", kernel_initializer="zeros", bias_initializer=logits),
        ]
    )


LOSSES = -np.log(np.array([0.5, 0.25, 0.25]))[CODES]  # (n_samples, n_steps)
ENGINES = ["graph", "keras"]


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_rows_weigh_all_steps_of_a_row(engine):
    weight = ROW_WEIGHT[:, None] * np.ones(N_STEPS)

    found = first_loss(engine, biased, sample_weight=ROW_WEIGHT)

    assert found == pytest.approx(np.sum(weight * LOSSES) / np.sum(weight), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_steps_are_taken(engine):
    weight = np.random.default_rng(1).uniform(size=CODES.shape)

    found = first_loss(engine, biased, sample_weight=weight)

    assert found == pytest.approx(np.sum(weight * LOSSES) / np.sum(weight), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_class_weights_weigh_steps(engine):
    weight = np.array([1.0, 3.0, 0.0])[CODES]

    found = first_loss(engine, biased, class_weight={0: 1.0, 1: 3.0, 2: 0.0})

    assert found == pytest.approx(np.sum(weight * LOSSES) / np.sum(weight), rel=1e-5)


def test_weights_of_rows_are_not_put_on_steps_where_their_numbers_agree():
    """With as many rows in a batch as steps, the shapes alone do not tell them apart."""
    rng = np.random.default_rng(0)
    X_square = rng.normal(size=(256, N_STEPS, 1)).astype(np.float32)
    y = (X_square[..., 0] > 0).astype(int)
    weight = np.where(np.arange(256) % 2, 1.0, 1e-3)
    y_noisy = np.where(weight[:, None] == 1, y, 1 - y)

    def build():
        layers = [keras.Input((N_STEPS, 1)), L.Dense(8, "relu"), L.Dense(2, "softmax")]
        return keras.Sequential(layers)

    clf = KerasClassifier(
        build, epochs=20, batch_size=N_STEPS, optimizer__learning_rate=0.02, random_state=0
    )
    clf.fit(X_square, y_noisy, sample_weight=weight)

    assert np.mean(clf.predict(X_square) == y) > 0.95


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_hold_for_validation_rows(engine):
    clf = KerasClassifier(biased, epochs=1, batch_size=64, random_state=0, engine=engine)
    clf.set_params(optimizer__learning_rate=1e-12)
    weight = ROW_WEIGHT[:, None] * np.ones(N_STEPS)

    clf.fit(X, CODES, X_val=X, y_val=CODES, sample_weight_val=ROW_WEIGHT)

    expected = np.sum(weight * LOSSES) / np.sum(weight)
    assert clf.history_["val_loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_rows_weigh_all_pixels(engine):
    images = np.random.default_rng(0).normal(size=(12, 4, 4, 1)).astype(np.float32)
    masks = (images > 0).astype(int)
    weight = np.linspace(0, 1, 12)

    def build():
        return keras.Sequential(
            [
                keras.Input((4, 4, 1)),
                L.Conv2D(1, 1, activation="sigmoid", kernel_initializer="zeros", use_bias=False),
            ]
        )

    clf = KerasClassifier(build, epochs=1, batch_size=12, random_state=0, engine=engine)
    clf.fit(images, masks, sample_weight=weight)

    assert clf.history_["loss"][0] == pytest.approx(np.log(2), rel=1e-5)


def test_values_of_steps_with_one_loss_a_row_take_weights_of_rows_only():
    y = X[..., 0]
    reg = KerasRegressor(
        lambda: keras.Sequential([keras.Input((N_STEPS, 1)), L.Flatten(), L.Dense(N_STEPS)]),
        epochs=1,
        random_state=0,
    )

    reg.fit(X, y, sample_weight=ROW_WEIGHT)

    with pytest.raises(ValueError, match=r"sample_weight has the shape \(64, 8\), but the loss"):
        reg.fit(X, y, sample_weight=np.ones(y.shape))


def test_weights_of_another_shape_are_refused():
    with pytest.raises(
        ValueError, match=r"or \(64, 8\), one for each step\. Got the shape \(64, 7\)"
    ):
        first_loss(sample_weight=np.ones((64, 7)))
