"""Compatibility with SciKeras: scripts of its users run with only the import changed.

The folder ``scikeras_scripts`` has whole scripts, and ``lines.py`` has single calls. Each runs with
both packages. SciKeras runs in a separate process, since its import replaces methods of Keras.
"""

import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from networks import classifier_network, head, linear_network
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.inspection import partial_dependence
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nnkit import KerasClassifier, KerasRegressor

FOLDER = Path(__file__).parent / "scikeras_scripts"
sys.path.insert(0, str(FOLDER))

import runner  # noqa: E402

SCRIPTS = sorted(
    path.stem for path in FOLDER.glob("*.py") if path.stem not in ("runner", "lines", "__init__")
)

OTHER_DEFAULT = "the defaults of nnkit print nothing and give a good fit"
KNOWN_KIND = "SciKeras' mixins are right of the base class, so that scikit-learn ignores them"
FLOAT64 = "predictions are float64, as those of scikit-learn's own estimators"
KERAS_NAMES = "history has Keras' names, as given in metrics"

DIFFERENCES = {
    "binary_classification": {
        "type of history": ("defaultdict", "dict", "a missing name is an error, not []"),
        "is_classifier": (False, True, KNOWN_KIND),
        "probabilities of one row": ((2,), (1, 2), "SciKeras squeezes the axis of a single row"),
        "epochs if not given": (1, "auto", OTHER_DEFAULT),
        "verbose if not given": (1, 0, OTHER_DEFAULT),
        "optimizer if not given": ("rmsprop", "auto", OTHER_DEFAULT),
    },
    "string_labels": {
        "folds of an integer cv": ([0, 0, 0], [1, 1, 1], f"folds are stratified; {KNOWN_KIND}"),
    },
    "regression": {
        "y_pred.dtype": ("float32", "float64", FLOAT64),
        "mse in history": (["loss", "mean_squared_error"], ["loss", "mse"], KERAS_NAMES),
        "is_regressor": (False, True, KNOWN_KIND),
    },
    "multilabel": {
        "n_outputs_": (1, 4, "columns of the target, as for a regressor"),
    },
    "compilation": {
        "rows of logits sum to 1": (False, True, "SciKeras returns logits as probabilities"),
    },
    "further_training": {
        "epochs from initial_epoch=3 with epochs=5": (5, 2, "epochs is the last one, as in Keras"),
    },
    "weights": {
        "weights of the caller are left alone": (False, True, "SciKeras multiplies in place"),
    },
    "persistence": {
        "the model of the user is trained itself": (True, False, "each fit starts from a copy"),
    },
    "reproducibility": {
        "a RandomState is used up": (False, True, "consumed by each fit, as in scikit-learn"),
    },
}

COPIED = "instances are copied, so the original records nothing"
HOOK = "a hook of SciKeras raises an error that names it"

UNSUPPORTED = {
    "predict_callbacks": "no predict__callbacks",
    "validation_batch_size": "no validation_batch_size",
    "fit_steps_per_epoch_and_validation_freq": "no steps_per_epoch and no validation_freq",
    "run_eagerly": "no run_eagerly without compile__",
    "build_fn_parameter": "build_fn raises an error that suggests model",
    "arguments_of_score": "no score__",
    "current_epoch_and_initialized_attributes": "no current_epoch and no initialized_",
    "encoder_attributes": "no target_encoder_ and no feature_encoder_",
    "callback_instance_records_epochs": COPIED,
    "fit_callback_instance_records_epochs": COPIED,
    "callback_positional_arguments": "no callbacks__0 by position of the argument",
    "subclass_with_init_and_keras_build_fn": "_keras_build_fn and __init__ of a subclass",
    "subclass_with_keras_build_fn": HOOK,
    "subclass_with_feature_encoder": HOOK,
    "subclass_with_feature_encoder_for_two_inputs": HOOK,
    "subclass_with_target_encoder": HOOK,
    "subclass_with_scorer": HOOK,
    "meta_contains_the_encoders": "meta has no target_encoder_ and no feature_encoder_",
    "classes_in_routed_arguments": "classes in routed arguments are not built",
    "name_attribute": "no __name__",
}


def _lines():
    text = runner.source_of("lines", "nnkit")
    names = [line[4:-3] for line in text.splitlines() if line[:4] == "def " and line[-3:] == "():"]
    return [
        pytest.param(
            name,
            marks=[pytest.mark.xfail(strict=True, reason=UNSUPPORTED[name])]
            if name in UNSUPPORTED
            else [],
        )
        for name in names
    ]


_results = cache(runner.run)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_runs(script):
    assert _results(script, "nnkit")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_gives_the_results_of_scikeras_but_for_known_differences(script, scikeras):
    differences = DIFFERENCES.get(script, {})
    ours = _results(script, "nnkit")

    theirs = scikeras.script(script)

    assert set(differences) <= set(ours) == set(theirs)
    for name, value in theirs.items():
        expected = differences[name][:2] if name in differences else (value, value)
        assert (value, ours[name]) == expected, name


@pytest.mark.parametrize("line", _lines())
def test_line_runs(line):
    runner.run_line(line, "nnkit")


@pytest.mark.slow
def test_unsupported_lines_run_with_scikeras(scikeras):
    for line in UNSUPPORTED:
        assert scikeras.line(line) is None


def test_differences_and_unsupported_lines_exist():
    assert set(DIFFERENCES) <= set(SCRIPTS)
    assert set(UNSUPPORTED) <= {parameter.values[0] for parameter in _lines()}
    assert len(SCRIPTS) >= 12


# Faults of SciKeras that are not in tests/estimators/test_scikeras_faults.py.


def test_validation_data_accepts_string_labels(iris):
    """SciKeras does not encode the labels and raises 'Invalid dtype: str32'."""
    X, y = iris
    clf = KerasClassifier(classifier_network, epochs=3, random_state=0)

    clf.fit(X, y, validation_data=(X, y), epochs=3)

    given = clf.history_["val_loss"]
    by_name = clf.fit(X, y, X_val=X, y_val=y).history_["val_loss"]
    assert given == by_name
    assert given[-1] < given[0]


@pytest.mark.parametrize("labels", [[10, 20, 30], [-1, 0, 7], [1.0, 2.0, 5.0]])
def test_validation_data_accepts_labels_that_are_not_codes(iris, labels):
    """SciKeras raises 'Graph execution error'."""
    X, y = iris
    y_numbers = np.select([y == name for name in np.unique(y)], labels)
    codes = np.unique(y, return_inverse=True)[1]
    clf = KerasClassifier(classifier_network, epochs=2, random_state=0)

    found = clf.fit(X, y_numbers, validation_data=(X, y_numbers)).history_["val_loss"]

    assert found == clf.fit(X, codes, validation_data=(X, codes)).history_["val_loss"]


def test_validation_data_is_encoded(iris):
    """SciKeras does not apply feature_encoder to validation data."""
    X, y = iris
    far = 1000 + 50 * X
    clf = KerasClassifier(classifier_network, encoder=StandardScaler(), epochs=20, random_state=0)

    clf.fit(far, y, validation_data=(far, y))

    assert clf.history_["val_loss"][-1] == pytest.approx(
        -np.log(clf.predict_proba(far)[np.arange(150), np.searchsorted(clf.classes_, y)]).mean(),
        rel=1e-4,
    )


class Widener(TransformerMixin, BaseEstimator):
    """Encoder that repeats the columns once for each value of the first column in fit."""

    def fit(self, X, y=None):
        self.times_ = len(np.unique(np.asarray(X)[:, 0]))
        return self

    def transform(self, X):
        return np.tile(np.asarray(X), self.times_)


def test_builder_receives_the_shape_of_encoded_features(iris):
    """SciKeras reads the encoder before it is fitted."""
    X, y = iris
    coded = np.column_stack([np.arange(150) % 3, X])

    clf = KerasClassifier(classifier_network, encoder=Widener(), epochs=1).fit(coded, y)

    assert clf.X_shape_ == (150, 15)
    assert clf.n_features_in_ == 5
    assert clf.model_.input_shape == (None, 15)


def test_pretrained_regressor_predicts_after_initialize(diabetes):
    """SciKeras: initialize of a regressor raises without a target."""
    X, y = diabetes
    model = head(1, "linear", n_features=10)

    reg = KerasRegressor(model).initialize(X, y)

    by_keras = model.predict(X, verbose=0)[:, 0]
    np.testing.assert_allclose(reg.predict(X), by_keras, rtol=1e-5, atol=1e-6)
    assert reg.history_ == {}


def test_fit_accepts_sequences_of_values_and_labels_as_target():
    """SciKeras raises 'Found array with dim 3, while dim <= 2'."""
    rng = np.random.RandomState(0)
    X = rng.randn(60, 5, 2).astype("float32")

    def steps(meta, units, activation):
        return keras.Sequential(
            [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(units, activation=activation)]
        )

    reg = KerasRegressor(steps, units=2, activation="linear", epochs=2).fit(X, 2 * X)
    clf = KerasClassifier(steps, units=3, activation="softmax", epochs=2)
    labels = np.array(["a", "b", "c"])[rng.randint(3, size=(60, 5))]

    assert reg.predict(X).shape == (60, 5, 2)
    assert clf.fit(X, labels).predict(X).shape == (60, 5)
    assert set(clf.predict(X).ravel()) <= {"a", "b", "c"}


def _two_inputs(meta):
    inputs = [keras.Input((1,), name="left"), keras.Input((3,), name="right")]
    joined = keras.layers.Concatenate()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(joined))


def test_fit_accepts_a_dict_of_inputs(iris):
    """SciKeras raises on a dict."""
    X, y = iris
    inputs = {"left": X[:, :1], "right": X[:, 1:]}

    clf = KerasClassifier(_two_inputs, epochs=20, optimizer__learning_rate=0.05, random_state=0)
    clf.fit(inputs, y, validation_data=(inputs, y))

    assert clf.score(inputs, y) > 0.85
    assert clf.predict_proba({name: table[:1] for name, table in inputs.items()}).shape == (1, 3)


def test_encoder_can_return_several_inputs(iris):
    """SciKeras needs a subclass with a feature_encoder; nnkit has the parameter encoder."""
    X, y = iris
    encoder = FunctionTransformer(lambda X: [X[:, :1], X[:, 1:]])
    clf = KerasClassifier(
        _two_inputs, encoder=encoder, epochs=20, optimizer__learning_rate=0.05, random_state=0
    )

    assert cross_val_score(clf, X, y, cv=2).min() > 0.8


def test_encoder_accepts_missing_values_and_strings(iris):
    """SciKeras raises on NaN and strings in X with any feature_encoder."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    X, y = iris
    gaps = X.copy()
    gaps[::7, 2] = np.nan
    words = np.array(["low", "high"])[(X > 0).astype(int)]

    filled = KerasClassifier(classifier_network, encoder=SimpleImputer(), epochs=1).fit(gaps, y)
    coded = KerasClassifier(
        classifier_network, encoder=OneHotEncoder(sparse_output=False), epochs=1
    ).fit(words, y)

    assert filled.predict(gaps).shape == coded.predict(words).shape == (150,)


def test_sparse_table_is_not_converted_to_a_dense_table():
    """SciKeras converts the table to lists of lists, and then to dense rows one by one."""
    import tracemalloc

    X = sparse.random_array((2000, 50_000), density=1e-4, rng=0, dtype=np.float32, format="csr")
    y = np.arange(2000) % 2
    clf = KerasClassifier(classifier_network, model__units=1, epochs=1, batch_size=50)
    dense_bytes = 2000 * 50_000 * 4

    tracemalloc.start()
    try:
        clf.fit(X, y).predict_proba(X[:100])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < dense_bytes / 4


def test_fit_on_a_sparse_table_equals_fit_on_a_dense_table(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, epochs=3, random_state=0)

    dense = clf.fit(X, y).predict_proba(X)
    rows = sparse.csr_array(X)

    np.testing.assert_allclose(clf.fit(rows, y).predict_proba(rows), dense, atol=1e-5)


def test_fit_raises_on_one_class(iris):
    """SciKeras fits, and predict_proba has one axis too few."""
    X, _ = iris

    with pytest.raises(ValueError, match="at least 2 classes"):
        KerasClassifier("mlp", epochs=1).fit(X, np.zeros(150))


def test_fit_without_random_state_after_a_seeded_fit(iris):
    """SciKeras raises 'Random ops require a seed to be set when determinism is enabled'."""
    KerasClassifier("mlp", epochs=1, random_state=0).fit(*iris)

    assert KerasClassifier("mlp", epochs=1).fit(*iris).n_iter_ == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda clf: TunedThresholdClassifierCV(clf, cv=2),
        lambda clf: FixedThresholdClassifier(clf, threshold=0.4),
        lambda clf: CalibratedClassifierCV(clf, cv=2),
        lambda clf: VotingClassifier([("one", clf), ("two", clone(clf))], voting="soft"),
    ],
    ids=["tuned threshold", "fixed threshold", "calibrated", "voting"],
)
def test_meta_estimators_accept_the_classifier(cancer, make):
    """SciKeras: '… should be a classifier', and a single column of probabilities."""
    clf = KerasClassifier("mlp", epochs=5, model__units=(8,), optimizer__learning_rate=0.01)

    assert make(clf).fit(*cancer).score(*cancer) > 0.9


def test_meta_estimators_accept_the_regressor(diabetes):
    """SciKeras raises '… should be a regressor'."""
    X, y = diabetes
    reg = KerasRegressor("mlp", epochs=5, model__units=(8,), optimizer__learning_rate=0.01)

    votes = VotingRegressor([("one", reg), ("two", clone(reg))]).fit(X, y)

    assert votes.predict(X).shape == (442,)
    curve = partial_dependence(reg.fit(X, y), X, [2], grid_resolution=5)
    assert curve["average"].shape == (1, 5)


def test_import_does_not_patch_keras():
    """SciKeras replaces __reduce__ and __deepcopy__ of models, losses, metrics and optimizers."""
    for cls in (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer):
        for method in (cls.__reduce__, cls.__deepcopy__ if hasattr(cls, "__deepcopy__") else None):
            assert (getattr(method, "__module__", None) or "keras").startswith("keras")


@pytest.mark.xfail(strict=True, reason="classes in routed arguments are not built")
def test_learning_rate_schedule_class_receives_routed_arguments(iris):
    """SciKeras raises 'missing 3 required positional arguments'."""
    clf = KerasClassifier(
        classifier_network,
        optimizer__learning_rate=keras.optimizers.schedules.ExponentialDecay,
        optimizer__learning_rate__initial_learning_rate=0.1,
        optimizer__learning_rate__decay_steps=5,
        optimizer__learning_rate__decay_rate=0.5,
        epochs=1,
    )

    assert clf.fit(*iris).n_iter_ == 1


@pytest.mark.xfail(strict=True, reason="a list of arrays is read as a table; a dict is not")
def test_fit_accepts_a_list_of_inputs(iris):
    """SciKeras raises on [X1, X2]."""
    X, y = iris

    assert KerasClassifier(_two_inputs, epochs=1).fit([X[:, :1], X[:, 1:]], y).n_iter_ == 1


def test_fit_raises_on_a_tensorflow_dataset(iris):
    """SciKeras raises "float() argument must be … not '_BatchDataset'"."""
    import tensorflow as tf

    X, y = iris
    dataset = tf.data.Dataset.from_tensor_slices(X).batch(10)

    with pytest.raises((TypeError, ValueError), match="Dataset"):
        KerasClassifier("mlp", epochs=1).fit(dataset, y)


def test_initialize_raises_without_a_target(diabetes):
    """SciKeras raises "'NoneType' object has no attribute 'dtype'"."""
    with pytest.raises(ValueError, match="requires y to be passed"):
        KerasRegressor(linear_network).initialize(diabetes[0], None)
