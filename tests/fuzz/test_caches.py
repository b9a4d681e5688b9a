"""Caches distinguish similar networks: a fit does not depend on a preceding similar fit."""

import pytest
from fuzz.network_pairs import assert_not_confused, pairs
from fuzz.networks_with_values import FORMS, SLOTS, Network
from hypothesis import HealthCheck, Phase, given, settings


@pytest.mark.parametrize("form", FORMS)
def test_caches_distinguish_functions_with_other_values(form):
    """Each form is tested in one slot; the test below draws other combinations."""
    slot = list(SLOTS)[list(FORMS).index(form) % len(SLOTS)]

    assert_not_confused(Network((), ((slot, form, 0.5),)), Network((), ((slot, form, 1.5),)))


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
def test_caches_distinguish_random_pairs_of_networks(pair):
    network, other = pair

    assert_not_confused(network, other)
