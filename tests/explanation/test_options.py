import numpy as np
import pytest

from nnkit.explanation.options import ExplainOptions, seed_of

DEFAULTS = {
    "method": "auto", "feature_groups": None, "patch": None, "n_permutations": "auto", "tol": None,
    "interactions": False, "layer": None, "max_background": 100, "batch_rows": 1000, "seed": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method must be one of 'auto'"),
        ({"max_background": 0}, "max_background must be a positive integer"),
        ({"n_permutations": 2.5}, "n_permutations must be 'auto' or a positive integer"),
        ({"tol": 0}, "tol must be None or a number above 0"),
        ({"interactions": "yes"}, "interactions must be True or False"),
        ({"method": "exact", "tol": 0.1}, "have no effect on method='exact'"),
        ({"method": "gradient", "interactions": True}, "interactions=True needs all coalitions"),
        ({"layer": "hidden"}, "layer='hidden' has no effect on method='auto'"),
        ({"patch": (2, 2)}, "patch has no effect without feature_groups='patches'"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        ExplainOptions(**{**DEFAULTS, **options})


@pytest.mark.parametrize("method", ["gradient", "deep"])
def test_gradient_methods_differentiate_the_network(method):
    assert ExplainOptions(**{**DEFAULTS, "method": method}).is_gradient
    assert not ExplainOptions(**DEFAULTS).is_gradient


def test_seed_is_an_integer_and_leaves_the_global_state_alone():
    before = np.random.get_state()[1].tolist()

    assert seed_of(7) == 7
    assert seed_of(None) != seed_of(None)
    assert seed_of(np.random.RandomState(0)) == seed_of(np.random.RandomState(0))
    with pytest.raises(ValueError, match="random_state must be None, an integer of at least 0"):
        seed_of(-1)
    assert np.random.get_state()[1].tolist() == before
