"""The ready-made builders for tables, with their training settings and search spaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scipy.stats import loguniform, uniform

from nnkit.builders.builder_spec import BuilderSpec, TrainingSettings
from nnkit.builders.tables.autoencoder import autoencoder
from nnkit.builders.tables.mlp import mlp
from nnkit.builders.tables.realmlp import realmlp, realmlp_simplified
from nnkit.builders.tables.realmlp_initialization import initialize_from_rows
from nnkit.builders.tables.tabm import bins_from_rows, tabm, tabm_training

__all__ = ["TABLE_BUILDERS"]

# RealMLP as published trains for all its epochs and keeps the best one.
_REALMLP = TrainingSettings(
    epochs=256,
    batch_size=256,
    early_stopping=True,
    n_iter_no_change=None,
    validation_split=0.2,
    is_clipped=True,
)
_REALMLP_SIMPLIFIED = replace(_REALMLP, is_clipped=False)

# The space of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data" (NeurIPS 2021),
# table 15, without very small and very deep networks.
_MLP_SPACE: Mapping[str, Any] = {
    "model__units": [(64,), (256,), (64, 64), (128, 128), (256, 256), (512, 512), (256, 256, 256)],
    "model__dropout_rate": uniform(0.0, 0.5),
    "model__l2": loguniform(1e-7, 1e-3),
    "optimizer__learning_rate": loguniform(1e-4, 1e-2),
    "batch_size": [32, 64, 128, 256],
}

# The space "tabarena" of RealMLP's authors (pytabkit 1.7, RealMLP_HPO), without label smoothing and
# the number of epochs. Narrow networks are added, since wide ones are slow on CPUs.
_REALMLP_SPACE: Mapping[str, Any] = {
    "model__units": [
        (128, 128, 128), (256, 256), (256, 256, 256), (256, 256, 256, 256), (384, 384, 384),
        (512, 512), (512, 512, 512),
    ],
    "model__activation": ["selu", "mish"],
    "model__dropout_rate": uniform(0.0, 0.5),
    "model__n_frequencies": [8, 16, 32, 64],
    "model__n_periodic_units": [3, 7, 15],
    "model__frequency_scale": loguniform(0.01, 50.0),
    "model__category_units": [4, 8, 16],
    "model__linear_skip": [False, True],
    "model__learning_rate": loguniform(0.02, 0.3),
    "model__scale_rate_factor": loguniform(2.0, 10.0),
    "model__periodic_rate_factor": loguniform(0.05, 0.3),
    "model__beta_2": [0.95, 0.97, 0.98, 0.99, 0.995],
    "model__weight_decay": loguniform(1e-3, 5e-2),
    "encoder__max_one_hot": [4, 8, 16, 32],
}  # fmt: skip

_REALMLP_SIMPLIFIED_SPACE: Mapping[str, Any] = {
    name: _REALMLP_SPACE[name]
    for name in (
        "model__units",
        "model__activation",
        "model__category_units",
        "model__learning_rate",
        "model__scale_rate_factor",
        "model__beta_2",
        "encoder__max_one_hot",
    )
}

# The authors' space for TabM-mini with piecewise linear embeddings, with widths for CPUs.
_TABM_SPACE: Mapping[str, Any] = {
    "model__units": [(64, 64), (128,), (128, 128), (128, 128, 128), (256, 256), (512, 512)],
    "model__n_members": [8, 16, 32],
    "model__dropout_rate": uniform(0.0, 0.5),
    "model__n_bins": [4, 8, 16, 32, 64, 128],
    "model__numeric_units": [8, 12, 16, 24, 32],
    "model__learning_rate": loguniform(1e-3, 3e-2),
    "model__weight_decay": loguniform(1e-4, 1e-1),
    "encoder__max_one_hot": [4, 8, 16, 32],
}

TABLE_BUILDERS: Mapping[str, BuilderSpec] = {
    # An autoencoder reproduces its columns, which codes of categories cannot be.
    "autoencoder": BuilderSpec(
        autoencoder,
        encoder="standard",
        is_autoencoder=True,
        search_space={
            "model__n_components": [2, 4, 8, 16, 32],
            "model__units": [(32,), (64,), (128,), (128, 64)],
            "model__activation": ["relu", "silu", "tanh"],
            "model__noise": uniform(0.0, 0.5),
            "optimizer__learning_rate": loguniform(3e-4, 1e-2),
        },
    ),
    "mlp": BuilderSpec(mlp, search_space=_MLP_SPACE),
    "realmlp": BuilderSpec(
        realmlp,
        training=_REALMLP,
        initialize=initialize_from_rows,
        search_space=_REALMLP_SPACE,
    ),
    "realmlp_simplified": BuilderSpec(
        realmlp_simplified,
        training=_REALMLP_SIMPLIFIED,
        search_space=_REALMLP_SIMPLIFIED_SPACE,
    ),
    "tabm": BuilderSpec(
        tabm, training=tabm_training, initialize=bins_from_rows, search_space=_TABM_SPACE
    ),
}
"""The specification of each builder for tables, by the name that ``model=`` takes."""
