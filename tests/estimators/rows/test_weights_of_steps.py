"""Sample weights and class weights of targets with a loss at each time step or pixel."""

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
    """Return a network with class probabilities at each time step."""
    return keras.Sequential(
        [keras.Input((N_STEPS, 1)), L.Dense(3, kernel_initializer="zeros", activation="softmax")]
    )


def first_loss(engine="graph", build=tagger, y=CODES, **params):
    """Return the loss of the first batch, before any update of the weights."""
    fit_arguments = {"sample_weight": params.pop("sample_weight", None)}
    clf = KerasClassifier(
        build, epochs=1, batch_size=64, random_state=0, engine=engine, optimizer="sgd", **params
    )
    return clf.fit(X, y, **fit_arguments).history_["loss"][0]


def biased(meta):
    """Return a network that predicts 0.5, 0.25 and 0.25 at each time step."""
    logits = keras.initializers.Constant(np.log([0.5, 0.25, 0.25]))
    return keras.Sequential(
        [
            keras.Input((N_STEPS, 1)),
            L.Dense(3, "softmax", kernel_initializer="zeros", bias_initializer=logits),
        ]
    )


LOSSES = -np.log(np.array([0.5, 0.25, 0.25]))[CODES]  # (n_samples, n_steps)
ENGINES = ["graph", "keras"]


STEP_WEIGHT = np.random.default_rng(1).uniform(size=CODES.shape)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("params", "weight"),
    [
        ({"sample_weight": ROW_WEIGHT}, ROW_WEIGHT[:, None] * np.ones(N_STEPS)),
        ({"sample_weight": STEP_WEIGHT}, STEP_WEIGHT),
        ({"class_weight": {0: 1.0, 1: 3.0, 2: 0.0}}, np.array([1.0, 3.0, 0.0])[CODES]),
    ],
    ids=["rows", "steps", "classes"],
)
def test_weights_apply_to_the_loss_of_each_time_step(engine, params, weight):
    found = first_loss(engine, biased, **params)

    assert found == pytest.approx(np.sum(weight * LOSSES) / np.sum(weight), rel=1e-5)


def test_sample_weight_applies_to_rows_if_batch_size_equals_the_number_of_steps():
    """Shapes alone cannot distinguish rows from time steps in such a batch."""
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
def test_sample_weight_val_applies_to_all_time_steps_of_a_row(engine):
    clf = KerasClassifier(biased, epochs=1, batch_size=64, random_state=0, engine=engine)
    clf.set_params(optimizer__learning_rate=1e-12)
    weight = ROW_WEIGHT[:, None] * np.ones(N_STEPS)

    clf.fit(X, CODES, X_val=X, y_val=CODES, sample_weight_val=ROW_WEIGHT)

    expected = np.sum(weight * LOSSES) / np.sum(weight)
    assert clf.history_["val_loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_sample_weight_applies_to_all_pixels_of_an_image(engine):
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


def test_fit_raises_on_step_weights_with_a_loss_per_row():
    y = X[..., 0]
    reg = KerasRegressor(
        lambda: keras.Sequential([keras.Input((N_STEPS, 1)), L.Flatten(), L.Dense(N_STEPS)]),
        epochs=1,
        random_state=0,
    )

    reg.fit(X, y, sample_weight=ROW_WEIGHT)

    with pytest.raises(ValueError, match=r"sample_weight has the shape \(64, 8\), but the loss"):
        reg.fit(X, y, sample_weight=np.ones(y.shape))


def test_fit_raises_on_sample_weight_of_another_shape():
    with pytest.raises(
        ValueError, match=r"or \(64, 8\), one for each step\. Got the shape \(64, 7\)"
    ):
        first_loss(sample_weight=np.ones((64, 7)))
