import pickle

import numpy as np
import pytest
import skops.io
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import NotFittedError

from nnkit import KerasRegressor, TabularRegressor
from nnkit.estimators.conformal_prediction import conformal_quantile, kept_errors
from nnkit.export import TRUSTED_TYPES


def linear_data(n_samples, seed, n_outputs=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 4)).astype(np.float32)
    y = X @ np.ones((4, n_outputs)) + rng.normal(size=(n_samples, n_outputs)) * 0.5
    return X, y[:, 0] if n_outputs == 1 else y


def fitted(n_samples=300, **parameters):
    X, y = linear_data(n_samples, 0)
    settings = {"epochs": 20, "validation_split": 0.4, "random_state": 0, **parameters}
    return KerasRegressor("mlp", model__units=(8,), **settings).fit(X, y)


def crossed(n_samples=240, **parameters):
    X, y = linear_data(n_samples, 0)
    settings = {"preset": "fast", "n_estimators": 3, "cv": 3, "epochs": 16, "random_state": 0}
    return TabularRegressor(**{**settings, **parameters}).fit(X, y)


def test_radius_by_hand():
    """Of 9 errors, the confidence 0.8 takes the 8th smallest."""
    assert conformal_quantile(np.arange(1.0, 10.0), 0.8) == 8.0


def test_radius_is_the_rank_of_the_definition():
    errors = np.sort(np.random.default_rng(0).exponential(size=37))

    for confidence in (0.1, 0.5, 0.9, 37 / 38):
        radius = conformal_quantile(errors, confidence)
        # Of n + 1 errors, at least the fraction c is not larger; see Lei et al. 2018.
        assert np.sum(errors <= radius) >= confidence * 38 - 1e-9
        assert np.sum(errors < radius) < confidence * 38


def test_each_column_has_a_radius_of_its_own():
    errors = kept_errors([np.array([[1.0, 30.0], [3.0, 10.0]]), np.array([[2.0, 20.0]])])

    np.testing.assert_array_equal(conformal_quantile(errors, 0.75), [3.0, 30.0])


def test_many_errors_are_kept_as_quantiles_that_are_not_smaller():
    errors = np.random.default_rng(0).exponential(size=20_000)

    kept = kept_errors([errors[:9000], errors[9000:]])

    assert len(kept) == 5000
    assert kept[-1] == errors.max()
    for confidence in (0.5, 0.9, 0.99):
        exact = conformal_quantile(np.sort(errors), confidence)
        approximate = conformal_quantile(kept, confidence)
        assert exact <= approximate < exact * 1.01


def test_few_errors_are_kept_unchanged():
    kept = kept_errors([np.array([3.0, 1.0]), np.array([2.0])])

    np.testing.assert_array_equal(kept, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("confidence", [0.6, 0.9])
@pytest.mark.parametrize("make", [fitted, crossed])
def test_intervals_cover_new_rows(make, confidence):
    X_new, y_new = linear_data(4000, 1)

    intervals = make().predict_interval(X_new, confidence)

    is_inside = (intervals[:, 0] <= y_new) & (y_new <= intervals[:, 1])
    # The standard deviation by 120 and 240 held-out rows is up to 0.045.
    assert confidence - 0.1 < is_inside.mean() < confidence + 0.1


def test_intervals_of_a_network_use_its_held_out_rows():
    X, y = linear_data(300, 0)
    reg = KerasRegressor("mlp", epochs=2, random_state=0)
    reg.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])

    intervals = reg.predict_interval(X[:5], 0.9)

    # rank 91 of 100 errors
    radius = np.sort(np.abs(y[200:] - reg.predict(X[200:])))[90]
    y_pred = reg.predict(X[:5])
    np.testing.assert_allclose(
        intervals, np.stack([y_pred - radius, y_pred + radius], 1), rtol=1e-5
    )


def test_intervals_of_an_ensemble_use_the_fold_of_each_network():
    X, y = linear_data(240, 0)
    splits = [(np.arange(80, 240), np.arange(80)), (np.arange(160), np.arange(160, 240))]
    reg = crossed(cv=splits, n_estimators=2)

    found = reg.predict_interval(X[:4], 0.8)

    outputs = [model.predict(reg.encoder_.transform(X), verbose=0)[:, 0] for model in reg.models_]
    # Both networks learn the target in standard units.
    values = [np.clip(of * y.std() + y.mean(), y.min(), y.max()) for of in outputs]
    errors = [np.abs(y[held] - v[held]) for (_, held), v in zip(splits, values, strict=True)]
    # rank 129 of 160 errors
    radius = np.sort(np.concatenate(errors))[128]
    y_pred = reg.predict(X[:4])
    np.testing.assert_allclose(found, np.stack([y_pred - radius, y_pred + radius], 1), rtol=1e-4)


def test_intervals_of_several_columns():
    X, y = linear_data(200, 0, n_outputs=2)
    reg = KerasRegressor("mlp", validation_split=0.3, epochs=2, random_state=0).fit(X, y)

    intervals = reg.predict_interval(X[:7])

    assert intervals.shape == (7, 2, 2)
    np.testing.assert_allclose(intervals.mean(axis=2), reg.predict(X[:7]), rtol=1e-5, atol=1e-5)


def test_intervals_grow_with_the_confidence():
    reg, (X_new, _) = fitted(), linear_data(5, 1)

    widths = [np.ptp(reg.predict_interval(X_new, c), axis=1) for c in (0.5, 0.8, 0.95)]

    assert (np.diff(widths, axis=0) > 0).all()


def test_copies_and_stored_files_give_the_same_intervals():
    reg, (X_new, _) = crossed(), linear_data(5, 1)
    expected = reg.predict_interval(X_new)

    data = skops.io.dumps(reg)
    for copy in (
        pickle.loads(pickle.dumps(reg)),
        skops.io.loads(data, trusted=TRUSTED_TYPES),
    ):
        np.testing.assert_allclose(copy.predict_interval(X_new), expected, rtol=1e-5)
    with pytest.raises(NotFittedError):
        clone(reg).predict_interval(X_new)


def test_another_fit_replaces_the_errors():
    X, y = linear_data(300, 0)
    reg = fitted()
    before = np.ptp(reg.predict_interval(X[:1]))

    after = np.ptp(reg.fit(X, 10 * y).predict_interval(X[:1]))

    assert after > 5 * before


def test_raises_without_held_out_rows():
    X, y = linear_data(60, 0)

    with pytest.raises(ValueError, match=r"Set validation_split=0.2, .* or use TabularRegressor"):
        KerasRegressor("mlp", epochs=2).fit(X, y).predict_interval(X)
    with pytest.raises(ValueError, match="partial_fit removes the errors"):
        fitted().partial_fit(X, y).predict_interval(X)


@pytest.mark.parametrize("confidence", [0, 1, 1.5, "0.9", None])
def test_raises_on_invalid_confidence(confidence):
    with pytest.raises(ValueError, match=r"confidence must be a number in \(0, 1\)"):
        conformal_quantile(np.ones(5), confidence)


def test_raises_on_a_confidence_that_needs_more_rows():
    message = "confidence=0.99 needs at least 99 held-out rows, but fit held out 98"
    with pytest.raises(ValueError, match=message):
        conformal_quantile(np.ones(98), 0.99)

    assert conformal_quantile(np.ones(99), 0.99) == 1


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match="no argument 'batchsize'"):
        fitted().predict_interval(np.zeros((1, 4)), batchsize=3)


# Comparison with MAPIE


class Level(RegressorMixin, BaseEstimator):
    """One of the quantiles of a fitted regressor."""

    n_features_in_ = 4

    def __init__(self, reg, level):
        self.reg = reg
        self.level = level

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.reg.predict(X, quantiles=self.level)


SPLIT = [(np.arange(200), np.arange(200, 300))]


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9])
def test_intervals_equal_those_of_mapie(confidence):
    X, y = linear_data(300, 0)
    X_new, _ = linear_data(20, 1)
    reg = fitted(validation_split=SPLIT)

    mapie = SplitConformalRegressor(estimator=reg, confidence_level=confidence, prefit=True)
    expected = mapie.conformalize(X[200:], y[200:]).predict_interval(X_new)[1][:, :, 0]

    np.testing.assert_allclose(reg.predict_interval(X_new, confidence), expected, rtol=1e-6)


@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_conformalised_quantiles_equal_those_of_mapie(confidence):
    X, y = linear_data(300, 0)
    X_new, _ = linear_data(20, 1)
    reg = fitted(loss="quantile", quantiles=(0.05, 0.1, 0.5, 0.9, 0.95), validation_split=SPLIT)

    levels = [Level(reg, level) for level in ((1 - confidence) / 2, (1 + confidence) / 2, 0.5)]
    mapie = ConformalizedQuantileRegressor(levels, confidence_level=confidence, prefit=True)
    mapie.conformalize(X[200:], y[200:])
    expected = mapie.predict_interval(X_new, symmetric_correction=True)[1][:, :, 0]

    np.testing.assert_allclose(reg.predict_interval(X_new, confidence), expected, rtol=1e-6)
