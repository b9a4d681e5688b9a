"""The ready-made builders for texts, with their encoders and training settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from scipy.stats import loguniform, uniform

from nnkit.builders.builder_spec import BuilderSpec
from nnkit.builders.step_training import training_by_steps
from nnkit.builders.texts.text_bag import text_bag
from nnkit.builders.texts.text_cnn import text_cnn
from nnkit.builders.texts.text_lstm import text_lstm
from nnkit.builders.texts.text_transformer import text_transformer
from nnkit.builders.texts.token_inputs import assign_token_weights
from nnkit.encoding.samples.text_encoder import TextEncoder

__all__ = ["TEXT_BUILDERS"]

_MIN_ROWS_FOR_HOLD_OUT = 300
# A bag is regularised by dropout of tokens. Below, the rows of a hold-out are worth more in training:
# 0.5 points of accuracy on 3,200 film reviews.
_MIN_ROWS_FOR_HOLD_OUT_OF_BAG = 10_000
# Rows of a step, by the largest number of rows for which it is used.
_BATCH_SIZES = ((500, 16), (20_000, 32), (50_000, 64))

_training = partial(
    training_by_steps, batch_sizes=_BATCH_SIZES, min_rows_for_hold_out=_MIN_ROWS_FOR_HOLD_OUT
)

# A bag has pairs of words as tokens. Its order has no effect, so that long texts are cheap.
_BAG_ENCODER = TextEncoder(binary=True, ngram_range=(1, 2), max_length=1_000)
_SEQUENCE_ENCODER = TextEncoder(max_length=300)

_COMMON_SPACE: Mapping[str, Any] = {
    "model__learning_rate": loguniform(2e-4, 5e-3),
    "model__skip_rate_factor": loguniform(10.0, 200.0),
    "model__token_dropout_rate": uniform(0.0, 0.7),
    "model__dropout_rate": uniform(0.0, 0.6),
    "encoder__max_tokens": [10_000, 20_000, 50_000],
}
_SEQUENCE_SPACE: Mapping[str, Any] = {
    **_COMMON_SPACE,
    "model__embedding_units": [32, 64, 128],
    "model__weight_decay": loguniform(1e-4, 1e-1),
    "encoder__max_length": [100, 200, 300, 500],
}

TEXT_BUILDERS: Mapping[str, BuilderSpec] = {
    "text_bag": BuilderSpec(
        text_bag,
        _BAG_ENCODER,
        _training(700, 6, 60, min_rows_for_hold_out=_MIN_ROWS_FOR_HOLD_OUT_OF_BAG),
        initialize=assign_token_weights,
        search_space={
            **_COMMON_SPACE,
            "model__embedding_units": [8, 16, 32, 64],
            "model__units": [(), 32, 64, 128],
            "encoder__ngram_range": [(1, 1), (1, 2), (1, 3)],
        },
    ),
    "text_cnn": BuilderSpec(
        text_cnn,
        _SEQUENCE_ENCODER,
        _training(n_steps=800, min_epochs=4, max_epochs=40),
        initialize=assign_token_weights,
        search_space={
            **_SEQUENCE_SPACE,
            "model__n_filters": [32, 64, 128],
            "model__kernel_sizes": [(2, 3), (2, 3, 4), (3, 4, 5)],
        },
    ),
    "text_lstm": BuilderSpec(
        text_lstm,
        _SEQUENCE_ENCODER,
        _training(n_steps=600, min_epochs=4, max_epochs=40),
        initialize=assign_token_weights,
        search_space={**_SEQUENCE_SPACE, "model__units": [32, 64, 128]},
    ),
    "text_transformer": BuilderSpec(
        text_transformer,
        _SEQUENCE_ENCODER,
        _training(n_steps=800, min_epochs=4, max_epochs=40),
        initialize=assign_token_weights,
        search_space={
            **_SEQUENCE_SPACE,
            "model__n_blocks": [1, 2, 3],
            "model__feed_forward_units": [64, 128, 256],
        },
    ),
}
"""The specification of each builder for texts, by the name that ``model=`` takes."""
