"""TabularClassifier and TabularRegressor: folds of the networks, calibration, presets."""

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
from nnkit.encoding import ClassLabels, fold_rows, holdout_rows, temperature_scaled
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
    """Each member's outputs, from its weights as they are."""
    rows = X if estimator.encoder_ is None else estimator.encoder_.transform(X)
    return [keras.ops.convert_to_numpy(model(rows)) for model in estimator.models_]


def best_losses(estimator):
    return [min(history["val_loss"]) for history in estimator.histories_]


def losses_on(splits, clf, X, y):
    """The log-loss of each member on the rows that its split holds out."""
    return [
        log_loss(y[held], outputs[held], labels=clf.classes_)
        for outputs, (_, held) in zip(by_member(clf, X), splits, strict=True)
    ]


def codes_of(y):
    return np.unique(y, return_inverse=True)[1]


def noisy_rows(n_rows, seed):
    """Two classes of which twenty columns tell little."""
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
def test_each_member_is_at_its_best_on_rows_of_its_own(iris, params, splits_of):
    X, y = iris
    clf = crossed(**params).fit(X, y)

    splits = splits_of(clf._seeds.split, y)

    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-4)
    others = losses_on([*splits[1:], splits[0]], clf, X, y)
    assert (np.abs(np.array(others) / best_losses(clf) - 1) > 0.01).all()


def test_groups_stay_together_in_the_folds_of_the_members(iris):
    X, y = iris

    clf = crossed().fit(X, y, groups=GROUPS)

    splits = fold_rows(150, 3, clf._seeds.split, codes_of(y), GROUPS)
    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-3)


def test_groups_go_to_a_splitter_of_the_members(iris):
    X, y = iris

    clf = crossed(cv=GroupKFold(3)).fit(X, y, groups=GROUPS)

    splits = list(GroupKFold(3).split(X, y, GROUPS))
    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-3)


def test_a_fraction_is_held_out_of_all_members(iris):
    X, y = iris
    clf = crossed(validation_split=0.3).fit(X, y)

    labels = ClassLabels(clf.classes_)
    split = holdout_rows(150, 0.3, clf._seeds.split, labels.encode(y), labels)

    np.testing.assert_allclose(best_losses(clf), losses_on([split] * 3, clf, X, y), rtol=1e-3)


def test_a_member_does_not_train_on_the_rows_it_validates_on(iris):
    """Without early stopping nothing else of them could come in either."""
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


def test_the_first_member_is_the_network_alone_on_the_first_fold(iris):
    X, y = iris

    clf, alone = crossed(encoder=None).fit(X, y), crossed(encoder=None, n_estimators=1).fit(X, y)

    np.testing.assert_allclose(by_member(clf, X)[0], by_member(alone, X)[0], rtol=1e-3)
    np.testing.assert_allclose(clf.history_["val_loss"], alone.history_["val_loss"], rtol=1e-3)


def test_members_of_one_fit_differ(iris):
    X, y = iris

    first, second, third = by_member(crossed().fit(X, y), X)

    assert np.abs(first - second).max() > 1e-2
    assert np.abs(second - third).max() > 1e-2


@dataclass
class Settings:
    """Those settings of a fit that divide its rows."""

    n_estimators: int
    validation_split: Any = 0
    cv: Any = None


def parts(n_estimators, split=0, cv=None, **rows):
    """The folds of ten rows, of which every second one is of the class 1."""
    settings = Settings(n_estimators, split, cv)
    y = np.arange(10) % 2
    given = Rows(np.zeros((10, 1)), y, y[:, np.newaxis], **{"sample_weight": None, **rows})
    labels = ClassLabels(np.array([0, 1]))
    return fold_indices_of(given, settings, 0, y, labels)


def test_folds_of_members_are_a_partition_and_then_another_one():
    _, found = parts(4, cv=2)

    held = [sorted(part.validation) for part in found]
    assert sorted(held[0] + held[1]) == sorted(held[2] + held[3]) == list(range(10))
    assert held[0] not in held[2:]
    for part in found:
        assert sorted([*part.training, *part.validation]) == list(range(10))


@pytest.mark.parametrize(("split", "n_held"), [(0.3, 3), (0, 0)])
def test_members_that_share_their_rows_have_one_part(split, n_held):
    _, found = parts(3, split)

    assert len(found) == 1
    assert n_held == (0 if found[0].validation is None else len(found[0].validation))


PAIR = ([0, 1, 2, 3, 6, 7], [4, 5, 8, 9])


@pytest.mark.parametrize(
    "split", [{"cv": 2}, {"split": 0.4}, {"split": [PAIR]}, {"cv": [PAIR] * 2}], ids=str
)
def test_rows_that_weigh_nothing_are_in_no_part(split):
    weight = np.array([0.0, 1, 1, 1, 1, 0, 1, 1, 1, 1])

    rows, found = parts(2, **split, sample_weight=weight)

    for part in found:
        assert (rows.sample_weight[part.training] > 0).all()
        assert (rows.sample_weight[part.validation] > 0).all()


def with_weightless_rows(X, y):
    """The rows with one of weight 0, far out, behind each five; and where the rows are then."""
    is_real = np.arange(180) % 6 < 5
    X_more, y_more = np.full((180, 4), 1e6), np.full(180, "virginica")
    X_more[is_real], y_more[is_real] = X, y
    return X_more, y_more, is_real.astype(float), np.flatnonzero(is_real)


@pytest.mark.parametrize("split", [{"cv": 3}, {"validation_split": 0.3}], ids=str)
def test_rows_that_weigh_nothing_are_as_if_left_out(iris, split):
    X, y = iris
    X_more, y_more, weight, _ = with_weightless_rows(X, y)
    clf = crossed(calibration="temperature", **split)

    without = clf.fit(X, y).predict_proba(X)
    found = clf.fit(X_more, y_more, sample_weight=weight).predict_proba(X)

    np.testing.assert_allclose(found, without, rtol=1e-4)


def test_rows_that_weigh_nothing_are_as_if_a_splitter_left_them_out(iris):
    """In the encoder, too, which all members share."""
    X, y = iris
    X_more, y_more, weight, positions = with_weightless_rows(X, y)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    far_out = np.flatnonzero(weight == 0)
    splits_more = [
        tuple(np.append(positions[part], far_out) for part in (training, held))
        for training, held in splits
    ]
    clf = crossed(calibration="temperature")

    without = clf.set_params(cv=splits).fit(X, y).predict_proba(X)
    clf.set_params(cv=splits_more)
    found = clf.fit(X_more, y_more, sample_weight=weight).predict_proba(X)

    np.testing.assert_allclose(found, without, rtol=1e-4)


# Calibration


def test_probabilities_are_the_mean_of_tempered_members(iris):
    X, y = iris
    clf = crossed(calibration="temperature").fit(X, y)

    y_proba, y_std = clf.predict_proba(X, return_std=True)

    members = [temperature_scaled(outputs, clf.temperature_) for outputs in by_member(clf, X)]
    assert abs(clf.temperature_ - 1) > 0.05
    np.testing.assert_allclose(y_proba, np.mean(members, axis=0), rtol=1e-4)
    np.testing.assert_allclose(y_std, np.std(members, axis=0), rtol=1e-3, atol=1e-5)


def most_probable_on_grid(by_part, codes_by_part, weight=1.0):
    """The rule of `fit_temperature`, by trying all temperatures."""
    weights = np.concatenate([np.broadcast_to(weight, len(codes)) for codes in codes_by_part])
    n_rows = weights.sum() ** 2 / np.square(weights).sum()
    grid, found = np.geomspace(1 / 8, 8, 801), []
    for temperature in grid:
        log_proba = []
        for members in by_part:
            powers = [member.astype(float) ** (1 / temperature) for member in members]
            mean = np.mean([power / power.sum(axis=1, keepdims=True) for power in powers], axis=0)
            log_proba.append(np.log(mean))
        log_proba, codes = np.concatenate(log_proba), np.concatenate(codes_by_part)
        of_truth = np.average(log_proba[np.arange(len(codes)), codes], weights=weights)
        of_any_label = np.average(log_proba.mean(axis=1), weights=weights)
        prior = np.log(temperature) ** 2 / (2 * 0.3**2)
        found.append([prior - n_rows * of_truth, prior - n_rows * of_truth - of_any_label])
    likely, cautious = grid[np.argmin(found, axis=0)]
    return likely if likely >= 1 else min(1.0, cautious)


def test_the_temperature_is_the_most_probable_of_all_folds(iris):
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
def test_members_that_share_their_rows_are_calibrated_as_one(iris, n_estimators):
    X, y = iris
    clf = crossed(calibration="temperature", epochs=10, n_estimators=n_estimators)

    clf.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])

    expected = most_probable_on_grid([by_member(clf, X[1::2])], [codes_of(y[1::2])])
    assert clf.temperature_ == pytest.approx(expected, rel=0.01)
    assert 1 / 8 < expected < 8


def test_weights_of_validation_rows_count_in_the_temperature(iris):
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
def test_an_overfitted_network_is_made_less_sure_and_better(split):
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
def test_calibration_does_not_cost_on_small_tables(name, preset):
    """As found by cross-validation; the smoothed labels of Platt cost a fifth to a half."""
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


def test_the_held_out_log_loss_becomes_no_larger():
    X, y = noisy_rows(90, seed=0)
    clf = overfitted(n_estimators=1, calibration="temperature").fit(X, y)

    (_, held) = fold_rows(90, 3, clf._seeds.split, codes_of(y))[0]
    second = by_member(clf, X)[0][held, 0]

    uncalibrated = log_loss(y[held], np.column_stack([1 - second, second]), labels=clf.classes_)
    assert log_loss(y[held], clf.predict_proba(X[held]), labels=clf.classes_) < uncalibrated


def test_labels_are_those_of_the_largest_probability():
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
def test_without_calibration_the_temperature_is_one(iris, params, calibration):
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
def test_calibration_needs_rows_that_are_held_out(iris, params):
    settings = {"early_stopping": False, "cv": None, **params}
    clf = crossed(calibration="temperature", **settings)

    with pytest.raises(ValueError, match="calibration='temperature' needs rows that are held out"):
        clf.fit(*iris)

    assert not [name for name in vars(clf) if name.endswith("_")]


def test_a_calibration_that_is_unknown_is_refused(iris):
    with pytest.raises(
        ValueError, match="calibration must be 'auto', 'temperature' or None.*'isotonic'"
    ):
        crossed(calibration="isotonic").fit(*iris)


def test_several_labels_a_row_are_calibrated_each():
    X, y = make_multilabel_classification(n_samples=90, n_classes=4, random_state=0)
    clf = overfitted(calibration="temperature").fit(X, y)

    y_proba = clf.predict_proba(X)

    yes = [outputs.astype(float) ** (1 / clf.temperature_) for outputs in by_member(clf, X)]
    no = [(1.0 - outputs) ** (1 / clf.temperature_) for outputs in by_member(clf, X)]
    expected = np.mean([p / (p + q) for p, q in zip(yes, no, strict=True)], axis=0)
    assert clf.temperature_ > 1.2
    np.testing.assert_allclose(y_proba, expected, rtol=1e-2, atol=1e-3)
    np.testing.assert_array_equal(clf.predict(X), (y_proba > 0.5).astype(int))


def test_several_columns_of_classes_have_one_temperature():
    X, y_first = noisy_rows(90, seed=0)
    y = np.column_stack([y_first, np.array(["a", "b", "c"])[np.arange(90) % 3]])
    clf = overfitted(model="realmlp", n_estimators=2, calibration="temperature").fit(X, y)

    first, second = clf.predict_proba(X)

    rows = clf.encoder_.transform(X)
    for column, found in enumerate((first, second)):
        outputs = [keras.ops.convert_to_numpy(model(rows)[column]) for model in clf.models_]
        # Two classes have one output, the probability of the second.
        probabilities = [
            np.hstack([1 - output, output]) if output.shape[1] == 1 else output
            for output in outputs
        ]
        expected = np.mean(
            [temperature_scaled(part, clf.temperature_) for part in probabilities], axis=0
        )
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(
            clf.predict(X)[:, column], clf.classes_[column][found.argmax(axis=1)]
        )
    assert clf.temperature_ > 1.2


def test_one_hot_rows_are_calibrated_as_their_classes(iris):
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


def test_a_calibrated_ensemble_pickles(iris):
    X, y = iris
    clf = crossed(calibration="temperature").fit(X, y)

    restored = pickle.loads(pickle.dumps(clf))

    assert restored.temperature_ == clf.temperature_ != 1
    np.testing.assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("model", ["mlp", "auto"])
def test_one_random_state_gives_one_ensemble_to_the_bit(iris, model):
    X, y = iris
    params = {"model": model, "calibration": "temperature", "epochs": 3, "n_estimators": 2}

    first, second, other = (
        crossed(**{**params, "random_state": seed}).fit(X, y) for seed in (0, 0, 1)
    )

    assert first.temperature_ == second.temperature_ != other.temperature_
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_same_members(first, second)


def test_further_training_by_calls_keeps_the_temperature(iris):
    X, y = iris
    clf = crossed(calibration="temperature").fit(X, y)
    temperature = clf.temperature_
    assert temperature != 1

    clf.partial_fit(X, y)

    assert clf.temperature_ == temperature


@pytest.mark.parametrize("is_pickled", [False, True], ids=["at once", "after pickling"])
@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_the_default_network_learns_on_where_its_schedule_has_ended(iris, further, is_pickled):
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


def test_networks_that_are_prolonged_have_the_weights_they_had(iris):
    X, y = iris
    clf = KerasClassifier("realmlp", epochs=2, model__units=(8,), random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    clf.set_params(optimizer__learning_rate=1e-12, model__weight_decay=0.0).partial_fit(X, y)

    np.testing.assert_allclose(clf.predict_proba(X), before, atol=1e-5)


@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_a_training_whose_schedule_has_ended_does_not_go_on_in_silence(iris, further):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, optimizer=Adam(Cosine(0.01))).fit(X, y)
    clf.set_params(warm_start=True)

    with pytest.raises(ValueError, match="its learning rate followed a schedule, which has come"):
        getattr(clf, further)(X, y)


@pytest.mark.parametrize("fit", ["fit", "partial_fit", "initialize"])
def test_a_schedule_of_a_training_of_unknown_length_is_refused(iris, fit):
    clf = KerasClassifier("mlp", optimizer=Adam(Cosine(0.01)), warm_start=True)

    with pytest.raises(ValueError, match="is not known with warm_start=True, in partial_fit and"):
        getattr(clf, fit)(*iris)


def test_a_schedule_that_a_builder_compiles_with_asks_for_its_steps(iris):
    def build(meta):
        network = classifier_network(meta)
        network.compile(Adam(Cosine(0.01)))
        return network

    with pytest.raises(
        ValueError, match="Give n_steps = epochs .*, unless it is in the optimizer="
    ):
        KerasClassifier(build).fit(*iris)


@pytest.mark.parametrize("optimizer", ["adam", Adam, Adam(0.01), Adam(Cosine(0.01, n_steps=50))])
def test_a_training_without_a_schedule_that_spans_the_fit_goes_on(iris, optimizer):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, optimizer=optimizer, random_state=0).fit(X, y)
    before = clf.predict_proba(X)

    clf.partial_fit(X, y)

    assert not np.allclose(clf.predict_proba(X), before)


def test_fits_of_other_lengths_share_their_network_without_a_schedule(iris):
    X, y = iris
    first, second = (
        KerasClassifier("mlp", epochs=epochs, optimizer=Adam(0.01)).fit(X, y) for epochs in (1, 2)
    )

    assert first._network.compiled_model is second._network.compiled_model


def test_a_training_goes_on_with_as_many_members(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, n_estimators=2, warm_start=True).fit(X, y)

    with pytest.raises(ValueError, match="n_estimators=3, but 2 network"):
        clf.set_params(n_estimators=3).fit(X, y)

    assert len(clf.set_params(n_estimators=2).fit(X, y).models_) == 2


def test_what_was_set_for_one_fit_is_forgotten_in_the_next(iris):
    X, y = iris
    clf = KerasClassifier("mlp", model__units=(4,), warm_start=True).fit(X[::8], y[::8], epochs=1)

    clf.fit(X, y)

    assert clf.resolved_params_["epochs"] == 100
    assert clf.resolved_params_["batch_size"] == 32


def test_groups_stay_together_where_a_fraction_is_held_out(iris):
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


def test_metrics_of_two_classes_work_with_the_default_network(cancer):
    X, y = cancer
    metrics = ["AUC", "Precision", "binary_accuracy"]

    clf = TabularClassifier("fast", epochs=1, model__units=(4,), metrics=metrics).fit(X, y)

    names = [name.lower() for name in clf.history_]
    assert all(any(name.startswith(metric.lower()) for name in names) for metric in metrics)


def test_calibration_can_begin_in_a_resumed_fit(iris):
    X, y = iris
    clf = crossed(warm_start=True).fit(X, y)
    assert clf.temperature_ == 1

    clf.set_params(calibration="temperature").fit(X, y)

    assert clf.resolved_params_["calibration"] == "temperature"
    assert clf.temperature_ != 1


# Values


@pytest.mark.parametrize("split", [3, KFold(3)], ids=["folds", "splitter"])
def test_each_regressor_is_at_its_best_on_rows_of_its_own(diabetes, split):
    X, y = diabetes
    reg = crossed_regressor(cv=split).fit(X, y)

    drawn = fold_rows(442, 3, reg._seeds.split)
    splits = drawn if split == 3 else list(KFold(3).split(X))

    # In standard units of all rows, since each of them is trained on.
    y_units = (y - y.mean()) / y.std()
    errors = [
        np.mean((outputs[held, 0] - y_units[held]) ** 2)
        for outputs, (_, held) in zip(by_member(reg, X), splits, strict=True)
    ]
    np.testing.assert_allclose(best_losses(reg), errors, rtol=1e-3)


def test_values_are_the_mean_of_members_of_folds(diabetes):
    X, y = diabetes
    reg = crossed_regressor().fit(X, y)

    y_pred = reg.predict(X)

    expected = y.mean() + y.std() * np.mean(by_member(reg, X), axis=0)[:, 0]
    np.testing.assert_allclose(y_pred, expected, rtol=1e-4)


def test_one_random_state_gives_one_regressor_to_the_bit(diabetes):
    X, y = diabetes

    first, second = (TabularRegressor(**AUTO).fit(X, y) for _ in range(2))

    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    restored = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(restored.predict(X), first.predict(X))


@pytest.mark.parametrize(
    ("model", "is_clipped"),
    [("auto", True), ("realmlp", True), ("realmlp_simplified", False), ("mlp", False)],
)
def test_values_stay_in_the_range_of_the_training_rows(diabetes, model, is_clipped):
    """Of the models whose model specification says so."""
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


def test_each_column_of_values_stays_in_its_range(diabetes):
    X, y = diabetes
    y_two = np.column_stack([y, -2 * y])
    reg = TabularRegressor(**{**AUTO, "epochs": 1, "n_estimators": 1}).fit(X, y_two)

    reg.model_.get_layer("scores_0").bias.assign([50.0, -50.0])

    expected = np.tile([y.max(), -2 * y.max()], (442, 1))
    np.testing.assert_allclose(reg.predict(X), expected, rtol=1e-6)


# Training that goes on


@pytest.fixture(params=[TabularClassifier, TabularRegressor], ids=["classes", "values"])
def learning(request):
    """An estimator class and rows for it."""
    return request.param, *request.getfixturevalue(
        "iris" if request.param is TabularClassifier else "diabetes"
    )


def test_auto_learns_by_calls(learning):
    cls, X, y = learning
    estimator = cls(model__units=(8,), random_state=0)

    for _ in range(12):
        estimator.partial_fit(X, y)

    losses = estimator.history_["loss"]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    assert len(estimator.models_) == 1
    assert estimator.resolved_params_["n_estimators"] == 1


def test_auto_goes_on_where_it_was(learning):
    cls, X, y = learning
    estimator = cls(**AUTO, warm_start=True)

    losses = []
    for _ in range(4):
        losses.append([history["loss"] for history in estimator.fit(X, y).histories_])

    # Of each member: the mean of the last call against that of the first.
    means = np.mean(losses, axis=2)
    assert means.shape == (4, 2)
    assert (means[-1] < 0.9 * means[0]).all()


@pytest.mark.parametrize("model", ["auto", "realmlp"])
def test_a_fit_that_goes_on_holds_out_what_the_first_one_did(iris, model):
    """Rows that were trained on tell nothing about early stopping or calibration."""
    X, y = iris
    clf = TabularClassifier(model=model, **AUTO, warm_start=True).fit(X, y)
    first = clf.resolved_params_["cv"]

    clf.fit(X, y)

    assert first == 5
    assert clf.resolved_params_["cv"] == first


def test_a_call_in_between_changes_nothing_of_what_was_chosen(iris):
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
def test_where_nothing_is_held_out_nothing_is_stopped(diabetes, model):
    X, y = diabetes

    estimator = TabularRegressor(model=model, **AUTO, validation_split=0).fit(X, y)

    assert estimator.resolved_params_["early_stopping"] is False
    assert estimator.n_iter_ == 3
    assert "val_loss" not in estimator.history_


def test_given_validation_rows_come_before_folds(learning):
    cls, X, y = learning
    rows = {"X_val": X[1::2], "y_val": y[1::2]}

    estimator = cls(**AUTO).fit(X[::2], y[::2], **rows)

    assert estimator.X_shape_[0] == len(X[::2])
    assert all(len(history["val_loss"]) == 3 for history in estimator.histories_)


def test_shuffled_splits_may_leave_rows_out(iris):
    X, y = iris
    splitter = ShuffleSplit(2, train_size=30, test_size=20, random_state=0)
    clf = crossed(cv=splitter, n_estimators=2).fit(X, y)

    splits = list(splitter.split(X))

    np.testing.assert_allclose(best_losses(clf), losses_on(splits, clf, X, y), rtol=1e-3)
