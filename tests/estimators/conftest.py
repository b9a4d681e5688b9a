"""Fixtures of tests of estimators."""

import pytest

from nnkit import TabularClassifier, TabularRegressor


@pytest.fixture(params=[TabularClassifier, TabularRegressor], ids=["classes", "values"])
def learning(request):
    """An estimator class and rows for it."""
    return request.param, *request.getfixturevalue(
        "iris" if request.param is TabularClassifier else "diabetes"
    )
