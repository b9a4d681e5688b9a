"""The ready-made builders for sequences, with their encoders and training settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from scipy.stats import loguniform, uniform

from nnkit.builders.builder_spec import BuilderSpec
from nnkit.builders.sequences.conv1d_autoencoder import conv1d_autoencoder
from nnkit.builders.sequences.fcn import fcn
from nnkit.builders.sequences.gru import gru
from nnkit.builders.sequences.inception_time import inception_time
from nnkit.builders.sequences.lstm import lstm
from nnkit.builders.sequences.lstm_autoencoder import lstm_autoencoder
from nnkit.builders.sequences.lstm_fcn import lstm_fcn
from nnkit.builders.sequences.resnet1d import resnet1d
from nnkit.builders.sequences.transformer_encoder import transformer_encoder
from nnkit.builders.step_training import training_by_steps
from nnkit.encoding.samples.sequence_encoder import SequenceEncoder

__all__ = ["SEQUENCE_BUILDERS"]

_MIN_ROWS_FOR_HOLD_OUT = 500
# Rows of a step, by the largest number of rows for which it is used.
_BATCH_SIZES = ((64, 8), (1_000, 16), (5_000, 32), (20_000, 64))

_training = partial(
    training_by_steps, batch_sizes=_BATCH_SIZES, min_rows_for_hold_out=_MIN_ROWS_FOR_HOLD_OUT
)

_CONVOLUTIONAL = _training(n_steps=600, min_epochs=20, max_epochs=80)
_RECURRENT = _training(n_steps=1_000, min_epochs=20, max_epochs=100)

_COMMON_SPACE: Mapping[str, Any] = {
    "model__learning_rate": loguniform(3e-4, 1e-2),
    "model__weight_decay": loguniform(1e-4, 1e-1),
    "model__dropout_rate": uniform(0.0, 0.5),
    "encoder__scaling": ["standard", "series"],
}
_CONVOLUTIONAL_SPACE: Mapping[str, Any] = {
    **_COMMON_SPACE,
    "model__filters": [(64, 128, 64), (128, 256, 128), (128, 128, 128)],
    "model__kernel_sizes": [(5, 5, 3), (8, 5, 3), (15, 9, 5)],
}
_RECURRENT_SPACE: Mapping[str, Any] = {
    **_COMMON_SPACE,
    "model__units": [32, 64, 128, (64, 64)],
    "model__bidirectional": [False, True],
}

SEQUENCE_BUILDERS: Mapping[str, BuilderSpec] = {
    "conv1d_autoencoder": BuilderSpec(
        conv1d_autoencoder,
        SequenceEncoder(),
        _training(n_steps=1_500, min_epochs=20, max_epochs=100),
        is_autoencoder=True,
        search_space={
            "model__learning_rate": loguniform(3e-4, 1e-2),
            "model__n_components": [2, 4, 8, 16, 32],
            "model__filters": [(16, 32), (32, 64), (32, 64, 128)],
            "model__noise": uniform(0.0, 0.5),
        },
    ),
    "lstm_autoencoder": BuilderSpec(
        lstm_autoencoder,
        SequenceEncoder(),
        _training(n_steps=1_500, min_epochs=20, max_epochs=100),
        is_autoencoder=True,
        search_space={
            "model__learning_rate": loguniform(3e-4, 2e-2),
            "model__n_components": [2, 4, 8, 16, 32],
            "model__units": [32, 64, 128],
            "model__noise": uniform(0.0, 0.5),
        },
    ),
    "fcn": BuilderSpec(fcn, SequenceEncoder(), _CONVOLUTIONAL, search_space=_CONVOLUTIONAL_SPACE),
    "resnet1d": BuilderSpec(
        resnet1d,
        SequenceEncoder(),
        _CONVOLUTIONAL,
        search_space={
            **_COMMON_SPACE,
            "model__filters": [(32, 64, 64), (64, 128, 128), (64, 64, 128, 128)],
            "model__kernel_sizes": [(8, 5, 3), (15, 9, 5)],
        },
    ),
    "inception_time": BuilderSpec(
        inception_time,
        SequenceEncoder(),
        _training(n_steps=600, min_epochs=20, max_epochs=80, n_estimators=5),
        search_space={
            **_COMMON_SPACE,
            "model__n_modules": [3, 6, 9],
            "model__n_filters": [16, 32, 64],
            "model__kernel_sizes": [(20, 10, 5), (40, 20, 10)],
        },
    ),
    "lstm": BuilderSpec(lstm, SequenceEncoder(), _RECURRENT, search_space=_RECURRENT_SPACE),
    "gru": BuilderSpec(gru, SequenceEncoder(), _RECURRENT, search_space=_RECURRENT_SPACE),
    "lstm_fcn": BuilderSpec(
        lstm_fcn,
        SequenceEncoder(),
        _CONVOLUTIONAL,
        search_space={
            **_CONVOLUTIONAL_SPACE,
            "model__dropout_rate": uniform(0.2, 0.7),
            "model__units": [8, 64, 128],
        },
    ),
    "transformer_encoder": BuilderSpec(
        transformer_encoder,
        SequenceEncoder(),
        _RECURRENT,
        search_space={
            **_COMMON_SPACE,
            "model__n_blocks": [1, 2, 3, 4],
            "model__n_units": [32, 64, 128],
        },
    ),
}
"""The specification of each builder for sequences, by the name that ``model=`` takes."""
