"""scikit-learn's estimator checks, with smaller networks than the defaults.

The checks call fit about 400 times, so members, epochs and units are reduced. Set
``NNKIT_CONTRACT=full`` to run them with the defaults, which takes about half an hour.
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
from nnkit.builders.tables import presets

REASON = (
    "With float32 and mini-batches, a weight of 2 differs from two rows by more than 1e-7. "
    "rows/test_weights_and_groups.py tests the equivalence for full batches in float64."
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
    """Reduce the units of the presets, which leaves ``get_params`` unchanged."""
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
    # The weight checks set `cv` where there is one; with it, TabularRegressor passes.
    expected_failed_checks=lambda estimator: (
        {} if isinstance(estimator, TabularRegressor) else EXPECTED_FAILURES
    ),
)
# Some checks pass constant columns, lists, or y as a column, which warns.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_sklearn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "cls",
    [KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier, TabularRegressor],
)
def test_sklearn_tags_disable_no_checks(cls):
    tags = cls().__sklearn_tags__()

    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags._skip_test
    for of_kind in (tags.classifier_tags, tags.regressor_tags):
        assert of_kind is None or not of_kind.poor_score
