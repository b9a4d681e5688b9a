import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nnkit.encoding import ContinuousTarget


def test_standard_units_have_mean_zero_and_deviation_one():
    y = np.array([1.0, 3.0, 8.0])

    encoded = ContinuousTarget.standard(y, None).encode(y)

    assert encoded.mean() == pytest.approx(0.0)
    assert encoded.std() == pytest.approx(1.0)


def test_weights_count_as_repeated_rows():
    weighted = ContinuousTarget.standard(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    repeated = ContinuousTarget.standard(np.array([1.0, 4.0, 4.0]), None)

    assert weighted.location == pytest.approx(repeated.location)
    assert weighted.scale == pytest.approx(repeated.scale)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_constant_target_is_only_centred(value):
    target = ContinuousTarget.standard(np.full(7, value), None)

    assert target.scale == 1.0
    np.testing.assert_allclose(target.encode(np.full(7, value)), 0.0, atol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
@example([0.0, 5e-324])
def test_decoding_undoes_encoding(values):
    y = np.array(values)
    target = ContinuousTarget.standard(y, None)

    decoded = target.decode(target.encode(y))

    np.testing.assert_allclose(decoded, y, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(y).max()))


@pytest.mark.parametrize("factor", [1e-300, 1e-165, 1e155, 1e300, 1.7e308])
def test_standard_units_of_any_size_are_those_of_moderate_values(factor):
    y = np.array([-1.0, -0.5, 0.25, 1.0])
    moderate = ContinuousTarget.standard(y, None).encode(y)

    units = ContinuousTarget.standard(factor * y, None)
    encoded = units.encode(factor * y)

    np.testing.assert_allclose(encoded, moderate, rtol=1e-12)
    np.testing.assert_allclose(units.decode(encoded) / factor, y, rtol=1e-12)
