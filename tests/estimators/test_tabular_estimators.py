"""TabularClassifier and TabularRegressor: validation folds of ensembles, averages and clipping."""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cross_fitted import AUTO, by_member, codes_of, crossed, crossed_regressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier, TabularClassifier, TabularRegressor
from nnkit.encoding.splits import fold_rows, holdout_rows
from nnkit.encoding.targets import ClassLabels
from nnkit.estimators.rows.training_rows import Rows, fold_indices_of

GROUPS = np.arange(150) // 5


def best_losses(estimator):
    return [min(history["val_loss"]) for history in estimator.histories_]


def losses_on(splits, clf, X, y):
    """Return the log loss of each member on its validation rows."""
    return [
        log_loss(y[held], outputs[held], labels=clf.classes_)
        for outputs, (_, held) in zip(by_member(clf, X), splits, strict=True)
    ]


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


@pytest.mark.parametrize("model", ["auto", "mlp"])
def test_fit_raises_on_preset_none(iris, model):
    with pytest.raises(ValueError, match="preset must be 'fast', 'default' or 'best'. Got None"):
        TabularClassifier(None, model=model).fit(*iris)
