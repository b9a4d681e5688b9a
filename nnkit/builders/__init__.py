"""Ready-made networks: sizes and hyperparameters in, ``keras.Model`` out.

- ``registry``: all ready-made builders.
- ``builder_spec``: what a ready-made builder brings: encoder, training settings, search space.
- ``tables``, ``images``, ``sequences``, ``texts``: networks by kind of data.
- ``hidden_and_output_layers``: arguments of hidden layers, and the output layers for a target.
- ``optimization``: the optimizer of networks for images, sequences and texts.
- ``multimodal``: a network with a branch for each of several inputs.
- ``transfer``: a pretrained network with new last layers.
- ``meta``: facts about the data for a builder.
- ``signature``: the arguments of a builder, and the values they get.
- ``size``: the largest network that fits into the memory of this machine.
- ``encoded_inputs``: the columns of an encoded table within a network, and a linear model of them.
"""

from nnkit.builders.images.cnn2d import cnn2d
from nnkit.builders.images.conv_autoencoder import conv_autoencoder
from nnkit.builders.images.resnet2d import resnet2d
from nnkit.builders.images.unet import unet
from nnkit.builders.meta import Meta
from nnkit.builders.multimodal import multimodal
from nnkit.builders.registry import search_space
from nnkit.builders.sequences import (
    conv1d_autoencoder,
    fcn,
    gru,
    inception_time,
    lstm,
    lstm_autoencoder,
    lstm_fcn,
    resnet1d,
    transformer_encoder,
)
from nnkit.builders.tables.autoencoder import autoencoder
from nnkit.builders.tables.mlp import mlp
from nnkit.builders.tables.realmlp import realmlp, realmlp_simplified
from nnkit.builders.tables.tabm import tabm
from nnkit.builders.texts import text_bag, text_cnn, text_lstm, text_transformer
from nnkit.builders.transfer import transfer

__all__ = [
    "Meta",
    "autoencoder",
    "cnn2d",
    "conv1d_autoencoder",
    "conv_autoencoder",
    "fcn",
    "gru",
    "inception_time",
    "lstm",
    "lstm_autoencoder",
    "lstm_fcn",
    "mlp",
    "multimodal",
    "realmlp",
    "realmlp_simplified",
    "resnet1d",
    "resnet2d",
    "search_space",
    "tabm",
    "text_bag",
    "text_cnn",
    "text_lstm",
    "text_transformer",
    "transfer",
    "transformer_encoder",
    "unet",
]
