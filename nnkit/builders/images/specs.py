"""The ready-made builders for images, with their encoders and training settings."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import loguniform, uniform

from nnkit.builders.builder_spec import BuilderSpec, TableFacts, TrainingSettings
from nnkit.builders.images.cnn2d import cnn2d
from nnkit.builders.images.conv_autoencoder import conv_autoencoder
from nnkit.builders.images.resnet2d import resnet2d
from nnkit.builders.images.unet import unet
from nnkit.encoding.samples.image_encoder import ImageEncoder

__all__ = ["IMAGE_BUILDERS"]

# Rows of an epoch from which a step has 64 rows instead of 32.
_ROWS_FOR_LARGE_BATCHES = 4000


def _cycle(table: TableFacts, n_images: int, fewest: int, most: int) -> TrainingSettings:
    """Return settings of one cycle of the learning rate on all rows.

    No rows are held out: at the end of a cycle, where the learning rate is 0, the network is best
    or close to it, and a tenth of a few hundred images is missed more than an early stop.

    Parameters
    ----------
    table : TableFacts
    n_images : int
        Number of images, with repetition, of a training on few images.
    fewest, most : int
        Bounds of the number of epochs.
    """
    epochs = min(most, max(fewest, round(n_images / max(1, table.n_samples))))
    return TrainingSettings(
        epochs=epochs, batch_size=32 if table.n_samples < _ROWS_FOR_LARGE_BATCHES else 64
    )


def _cnn2d_training(table: TableFacts) -> TrainingSettings:
    return _cycle(table, 20_000, fewest=7, most=60)


def _resnet2d_training(table: TableFacts) -> TrainingSettings:
    return _cycle(table, 100_000, fewest=20, most=100)


def _unet_training(table: TableFacts) -> TrainingSettings:
    return _cycle(table, 20_000, fewest=20, most=100)


def _autoencoder_training(table: TableFacts) -> TrainingSettings:
    return _cycle(table, 50_000, fewest=20, most=100)


_RATES = {
    "model__learning_rate": loguniform(1e-3, 2e-2),
    "model__weight_decay": loguniform(1e-3, 1e-1),
}
_AUGMENT = {"model__augment": [None, "light", "photos"]}

IMAGE_BUILDERS: Mapping[str, BuilderSpec] = {
    "cnn2d": BuilderSpec(
        cnn2d,
        encoder=ImageEncoder(),
        training=_cnn2d_training,
        search_space={
            "model__filters": [(16, 32, 64), (32, 64, 128), (16, 32, 64, 64)],
            "model__dropout_rate": uniform(0.1, 0.4),
            **_AUGMENT,
            **_RATES,
        },
    ),
    "resnet2d": BuilderSpec(
        resnet2d,
        encoder=ImageEncoder(),
        training=_resnet2d_training,
        search_space={
            "model__filters": [(16, 32, 64), (32, 64, 128)],
            "model__n_blocks": [1, 2, 3],
            **_AUGMENT,
            **_RATES,
        },
    ),
    "unet": BuilderSpec(
        unet,
        encoder=ImageEncoder(),
        training=_unet_training,
        search_space={
            "model__filters": [(16, 32), (16, 32, 64), (32, 64, 128)],
            "model__dropout_rate": uniform(0.0, 0.3),
            **_RATES,
        },
    ),
    "conv_autoencoder": BuilderSpec(
        conv_autoencoder,
        encoder=ImageEncoder(),
        training=_autoencoder_training,
        is_autoencoder=True,
        search_space={
            "model__n_components": [4, 8, 16, 32, 64],
            "model__filters": [(16, 32), (32, 64), (16, 32, 64)],
            "model__noise": uniform(0.0, 0.3),
            "model__learning_rate": loguniform(1e-3, 2e-2),
        },
    ),
}
"""The specification of each builder for images, by the name that ``model=`` takes."""
