"""Suggestions for misspelt names."""

import pytest

from nnkit._suggestions import did_you_mean, listed, nearest

LOSSES = ["binary_crossentropy", "categorical_crossentropy", "mse", "mae", "huber"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("binary_crossentropi", "binary_crossentropy"),
        ("BinaryCrossEntropy", "binary_crossentropy"),
        ("categorical-cross-entropy", "categorical_crossentropy"),
        ("sme", "mse"),
        ("hubre", "huber"),
    ],
)
def test_nearest_returns_the_meant_name(typed, meant):
    assert nearest(typed, LOSSES) == meant


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("momentum", ["ema_momentum", "learning_rate"]),
        ("lr", ["l1", "l2"]),
        ("crossentropy", LOSSES),
        ("dropout", ["dropout_rate"]),
        ("", LOSSES),
    ],
)
def test_nearest_returns_none_for_names_of_another_meaning(typed, known):
    assert nearest(typed, known) is None


def test_long_lists_of_names_are_truncated():
    names = [f"name_{i}" for i in range(60)]

    assert listed(names).endswith("'name_11'] and 48 more")
    assert did_you_mean("something else", names).count("name_") == 12
    assert listed(names[:12]) == str(names[:12])
