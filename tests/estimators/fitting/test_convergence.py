"""ConvergenceWarning of networks that fit the training rows worse than a constant."""

import re
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from networks import classifier_network, linear_network
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer

CANCER = load_breast_cancer(return_X_y=True, as_frame=True)
DIABETES = load_diabetes(return_X_y=True, as_frame=True)
QUICK = {"epochs": 10, "random_state": 0}


def build(meta, units=16, l2=0.0, dropout_rate=0.0):
    penalty = keras.regularizers.L2(l2) if l2 else None
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Dense(units, activation="relu", kernel_regularizer=penalty),
            keras.layers.Dropout(dropout_rate),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


def test_fit_warns_on_an_unscaled_target_and_suggests_scaling():
    X, y = DIABETES
    message = (
        "KerasRegressor: The network is worse than a constant prediction on its training rows: its "
        "MeanSquaredError is 2.8"
    )

    with pytest.warns(ConvergenceWarning, match=re.escape(message)) as record:
        reg = KerasRegressor(build, **QUICK).fit(X, y)

    assert reg.score(X, y) < -3
    (warning,) = [one for one in record if one.category is ConvergenceWarning]
    text = str(warning.message)
    assert "that of the best constant 5930. y has the mean 152.1 and the standard deviation" in text
    assert "TransformedTargetRegressor(regressor, transformer=StandardScaler())" in text
    assert warning.filename == __file__


def test_fit_does_not_warn_with_the_suggested_target_scaling():
    scaled = TransformedTargetRegressor(
        KerasRegressor(build, epochs=100, random_state=0), transformer=StandardScaler()
    )

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        scaled.fit(*DIABETES)


@pytest.mark.parametrize("loss", ["mae", "huber", "log_cosh"])
def test_fit_warns_on_an_unscaled_target_with_other_losses(loss):
    with pytest.warns(ConvergenceWarning, match="y has the mean 152.1"):
        KerasRegressor(build, loss=loss, **QUICK).fit(*DIABETES)


def test_fit_warns_on_a_tiny_target():
    X, y = DIABETES

    with pytest.warns(ConvergenceWarning, match="y has the mean 0.0001521"):
        KerasRegressor(build, **QUICK).fit(X, y * 1e-6)


def test_fit_warns_on_unscaled_columns_unless_they_are_encoded():
    X, y = CANCER
    message = (
        "The column 'worst area' of X ranges from 185.2 to 4254. Scale the columns: set encoder"
    )

    with pytest.warns(ConvergenceWarning, match=re.escape(message)):
        KerasClassifier(build, **QUICK).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(build, encoder=StandardScaler(), **QUICK).fit(X, y)


def test_fit_warns_with_the_position_of_an_unnamed_column():
    X, y = CANCER

    with pytest.warns(ConvergenceWarning, match="The column 23 of X ranges from 185.2"):
        KerasClassifier(build, **QUICK).fit(X.to_numpy(), y)


def test_fit_warns_on_tiny_columns():
    X, y = CANCER

    with pytest.warns(ConvergenceWarning, match="ranges from 0.0001852 to 0.004254 only"):
        KerasClassifier(build, epochs=100, batch_size=200, random_state=0).fit(X * 1e-6, y)


def test_fit_warns_on_unscaled_images():
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(60, 4, 4))

    def build_images(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Flatten(),
                keras.layers.Dense(meta.n_output_units_),
            ]
        )

    with pytest.warns(ConvergenceWarning, match="The values of X range from 0 to 255. Divide them"):
        KerasClassifier(build_images, **QUICK).fit(images, rng.integers(2, size=60))


def test_fit_warns_on_unscaled_columns_of_several_inputs():
    X, y = CANCER
    inputs = {"first": X.iloc[:, :2].to_numpy() / 100, "others": X.iloc[:, 2:].to_numpy()}

    def build_two(meta):
        layers = [keras.Input((2,), name="first"), keras.Input((28,), name="others")]
        x = keras.layers.Concatenate()(layers)
        return keras.Model(layers, keras.layers.Dense(meta.n_output_units_)(x))

    with pytest.warns(ConvergenceWarning, match="The column 21 of X\\['others'\\] ranges from 185"):
        KerasClassifier(build_two, **QUICK).fit(inputs, y)


@pytest.mark.parametrize(
    ("rate", "slope", "cause"),
    [
        (300.0, 0.0, "The loss rose, from"),
        (1e-6, 30.0, "The loss never fell, from"),
        (0.05, 30.0, "The loss still falls, from"),
    ],
)
def test_fit_warns_with_the_trend_of_the_loss_on_scaled_data(rate, slope, cause):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 4)), rng.integers(2, size=150)
    start = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    start.set_weights([np.full((4, 1), slope), np.zeros(1)])
    clf = KerasClassifier(
        start,
        optimizer="sgd",
        optimizer__learning_rate=rate,
        batch_size=15,
        epochs=12,
        random_state=0,
    )

    with pytest.warns(
        ConvergenceWarning, match=f"{cause}.* in 12 epochs. .*optimizer__learning_ra"
    ):
        clf.fit(X, y)
    # Twelve steps are too few for a warning, unless the loss explodes.
    clf.set_params(batch_size=-1)
    if rate == 300.0:
        with pytest.warns(ConvergenceWarning, match="The loss rose, from"):
            clf.fit(X, y)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        clf.fit(X, y)


@pytest.mark.parametrize(
    "params",
    [
        {"epochs": 1},
        {"epochs": 5},
        {"loss": keras.losses.MeanSquaredLogarithmicError()},
        {"loss": lambda y, output: keras.ops.square(y - output)},
        {"compile__loss_weights": [2.0]},
    ],
    ids=[
        "one epoch",
        "five epochs",
        "loss without a known constant",
        "function",
        "weighted losses",
    ],
)
def test_fit_does_not_warn_if_the_loss_cannot_be_compared(params):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasRegressor(build, **{**QUICK, **params}).fit(*DIABETES)


def test_partial_fit_and_initialize_do_not_warn():
    X, y = DIABETES
    reg = KerasRegressor(build, **QUICK)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for _ in range(3):
            reg.partial_fit(X, y)
        KerasRegressor(build, **QUICK).initialize(X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("params", [{}, {"dropout_rate": 0.5}, {"l2": 1.0}], ids=str)
def test_fit_does_not_warn_on_random_targets(params, early_stopping):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    shared = {"early_stopping": early_stopping, "epochs": 40, "random_state": 0, **params}

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(build, **shared).fit(X, rng.integers(3, size=300))
        KerasRegressor(build, **shared).fit(X, rng.normal(size=300))


def test_fit_does_not_warn_on_noise_once_the_offset_is_learnt():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), 5 + rng.normal(size=300)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasRegressor(linear_network, optimizer__learning_rate=0.1, epochs=60, random_state=0).fit(
            X, y
        )


def test_fit_does_not_warn_on_a_constant_target():
    X, _ = DIABETES

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasRegressor(build, **QUICK).fit(X, np.full(len(X), 1000.0))


def test_best_constant_uses_sample_weight_and_class_weight():
    """With balanced classes, the best constant has the loss log(2), also by weights."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"income": rng.normal(5e4, 1e4, size=400)})
    y = np.r_[np.ones(20), np.zeros(380)].astype(int)
    by_rows = np.where(y == 1, 19.0, 1.0)
    clf = KerasClassifier(build, **QUICK)

    with pytest.warns(ConvergenceWarning, match="that of the best constant 0.6931"):
        clf.fit(X, y, sample_weight=by_rows)
    with pytest.warns(ConvergenceWarning, match="that of the best constant 0.6931"):
        clf.set_params(class_weight="balanced").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="that of the best constant 0.1985"):
        clf.set_params(class_weight=None).fit(X, y)


def test_fit_does_not_warn_if_one_class_has_nearly_all_weight():
    """The best constant and the network both have a loss near 0."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    weights = {0: 1000.0, 1: 1e-4}

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier("mlp", class_weight=weights, epochs=60, random_state=0).fit(
            X, np.arange(100) % 2
        )


def test_fit_warns_on_unscaled_sparse_columns():
    X = sparse.csr_array(np.random.default_rng(0).integers(2, size=(200, 3)) * 1e4)
    y = np.random.default_rng(1).integers(2, size=200)

    with pytest.warns(ConvergenceWarning, match="The column 0 of X ranges from 0 to 1e"):
        KerasClassifier(build, batch_size=50, **QUICK).fit(X, y)


def test_fit_does_not_warn_on_codes_of_an_embedding():
    X = pd.DataFrame({"code": np.arange(200)})
    y = np.random.default_rng(0).integers(2, size=200)

    def build_codes():
        return keras.Sequential(
            [
                keras.Input((1,)),
                keras.layers.Embedding(200, 1, embeddings_initializer="zeros", trainable=False),
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ]
        )

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(build_codes, **QUICK).fit(X, y)


def test_estimator_is_fitted_if_convergence_warnings_are_errors():
    reg = KerasRegressor(build, **QUICK)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            reg.fit(*DIABETES)

    check_is_fitted(reg)
    assert len(reg.history_["loss"]) == 10


def test_transformer_warns_on_unscaled_columns():
    def build_autoencoder(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Dense(3, activation="relu", name="representation"),
                keras.layers.Dense(30),
            ]
        )

    embedding = KerasTransformer(build_autoencoder, **QUICK)

    message = "KerasTransformer: The network is worse .* The column 'worst area' of X ranges from"
    with pytest.warns(ConvergenceWarning, match=message) as record:
        embedding.fit(CANCER[0])

    (warning,) = [one for one in record if one.category is ConvergenceWarning]
    assert "y has the mean" not in str(warning.message)
    assert warning.filename == __file__
    assert not {"_owner", "_fit_warning"} & {*vars(embedding), *vars(embedding.estimator_)}


def test_fit_warns_with_the_sum_of_losses_of_several_outputs(iris):
    X, y = iris
    two = np.column_stack([y, y == "setosa"])

    with pytest.warns(ConvergenceWarning, match="SparseCategoricalCrossentropy \\+ BinaryCross"):
        KerasClassifier("mlp", encoder=None, epochs=10, random_state=0).fit(X * 1e4, two)


def test_fit_does_not_warn_on_a_converging_network(iris):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(classifier_network, optimizer__learning_rate=0.05, **QUICK).fit(*iris)
