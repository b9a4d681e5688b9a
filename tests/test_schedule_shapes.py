import numpy as np
import pytest

from nnkit._schedule_shapes import cosine, coslog, flat_cosine, one_cycle, step_decay


@pytest.mark.parametrize(
    ("shape", "progress", "factor"),
    [
        (cosine, 0.0, 1.0),
        (cosine, 0.5, 0.5),
        (cosine, 1.0, 0.0),
        (lambda t: cosine(t, 0.2), 1.0, 0.2),
        (flat_cosine, 0.5, 1.0),
        (flat_cosine, 0.75, 0.5),
        (flat_cosine, 1.0, 0.0),
        (coslog, 0.0, 0.0),
        (coslog, 1 / 15, 0.0),  # end of the first of four cycles
        (coslog, (2**0.5 - 1) / 15, 1.0),  # its middle
        (step_decay, 0.49, 1.0),
        (step_decay, 0.5, 0.1),
        (step_decay, 0.75, 0.01),
        (one_cycle, 0.0, 0.04),
        (one_cycle, 0.3, 1.0),
        (one_cycle, 1.0, 0.0001),
    ],
)
def test_factor_at_a_fraction_of_the_training(shape, progress, factor):
    assert float(shape(progress)) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize("shape", [cosine, coslog, flat_cosine, step_decay, one_cycle])
def test_factors_are_between_zero_and_one(shape):
    factors = np.asarray(shape(np.linspace(0, 1, 101, dtype=np.float32)))

    assert factors.shape == (101,)
    assert (factors >= -1e-6).all()
    assert (factors <= 1 + 1e-6).all()
