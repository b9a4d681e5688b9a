import pytest

from nnkit.estimators.fitting.transaction import completed, draft_of, shared_copy


class Estimator:
    def __init__(self):
        self.epochs = 3


def test_estimator_gets_what_the_draft_learnt():
    estimator = Estimator()

    with draft_of(estimator) as draft:
        draft.weights_ = [1.0]
        assert not hasattr(estimator, "weights_")

    assert estimator.weights_ == [1.0]
    assert estimator.epochs == 3


def test_estimator_is_unchanged_after_an_error():
    estimator = Estimator()
    estimator.weights_ = [1.0]

    def fit():
        with draft_of(estimator) as draft:
            draft.weights_ = [2.0]
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fit()

    assert estimator.weights_ == [1.0]


def test_parameters_that_are_set_during_the_fit_are_kept():
    estimator = Estimator()

    with draft_of(estimator) as draft:
        estimator.epochs = 9
        draft.weights_ = [1.0]

    assert (estimator.epochs, estimator.weights_) == (9, [1.0])


def test_attributes_that_the_draft_removes_are_removed():
    estimator = Estimator()
    estimator.feature_names_in_ = ["a"]

    with draft_of(estimator) as draft:
        del draft.feature_names_in_

    assert not hasattr(estimator, "feature_names_in_")


def test_shared_copy_shares_attributes_but_not_later_assignments():
    estimator = Estimator()
    estimator.weights_ = [1.0]

    copied = shared_copy(estimator)
    estimator.weights_ = [2.0]

    assert type(copied) is Estimator
    assert copied.weights_ == [1.0]


def test_interrupted_step_is_repeated_and_the_interrupt_returned():
    calls = []

    def step():
        calls.append("call")
        if len(calls) == 1:
            raise KeyboardInterrupt
        return "done"

    result, interrupt = completed(step)

    assert result == "done"
    assert isinstance(interrupt, KeyboardInterrupt)
    assert completed(lambda: "done") == ("done", None)
