"""Thresholds of the backends from environment variables."""

import dataclasses

import pytest
from networks import classifier_network
from sklearn.datasets import load_iris

from nnkit import KerasClassifier
from nnkit.training.loop import thresholds
from nnkit.training.loop.thresholds import Thresholds, variable_of

X, Y = load_iris(return_X_y=True)


def test_thresholds_without_variables_have_their_defaults():
    assert Thresholds.of_environment({"NNKIT_OTHER": "1"}) == Thresholds()


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Thresholds)])
def test_variable_sets_one_threshold(name):
    variable = variable_of(name)

    assert variable == "NNKIT_" + name.upper()
    assert Thresholds.of_environment({variable: "1e3"}) == dataclasses.replace(
        Thresholds(), **{name: 1000.0}
    )


@pytest.mark.parametrize("text", ["", "many", "-1", "nan"])
def test_variable_that_is_no_number_raises(text):
    message = "NNKIT_MIN_STEPS_FOR_XLA must be a number of at least 0. Got"
    with pytest.raises(ValueError, match=message):
        Thresholds.of_environment({"NNKIT_MIN_STEPS_FOR_XLA": text})


@pytest.mark.parametrize(
    ("changed", "backend"),
    [
        ({"min_steps_for_xla": 20}, "xla"),
        ({"min_steps_for_xla": 21}, "graph"),
        ({"min_steps_for_xla": 0, "max_arithmetic_for_xla": 0}, "graph"),
    ],
)
def test_thresholds_choose_the_backend(monkeypatch, changed, backend):
    monkeypatch.setattr(thresholds, "THRESHOLDS", dataclasses.replace(Thresholds(), **changed))

    clf = KerasClassifier(classifier_network, epochs=4, batch_size=32, random_state=0).fit(X, Y)

    assert clf.engine_ == backend


def test_one_thread_and_several_train_alike(monkeypatch):
    def fitted():
        return KerasClassifier(classifier_network, epochs=4, random_state=0).fit(X, Y)

    one = fitted().predict_proba(X)
    several = dataclasses.replace(Thresholds(), max_arithmetic_in_one_thread=0)
    monkeypatch.setattr(thresholds, "THRESHOLDS", several)

    assert abs(fitted().predict_proba(X) - one).max() < 1e-5
