"""No cache takes two things for one: a network after its near-twin trains as if it were alone."""

import pytest
from fuzz.networks_with_values import FORMS, SLOTS, Network
from fuzz.twins import assert_told_apart, pairs
from hypothesis import HealthCheck, Phase, given, settings


@pytest.mark.parametrize("form", FORMS)
def test_functions_that_hold_other_numbers_are_told_apart(form):
    """One slot for each form; the other pairs are drawn below."""
    slot = list(SLOTS)[list(FORMS).index(form) % len(SLOTS)]

    assert_told_apart(Network((), ((slot, form, 0.5),)), Network((), ((slot, form, 1.5),)))


@pytest.mark.slow
@settings(
    max_examples=8,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(pairs())
def test_random_networks_are_told_apart_from_their_near_twins(pair):
    network, twin = pair

    assert_told_apart(network, twin)
