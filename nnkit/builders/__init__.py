"""Ready-made networks: sizes and hyperparameters in, ``keras.Model`` out.

- ``registry``: all ready-made builders.
- ``builder_spec``: what a ready-made builder brings: encoder, training settings, search space.
- ``images``, ``sequences``, ``texts``: networks for other data than tables.
- ``optimization``: the optimizer of networks for images, sequences and texts.
- ``mlp``: the multilayer perceptron.
- ``realmlp``: RealMLP, the multilayer perceptron tuned for tables, and its simplified form.
- ``realmlp_initialization``: initial weights of RealMLP from training rows.
- ``autoencoder``: a network with a bottleneck, which learns its input or a target.
- ``presets``: settings of TabularClassifier and TabularRegressor, by preset and table size.
- ``meta``: facts about the data for a builder.
- ``signature``: the arguments of a builder, and the values they get.
- ``size``: the largest network that fits into the memory of this machine.
- ``encoded_inputs``: the columns of an encoded table within a network, and a linear model of them.
"""

from nnkit.builders.autoencoder import autoencoder
from nnkit.builders.meta import Meta
from nnkit.builders.mlp import mlp
from nnkit.builders.realmlp import realmlp, realmlp_simplified
from nnkit.builders.sequences import (
    conv1d_autoencoder,
    fcn,
    gru,
    inception_time,
    lstm,
    lstm_fcn,
    resnet1d,
    transformer_encoder,
)

__all__ = [
    "Meta",
    "autoencoder",
    "conv1d_autoencoder",
    "fcn",
    "gru",
    "inception_time",
    "lstm",
    "lstm_fcn",
    "mlp",
    "realmlp",
    "realmlp_simplified",
    "resnet1d",
    "transformer_encoder",
]
