"""Builders of small networks, shared by tests."""

import keras


def classifier_network(meta, units=8, activation="relu", dropout_rate=0.0):
    """Return a network with one hidden layer and class probabilities."""
    layers = [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(units, activation=activation)]
    if dropout_rate:
        layers.append(keras.layers.Dropout(dropout_rate))
    n_units = meta.n_output_units_
    layers.append(keras.layers.Dense(n_units, activation="sigmoid" if n_units == 1 else "softmax"))
    return keras.Sequential(layers)


def linear_network(meta, dtype="float64", l2=0.0):
    """Return a linear model in float64 with logits or values."""
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:], dtype=dtype),
            keras.layers.Dense(
                meta.n_output_units_,
                kernel_initializer="zeros",
                kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
                dtype=dtype,
            ),
        ]
    )


def head(n_units, activation, n_features=4):
    """Return a network of a single layer with a given number of units and activation."""
    return keras.Sequential(
        [keras.Input((n_features,)), keras.layers.Dense(n_units, activation=activation)]
    )
