"""scikit-learn's own contract checks, at the estimators' defaults but for their size.

The checks fit some 400 times. Members, epochs and units are cut down for that, and nothing else;
``NNKIT_CONTRACT=full`` runs them at the defaults themselves, which takes about half an hour.
"""

import os

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    TabularClassifier,
    TabularRegressor,
)
from nnkit.builders import presets

REASON = (
    "float32 and mini-batches: a weight of two is not two rows to a rounding of 1e-7. "
    "test_weights.py shows the equivalence for a float64 network trained on all rows at once."
)
IS_FULL = os.environ.get("NNKIT_CONTRACT") == "full"
SMALL = {} if IS_FULL else {"n_estimators": 1, "epochs": 12}
SHORT = {} if IS_FULL else {"epochs": 30}
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


@pytest.fixture
def _small_networks(monkeypatch):
    """Narrow the networks of the presets, by which ``get_params`` stays that of the defaults."""
    if not IS_FULL:
        monkeypatch.setattr(presets, "_UNITS", (16,))


@pytest.mark.slow
@pytest.mark.usefixtures("_small_networks")
@parametrize_with_checks(
    [
        KerasClassifier(**SHORT),
        KerasRegressor(**SHORT),
        KerasTransformer(),
        TabularClassifier(**SMALL),
        TabularRegressor(**SMALL),
    ],
    # With a parameter `cv`, the check of weights gives its own folds, in which the regressor passes.
    expected_failed_checks=lambda estimator: (
        {} if isinstance(estimator, TabularRegressor) else EXPECTED_FAILURES
    ),
)
# Some checks hand over columns without variance, lists, or a column as y, which warns.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "cls",
    [KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier, TabularRegressor],
)
def test_no_tag_switches_checks_off(cls):
    tags = cls().__sklearn_tags__()

    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags._skip_test
    for of_kind in (tags.classifier_tags, tags.regressor_tags):
        assert of_kind is None or not of_kind.poor_score
