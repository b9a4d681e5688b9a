import keras
import pytest
from sequence_networks import meta_of

from nnkit.builders import Meta
from nnkit.builders.sequences.inception_time import inception_time


def shapes_of(model, width):
    return [v.shape for v in model.weights if v.name == "kernel" and v.shape[0] == width]


def test_default_modules_are_those_of_the_paper():
    model = inception_time(meta_of())

    for width in (40, 20, 10):
        assert shapes_of(model, width) == [(width, 32, 32)] * 6
    # Two bottlenecks and branches of maxima a module, and a projection every third one.
    n_pools = sum(isinstance(part, keras.layers.MaxPooling1D) for part in model.layers)
    n_sums = sum(isinstance(part, keras.layers.Add) for part in model.layers)
    assert (n_pools, n_sums) == (6, 2)
    assert model.layers[-1].input.shape == (None, 128)


def test_one_channel_has_no_bottleneck_in_the_first_module():
    meta = Meta(X_shape_=(20, 9, 1), target_type_="continuous", n_output_units_=1)

    model = inception_time(meta, n_modules=2, n_filters=4, kernel_sizes=(5, 3), bottleneck_size=2)

    assert shapes_of(model, 5) == [(5, 1, 4), (5, 2, 4)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_modules": 0}, "n_modules must be an integer of at least 1. Got 0"),
        ({"n_filters": 0}, "n_filters must be an integer of at least 1. Got 0"),
        ({"kernel_sizes": (0,)}, r"kernel_sizes\[0\] must be an integer of at least 1. Got 0"),
        ({"bottleneck_size": 0}, "bottleneck_size must be an integer of at least 1. Got 0"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be a fraction in \[0, 1\). Got 1.0"),
    ],
)
def test_inception_time_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        inception_time(meta_of(), **arguments)
