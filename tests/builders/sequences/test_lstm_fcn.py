import keras
import pytest
from sequence_networks import N_STEPS, meta_of

from nnkit.builders.sequences.lstm_fcn import lstm_fcn


def test_lstm_reads_all_steps_of_a_channel_at_once():
    model = lstm_fcn(meta_of())

    layer = next(part for part in model.layers if isinstance(part, keras.layers.LSTM))
    assert layer.input.shape == (None, 2, N_STEPS)
    assert layer.units == 8
    # The state of the LSTM beside the mean of the convolutions.
    assert model.layers[-1].input.shape == (None, 8 + 128)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": (3, 2)}, "units must be an integer of at least 1. Got .3, 2."),
        ({"filters": ()}, "filters must have at least one entry. Got none"),
        ({"kernel_sizes": (3,)}, "one for each of the 3 filters. Got 1 integers"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be a fraction in \[0, 1\). Got 1.0"),
    ],
)
def test_lstm_fcn_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        lstm_fcn(meta_of(), **arguments)
