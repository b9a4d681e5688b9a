"""Parameters resolved from the preset, the table, and the arguments of fit."""

import numpy as np
import pytest
from mixed_tables import N_ROWS, X, Y, auto, last_hidden_units
from sklearn.base import clone

from nnkit import TabularClassifier, TabularRegressor
from nnkit.builders.builder_spec import TableFacts
from nnkit.builders.tables.presets import preset_settings


@pytest.mark.filterwarnings("ignore:.*time_limit")
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (TabularClassifier, {"preset": "fast", "time_limit": 1e-6}),
        (TabularClassifier, {"epochs": 1}),
        (TabularRegressor, {"preset": "best", "n_estimators": 1, "time_limit": 1e-6}),
    ],
    ids=["fast", "default", "best"],
)
def test_resolved_params_are_those_of_the_preset(cls, params):
    facts = TableFacts(N_ROWS, X.shape[1])
    preset = vars(preset_settings("auto", params.get("preset", "default"), facts))
    arguments = preset["builder_arguments"].items()
    preset |= {f"model__{name}": value for name, value in arguments}
    preset |= {"cv": 5, "validation_split": 0, "calibration": "temperature"}
    given = {**params, "model__units": (4,)}
    estimator = cls(**given).fit(X, np.arange(N_ROWS) % 2)

    resolved = {
        name: value for name, value in estimator.resolved_params_.items() if name not in given
    }

    # n_iter_no_change=None stands for all epochs.
    expected = {**preset, "n_iter_no_change": estimator.resolved_params_["epochs"]}
    if "n_iter_no_change" in resolved:
        assert preset["n_iter_no_change"] is None
    assert resolved == {name: expected[name] for name in resolved}
    assert {"batch_size", "early_stopping", "cv", "model__linear_skip"} <= set(resolved)
    assert ("calibration" in resolved) == (cls is TabularClassifier)
    assert len(estimator.models_) == estimator.resolved_params_["n_estimators"]


GIVEN = {
    "epochs": 3,
    "batch_size": 17,
    "early_stopping": False,
    "n_iter_no_change": 4,
    "n_estimators": 2,
    "calibration": "temperature",
    "optimizer": "sgd",
    "validation_split": 0.25,
}
BUILDER_ARGUMENTS = {
    "model__units": (6,),
    "model__dropout_rate": 0.4,
    "model__linear_skip": False,
}


def test_given_parameters_override_the_preset():
    clf = TabularClassifier(**GIVEN, **BUILDER_ARGUMENTS, random_state=0).fit(X, Y)

    layers = clf.model_.layers
    assert {name: clf.resolved_params_[name] for name in GIVEN} == GIVEN
    assert clf.n_iter_ == 3
    assert len(clf.models_) == 2
    assert type(clf.model_.optimizer).__name__ == "SGD"
    assert last_hidden_units(clf) == 6
    assert [layer.rate for layer in layers if "dropout" in layer.name] == [0.4]
    assert not [layer for layer in layers if "skip" in layer.name]


def test_resolved_params_contain_given_builder_arguments():
    clf = auto(**BUILDER_ARGUMENTS, n_estimators=1).fit(X, Y)

    assert {name: clf.resolved_params_[name] for name in BUILDER_ARGUMENTS} == BUILDER_ARGUMENTS


def test_builder_argument_without_prefix_overrides_the_preset():
    clf = TabularClassifier(units=(6,), n_estimators=1, epochs=1, random_state=0).fit(X, Y)

    assert last_hidden_units(clf) == 6


def test_fit_arguments_override_the_preset():
    clf = TabularClassifier(model__units=(8,), n_estimators=1, random_state=0)

    clf.fit(X, Y, epochs=2, batch_size=30, validation_split=0.3)

    resolved = clf.resolved_params_
    assert (resolved["epochs"], resolved["batch_size"]) == (2, 30)
    assert resolved["validation_split"] == 0.3
    assert clf.n_iter_ == 2


def test_clone_has_the_unresolved_parameters():
    params = clone(auto().fit(X, Y)).get_params(deep=False)

    assert params["early_stopping"] == params["calibration"] == params["batch_size"] == "auto"
    assert params["validation_split"] is None
