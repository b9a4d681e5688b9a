import numpy as np
import pytest

from nnkit.estimators.targets.classification import ClassificationTarget
from nnkit.training.specification.heads import Head, Task
from nnkit.training.specification.output_spec import OutputSpec

Y = np.array(["no", "yes", "no", "yes"])


def learnt(y=Y, classes=None):
    return ClassificationTarget.learn(y, classes, is_standardized=False)


def test_classes_are_sorted_labels():
    target = learnt()

    assert target.attributes()["classes_"].tolist() == ["no", "yes"]
    assert target.encode(Y).tolist() == [[0], [1], [0], [1]]
    assert target.facts()["target_type_"] == "binary"


def test_classes_that_are_announced_need_not_occur():
    target = learnt(classes=["maybe", "no", "yes"])

    assert target.attributes()["n_classes_"] == 3
    with pytest.raises(ValueError, match="is not the same as in the first call of partial_fit"):
        target.check_announced(["no", "yes"])


def test_tasks_depend_on_the_number_of_columns():
    single, several = learnt(), learnt(np.column_stack([Y, Y]))

    assert [len(tasks) for tasks in single.task_choices()] == [1]
    # An output for each column, or one output for the steps of a sequence.
    assert [len(tasks) for tasks in several.task_choices()] == [2, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0.5, 1.5, 2.0]), "Unknown label type: continuous"),
        (np.array(["a", None], dtype=object), "y contains NaN in row 1"),
        (np.array([1.0, np.inf]), "y contains infinity"),
    ],
)
def test_labels_that_are_no_classes_raise(y, message):
    with pytest.raises(ValueError, match=message):
        learnt(ClassificationTarget.check(y))


def test_nearly_as_many_classes_as_rows_warn():
    y = np.array([f"row {position:02}" for position in range(30)])

    with pytest.warns(UserWarning, match="unique classes is greater than 50%"):
        learnt(y)


def test_resumed_fit_keeps_balanced_weights_until_the_parameter_changes():
    target = learnt()
    first = target.weighted("balanced", target.encode(Y), None, is_first=True)
    others = np.array([[0], [0], [0], [1]])

    kept = first.weighted("balanced", others, None, is_first=False)
    changed = first.weighted({"yes": 2.0}, others, None, is_first=False)

    assert kept is first
    np.testing.assert_array_equal(changed.weights_of(others), [1, 1, 1, 2])


def test_rows_are_stratified_by_the_classes_of_a_single_column():
    codes, labels = learnt().stratification(learnt().encode(Y))

    assert codes.tolist() == [0, 1, 0, 1]
    assert labels.classes.tolist() == ["no", "yes"]
    assert learnt(np.column_stack([Y, Y])).stratification(None) == (None, None)


def decoder(target=None, temperature=1.0):
    task, head = Task("classification", n_classes=2), Head(1, "probabilities", "sigmoid")
    spec = OutputSpec([task], [head], [True], 0)
    return (target or learnt()).decoder(spec, temperature)


def test_decoder_gives_probabilities_and_labels_of_one_network():
    outputs = [np.array([[0.25], [0.75]])]

    np.testing.assert_allclose(decoder().probabilities(outputs), [[0.75, 0.25], [0.25, 0.75]])
    assert decoder().decide(outputs).tolist() == ["no", "yes"]


def test_decoder_averages_temperature_scaled_probabilities():
    outputs = [[np.array([[0.2]])], [np.array([[0.8]])]]

    scaled = decoder(temperature=2.0).predicted(outputs)
    spread = decoder(temperature=2.0).spread(outputs)

    # odds of 1/4 and 4 become 1/2 and 2
    np.testing.assert_allclose(scaled, [[0.5, 0.5]])
    np.testing.assert_allclose(spread, [[1 / 6, 1 / 6]])
