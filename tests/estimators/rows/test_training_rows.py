import numpy as np
import pandas as pd

from nnkit.estimators.rows.training_rows import FoldIndices, Rows, Seeds

TABLE = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
Y = np.array([0, 1, 0, 1])


def rows(weight=None, groups=None):
    return Rows(TABLE, Y, Y[:, np.newaxis], weight, groups)


def test_rows_are_selected_together_in_their_container():
    picked = rows(np.arange(4.0), np.array([0, 0, 1, 1])).at(np.array([3, 0]))

    assert picked.X["a"].tolist() == [4.0, 1.0]
    assert picked.y.tolist() == [1, 0]
    assert picked.sample_weight.tolist() == [3.0, 0.0]
    assert picked.groups.tolist() == [1, 0]


def test_rows_without_weight_are_removed():
    kept = rows(np.array([1.0, 0.0, 2.0, 0.0])).with_nonzero_weight()

    assert kept.X["a"].tolist() == [1.0, 3.0]
    assert kept.has_weight.all()


def test_rows_are_not_copied_if_all_have_a_weight():
    without, weighted = rows(), rows(np.ones(4))

    assert without.with_nonzero_weight() is without
    assert weighted.with_nonzero_weight() is weighted


def test_seeds_follow_from_random_state_and_differ_between_members():
    seeds = Seeds.of(0)

    assert Seeds.of(0) == seeds
    assert Seeds.of(1) != seeds
    assert seeds.of_member(0) is seeds
    members = [seeds.of_member(position) for position in range(5)]
    assert len({member.build for member in members}) == 5
    # All members share the split and the background.
    assert {(member.split, member.background) for member in members} == {
        (seeds.split, seeds.background)
    }


def test_seeds_do_not_use_the_global_random_state():
    np.random.seed(0)
    first = np.random.get_state()[1].tolist()

    Seeds.of(None)

    assert np.random.get_state()[1].tolist() == first


def test_fold_without_positions_has_all_rows():
    assert FoldIndices().n_training(7) == 7
    fold = FoldIndices(np.array([2, 0]), np.array([3, 1]))
    assert fold.n_training(7) == 2
    assert fold.in_order().training.tolist() == [0, 2]
    assert fold.in_order().validation.tolist() == [1, 3]
