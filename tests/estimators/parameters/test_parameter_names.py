"""Every parameter has an effect, and is documented with its default."""

import copy
import inspect
import pickle
import re

import keras
import numpy as np
import pytest
from networks import classifier_network
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone
from sklearn.preprocessing import MinMaxScaler

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    TabularClassifier,
    TabularRegressor,
)

CHANGES = {
    "model": ({"model": lambda meta: keras.Sequential([keras.layers.Dense(1, "sigmoid")])}, {}),
    "loss": ({"loss": keras.losses.BinaryFocalCrossentropy}, {}),
    "optimizer": ({"optimizer": "sgd"}, {}),
    "epochs": ({"epochs": 3}, {}),
    "batch_size": ({"batch_size": 16}, {}),
    "class_weight": ({"class_weight": "balanced"}, {}),
    "early_stopping": ({"early_stopping": True}, {}),
    "validation_split": ({"validation_split": 0.3}, {}),
    "encoder": ({"encoder": MinMaxScaler()}, {}),
    "shuffle": ({"shuffle": False}, {"batch_size": 16}),
    "random_state": ({"random_state": 1}, {}),
    "callbacks": (
        {"callbacks": keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1)},
        {},
    ),
    "n_iter_no_change": (
        {"n_iter_no_change": 1},
        {
            "epochs": 30,
            "early_stopping": True,
            "optimizer__learning_rate": 0.3,
            "batch_size": 200,
        },
    ),
    "tol": ({"tol": 0.2}, {"epochs": 30, "early_stopping": True, "n_iter_no_change": 2}),
    "scoring": (
        {"scoring": "accuracy"},
        {"epochs": 30, "early_stopping": True, "n_iter_no_change": 2},
    ),
    "time_limit": ({"time_limit": 1e-6}, {"epochs": 20}),
    "n_estimators": ({"n_estimators": 2}, {}),
    "dtype_policy": ({"dtype_policy": "mixed_bfloat16"}, {}),
    "routed": ({"optimizer__learning_rate": 0.1}, {}),
}
SMALL_ENSEMBLE = {"epochs": 1, "model__units": (4,), "n_estimators": 2}
TABULAR_CHANGES = {
    "preset": ({"preset": "fast"}, {"epochs": 1, "model__units": (4,), "time_limit": 60}),
    "calibration": ({"calibration": None}, {**SMALL_ENSEMBLE, "epochs": 5}),
    "cv": ({"cv": 3}, SMALL_ENSEMBLE),
    "model": ({"model": "mlp"}, SMALL_ENSEMBLE),
    "n_estimators": ({"n_estimators": 1}, SMALL_ENSEMBLE),
}
# Parameters without effect on the predictions have tests of their own below, and in
# fitting/test_checkpoint.py.
TESTED_BELOW = {"warm_start", "metrics", "device", "engine", "background_size", "verbose"}
TESTED_BELOW |= {"checkpoint", "checkpoint_seconds"}


def predictions(cancer, params):
    X, y = cancer
    clf = KerasClassifier(**{"model": "mlp", "epochs": 2, "random_state": 0, **params}).fit(X, y)
    return clf.predict_proba(X)


@pytest.fixture(scope="module")
def known():
    """Predictions before a change, by the settings, which several parameters share."""
    return {}


@pytest.mark.filterwarnings("ignore:.*time_limit")
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_each_parameter_changes_the_predictions(cancer, known, name):
    change, setting = CHANGES[name]

    if repr(setting) not in known:
        known[repr(setting)] = predictions(cancer, setting)
    before = known[repr(setting)]
    after = predictions(cancer, {**setting, **change})

    assert not np.allclose(before, after, atol=1e-4)


def test_all_parameters_are_tested():
    names = set(inspect.signature(KerasClassifier).parameters)

    assert names == set(CHANGES) | TESTED_BELOW


@pytest.mark.filterwarnings("ignore:.*time_limit")
@pytest.mark.parametrize("name", sorted(TABULAR_CHANGES))
def test_each_tabular_parameter_changes_the_predictions(cancer, name):
    X, y = cancer
    change, setting = TABULAR_CHANGES[name]

    before, after = (
        TabularClassifier(**{**setting, "random_state": 0, **params}).fit(X, y).predict_proba(X)
        for params in ({}, change)
    )

    assert not np.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize(
    ("tabular", "plain", "own"),
    [
        (TabularClassifier, KerasClassifier, {"preset", "cv", "calibration"}),
        (TabularRegressor, KerasRegressor, {"preset", "cv"}),
    ],
)
def test_tabular_estimators_have_the_parameters_of_keras_estimators(tabular, plain, own):
    names = set(inspect.signature(tabular).parameters)

    assert names == set(inspect.signature(plain).parameters) | own


def test_resolved_params_of_a_custom_builder_are_keras_defaults(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, random_state=0).fit(X, y)

    assert clf.resolved_params_ == {
        "optimizer": "adam", "epochs": 100, "batch_size": 32, "early_stopping": False,
        "n_iter_no_change": 10, "n_estimators": 1, "validation_split": 0,
    }  # fmt: skip
    assert clf.encoder_ is None


def test_keras_classifier_raises_on_model_auto(iris):
    with pytest.raises(ValueError, match="model='auto' is the network of TabularClassifier"):
        KerasClassifier("auto").fit(*iris)


def test_metrics_are_recorded_in_history(cancer):
    clf = KerasClassifier("mlp", epochs=1, metrics=["accuracy"]).fit(*cancer)

    assert "accuracy" in clf.history_


def test_device_places_the_weights(cancer):
    X, y = cancer
    first = KerasClassifier("mlp", epochs=1, device="/CPU:0", random_state=0).fit(X, y)
    second = KerasClassifier("mlp", epochs=1, device="/CPU:1", random_state=0).fit(X, y)

    assert first.model_.weights[0].value.device.endswith("CPU:0")
    assert second.model_.weights[0].value.device.endswith("CPU:1")
    np.testing.assert_allclose(first.predict_proba(X), second.predict_proba(X), atol=1e-6)


def test_engine_selects_the_backend(cancer):
    found = {
        engine: KerasClassifier("mlp", epochs=1, engine=engine).fit(*cancer).engine_
        for engine in ("auto", "graph", "xla", "keras")
    }

    assert found == {
        "auto": "graph",
        "graph": "graph",
        "xla": "xla",
        "keras": "keras",
    }


def test_background_size_sets_the_number_of_background_rows(iris_frame):
    X, y = iris_frame

    kept = KerasClassifier("mlp", epochs=1, background_size=7, random_state=0).fit(X, y).background_

    assert kept.shape == (7, 4)
    assert kept.columns.tolist() == X.columns.tolist()
    assert (kept.to_numpy()[:, None] == X.to_numpy()[None]).all(axis=2).any(axis=1).all()
    assert KerasClassifier("mlp", epochs=1, background_size=0).fit(X, y).background_ is None


def test_verbose_prints_epochs_or_a_progress_bar(cancer, capsys):
    KerasClassifier("mlp", epochs=2, verbose=0).fit(*cancer)
    assert capsys.readouterr() == ("", "")
    KerasClassifier("mlp", epochs=2, verbose=2).fit(*cancer)
    assert capsys.readouterr().out.startswith("epoch 1/2: loss=")

    KerasClassifier("mlp", epochs=400, batch_size=8, verbose=1).fit(*cancer)
    printed = capsys.readouterr().err

    assert "/400" in printed
    assert "loss=" in printed


@pytest.mark.parametrize("cls", [KerasClassifier, KerasRegressor, KerasTransformer])
def test_documented_defaults_equal_the_signature(cls):
    signature = inspect.signature(cls).parameters
    documented = {entry.name.lstrip("*"): entry.type for entry in ClassDoc(cls)["Parameters"]}

    assert list(documented) == list(signature)
    for name, parameter in signature.items():
        if parameter.default is inspect.Parameter.empty:
            continue
        (default,) = re.findall(r"default=([^=]*)$", documented[name])
        assert default.replace('"', "'") == repr(parameter.default)


@pytest.mark.parametrize("cls", [KerasClassifier, KerasRegressor])
def test_fitted_attributes_are_documented(cls, cancer):
    X, y = cancer
    documented = set()
    for entry in ClassDoc(cls)["Attributes"]:
        documented |= {name.strip() for name in entry.name.split(",")}
    import pandas as pd

    fitted = cls(epochs=1, n_estimators=1, model__units=(4,)).fit(
        pd.DataFrame(X).rename(columns=str), y
    )

    learnt = {name for name in vars(fitted) if name.endswith("_")}
    assert learnt | {"model_", "models_"} == documented


def test_user_attribute_is_not_a_parameter(iris):
    clf = KerasClassifier("mlp", epochs=1, model__units=(4,), random_state=0)
    clf.note = "for the report"

    copied = clone(clf.fit(*iris))

    assert "note" not in clf.get_params()
    assert not hasattr(copied, "note")
    assert copied.get_params() == clf.get_params()
    assert clf.note == "for the report"
    assert pickle.loads(pickle.dumps(clf)).note == "for the report"


def test_user_attribute_with_a_routing_prefix_is_a_parameter(iris):
    clf = KerasClassifier("mlp", epochs=1, random_state=0)
    clf.model__units = (3,)

    assert clone(clf).get_params()["model__units"] == (3,)
    assert clf.fit(*iris).model_.count_params() == 4 * 3 + 3 + 3 * 3 + 3


def test_builder_arguments_are_kept_by_clone_and_deepcopy(iris):
    def builder(meta, width=8):
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(width), keras.layers.Dense(3)]
        )

    clf = KerasClassifier(builder, width=5)

    assert clone(clone(clf)).get_params()["width"] == 5
    assert clf.set_params(width=6).get_params()["width"] == 6
    assert copy.deepcopy(clf).get_params()["width"] == 6
