"""Temperature scaling of tabular classifiers."""

import pickle

import keras
import numpy as np
import pytest
from cross_fitted import assert_same_members, by_member, codes_of, crossed
from networks import head
from scipy.special import expit
from sklearn import datasets
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from nnkit import TabularClassifier
from nnkit.encoding.splits import fold_rows
from nnkit.encoding.temperature import temperature_scaled


def noisy_rows(n_rows, seed):
    """Return two classes, of which twenty columns explain little."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 20))
    return X, np.where(rng.random(n_rows) < expit(X[:, 0]), "yes", "no")


def overfitted(**params):
    return crossed(
        model__units=(32,),
        epochs=60,
        early_stopping=False,
        **params,
    )


def test_predict_proba_averages_temperature_scaled_members(iris):
    X, y = iris
    clf = crossed(calibration="temperature").fit(X, y)

    y_proba, y_std = clf.predict_proba(X, return_std=True)

    members = [temperature_scaled(outputs, clf.temperature_) for outputs in by_member(clf, X)]
    assert abs(clf.temperature_ - 1) > 0.05
    np.testing.assert_allclose(y_proba, np.mean(members, axis=0), rtol=1e-4)
    np.testing.assert_allclose(y_std, np.std(members, axis=0), rtol=1e-3, atol=1e-5)


def most_probable_on_grid(by_fold, codes_by_fold, weight=1.0):
    """Return the temperature of `fit_temperature`, found by a grid search."""
    weights = np.concatenate([np.broadcast_to(weight, len(codes)) for codes in codes_by_fold])
    n_rows = weights.sum() ** 2 / np.square(weights).sum()
    grid, found = np.geomspace(1 / 8, 8, 801), []
    for temperature in grid:
        log_proba = []
        for members in by_fold:
            powers = [member.astype(float) ** (1 / temperature) for member in members]
            mean = np.mean([power / power.sum(axis=1, keepdims=True) for power in powers], axis=0)
            log_proba.append(np.log(mean))
        log_proba, codes = np.concatenate(log_proba), np.concatenate(codes_by_fold)
        of_truth = np.average(log_proba[np.arange(len(codes)), codes], weights=weights)
        of_any_label = np.average(log_proba.mean(axis=1), weights=weights)
        prior = np.log(temperature) ** 2 / (2 * 0.3**2)
        found.append([prior - n_rows * of_truth, prior - n_rows * of_truth - of_any_label])
    likely, cautious = grid[np.argmin(found, axis=0)]
    return likely if likely >= 1 else min(1.0, cautious)


def test_temperature_is_fitted_on_the_validation_rows_of_all_folds(iris):
    X, y = iris
    clf = crossed(calibration="temperature", epochs=10).fit(X, y)

    held = [held for _, held in fold_rows(150, 3, clf._seeds.split, codes_of(y))]
    outputs = by_member(clf, X)

    expected = most_probable_on_grid(
        [[member[rows]] for member, rows in zip(outputs, held, strict=True)],
        [codes_of(y)[rows] for rows in held],
    )
    assert clf.temperature_ == pytest.approx(expected, rel=0.01)
    assert 1 / 8 < expected < 8


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_temperature_is_fitted_on_the_ensemble_with_shared_validation_rows(iris, n_estimators):
    X, y = iris
    clf = crossed(calibration="temperature", epochs=10, n_estimators=n_estimators)

    clf.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])

    expected = most_probable_on_grid([by_member(clf, X[1::2])], [codes_of(y[1::2])])
    assert clf.temperature_ == pytest.approx(expected, rel=0.01)
    assert 1 / 8 < expected < 8


def test_temperature_uses_sample_weight_val(iris):
    X, y = iris
    clf = crossed(calibration="temperature", epochs=10, early_stopping=False)
    weight = np.where(y[1::2] == "setosa", 5.0, 1.0)
    rows = {"X_val": X[1::2], "y_val": y[1::2]}

    even = clf.fit(X[::2], y[::2], **rows).temperature_
    twice = clf.fit(X[::2], y[::2], **rows, sample_weight_val=2 * weight).temperature_
    weighted = clf.fit(X[::2], y[::2], **rows, sample_weight_val=weight).temperature_

    expected = most_probable_on_grid([by_member(clf, X[1::2])], [codes_of(y[1::2])], weight)
    assert weighted == pytest.approx(expected, rel=0.01)
    assert twice == pytest.approx(weighted, rel=1e-4)
    assert abs(weighted / even - 1) > 0.03


@pytest.mark.parametrize("split", [{"cv": 3}, {"validation_split": 0.4}], ids=str)
def test_calibration_lowers_the_log_loss_of_an_overfitted_network(split):
    X, y = noisy_rows(90, seed=0)
    X_new, y_new = noisy_rows(2000, seed=1)
    sure = overfitted(**split, calibration=None).fit(X, y)

    calibrated = overfitted(**split, calibration="temperature").fit(X, y)

    assert_same_members(sure, calibrated)
    assert sure.temperature_ == 1.0
    assert calibrated.temperature_ > 1.5
    before, after = (log_loss(y_new, clf.predict_proba(X_new)) for clf in (sure, calibrated))
    assert after < 0.9 * before


@pytest.mark.parametrize("name", ["iris", "wine"])
@pytest.mark.parametrize("preset", ["fast", "default"])
def test_calibration_does_not_raise_the_log_loss_on_small_tables(name, preset):
    """Measured by cross-validation; Platt's smoothed labels raise the log loss by 20 to 50 %."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    params = {"preset": preset, "epochs": 20, "random_state": 0}
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    losses = []
    for train, test in folds:
        clf = TabularClassifier(**params).fit(X[train], y[train])
        calibrated = log_loss(y[test], clf.predict_proba(X[test]))
        clf.temperature_ = 1.0
        losses.append((log_loss(y[test], clf.predict_proba(X[test])), calibrated))

    before, after = np.mean(losses, axis=0)

    assert after <= 1.01 * before


def test_calibration_lowers_the_validation_log_loss():
    X, y = noisy_rows(90, seed=0)
    clf = overfitted(n_estimators=1, calibration="temperature").fit(X, y)

    (_, held) = fold_rows(90, 3, clf._seeds.split, codes_of(y))[0]
    second = by_member(clf, X)[0][held, 0]

    uncalibrated = log_loss(y[held], np.column_stack([1 - second, second]), labels=clf.classes_)
    assert log_loss(y[held], clf.predict_proba(X[held]), labels=clf.classes_) < uncalibrated


def test_predict_returns_the_label_of_the_largest_calibrated_probability():
    X, y = noisy_rows(90, seed=0)
    clf = overfitted(calibration="temperature").fit(X, y)

    best = clf.predict_proba(X).argmax(axis=1)

    np.testing.assert_array_equal(clf.predict(X), clf.classes_[best])
    assert len(set(best)) == 2


@pytest.mark.parametrize(
    ("params", "calibration"),
    [
        ({}, None),
        ({"model": "auto"}, None),
        ({"model": "auto", "calibration": "auto", "cv": None, "early_stopping": False}, None),
        ({"calibration": "auto", "validation_split": 0}, None),
    ],
    ids=["mlp", "auto", "no folds", "nothing held out"],
)
def test_temperature_is_one_without_calibration(iris, params, calibration):
    X, y = iris
    clf = crossed(**{"epochs": 2, **params}).fit(X, y)

    assert clf.temperature_ == 1.0
    assert clf.resolved_params_["calibration"] == calibration
    np.testing.assert_allclose(
        clf.predict_proba(X), np.mean(by_member(clf, X), axis=0), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    "params", [{}, {"validation_split": 0, "cv": 3}, {"model": "auto"}], ids=str
)
def test_calibration_raises_without_validation_rows(iris, params):
    settings = {"early_stopping": False, "cv": None, **params}
    clf = crossed(calibration="temperature", **settings)

    with pytest.raises(ValueError, match="calibration='temperature' needs rows that are held out"):
        clf.fit(*iris)

    assert not [name for name in vars(clf) if name.endswith("_")]


def test_calibration_raises_on_an_unknown_method(iris):
    with pytest.raises(
        ValueError, match="calibration must be 'auto', 'temperature' or None.*'isotonic'"
    ):
        crossed(calibration="isotonic").fit(*iris)


def test_calibration_scales_each_label_of_a_multilabel_target():
    X, y = make_multilabel_classification(n_samples=90, n_classes=4, random_state=0)
    clf = overfitted(calibration="temperature").fit(X, y)

    y_proba = clf.predict_proba(X)

    yes = [outputs.astype(float) ** (1 / clf.temperature_) for outputs in by_member(clf, X)]
    no = [(1.0 - outputs) ** (1 / clf.temperature_) for outputs in by_member(clf, X)]
    expected = np.mean([p / (p + q) for p, q in zip(yes, no, strict=True)], axis=0)
    assert clf.temperature_ > 1.2
    np.testing.assert_allclose(y_proba, expected, rtol=1e-2, atol=1e-3)
    np.testing.assert_array_equal(clf.predict(X), (y_proba > 0.5).astype(int))


def test_calibration_uses_one_temperature_for_multioutput_classes():
    X, y_first = noisy_rows(90, seed=0)
    y = np.column_stack([y_first, np.array(["a", "b", "c"])[np.arange(90) % 3]])
    clf = overfitted(model="realmlp", n_estimators=2, calibration="temperature").fit(X, y)

    first, second = clf.predict_proba(X)

    rows = clf.encoder_.transform(X)
    for column, found in enumerate((first, second)):
        outputs = [keras.ops.convert_to_numpy(model(rows)[column]) for model in clf.models_]
        # With two classes the network has one output, the probability of the second class.
        probabilities = [
            np.hstack([1 - output, output]) if output.shape[1] == 1 else output
            for output in outputs
        ]
        expected = np.mean(
            [temperature_scaled(y_proba, clf.temperature_) for y_proba in probabilities], axis=0
        )
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(
            clf.predict(X)[:, column], clf.classes_[column][found.argmax(axis=1)]
        )
    assert clf.temperature_ > 1.2


def test_calibration_of_one_hot_rows_equals_that_of_class_codes(iris):
    X, y = iris
    codes = codes_of(y)
    rows = slice(0, None, 2), slice(1, None, 2)

    temperatures = []
    for target in (codes, np.eye(3, dtype=int)[codes]):
        clf = TabularClassifier(
            model=lambda: head(3, "softmax"),
            encoder=None,
            n_estimators=1,
            calibration="temperature",
            early_stopping=False,
            epochs=10,
            optimizer__learning_rate=0.1,
            random_state=0,
        )
        clf.fit(X[rows[0]], target[rows[0]], X_val=X[rows[1]], y_val=target[rows[1]])
        temperatures.append(clf.temperature_)

    assert temperatures[0] == pytest.approx(temperatures[1], rel=1e-3)
    assert 1 / 8 < temperatures[0] < 0.95


def test_calibrated_ensemble_can_be_pickled(iris):
    X, y = iris
    clf = crossed(calibration="temperature").fit(X, y)

    restored = pickle.loads(pickle.dumps(clf))

    assert restored.temperature_ == clf.temperature_ != 1
    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("model", ["mlp", "auto"])
def test_random_state_makes_a_calibrated_ensemble_reproducible(iris, model):
    X, y = iris
    params = {"model": model, "calibration": "temperature", "epochs": 3, "n_estimators": 2}

    first, second, other = (
        crossed(**{**params, "random_state": seed}).fit(X, y) for seed in (0, 0, 1)
    )

    assert first.temperature_ == second.temperature_ != other.temperature_
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_same_members(first, second)


def test_partial_fit_keeps_the_temperature(iris):
    X, y = iris
    clf = crossed(calibration="temperature").fit(X, y)
    temperature = clf.temperature_
    assert temperature != 1

    clf.partial_fit(X, y)

    assert clf.temperature_ == temperature


def test_calibration_can_be_enabled_in_a_warm_start(iris):
    X, y = iris
    clf = crossed(warm_start=True).fit(X, y)
    assert clf.temperature_ == 1

    clf.set_params(calibration="temperature").fit(X, y)

    assert clf.resolved_params_["calibration"] == "temperature"
    assert clf.temperature_ != 1
