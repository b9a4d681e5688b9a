"""Small networks for sequences, and comparisons of them with and without padding."""

import numpy as np

from nnkit.builders import Meta

N_STEPS, N_CHANNELS = 7, 2
# Small arguments of each builder.
SMALL = {
    "fcn": {"filters": (4, 6, 4), "kernel_sizes": (4, 3, 2)},
    "resnet1d": {"filters": (4, 6), "kernel_sizes": (4, 2)},
    "inception_time": {"n_modules": 3, "n_filters": 3, "kernel_sizes": (6, 3), "bottleneck_size": 2},
    "lstm": {"units": (5, 3), "dropout_rate": 0.0},
    "gru": {"units": (5, 3), "dropout_rate": 0.0},
    "lstm_fcn": {"units": 3, "filters": (4, 4, 4), "kernel_sizes": 3, "dropout_rate": 0.0},
    "transformer_encoder": {
        "n_blocks": 2, "n_units": 8, "n_heads": 2, "feed_forward_units": 6, "dropout_rate": 0.0
    },
}  # fmt: skip


def meta_of(target_type="multiclass", n_units=3, n_steps=N_STEPS, **facts):
    """Return the facts about 20 sequences."""
    shape = (20, n_steps, N_CHANNELS)
    return Meta(X_shape_=shape, target_type_=target_type, n_output_units_=n_units, **facts)


def sequences(n_samples=20, n_steps=N_STEPS, seed=0):
    """Return sequences without zeros, in float32."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_samples, n_steps, N_CHANNELS)).astype(np.float32)


def labelled_sequences(n_samples=40):
    """Return sequences of which the class is the channel with a slope."""
    X = sequences(n_samples)
    y = np.arange(n_samples) % 2
    X[np.arange(n_samples), :, y] += np.linspace(-3, 3, N_STEPS)
    return X, np.array(["first", "second"])[y]


def padded(X, n_steps):
    """Return sequences with zeros behind their end."""
    return np.pad(X, ((0, 0), (0, n_steps - X.shape[1]), (0, 0)))


def copy_weights(source, target):
    """Give a network the weights of one for longer sequences."""
    weights = [
        long[tuple(slice(0, size) for size in short.shape)]
        for long, short in zip(source.get_weights(), target.get_weights(), strict=True)
    ]
    target.set_weights(weights)
