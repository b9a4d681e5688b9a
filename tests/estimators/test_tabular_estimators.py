"""TabularClassifier and TabularRegressor: cross-validated ensembles, calibration, resuming."""

import pickle
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras.optimizers import Adam
from networks import classifier_network, head
from scipy.special import expit
from sklearn import datasets
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier, TabularClassifier, TabularRegressor
from nnkit.encoding.splits import fold_rows, holdout_rows
from nnkit.encoding.targets import ClassLabels
from nnkit.encoding.temperature import temperature_scaled
from nnkit.estimators.rows.training_rows import Rows, fold_indices_of
from nnkit.optimizers import Cosine

CROSSED = {
    "model": "mlp",
    "model__units": (8,),
    "n_estimators": 3,
    "cv": 3,
    "epochs": 6,
    "batch_size": 32,
    "optimizer__learning_rate": 0.02,
    "random_state": 0,
}
AUTO = {"model__units": (8,), "epochs": 3, "n_estimators": 2, "random_state": 0}
GROUPS = np.arange(150) // 5


def crossed(**params):
    return TabularClassifier(**{**CROSSED, "calibration": None, **params})


def crossed_regressor(**params):
    return TabularRegressor(**{**CROSSED, **params})


def by_member(estimator, X):
    """Return the outputs of each member, without calibration."""
    rows = X if estimator.encoder_ is None else estimator.encoder_.transform(X)
    return [keras.ops.convert_to_numpy(model(rows)) for model in estimator.models_]


def best_losses(estimator):
    return [min(history["val_loss"]) for history in estimator.histories_]


def losses_on(splits, clf, X, y):
    """Return the log loss of each member on its validation rows."""
    return [
        log_loss(y[held], outputs[held], labels=clf.classes_)
        for outputs, (_, held) in zip(by_member(clf, X), splits, strict=True)
    ]


def codes_of(y):
    return np.unique(y, return_inverse=True)[1]


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


def assert_same_members(first, second):
    for one, other in zip(first.models_, second.models_, strict=True):
        for our, their in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(our, their)


# Folds


@pytest.mark.parametrize(
    ("params", "splits_of"),
    [
        ({}, lambda seed, y: fold_rows(150, 3, seed, codes_of(y))),
        (
            {"cv": KFold(3, shuffle=True, random_state=1)},
            lambda seed, y: list(KFold(3, shuffle=True, random_state=1).split(y)),
        ),
        (
            {"n_estimators": 5},
            lambda seed, y: [
                *fold_rows(150, 3, seed, codes_of(y)),
                *fold_rows(150, 3, seed + 3, codes_of(y))[:2],
            ],
        ),
        (
            {"n_estimators": 5, "cv": KFold(3)},
            lambda seed, y: [*KFold(3).split(y), *list(KFold(3).split(y))[:2]],
        ),
        ({"n_estimators": 2}, lambda seed, y: fold_rows(150, 3, seed, codes_of(y))[:2]),
    ],
    ids=["folds", "splitter", "more than folds", "more than splits", "fewer than folds"],
)
def test_cv_gives_each_member_its_own_validation_fold(iris, params, splits_of):
    X, y = iris
    clf = crossed(**params).fit(X, y)

    splits = splits_of(clf._seeds.split, y)

    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-4)
    others = losses_on([*splits[1:], splits[0]], clf, X, y)
    assert (np.abs(np.array(others) / best_losses(clf) - 1) > 0.01).all()


def test_cv_keeps_groups_together(iris):
    X, y = iris

    clf = crossed().fit(X, y, groups=GROUPS)

    splits = fold_rows(150, 3, clf._seeds.split, codes_of(y), GROUPS)
    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-3)


def test_cv_splitter_receives_groups(iris):
    X, y = iris

    clf = crossed(cv=GroupKFold(3)).fit(X, y, groups=GROUPS)

    splits = list(GroupKFold(3).split(X, y, GROUPS))
    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-3)


def test_validation_split_is_shared_by_all_members(iris):
    X, y = iris
    clf = crossed(validation_split=0.3).fit(X, y)

    labels = ClassLabels(clf.classes_)
    split = holdout_rows(150, 0.3, clf._seeds.split, labels.encode(y), labels)

    np.testing.assert_allclose(best_losses(clf), losses_on([split] * 3, clf, X, y), rtol=1e-3)


def test_cv_member_does_not_train_on_its_validation_rows(iris):
    """Early stopping is off, since it would use the validation labels as well."""
    X, y = iris
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    clf = crossed(encoder=None, early_stopping=False, cv=splits)
    kept = [outputs.copy() for outputs in by_member(clf.fit(X, y), X)]

    y_other = y.copy()
    y_other[splits[1][1]] = "setosa"
    found = by_member(clf.fit(X, y_other), X)

    np.testing.assert_array_equal(found[1], kept[1])
    assert np.abs(found[0] - kept[0]).max() > 1e-3
    assert np.abs(found[2] - kept[2]).max() > 1e-3


def test_first_member_equals_a_single_network_on_the_first_fold(iris):
    X, y = iris

    clf, alone = crossed(encoder=None).fit(X, y), crossed(encoder=None, n_estimators=1).fit(X, y)

    np.testing.assert_allclose(by_member(clf, X)[0], by_member(alone, X)[0], rtol=1e-3)
    np.testing.assert_allclose(clf.history_["val_loss"], alone.history_["val_loss"], rtol=1e-3)


def test_members_of_an_ensemble_differ(iris):
    X, y = iris

    first, second, third = by_member(crossed().fit(X, y), X)

    assert np.abs(first - second).max() > 1e-2
    assert np.abs(second - third).max() > 1e-2


@dataclass
class Settings:
    """The settings of a fit that split its rows."""

    n_estimators: int
    validation_split: Any = 0
    cv: Any = None


def folds_of(n_estimators, split=0, cv=None, **rows):
    """Return the folds of ten rows with alternating classes 0 and 1."""
    settings = Settings(n_estimators, split, cv)
    y = np.arange(10) % 2
    given = Rows(np.zeros((10, 1)), y, y[:, np.newaxis], **{"sample_weight": None, **rows})
    labels = ClassLabels(np.array([0, 1]))
    return fold_indices_of(given, settings, 0, y, labels)


def test_fold_indices_repeat_with_another_partition_beyond_cv():
    _, folds = folds_of(4, cv=2)

    held = [sorted(fold.validation) for fold in folds]
    assert sorted(held[0] + held[1]) == sorted(held[2] + held[3]) == list(range(10))
    assert held[0] not in held[2:]
    for fold in folds:
        assert sorted([*fold.training, *fold.validation]) == list(range(10))


@pytest.mark.parametrize(("split", "n_held"), [(0.3, 3), (0, 0)])
def test_fold_indices_are_one_fold_without_cv(split, n_held):
    _, folds = folds_of(3, split)

    assert len(folds) == 1
    assert n_held == (0 if folds[0].validation is None else len(folds[0].validation))


PAIR = ([0, 1, 2, 3, 6, 7], [4, 5, 8, 9])


@pytest.mark.parametrize(
    "split", [{"cv": 2}, {"split": 0.4}, {"split": [PAIR]}, {"cv": [PAIR] * 2}], ids=str
)
def test_fold_indices_exclude_rows_with_zero_weight(split):
    weight = np.array([0.0, 1, 1, 1, 1, 0, 1, 1, 1, 1])

    rows, folds = folds_of(2, **split, sample_weight=weight)

    for fold in folds:
        assert (rows.sample_weight[fold.training] > 0).all()
        assert (rows.sample_weight[fold.validation] > 0).all()


def with_weightless_rows(X, y):
    """Insert an outlier of weight 0 after every five rows.

    Return X, y, the weights, and the positions of the original rows.
    """
    is_real = np.arange(180) % 6 < 5
    X_more, y_more = np.full((180, 4), 1e6), np.full(180, "virginica")
    X_more[is_real], y_more[is_real] = X, y
    return X_more, y_more, is_real.astype(float), np.flatnonzero(is_real)


@pytest.mark.parametrize("split", [{"cv": 3}, {"validation_split": 0.3}], ids=str)
def test_fit_ignores_rows_with_zero_weight(iris, split):
    X, y = iris
    X_more, y_more, weight, _ = with_weightless_rows(X, y)
    clf = crossed(calibration="temperature", **split)

    without = clf.fit(X, y).predict_proba(X)
    found = clf.fit(X_more, y_more, sample_weight=weight).predict_proba(X)

    np.testing.assert_allclose(found, without, rtol=1e-4)


def test_fit_ignores_rows_with_zero_weight_in_given_splits(iris):
    """The shared encoder ignores the rows too."""
    X, y = iris
    X_more, y_more, weight, positions = with_weightless_rows(X, y)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    far_out = np.flatnonzero(weight == 0)
    splits_more = [
        tuple(np.append(positions[rows], far_out) for rows in (training, held))
        for training, held in splits
    ]
    clf = crossed(calibration="temperature")

    without = clf.set_params(cv=splits).fit(X, y).predict_proba(X)
    clf.set_params(cv=splits_more)
    found = clf.fit(X_more, y_more, sample_weight=weight).predict_proba(X)

    np.testing.assert_allclose(found, without, rtol=1e-4)


# Calibration


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


@pytest.mark.parametrize("is_pickled", [False, True], ids=["at once", "after pickling"])
@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_further_training_resumes_after_the_default_schedule_has_ended(iris, further, is_pickled):
    X, y = iris
    clf = TabularClassifier(epochs=4, n_estimators=2, model__units=(8,), random_state=0).fit(X, y)
    clf.set_params(warm_start=True, epochs=8)
    losses = [clf.history_["loss"][-1]]
    before = clf.predict_proba(X)
    if is_pickled:
        clf = pickle.loads(pickle.dumps(clf))

    for _ in range(1 if further == "fit" else 8):
        getattr(clf, further)(X, y)
    losses.append(clf.history_["loss"][-1])

    assert losses[1] < losses[0]
    assert not np.allclose(clf.predict_proba(X), before, atol=1e-3)
    assert len(clf.models_) == 2


def test_partial_fit_keeps_the_weights_when_the_schedule_is_removed(iris):
    X, y = iris
    clf = KerasClassifier("realmlp", epochs=2, model__units=(8,), random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    clf.set_params(optimizer__learning_rate=1e-12, model__weight_decay=0.0).partial_fit(X, y)

    np.testing.assert_allclose(clf.predict_proba(X), before, atol=1e-5)


@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_further_training_raises_after_a_user_schedule_has_ended(iris, further):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, optimizer=Adam(Cosine(0.01))).fit(X, y)
    clf.set_params(warm_start=True)

    with pytest.raises(ValueError, match="its learning rate schedule ended with the last fit"):
        getattr(clf, further)(X, y)


@pytest.mark.parametrize("fit", ["fit", "partial_fit", "initialize"])
def test_fit_raises_on_a_schedule_without_n_steps_if_the_length_is_unknown(iris, fit):
    clf = KerasClassifier("mlp", optimizer=Adam(Cosine(0.01)), warm_start=True)

    with pytest.raises(ValueError, match="is not known with warm_start=True, in partial_fit and"):
        getattr(clf, fit)(*iris)


def test_fit_raises_on_a_compiled_schedule_without_n_steps(iris):
    def build(meta):
        network = classifier_network(meta)
        network.compile(Adam(Cosine(0.01)))
        return network

    with pytest.raises(ValueError, match=r"n_steps of Cosine is None.*Set n_steps to epochs \*"):
        KerasClassifier(build).fit(*iris)


@pytest.mark.parametrize("optimizer", ["adam", Adam, Adam(0.01), Adam(Cosine(0.01, n_steps=50))])
def test_partial_fit_resumes_with_optimizers_of_fixed_schedules(iris, optimizer):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, optimizer=optimizer, random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    clf.partial_fit(X, y)

    assert not np.allclose(clf.predict_proba(X), before)


def test_compiled_model_is_shared_by_fits_with_other_epochs(iris):
    X, y = iris
    first, second = (
        KerasClassifier("mlp", epochs=epochs, optimizer=Adam(0.01)).fit(X, y) for epochs in (1, 2)
    )

    assert first._network.compiled_model is second._network.compiled_model


def test_warm_start_raises_on_a_changed_n_estimators(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, n_estimators=2, warm_start=True).fit(X, y)

    with pytest.raises(ValueError, match="n_estimators=3, but 2 network"):
        clf.set_params(n_estimators=3).fit(X, y)

    assert len(clf.set_params(n_estimators=2).fit(X, y).models_) == 2


def test_warm_start_does_not_keep_fit_arguments_of_the_previous_fit(iris):
    X, y = iris
    clf = KerasClassifier("mlp", model__units=(4,), warm_start=True).fit(X[::8], y[::8], epochs=1)

    clf.fit(X, y)

    assert clf.resolved_params_["epochs"] == 100
    assert clf.resolved_params_["batch_size"] == 32


def test_validation_split_keeps_groups_together(iris):
    X, y = iris
    groups = np.arange(150) // 10
    held_out = []

    KerasClassifier(
        "mlp",
        epochs=1,
        validation_split=0.3,
        encoder=FunctionTransformer(lambda rows: held_out.append(rows) or rows),
    ).fit(np.column_stack([X, groups]), y, groups=groups)

    training, validation = (set(rows[:, -1]) for rows in held_out[:2])
    assert not training & validation
    assert len(training | validation) == 15


def test_binary_metrics_are_recorded_with_the_default_network(cancer):
    X, y = cancer
    metrics = ["AUC", "Precision", "binary_accuracy"]

    clf = TabularClassifier("fast", epochs=1, model__units=(4,), metrics=metrics).fit(X, y)

    names = [name.lower() for name in clf.history_]
    assert all(any(name.startswith(metric.lower()) for name in names) for metric in metrics)


def test_calibration_can_be_enabled_in_a_warm_start(iris):
    X, y = iris
    clf = crossed(warm_start=True).fit(X, y)
    assert clf.temperature_ == 1

    clf.set_params(calibration="temperature").fit(X, y)

    assert clf.resolved_params_["calibration"] == "temperature"
    assert clf.temperature_ != 1


# Values


@pytest.mark.parametrize("split", [3, KFold(3)], ids=["folds", "splitter"])
def test_regressor_cv_gives_each_member_its_own_validation_fold(diabetes, split):
    X, y = diabetes
    reg = crossed_regressor(cv=split).fit(X, y)

    drawn = fold_rows(442, 3, reg._seeds.split)
    splits = drawn if split == 3 else list(KFold(3).split(X))

    # The target is scaled by all rows, since each row is a training row of some member.
    y_units = (y - y.mean()) / y.std()
    errors = [
        np.mean((outputs[held, 0] - y_units[held]) ** 2)
        for outputs, (_, held) in zip(by_member(reg, X), splits, strict=True)
    ]
    np.testing.assert_allclose(best_losses(reg), errors, rtol=1e-3)


def test_predict_averages_the_members_of_all_folds(diabetes):
    X, y = diabetes
    reg = crossed_regressor().fit(X, y)

    y_pred = reg.predict(X)

    expected = y.mean() + y.std() * np.mean(by_member(reg, X), axis=0)[:, 0]
    np.testing.assert_allclose(y_pred, expected, rtol=1e-4)


def test_random_state_makes_a_regressor_reproducible(diabetes):
    X, y = diabetes

    first, second = (TabularRegressor(**AUTO).fit(X, y) for _ in range(2))

    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    restored = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(restored.predict(X), first.predict(X))


@pytest.mark.parametrize(
    ("model", "is_clipped"),
    [("auto", True), ("realmlp", True), ("realmlp_simplified", False), ("mlp", False)],
)
def test_predict_clips_to_the_range_of_the_training_target(diabetes, model, is_clipped):
    """Only models whose specification asks for it are clipped."""
    X, y = diabetes
    reg = TabularRegressor(model=model, **{**AUTO, "epochs": 1, "n_estimators": 1}).fit(X, y)
    bias = reg.model_.trainable_variables[-1]
    if model == "auto":
        bias = reg.model_.get_layer("scores_0").bias

    found = []
    for value in (-50.0, 50.0):
        bias.assign([value])
        found += [reg.predict(X).min(), reg.predict(X).max()]

    if is_clipped:
        assert found == pytest.approx([y.min(), y.min(), y.max(), y.max()])
    else:
        assert found[1] < y.min()
        assert found[2] > y.max()


def test_predict_clips_each_column_of_a_multioutput_target(diabetes):
    X, y = diabetes
    y_two = np.column_stack([y, -2 * y])
    reg = TabularRegressor(**{**AUTO, "epochs": 1, "n_estimators": 1}).fit(X, y_two)

    reg.model_.get_layer("scores_0").bias.assign([50.0, -50.0])

    expected = np.tile([y.max(), -2 * y.max()], (442, 1))
    np.testing.assert_allclose(reg.predict(X), expected, rtol=1e-6)


# Further training


@pytest.fixture(params=[TabularClassifier, TabularRegressor], ids=["classes", "values"])
def learning(request):
    """An estimator class and rows for it."""
    return request.param, *request.getfixturevalue(
        "iris" if request.param is TabularClassifier else "diabetes"
    )


def test_partial_fit_trains_one_default_network(learning):
    cls, X, y = learning
    estimator = cls(model__units=(8,), random_state=0)

    for _ in range(12):
        estimator.partial_fit(X, y)

    losses = estimator.history_["loss"]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    assert len(estimator.models_) == 1
    assert estimator.resolved_params_["n_estimators"] == 1


def test_warm_start_resumes_all_default_networks(learning):
    cls, X, y = learning
    estimator = cls(**AUTO, warm_start=True)

    losses = []
    for _ in range(4):
        losses.append([history["loss"] for history in estimator.fit(X, y).histories_])

    # (4 calls, 2 members, 3 epochs) -> (4, 2)
    means = np.mean(losses, axis=2)
    assert means.shape == (4, 2)
    assert (means[-1] < 0.9 * means[0]).all()


@pytest.mark.parametrize("model", ["auto", "realmlp"])
def test_warm_start_keeps_the_folds_of_the_first_fit(iris, model):
    """Rows used for training are biased for early stopping and calibration."""
    X, y = iris
    clf = TabularClassifier(model=model, **AUTO, warm_start=True).fit(X, y)
    first = clf.resolved_params_["cv"]

    clf.fit(X, y)

    assert first == 5
    assert clf.resolved_params_["cv"] == first


def test_partial_fit_between_warm_starts_keeps_resolved_params(iris):
    X, y = iris
    clf = TabularClassifier(model__units=(4,), epochs=1, warm_start=True, random_state=0)
    chosen = clf.fit(X, y).resolved_params_

    clf.partial_fit(X, y)
    clf.fit(X, y)

    assert len(clf.models_) == chosen["n_estimators"]
    assert clf.resolved_params_ == chosen
    assert "val_loss" in clf.history_
    assert clf.temperature_ != 1


@pytest.mark.parametrize("model", ["auto", "realmlp"])
def test_early_stopping_is_off_without_validation_rows(diabetes, model):
    X, y = diabetes

    estimator = TabularRegressor(model=model, **AUTO, validation_split=0).fit(X, y)

    assert estimator.resolved_params_["early_stopping"] is False
    assert estimator.n_iter_ == 3
    assert "val_loss" not in estimator.history_


def test_given_validation_rows_replace_cv(learning):
    cls, X, y = learning
    rows = {"X_val": X[1::2], "y_val": y[1::2]}

    estimator = cls(**AUTO).fit(X[::2], y[::2], **rows)

    assert estimator.X_shape_[0] == len(X[::2])
    assert all(len(history["val_loss"]) == 3 for history in estimator.histories_)


def test_cv_accepts_splits_that_leave_rows_out(iris):
    X, y = iris
    splitter = ShuffleSplit(2, train_size=30, test_size=20, random_state=0)
    clf = crossed(cv=splitter, n_estimators=2).fit(X, y)

    splits = list(splitter.split(X))

    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-3)
