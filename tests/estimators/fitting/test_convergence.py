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


def test_an_unscaled_target_is_measured_and_named_with_the_line_that_mends_it():
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


def test_the_line_for_targets_mends_them():
    scaled = TransformedTargetRegressor(
        KerasRegressor(build, epochs=100, random_state=0), transformer=StandardScaler()
    )

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        scaled.fit(*DIABETES)


@pytest.mark.parametrize("loss", ["mae", "huber", "log_cosh"])
def test_other_losses_of_values_are_compared_too(loss):
    with pytest.warns(ConvergenceWarning, match="y has the mean 152.1"):
        KerasRegressor(build, loss=loss, **QUICK).fit(*DIABETES)


def test_a_tiny_target_is_measured():
    X, y = DIABETES

    with pytest.warns(ConvergenceWarning, match="y has the mean 0.0001521"):
        KerasRegressor(build, **QUICK).fit(X, y * 1e-6)


def test_unscaled_columns_are_measured_and_the_line_mends_them():
    X, y = CANCER
    message = (
        "The column 'worst area' of X ranges from 185.2 to 4254. Scale the columns: set encoder"
    )

    with pytest.warns(ConvergenceWarning, match=re.escape(message)):
        KerasClassifier(build, **QUICK).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(build, encoder=StandardScaler(), **QUICK).fit(X, y)


def test_columns_without_names_are_counted():
    X, y = CANCER

    with pytest.warns(ConvergenceWarning, match="The column 23 of X ranges from 185.2"):
        KerasClassifier(build, **QUICK).fit(X.to_numpy(), y)


def test_tiny_columns_are_measured():
    X, y = CANCER

    with pytest.warns(ConvergenceWarning, match="ranges from 0.0001852 to 0.004254 only"):
        KerasClassifier(build, epochs=100, batch_size=200, random_state=0).fit(X * 1e-6, y)


def test_images_of_bytes_are_measured():
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


def test_columns_of_several_inputs_are_measured():
    X, y = CANCER
    parts = {"first": X.iloc[:, :2].to_numpy() / 100, "others": X.iloc[:, 2:].to_numpy()}

    def build_two(meta):
        inputs = [keras.Input((2,), name="first"), keras.Input((28,), name="others")]
        x = keras.layers.Concatenate()(inputs)
        return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(x))

    with pytest.warns(ConvergenceWarning, match="The column 21 of X\\['others'\\] ranges from 185"):
        KerasClassifier(build_two, **QUICK).fit(parts, y)


@pytest.mark.parametrize(
    ("rate", "slope", "cause"),
    [
        (300.0, 0.0, "The loss rose, from"),
        (1e-6, 30.0, "The loss never fell, from"),
        (0.05, 30.0, "The loss still falls, from"),
    ],
)
def test_the_course_of_the_losses_is_told_where_no_scale_explains_them(rate, slope, cause):
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
    # A dozen steps are a trial, unless the loss explodes.
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
def test_what_cannot_be_judged_is_not(params):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasRegressor(build, **{**QUICK, **params}).fit(*DIABETES)


def test_partial_fit_and_initialize_are_not_judged():
    X, y = DIABETES
    reg = KerasRegressor(build, **QUICK)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for _ in range(3):
            reg.partial_fit(X, y)
        KerasRegressor(build, **QUICK).initialize(X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("params", [{}, {"dropout_rate": 0.5}, {"l2": 1.0}], ids=str)
def test_random_labels_and_values_are_no_fault_of_the_fit(params, early_stopping):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    shared = {"early_stopping": early_stopping, "epochs": 40, "random_state": 0, **params}

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(build, **shared).fit(X, rng.integers(3, size=300))
        KerasRegressor(build, **shared).fit(X, rng.normal(size=300))


def test_noise_with_an_offset_is_no_fault_once_the_offset_is_learnt():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), 5 + rng.normal(size=300)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasRegressor(linear_network, optimizer__learning_rate=0.1, epochs=60, random_state=0).fit(
            X, y
        )


def test_a_constant_target_leaves_nothing_to_learn():
    X, _ = DIABETES

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasRegressor(build, **QUICK).fit(X, np.full(len(X), 1000.0))


def test_the_constant_is_that_of_the_weighted_rows():
    """Of balanced classes it has a loss of log(2), which no weight of the majority lowers."""
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


def test_rows_that_weigh_nearly_all_in_one_class_are_predicted_well():
    """A constant has a loss of nearly nothing there, and so has the network."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    weights = {0: 1000.0, 1: 1e-4}

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier("mlp", class_weight=weights, epochs=60, random_state=0).fit(
            X, np.arange(100) % 2
        )


def test_sparse_rows_are_looked_at_batch_by_batch():
    X = sparse.csr_array(np.random.default_rng(0).integers(2, size=(200, 3)) * 1e4)
    y = np.random.default_rng(1).integers(2, size=200)

    with pytest.warns(ConvergenceWarning, match="The column 0 of X ranges from 0 to 1e"):
        KerasClassifier(build, batch_size=50, **QUICK).fit(X, y)


def test_a_network_that_scales_its_columns_is_not_told_to_scale_them():
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


def test_the_estimator_is_fitted_where_warnings_are_errors():
    reg = KerasRegressor(build, **QUICK)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            reg.fit(*DIABETES)

    check_is_fitted(reg)
    assert len(reg.history_["loss"]) == 10


def test_a_reconstruction_of_unscaled_columns_is_told_of_its_columns():
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


def test_several_outputs_are_compared_by_their_sum(iris):
    X, y = iris
    two = np.column_stack([y, y == "setosa"])

    with pytest.warns(ConvergenceWarning, match="SparseCategoricalCrossentropy \\+ BinaryCross"):
        KerasClassifier("mlp", encoder=None, epochs=10, random_state=0).fit(X * 1e4, two)


def test_a_known_network_learns_in_silence(iris):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        KerasClassifier(classifier_network, optimizer__learning_rate=0.05, **QUICK).fit(*iris)
