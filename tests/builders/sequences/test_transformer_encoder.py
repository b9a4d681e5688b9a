import keras
import numpy as np
import pytest
from sequence_networks import SMALL, meta_of, sequences

from nnkit.builders.sequences.transformer_encoder import transformer_encoder


def test_default_blocks_have_four_heads():
    model = transformer_encoder(meta_of())

    layers = [p for p in model.layers if isinstance(p, keras.layers.MultiHeadAttention)]
    assert [(layer.num_heads, layer.key_dim) for layer in layers] == [(4, 16), (4, 16)]
    assert model.layers[-1].input.shape == (None, 64)


def test_outputs_depend_on_the_order_of_the_steps():
    model = transformer_encoder(meta_of(), **SMALL["transformer_encoder"])
    X = sequences(4)

    assert np.abs(model(X) - model(X[:, ::-1])).max() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_blocks": 0}, "n_blocks must be an integer of at least 1. Got 0"),
        ({"n_units": 6}, "n_units must be a multiple of n_heads. Got 6 units and 4 heads"),
        ({"n_heads": 0}, "n_heads must be an integer of at least 1. Got 0"),
        ({"feed_forward_units": 0}, "feed_forward_units must be an integer of at least 1. Got 0"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be a fraction in \[0, 1\). Got 1.0"),
    ],
)
def test_transformer_encoder_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        transformer_encoder(meta_of(), **arguments)
