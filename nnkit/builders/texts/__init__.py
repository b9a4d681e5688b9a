"""Ready-made networks for texts.

- ``specs``: their encoders, training settings and search spaces.
- ``text_bag``: a bag of words and n-grams, with a linear and a deep path.
- ``text_cnn``: parallel convolutions.
- ``text_lstm``: a bidirectional LSTM.
- ``text_transformer``: a transformer encoder.
- ``token_inputs``: the input of these networks, and the linear model of a bag of tokens.
"""

from nnkit.builders.texts.text_bag import text_bag
from nnkit.builders.texts.text_cnn import text_cnn
from nnkit.builders.texts.text_lstm import text_lstm
from nnkit.builders.texts.text_transformer import text_transformer

__all__ = ["text_bag", "text_cnn", "text_lstm", "text_transformer"]
