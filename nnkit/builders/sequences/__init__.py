"""Ready-made networks for sequences.

- ``specs``: their encoders, training settings and search spaces.
- ``fcn``: the fully convolutional network.
- ``resnet1d``: the residual network.
- ``inception_time``: the Inception network.
- ``lstm``, ``gru``: recurrent networks, whose layers are in ``recurrence``.
- ``lstm_fcn``: the fully convolutional network beside an LSTM.
- ``transformer_encoder``: the transformer encoder.
- ``conv1d_autoencoder``, ``lstm_autoencoder``: the convolutional and the recurrent autoencoder.
- ``padding``: inputs, and layers that leave padding out.
"""

from nnkit.builders.sequences.conv1d_autoencoder import conv1d_autoencoder
from nnkit.builders.sequences.fcn import fcn
from nnkit.builders.sequences.gru import gru
from nnkit.builders.sequences.inception_time import inception_time
from nnkit.builders.sequences.lstm import lstm
from nnkit.builders.sequences.lstm_autoencoder import lstm_autoencoder
from nnkit.builders.sequences.lstm_fcn import lstm_fcn
from nnkit.builders.sequences.resnet1d import resnet1d
from nnkit.builders.sequences.transformer_encoder import transformer_encoder

__all__ = [
    "conv1d_autoencoder",
    "fcn",
    "gru",
    "inception_time",
    "lstm",
    "lstm_autoencoder",
    "lstm_fcn",
    "resnet1d",
    "transformer_encoder",
]
