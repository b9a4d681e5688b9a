import numpy as np
import pytest

from nnkit.encoding import ClassLabels, background_rows, holdout_rows


def test_the_parts_are_disjoint_and_complete():
    training, validation = holdout_rows(50, 0.3, seed=0)

    assert len(validation) == 15
    assert sorted([*training, *validation]) == list(range(50))


def test_classes_keep_their_shares():
    codes = np.repeat([0, 1], [80, 20]).astype(np.int32)
    labels = ClassLabels(np.array(["a", "b"]))

    _, validation = holdout_rows(100, 0.2, 0, codes, labels)

    assert np.bincount(codes[validation]).tolist() == [16, 4]


def test_the_seed_decides():
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
def test_a_split_that_leaves_a_class_out_is_refused(counts, fraction, message):
    codes = np.repeat([0, 1], counts).astype(np.int32)
    labels = ClassLabels(np.array(["a", "b"]))

    with pytest.raises(ValueError, match=message):
        holdout_rows(len(codes), fraction, 0, codes, labels)


def test_a_split_that_leaves_no_row_is_refused():
    with pytest.raises(ValueError, match="leaves no row to train on"):
        holdout_rows(1, 0.5, 0)


def test_the_background_is_a_sorted_seeded_sample():
    assert background_rows(5, 10, seed=0).tolist() == [0, 1, 2, 3, 4]
    sample = background_rows(1000, 10, seed=0)
    assert sample.tolist() == sorted(set(sample.tolist()))
    assert sample.tolist() == background_rows(1000, 10, seed=0).tolist()
    assert sample.tolist() != background_rows(1000, 10, seed=1).tolist()
