"""KerasTransformer: autoencoders, supervised embeddings, and representations of any layer."""

import pickle
import re

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from nnkit import KerasTransformer

PARAMS = {"batch_size": 16, "random_state": 0}


def relative_error(X, X_back):
    return np.sum((X - X_back) ** 2) / np.sum((X - X.mean(axis=0)) ** 2)


def test_linear_autoencoder_reconstructs_like_pca(iris):
    """The best linear reconstruction is the projection on the first principal components."""
    X, _ = iris
    pca = PCA(2).fit(X)
    linear = KerasTransformer(
        model__units=(), optimizer__learning_rate=0.02, epochs=150, **PARAMS
    ).fit(X)

    X_back = linear.inverse_transform(linear.transform(X))

    by_pca = relative_error(X, pca.inverse_transform(pca.transform(X)))
    assert relative_error(X, X_back) == pytest.approx(by_pca, abs=0.005)


def test_inverse_transform_returns_the_units_of_the_columns(iris_frame):
    X, _ = iris_frame
    embedding = KerasTransformer(model__n_components=3, epochs=120, **PARAMS).fit(X)

    X_back = embedding.inverse_transform(embedding.transform(X))

    assert relative_error(X.to_numpy(), X_back) < 0.02


def test_supervised_embedding_separates_the_classes():
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    without = KerasTransformer(epochs=15, **PARAMS).fit(X).transform(X)
    embedding = KerasTransformer(task="classification", epochs=15, **PARAMS).fit(X, y)

    supervised = embedding.transform(X)

    linear = LogisticRegression(max_iter=2000)
    assert linear.fit(supervised, y).score(supervised, y) > 0.8
    assert linear.fit(without, y).score(without, y) < linear.fit(supervised, y).score(supervised, y)
    assert embedding.estimator_.classes_.tolist() == list(range(10))


@pytest.mark.parametrize("task", ["auto", "reconstruction"])
def test_autoencoder_ignores_the_target(task):
    """In a pipeline, the autoencoder receives the target of the last step."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:200], y[:200]
    alone = KerasTransformer(epochs=5, **PARAMS).fit(X)

    with_target = KerasTransformer(task=task, epochs=5, **PARAMS).fit(X, y)

    np.testing.assert_array_equal(with_target.transform(X), alone.transform(X))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_task_selects_classification_or_regression(diabetes, task):
    X, y = diabetes
    embedding = KerasTransformer(epochs=1, task=task, **PARAMS).fit(X, (y > 150).astype(int))

    assert embedding.model_.output_shape == (None, 1)
    assert (
        type(embedding.estimator_).__name__
        == {"c": "KerasClassifier", "r": "KerasRegressor"}[task[0]]
    )


def test_task_auto_follows_the_target_with_a_builder_that_takes_meta(diabetes):
    X, y = diabetes

    regression = KerasTransformer(build, layer="inner", epochs=1, **PARAMS).fit(X, y + 0.5)
    classification = KerasTransformer(build, layer="inner", epochs=1, **PARAMS).fit(X, y > 150)
    reconstruction = KerasTransformer(build, layer="inner", epochs=1, **PARAMS).fit(X)

    assert type(regression.estimator_).__name__ == "KerasRegressor"
    assert type(classification.estimator_).__name__ == "KerasClassifier"
    assert reconstruction.model_.output_shape == (None, 10)


def custom_autoencoder(n_columns):
    return keras.Sequential(
        [
            keras.Input((n_columns,)),
            keras.layers.Dense(3, name="representation"),
            keras.layers.Dense(n_columns),
        ]
    )


@pytest.mark.parametrize("model", [lambda: custom_autoencoder(64), custom_autoencoder(64)])
def test_task_auto_reconstructs_with_a_custom_autoencoder(model):
    X, y = load_digits(return_X_y=True)
    X, y = X[:200] / 16, y[:200]
    embedding = KerasTransformer(model, epochs=3, **PARAMS)

    embedding.fit(X, y)

    assert embedding.inverse_transform(embedding.transform(X)).shape == (200, 64)
    assert embedding.fit(X).history_ == embedding.fit(X, y).history_


def test_task_auto_raises_if_the_output_width_fits_no_task():
    X, y = load_digits(return_X_y=True)
    message = (
        "The model has 32 output unit(s), but y has 10 classes. Give the last layer 10 unit(s), in "
        "a builder meta.n_output_units_. KerasTransformer took y for a target, "
        "task='classification'; to learn the columns instead, set task='reconstruction'."
    )

    with pytest.raises(ValueError, match=re.escape(message)):
        KerasTransformer(
            lambda: keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)]), epochs=1
        ).fit(X[:60], y[:60])


def test_task_auto_raises_if_the_output_width_is_ambiguous():
    X, y = load_digits(return_X_y=True)
    X, y = X[:60, 20:30] / 16, y[:60]
    embedding = KerasTransformer(lambda: custom_autoencoder(10), epochs=1, **PARAMS)

    with pytest.raises(ValueError, match="task='auto' cannot tell whether the network gives back"):
        embedding.fit(X, y)

    assert embedding.set_params(task="reconstruction").fit(X, y).transform(X).shape == (60, 3)


def build(meta, n_units=5):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Dense(n_units, "tanh", name="inner"),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


def test_layer_selects_the_representation(iris):
    X, _ = iris
    inner = KerasTransformer(build, layer="inner", n_units=3, epochs=1, **PARAMS).fit(X)
    outer = KerasTransformer(build, layer=None, epochs=1, **PARAMS).fit(X)

    weights, bias = inner.model_.layers[0].get_weights()

    np.testing.assert_allclose(inner.transform(X), np.tanh(X @ weights + bias), atol=1e-5)
    np.testing.assert_allclose(
        outer.transform(X), outer.model_.predict(X, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_transform_and_inverse_transform_images():
    images = (load_digits().images[:200, :, :, None] / 16).astype(np.float32)

    def build_images():
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(6, name="code"),
                keras.layers.Dense(64),
                keras.layers.Reshape((8, 8, 1)),
            ]
        )

    embedding = KerasTransformer(
        build_images, layer="code", epochs=30, optimizer__learning_rate=0.01, **PARAMS
    ).fit(images)
    codes = embedding.transform(images)

    assert codes.shape == (200, 6)
    assert codes.dtype == np.float32
    assert embedding.inverse_transform(codes).shape == images.shape
    assert relative_error(images, embedding.inverse_transform(codes)) < 0.6


def test_pandas_output_and_pickling():
    X, _ = load_iris(return_X_y=True, as_frame=True)
    embedding = KerasTransformer(epochs=2, **PARAMS).set_output(transform="pandas")

    X_transformed = embedding.fit_transform(X)

    assert X_transformed.columns.tolist() == ["kerastransformer0", "kerastransformer1"]
    restored = pickle.loads(pickle.dumps(embedding))
    pd.testing.assert_frame_equal(restored.transform(X), X_transformed)
    np.testing.assert_array_equal(
        restored.inverse_transform(X_transformed), embedding.inverse_transform(X_transformed)
    )


def test_pipeline_and_grid_search_over_n_components():
    X, y = load_digits(return_X_y=True)
    X, y = X[:500], y[:500]
    pipeline = make_pipeline(
        KerasTransformer(model__n_components=8, epochs=40, **PARAMS),
        LogisticRegression(max_iter=2000),
    )

    scores = cross_val_score(pipeline, X, y, cv=3)
    search = GridSearchCV(pipeline, {"kerastransformer__model__n_components": [1, 3]}, cv=2)

    # PCA with eight components has an accuracy of 0.8.
    assert scores.mean() > 0.75
    search.set_params(estimator__kerastransformer__epochs=2)
    assert search.fit(X, y).best_estimator_[0].transform(X).shape[1] in (1, 3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layer": "code"}, "layer='code' is not a layer of the network, which has"),
        ({"task": "guess"}, "task must be 'auto', 'reconstruction'"),
        ({"task": "classification"}, "task='classification' needs a target, but y is None"),
        ({"epochs": 0}, "epochs must be an integer of at least 1"),
    ],
)
def test_fit_raises_on_an_invalid_parameter(iris, params, message):
    embedding = KerasTransformer(**{"epochs": 1, **params})

    with pytest.raises(ValueError, match=message):
        embedding.fit(iris[0])

    assert not [name for name in vars(embedding) if name.endswith("_")]


def test_inverse_transform_raises_after_a_supervised_task(iris):
    X, y = iris
    supervised = KerasTransformer(task="classification", epochs=1).fit(X, y)

    with pytest.raises(ValueError, match="needs an autoencoder: fit it with task='reconstruction'"):
        supervised.inverse_transform(supervised.transform(X))


def build_with_skip(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    code = keras.layers.Dense(2, name="code")(inputs)
    outputs = keras.layers.Dense(4)(keras.layers.Concatenate()([inputs, code]))
    return keras.Model(inputs, outputs)


def test_inverse_transform_raises_with_a_skip_connection(iris):
    X, _ = iris
    embedding = KerasTransformer(build_with_skip, layer="code", epochs=1).fit(X)

    with pytest.raises(ValueError, match="does not follow from layer='code' alone"):
        embedding.inverse_transform(embedding.transform(X))


def test_warm_start_resumes(iris):
    X, _ = iris
    whole = KerasTransformer(epochs=4, **PARAMS).fit(X)
    embedding = KerasTransformer(epochs=2, warm_start=True, **PARAMS).fit(X)

    embedding.fit(X)

    np.testing.assert_array_equal(embedding.transform(X), whole.transform(X))


def test_inverse_transform_of_a_sparse_encoding():
    from sklearn.preprocessing import OneHotEncoder

    X = pd.DataFrame({"colour": ["red", "blue", "green"] * 20})
    embedding = KerasTransformer(encoder=OneHotEncoder(), epochs=60, **PARAMS).fit(X)

    X_back = embedding.inverse_transform(embedding.transform(X))

    assert (X_back[:, 0] == X["colour"]).mean() > 0.9


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (0, "units must be an integer of at least 1. Got 0"),
        ("many", "units must be a sequence"),
    ],
)
def test_fit_raises_on_invalid_units_and_names_the_parameter(iris, units, message):
    with pytest.raises(ValueError, match=message):
        KerasTransformer(model__units=units).fit(iris[0])


# Images and sequences


def test_autoencoder_of_images_has_its_own_encoder_and_settings():
    images = np.random.default_rng(0).integers(0, 255, (24, 8, 8), dtype=np.uint8)

    coder = KerasTransformer("conv_autoencoder", epochs=2, model__n_components=3, random_state=0)
    codes = coder.fit_transform(images)

    assert type(coder.encoder_).__name__ == "ImageEncoder"
    assert codes.shape == (24, 3)
    assert coder.inverse_transform(codes).shape == images.shape
    assert KerasTransformer("conv_autoencoder").epochs == "auto"


def test_autoencoder_of_sequences_knows_their_padding():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(4 + row % 3, 2)) for row in range(20)]

    coder = KerasTransformer("conv1d_autoencoder", epochs=2, model__n_components=3, random_state=0)
    codes = coder.fit_transform(sequences)

    assert codes.shape == (20, 3)
    assert coder.estimator_._meta_facts == {"has_padding_": True}
    again = pickle.loads(pickle.dumps(coder))
    np.testing.assert_allclose(again.transform(sequences), codes, atol=1e-5)
