import itertools

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from nnkit.encoding.splits import fold_rows, holdout_rows, split_rows
from nnkit.encoding.targets import ClassLabels


def test_holdout_parts_are_disjoint_and_complete():
    training, validation = holdout_rows(50, 0.3, seed=0)

    assert len(validation) == 15
    assert sorted([*training, *validation]) == list(range(50))


def test_holdout_is_stratified():
    codes = np.repeat([0, 1], [80, 20]).astype(np.int32)
    labels = ClassLabels(np.array(["a", "b"]))

    _, validation = holdout_rows(100, 0.2, 0, codes, labels)

    assert np.bincount(codes[validation]).tolist() == [16, 4]


def test_holdout_depends_on_the_seed():
    first, again, other = (holdout_rows(50, 0.3, seed)[1].tolist() for seed in (1, 1, 2))

    assert first == again != other


@pytest.mark.parametrize(
    ("counts", "fraction", "message"),
    [
        ([9, 1], 0.2, "The class 'b' has one row only"),
        ([3, 3], 0.1, "holds 1 row.s., which leaves out some of the 2 classes"),
        ([96, 4], 0.03, r"leaves the class 'b' \(4 rows\) out of the validation rows"),
    ],
)
def test_holdout_raises_if_a_class_is_left_out(counts, fraction, message):
    codes = np.repeat([0, 1], counts).astype(np.int32)
    labels = ClassLabels(np.array(["a", "b"]))

    with pytest.raises(ValueError, match=message):
        holdout_rows(len(codes), fraction, 0, codes, labels)


def test_holdout_raises_if_no_training_row_is_left():
    with pytest.raises(ValueError, match="leaves no row to train on"):
        holdout_rows(2, 0.6, 0)


def assert_folds(splits, n_samples):
    """Assert that both parts are all rows, and that validation parts do not overlap."""
    for training, validation in splits:
        assert sorted([*training, *validation]) == list(range(n_samples))
        assert len(training)
        assert len(validation)
    assert sorted(np.concatenate([held for _, held in splits])) == list(range(n_samples))


@pytest.mark.parametrize("codes", [None, np.arange(50) % 4], ids=["rows", "classes"])
@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_each_row_is_in_one_validation_fold(n_folds, codes):
    splits = fold_rows(50, n_folds, 0, codes)

    assert len(splits) == n_folds
    assert_folds(splits, 50)
    sizes = [len(held) for _, held in splits]
    assert max(sizes) - min(sizes) <= 1


def test_folds_are_stratified():
    codes = np.repeat([0, 1, 2], [60, 30, 10])

    splits = fold_rows(100, 5, 0, codes)

    assert_folds(splits, 100)
    for training, validation in splits:
        assert np.bincount(codes[validation]).tolist() == [12, 6, 2]
        assert np.bincount(codes[training]).tolist() == [48, 24, 8]


def test_class_with_a_row_for_each_fold_is_in_each_fold():
    codes = np.repeat([0, 1], [17, 3])

    splits = fold_rows(20, 3, 0, codes)

    assert [np.count_nonzero(codes[held]) for _, held in splits] == [1, 1, 1]


def test_folds_are_not_stratified_with_rare_classes():
    """Warnings are errors in tests."""
    codes = np.repeat([0, 1], [18, 2])

    splits = fold_rows(20, 3, 0, codes)

    assert_folds(splits, 20)
    for given, chance in zip(splits, fold_rows(20, 3, 0), strict=True):
        np.testing.assert_array_equal(given[1], chance[1])


def test_folds_are_not_stratified_with_a_class_for_each_row():
    assert_folds(fold_rows(10, 5, 0, np.arange(10)), 10)


def test_rows_of_a_group_are_in_one_fold():
    groups = np.array(["a", "b", "c", "d"])[np.arange(40) % 4]

    splits = fold_rows(40, 2, 0, np.arange(40) % 2, groups)

    assert_folds(splits, 40)
    for training, validation in splits:
        assert not set(groups[training]) & set(groups[validation])
        assert len(validation) == 20


@pytest.mark.parametrize(
    ("n_samples", "groups", "n_made"),
    [(3, None, 3), (2, None, 2), (12, np.arange(12) % 4, 4)],
    ids=["three rows", "two rows", "four groups"],
)
def test_number_of_folds_is_at_most_that_of_rows_or_groups(n_samples, groups, n_made):
    splits = fold_rows(n_samples, 5, 0, groups=groups)

    assert len(splits) == n_made
    assert_folds(splits, n_samples)


def test_two_rows_of_two_classes_are_two_folds():
    assert_folds(fold_rows(2, 5, 0, np.array([0, 1])), 2)


def test_splits_raise_on_one_row():
    with pytest.raises(ValueError, match="cv=5 needs at least 2 samples.*there is 1 sample"):
        fold_rows(1, 5, 0)


def test_folds_raise_on_one_group():
    with pytest.raises(ValueError, match="needs at least 2 groups.* there is 1 group"):
        fold_rows(20, 5, 0, groups=np.zeros(20))


@pytest.mark.parametrize("codes", [None, np.arange(50) % 2], ids=["rows", "classes"])
@pytest.mark.parametrize("groups", [None, np.arange(50) // 2], ids=["alone", "grouped"])
def test_folds_depend_on_the_seed(codes, groups):
    first, again, other = (
        [held.tolist() for _, held in fold_rows(50, 4, seed, codes, groups)] for seed in (1, 1, 2)
    )

    assert first == again != other


def validated(splits):
    return [held.tolist() for _, held in splits]


X_TEN, Y_TEN = np.arange(20.0).reshape(10, 2), np.arange(10) % 2


def test_split_rows_returns_the_first_splits():
    splits = split_rows(KFold(5), X_TEN, Y_TEN, None, n_splits=2)

    assert validated(splits) == [[0, 1], [2, 3]]
    assert splits[0][0].tolist() == list(range(2, 10))


def test_split_rows_returns_one_split_by_default():
    assert validated(split_rows(KFold(5), X_TEN, Y_TEN, None)) == [[0, 1]]


def test_split_rows_repeats_the_splits():
    splits = split_rows(KFold(2), X_TEN, Y_TEN, None, n_splits=5)

    first, second = [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]
    assert validated(splits) == [first, second, first, second, first]


def test_split_rows_passes_groups_to_the_splitter():
    groups = np.arange(10) % 2

    splits = split_rows(GroupKFold(2), X_TEN, Y_TEN, groups, n_splits=2)

    assert sorted(map(sorted, validated(splits))) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


@pytest.mark.parametrize("container", [list, tuple, iter], ids=lambda kind: kind.__name__)
def test_split_rows_accepts_pairs_of_rows(container):
    pairs = [([0, 1, 2], [3, 4]), ([5, 6], [7])]

    splits = split_rows(container(pairs), X_TEN, Y_TEN, None, n_splits=3)

    assert validated(splits) == [[3, 4], [7], [3, 4]]
    assert all(isinstance(part, np.ndarray) for split in splits for part in split)


def test_split_rows_draws_only_the_needed_splits():
    endless = (([row], [row + 1]) for row in itertools.count())

    assert validated(split_rows(endless, X_TEN, Y_TEN, None, n_splits=3)) == [[1], [2], [3]]


def test_split_rows_accepts_splits_without_all_rows():
    splits = split_rows(
        ShuffleSplit(3, train_size=0.2, test_size=0.1, random_state=0), X_TEN, Y_TEN, None, 3
    )

    assert [(len(training), len(held)) for training, held in splits] == [(2, 1)] * 3


@pytest.mark.parametrize(
    ("splitter", "n_splits", "message"),
    [
        ([([], [1, 2])], 1, "yields 0 rows to train on and 2 to validate on"),
        ([([0], [1]), ([1, 2], [])], 2, "yields 2 rows to train on and 0 to validate on"),
        ([], 1, "yields no split of the rows"),
    ],
    ids=["nothing to train on", "nothing to validate on", "nothing"],
)
def test_split_rows_raises_on_empty_splits(splitter, n_splits, message):
    with pytest.raises(ValueError, match=message):
        split_rows(splitter, X_TEN, Y_TEN, None, n_splits)


def test_split_rows_names_the_parameter_in_an_error_of_the_splitter():
    with pytest.raises(ValueError, match=r"cv=GroupKFold.*groups.* Give groups to fit"):
        split_rows(GroupKFold(2), np.zeros((4, 1)), np.arange(4), None, name="cv")
    with pytest.raises(ValueError, match=r"validation_split=KFold.*n_splits=5 greater than"):
        split_rows(KFold(5), np.zeros((4, 1)), np.arange(4), None)
