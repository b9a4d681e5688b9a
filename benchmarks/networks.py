"""The networks that are trained, uncompiled, and rows for them."""

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

N_FEATURES = 30


def breast_cancer():
    """Return the scaled breast cancer table (569, 30) in float32, and its labels."""
    table, y = load_breast_cancer(return_X_y=True)
    return scale(table).astype(np.float32), y


def random_table(n_samples):
    """Return a normal table (n_samples, 30) in float32, and labels 0 and 1."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, N_FEATURES)).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=n_samples) > 0).astype(int)


def dense(units=64):
    """Return the standard network, 30-units-units-1, which says the probability of label 1."""
    return keras.Sequential([*_hidden(units), keras.layers.Dense(1, activation="sigmoid")])


def dense_of_two_outputs(units=64):
    """Return the standard network with a probability for each of two labels."""
    return keras.Sequential([*_hidden(units), keras.layers.Dense(2, activation="softmax")])


def dense_with_dropout():
    """Return the standard network with dropout."""
    return _with_after_each(lambda: keras.layers.Dropout(0.2))


def dense_with_normalisation():
    """Return the standard network with batch normalisation."""
    return _with_after_each(keras.layers.BatchNormalization)


def _with_after_each(layer):
    inputs, first, second = _hidden(64)
    layers = [inputs, first, layer(), second, layer()]
    return keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])


def _hidden(units):
    return [
        keras.Input((N_FEATURES,)),
        keras.layers.Dense(units, activation="relu"),
        keras.layers.Dense(units, activation="relu"),
    ]


def random_images(n_samples):
    """Return images (n_samples, 28, 28, 1) of noise around ten patterns, and their labels."""
    rng = np.random.default_rng(0)
    patterns, y = rng.normal(size=(10, 28, 28, 1)), rng.integers(10, size=n_samples)
    X = patterns[y] + rng.normal(size=(n_samples, 28, 28, 1))
    return X.astype(np.float32), y


def convolutional():
    """Return a network of two convolutions for images of ten labels."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def small_images(n_samples):
    """Return images (n_samples, 8, 8, 1), and whether their corner is bright."""
    X = np.random.default_rng(0).normal(size=(n_samples, 8, 8, 1)).astype(np.float32)
    return X, (X[:, :3, :3, 0].mean(axis=(1, 2)) > 0).astype(int)


def small_convolutional():
    """Return a network of two convolutions for small images."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def random_sequences(n_samples):
    """Return sequences (n_samples, 20, 8), and whether their first column rises in the mean."""
    X = np.random.default_rng(0).normal(size=(n_samples, 20, 8)).astype(np.float32)
    return X, (X[:, :, 0].mean(axis=1) > 0).astype(int)


def recurrent():
    """Return a network with an LSTM for sequences of 20 steps of 8 values."""
    return keras.Sequential(
        [
            keras.Input((20, 8)),
            keras.layers.LSTM(32),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def attention():
    """Return a network with self-attention for sequences of 20 steps of 8 values."""
    inputs = keras.Input((20, 8))
    hidden = keras.layers.Dense(16)(inputs)
    hidden = hidden + keras.layers.MultiHeadAttention(2, 8)(hidden, hidden)
    hidden = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(hidden))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
