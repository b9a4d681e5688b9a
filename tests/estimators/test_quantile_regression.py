"""Regressors with loss="quantile": predicted quantiles, their intervals, metrics and exports."""

import pickle

import keras
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import mean_absolute_error, mean_pinball_loss

from nnkit import KerasClassifier, KerasRegressor, TabularRegressor, explain
from nnkit.export import TRUSTED_TYPES, to_onnx
from nnkit.losses import QuantileLoss

LEVELS = (0.1, 0.5, 0.9)


def data_with_varying_noise(n_samples, seed, n_outputs=1):
    """Return rows whose noise is proportional to the first column."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.2, 2, size=(n_samples, 3)).astype(np.float32)
    noise = rng.normal(size=(n_samples, n_outputs)) * X[:, :1]
    y = 3 * X[:, 1:2] + noise + 10 * np.arange(n_outputs)
    return X, y[:, 0] if n_outputs == 1 else y


def fitted(n_samples=800, n_outputs=1, **parameters):
    X, y = data_with_varying_noise(n_samples, 0, n_outputs)
    settings = {"loss": "quantile", "quantiles": LEVELS, "epochs": 40, "random_state": 0}
    return KerasRegressor("mlp", model__units=(16,), **{**settings, **parameters}).fit(X, y)


def linear(meta):
    return keras.Sequential(
        [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(meta.n_output_units_)]
    )


@pytest.fixture(scope="module")
def reg():
    return fitted(validation_split=0.4, n_samples=1500, epochs=80, optimizer__learning_rate=0.01)


def test_quantiles_equal_those_of_the_noise(reg):
    """The noise is normal with the first column as its standard deviation."""
    X, _ = data_with_varying_noise(500, 1)

    low, middle, high = reg.predict(X, quantiles=LEVELS).T

    expected = 1.2816 * X[:, 0]
    np.testing.assert_allclose(np.mean((high - middle) / expected), 1, atol=0.15)
    np.testing.assert_allclose(np.mean((middle - low) / expected), 1, atol=0.15)
    assert np.corrcoef(high - low, X[:, 0])[0, 1] > 0.95


def test_a_linear_network_agrees_with_scikit_learn():
    X, y = data_with_varying_noise(400, 0)
    reg = KerasRegressor(
        linear, loss="quantile", quantiles=(0.2, 0.8), optimizer="adam",
        optimizer__learning_rate=0.1, epochs=400, batch_size=400, random_state=0,
    ).fit(X, y)  # fmt: skip

    for level, found in zip((0.2, 0.8), reg.predict(X, quantiles=(0.2, 0.8)).T, strict=True):
        exact = QuantileRegressor(quantile=level, alpha=0).fit(X, y).predict(X)
        least = mean_pinball_loss(y, exact, alpha=level)
        assert mean_pinball_loss(y, found, alpha=level) < 1.02 * least


def test_quantiles_never_cross():
    X, y = data_with_varying_noise(60, 0)
    levels = np.linspace(0.05, 0.95, 19)
    reg = KerasRegressor("mlp", loss="quantile", quantiles=levels, epochs=1, random_state=0)

    found = reg.fit(X, y).predict(X, quantiles=levels)

    raw = reg.model_.predict(np.asarray(reg.encoder_.transform(X)), verbose=0)
    assert (np.diff(raw) < 0).any()
    assert (np.diff(found) >= 0).all()


def test_shapes_and_interpolation(reg):
    X, _ = data_with_varying_noise(5, 1)
    every = reg.predict(X, quantiles=LEVELS)

    assert every.shape == (5, 3)
    np.testing.assert_array_equal(reg.predict(X, quantiles=0.9), every[:, 2])
    np.testing.assert_array_equal(reg.predict(X), every[:, 1])
    np.testing.assert_allclose(reg.predict(X, quantiles=[0.3]), every[:, :2].mean(axis=1)[:, None])


def test_prediction_is_the_quantile_nearest_to_the_median():
    X, _y = data_with_varying_noise(50, 0)
    reg = fitted(50, quantiles=(0.4, 0.6, 0.9), epochs=1)

    np.testing.assert_allclose(reg.predict(X), reg.predict(X, quantiles=(0.4, 0.6)).mean(axis=1))
    single = fitted(50, quantiles=(0.9,), epochs=1)
    np.testing.assert_array_equal(single.predict(X), single.predict(X, quantiles=0.9))


def test_several_columns_have_quantiles_of_their_own():
    X, y = data_with_varying_noise(700, 0, n_outputs=2)
    reg = fitted(700, n_outputs=2, metrics=["mae"], validation_split=0.3)

    found = reg.predict(X, quantiles=(0.1, 0.9))

    assert found.shape == (700, 2, 2)
    is_below = (y[..., None] < found).mean(axis=0)
    np.testing.assert_allclose(is_below, [[0.1, 0.9]] * 2, atol=0.05)
    assert reg.predict(X).shape == (700, 2)
    assert reg.predict_interval(X, 0.7).shape == (700, 2, 2)


def test_an_ensemble_averages_the_quantiles_of_its_networks():
    X, _ = data_with_varying_noise(20, 1)
    reg = fitted(100, epochs=2, n_estimators=3)

    single = []
    for member in reg.models_:
        raw = np.sort(member.predict(np.asarray(reg.encoder_.transform(X)), verbose=0))
        single.append(reg._target.scaling.decode(raw))

    np.testing.assert_allclose(reg.predict(X, quantiles=LEVELS), np.mean(single, 0), rtol=1e-4)
    assert reg.predict(X, return_std=True)[1].shape == (20,)


@pytest.mark.parametrize("model", ["mlp", linear])
def test_metrics_are_those_of_the_predictions(model):
    X, y = data_with_varying_noise(200, 0)
    X_val, y_val = data_with_varying_noise(100, 1)
    reg = KerasRegressor(
        model, loss="quantile", metrics=["mae", "r2_score"], epochs=3, random_state=0
    ).fit(X, y, X_val=X_val, y_val=y_val)

    assert reg.history_["val_mae"][-1] == pytest.approx(
        mean_absolute_error(y_val, reg.predict(X_val)), rel=1e-4
    )
    assert reg.history_["val_r2_score"][-1] == pytest.approx(reg.score(X_val, y_val), rel=1e-3)


def test_loss_in_the_history_is_the_pinball_loss():
    X, y = data_with_varying_noise(200, 0)
    X_val, y_val = data_with_varying_noise(100, 1)
    reg = KerasRegressor(
        linear, loss="quantile", quantiles=LEVELS, optimizer="adam",
        optimizer__learning_rate=0.05, epochs=40, random_state=0,
    ).fit(X, y, X_val=X_val, y_val=y_val)  # fmt: skip

    raw = reg.predict(X_val, quantiles=LEVELS)

    losses = [mean_pinball_loss(y_val, raw[:, i], alpha=a) for i, a in enumerate(LEVELS)]
    assert reg.history_["val_loss"][-1] == pytest.approx(np.mean(losses), rel=1e-3)


def test_an_instance_of_the_loss_is_the_same_as_its_name():
    X, y = data_with_varying_noise(60, 0)
    fits = [
        KerasRegressor("mlp", epochs=2, random_state=0, **parameters).fit(X, y)
        for parameters in (
            {"loss": "quantile", "quantiles": LEVELS},
            {"loss": QuantileLoss(LEVELS)},
        )
    ]

    np.testing.assert_array_equal(*[fit.predict(X, quantiles=LEVELS) for fit in fits])


# Intervals


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
def test_intervals_cover_new_rows(reg, confidence):
    X_new, y_new = data_with_varying_noise(4000, 1)

    low, high = reg.predict_interval(X_new, confidence).T

    # With 600 held-out rows, the coverage has a standard deviation of at most 0.02.
    assert np.mean((low <= y_new) & (y_new <= high)) == pytest.approx(confidence, abs=0.05)
    assert np.corrcoef(high - low, X_new[:, 0])[0, 1] > 0.9


def test_intervals_of_an_ensemble_by_folds_cover_new_rows():
    X, y = data_with_varying_noise(600, 0)
    X_new, y_new = data_with_varying_noise(3000, 1)
    reg = TabularRegressor(loss="quantile", preset="fast", n_estimators=3, cv=3, epochs=16,
                           random_state=0).fit(X, y)  # fmt: skip

    low, high = reg.predict_interval(X_new, 0.8).T

    assert 0.77 < np.mean((low <= y_new) & (y_new <= high)) < 0.9
    assert np.corrcoef(high - low, X_new[:, 0])[0, 1] > 0.8


def test_interval_by_hand():
    """The margin is the rank-th smallest of max(low - y, y - high)."""
    X, y = data_with_varying_noise(40, 0)
    X_val, y_val = data_with_varying_noise(19, 1)
    reg = KerasRegressor(linear, loss="quantile", quantiles=(0.1, 0.9), epochs=1, random_state=0)
    reg.fit(X, y, X_val=X_val, y_val=y_val)

    low, high = reg.predict(X_val, quantiles=(0.1, 0.9)).T
    margin = np.sort(np.maximum(low - y_val, y_val - high))[16 - 1]  # 0.8 * (19 + 1) = 16

    expected = reg.predict(X, quantiles=(0.1, 0.9)) + np.array([-margin, margin])
    np.testing.assert_allclose(reg.predict_interval(X, 0.8), expected, rtol=1e-5)


# Round trips, explanations and exports


def test_files_keep_quantiles_and_intervals(reg):
    X, _ = data_with_varying_noise(20, 1)

    for copy in (
        pickle.loads(pickle.dumps(reg)),
        skops.io.loads(skops.io.dumps(reg), trusted=TRUSTED_TYPES),
    ):
        for expected, found in (
            (reg.predict(X, quantiles=LEVELS), copy.predict(X, quantiles=LEVELS)),
            (reg.predict_interval(X), copy.predict_interval(X)),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_explanations_are_of_the_median(reg):
    X, _ = data_with_varying_noise(4, 1)

    for method in ("permutation", "gradient"):
        found = explain(reg, X, method=method, random_state=0)
        sums = found.values.sum(axis=1) + found.base_values
        np.testing.assert_allclose(sums, reg.predict(X), rtol=2e-2)
    with pytest.raises(ValueError, match="method='deep' does not explain predicted quantiles"):
        explain(reg, X, method="deep")


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_onnx_predicts_the_median(n_outputs):
    onnxruntime = pytest.importorskip("onnxruntime")
    X, _ = data_with_varying_noise(20, 1)
    reg = fitted(100, n_outputs, epochs=2, n_estimators=2)

    model = to_onnx(reg, X)

    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, {session.get_inputs()[0].name: X})[0]
    np.testing.assert_allclose(found.reshape(reg.predict(X).shape), reg.predict(X), rtol=1e-4)


# Bad input


def test_quantiles_without_their_loss_raise():
    X, y = data_with_varying_noise(20, 0)

    with pytest.raises(
        ValueError, match=r"quantiles=\(0.1, 0.9\) has an effect with loss='quantile'"
    ):
        KerasRegressor("mlp", quantiles=(0.1, 0.9)).fit(X, y)


@pytest.mark.parametrize("quantiles", [(0.9, 0.1), (0, 0.5), 0.5])
def test_invalid_quantiles_raise(quantiles):
    X, y = data_with_varying_noise(20, 0)

    with pytest.raises(ValueError, match="quantiles must be"):
        KerasRegressor("mlp", loss="quantile", quantiles=quantiles).fit(X, y)


def test_quantiles_that_were_not_learnt_raise(reg):
    X, y = data_with_varying_noise(20, 0)

    with pytest.raises(ValueError, match=r"numbers in \[0.1, 0.9\].*Got 0.99"):
        reg.predict(X, quantiles=0.99)
    with pytest.raises(ValueError, match="return_std=True is the spread"):
        reg.predict(X, return_std=True, quantiles=0.5)
    with pytest.raises(ValueError, match="fit with loss='quantile' only"):
        KerasRegressor("mlp", epochs=1).fit(X, y).predict(X, quantiles=0.5)


def test_network_without_a_unit_for_each_quantile_raises():
    X, y = data_with_varying_noise(20, 0)
    single = lambda meta: keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])  # noqa: E731

    with pytest.raises(ValueError, match=r"1 column\(s\) with 3 quantiles each.*3 unit"):
        KerasRegressor(single, loss="quantile").fit(X, y)


def test_quantiles_of_classes_raise():
    X, _ = data_with_varying_noise(20, 0)
    y = np.arange(20) % 2

    for loss in ("quantile", QuantileLoss()):
        with pytest.raises(ValueError, match="y has classes. Use KerasRegressor"):
            KerasClassifier("mlp", loss=loss).fit(X, y)


def test_other_quantiles_in_a_resumed_training_raise():
    X, y = data_with_varying_noise(20, 0)
    reg = fitted(20, epochs=1, warm_start=True)

    with pytest.raises(ValueError, match="quantiles was changed, but has no effect"):
        reg.set_params(quantiles=(0.2, 0.5, 0.8)).fit(X, y)
    reg = fitted(20, loss=QuantileLoss(LEVELS), quantiles=None, epochs=1, warm_start=True)
    with pytest.raises(ValueError, match=r"loss=MeanSquaredError does not predict the quantiles"):
        reg.set_params(loss="mse").fit(X, y)
    reg = fitted(20, loss="mse", quantiles=None, epochs=1, warm_start=True)
    with pytest.raises(ValueError, match=r"loss=QuantileLoss predicts several quantiles"):
        reg.set_params(loss="quantile").fit(X, y)
