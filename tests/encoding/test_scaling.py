"""Scaling and clipping of numbers, compared with scikit-learn and with values by hand."""

import numpy as np
import pytest
from raw_columns import clipped
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from nnkit.encoding import TabularEncoder


def test_numbers_are_scaled_by_quartiles_and_clipped():
    X = np.array([[10.0], [20.0], [30.0], [40.0], [110.0]])

    X_encoded = TabularEncoder().fit_transform(X)

    # Median 30, quartiles 20 and 40: 110 is scaled to 4, and clipped to 4 / sqrt(1 + 16 / 9) = 2.4.
    expected = [-1 / np.sqrt(10 / 9), -0.5 / np.sqrt(37 / 36), 0, 0.5 / np.sqrt(37 / 36), 2.4]
    np.testing.assert_allclose(X_encoded[:, 0], expected, rtol=1e-6)


def test_column_with_equal_quartiles_is_scaled_by_half_its_range():
    X = np.array([[0.0], [0.0], [0.0], [0.0], [8.0]])

    X_encoded = TabularEncoder().fit_transform(X)

    np.testing.assert_allclose(X_encoded[:, 0], [0, 0, 0, 0, 6 / np.sqrt(13)], rtol=1e-6)


def test_constant_column_is_encoded_as_zero_for_any_value():
    encoder = TabularEncoder().fit(np.full((4, 1), 7.0))

    assert encoder.transform([[7.0], [8.0], [np.nan]]).tolist() == [[0.0], [0.0], [0.0]]


def test_robust_scaling_equals_robust_scaler(diabetes):
    X, _ = diabetes
    X = X[:, [0, 2, 3, 4, 5]]  # without sex, whose two values are quartiles

    X_encoded = TabularEncoder(clip=None).fit_transform(X)

    np.testing.assert_allclose(X_encoded, RobustScaler().fit_transform(X), atol=1e-5)
    smooth = TabularEncoder().fit_transform(X)
    np.testing.assert_allclose(smooth, clipped(RobustScaler().fit_transform(X)), atol=1e-5)


def test_standard_scaling_equals_standard_scaler(diabetes):
    X, _ = diabetes
    X[::7, 2] = np.nan

    X_encoded = TabularEncoder(scaling="standard", clip=None).fit_transform(X)

    X_standard = StandardScaler().fit_transform(X)
    present = ~np.isnan(X_standard)
    np.testing.assert_allclose(X_encoded[:, :10][present], X_standard[present], atol=1e-5)


@pytest.mark.parametrize("tiny", [5e-324, 1.2e-308, 1e-200])
def test_quantile_scaling_of_tiny_differences_is_finite(tiny):
    X = np.array([[0.0], [12.0], [tiny], [np.nan], [-1.0]])

    X_encoded = TabularEncoder(scaling="quantile").fit_transform(X)

    assert np.isfinite(X_encoded).all()


def test_quantile_scaling_equals_quantile_transformer(diabetes):
    X, _ = diabetes

    X_encoded = TabularEncoder(scaling="quantile", clip=None).fit_transform(X)

    quantiles = QuantileTransformer(n_quantiles=14, output_distribution="normal")
    np.testing.assert_allclose(X_encoded, quantiles.fit_transform(X), atol=1e-5)


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile", None])
def test_inverse_transform_inverts_every_scaling(diabetes, scaling):
    X, _ = diabetes
    encoder = TabularEncoder(scaling=scaling).fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    np.testing.assert_allclose(restored, X, atol=1e-4)


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile", None])
@pytest.mark.parametrize("clip", [3.0, None])
def test_extreme_numbers_are_finite_and_below_clip(scaling, clip):
    X = np.array([[1e308, 5e-324], [-1e308, 0.0], [5.0, 0.0], [1e-310, 0.0], [0.1, 0.0]])

    X_encoded = TabularEncoder(scaling=scaling, clip=clip).fit_transform(X)

    assert np.isfinite(X_encoded).all()
    assert scaling is None or clip is None or np.abs(X_encoded).max() < clip


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
@pytest.mark.parametrize("size", [1e-290, 1e-155, 1e-9, 1e30, 1e155, 1e299])
def test_encoding_does_not_depend_on_the_scale_of_numbers(scaling, size):
    """The encoding is the same if squares overflow or underflow."""
    X = np.random.default_rng(0).normal(size=(50, 2)).round(6)

    found = TabularEncoder(scaling=scaling).fit(X * size).transform(X * size)

    expected = TabularEncoder(scaling=scaling).fit(X).transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
