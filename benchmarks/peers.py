"""Other estimators, each with its own defaults and what has to come before it.

Each function takes a `Table` and a seed, and returns an estimator for its raw columns.
"""

import contextlib
import importlib

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

N_TREES = 200
N_LEVELS_OF_HGB = 254  # it has 255 bins, and needs one for what is missing


def dummy(table, seed):  # noqa: ARG001 - nothing is random
    """Return the prior of each class, or the mean."""
    return DummyClassifier(strategy="prior") if table.is_classification else DummyRegressor()


def linear(table, seed):  # noqa: ARG001 - nothing is random
    """Return a logistic or a ridge regression."""
    model = LogisticRegression(max_iter=1000) if table.is_classification else Ridge()
    return make_pipeline(_scaled_and_one_hot(table), model)


def hgb(table, seed):
    """Return scikit-learn's histogram gradient boosting, which treats categories as such."""
    make = (
        HistGradientBoostingClassifier if table.is_classification else HistGradientBoostingRegressor
    )
    # The codes are the first columns.
    categorical = list(range(len(table.categorical))) or None
    return make_pipeline(
        _codes_first(table, N_LEVELS_OF_HGB),
        make(categorical_features=categorical, random_state=seed),
    )


def forest(table, seed):
    """Return a random forest on all cores, as the boosted trees are; categories are ordered."""
    make = RandomForestClassifier if table.is_classification else RandomForestRegressor
    return make_pipeline(_codes_first(table), make(N_TREES, n_jobs=-1, random_state=seed))


def mlp(table, seed):
    """Return scikit-learn's network with early stopping; it learns a scaled target."""
    if table.is_classification:
        return make_pipeline(
            _scaled_and_one_hot(table), MLPClassifier(early_stopping=True, random_state=seed)
        )
    pipeline = make_pipeline(
        _scaled_and_one_hot(table), MLPRegressor(early_stopping=True, random_state=seed)
    )
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def lightgbm(table, seed):
    """Return LightGBM, which treats categories as such."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    make = LGBMClassifier if table.is_classification else LGBMRegressor
    return make_pipeline(Levels(table.categorical), make(random_state=seed, verbose=-1))


def xgboost(table, seed):
    """Return XGBoost, which treats categories as such."""
    from xgboost import XGBClassifier, XGBRegressor

    make = XGBClassifier if table.is_classification else XGBRegressor
    return make_pipeline(
        Levels(table.categorical), make(random_state=seed, enable_categorical=True)
    )


def catboost(table, seed):
    """Return CatBoost, which treats categories as such, and one that is missing as one more."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    make = CatBoostClassifier if table.is_classification else CatBoostRegressor
    categorical = list(table.categorical)
    filled = FunctionTransformer(_with_missing_named, kw_args={"columns": categorical})
    model = make(
        random_seed=seed, cat_features=categorical, verbose=False, allow_writing_files=False
    )
    return make_pipeline(filled, model)


class Levels(TransformerMixin, BaseEstimator):
    """Columns as pandas' categories, of the levels in ``fit``; any other level is missing.

    Columns are renamed to their positions: LightGBM and XGBoost forbid some characters.

    Parameters
    ----------
    columns : sequence of str
    """

    def __init__(self, columns):
        self.columns = columns

    def fit(self, X, y=None):  # noqa: ARG002 - scikit-learn hands the target over
        """Learn the levels."""
        self.dtypes_ = {
            name: pd.CategoricalDtype(sorted(X[name].dropna().unique())) for name in self.columns
        }
        return self

    def transform(self, X):
        """Return the columns with their levels."""
        columns = {
            name: X[name].where(X[name].isin(dtype.categories)).astype(dtype)
            for name, dtype in self.dtypes_.items()
        }
        return X.assign(**columns).set_axis([f"column{i}" for i in range(X.shape[1])], axis=1)


def _scaled_and_one_hot(table):
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    # A missing category gets a column as any other.
    categories = OneHotEncoder(handle_unknown="ignore")
    return make_column_transformer((categories, list(table.categorical)), remainder=numbers)


def _codes_first(table, n_levels=None):
    # The trees learn on which side of a split what is missing belongs.
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=n_levels,
    )
    return make_column_transformer((encoder, list(table.categorical)), remainder="passthrough")


def _with_missing_named(X, columns):
    return X.assign(**{name: X[name].fillna("missing") for name in columns})


def _versions_of(makers):
    # What is installed may still lack a library that it loads.
    versions = {}
    for make in makers:
        with contextlib.suppress(ImportError, OSError):
            versions[make.__name__] = importlib.import_module(make.__name__).__version__
    return versions


_OPTIONAL = (lightgbm, xgboost, catboost)
OPTIONAL_VERSIONS = _versions_of(_OPTIONAL)
PEERS = {
    make.__name__: make
    for make in (dummy, linear, hgb, forest, mlp, *_OPTIONAL)
    if make not in _OPTIONAL or make.__name__ in OPTIONAL_VERSIONS
}
