"""Errors on invalid parameters and data; the estimator stays unfitted or keeps its last fit."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
from networks import classifier_network, head, linear_network
from sklearn.exceptions import NotFittedError

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer
from nnkit.exceptions import NonFiniteLossError

X = np.random.default_rng(0).normal(size=(40, 4))
Y = np.arange(40) % 2
FRAME = pd.DataFrame(X, columns=["age", "bmi", "dose", "weight"])


def with_value(frame, column, row, value):
    changed = frame.copy()
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1, or 'auto'. Got 0"),
        ({"epochs": 2.5}, "epochs must be an integer of at least 1"),
        (
            {"batch_size": 0},
            "batch_size must be an integer of at least 1, 'auto', -1 for all rows, or N",
        ),
        ({"batch_size": "full"}, "batch_size must be"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be an integer of at least 1, or 'auto'"),
        ({"background_size": -1}, "background_size must be an integer of at least 0"),
        ({"tol": -1.0}, "tol must be a finite number, at least 0"),
        ({"validation_split": 1.0}, r"validation_split must be a fraction of the rows in .0, 1"),
        ({"early_stopping": True, "validation_split": 0}, "needs rows to validate on"),
        ({"early_stopping": "yes"}, "early_stopping must be True or False. Got 'yes'"),
        ({"shuffle": None}, "shuffle must be True or False"),
        (
            {"engine": "jax"},
            "engine must be 'auto', 'graph', 'xla' or 'keras'. Got 'jax'",
        ),
        ({"verbose": 3}, "verbose must be 0, 1, 2 or 'auto'"),
        ({"model": None}, "model=None gives no network"),
        ({"model": 3}, "model must be a function that returns a keras.Model"),
        ({"model": "mpl"}, "Did you mean 'mlp'"),
        ({"model": lambda: None}, "must return a keras.Model. Got NoneType instead"),
        ({"model": lambda: head(3, "softmax")}, "has 3 output unit.s., but y has 2 classes"),
        ({"model": lambda: head(1, "sigmoid", 5)}, r"rows of shape \(5,\), but the encoded rows"),
        ({"model": lambda units: None}, "needs the argument 'units'. Set model__units"),
        ({"model": lambda: head(1, "linear"), "loss": "binary_crossentropy"}, "layer is linear"),
        ({"loss": 3}, "loss must be"),
        ({"optimizer": "adm"}, "optimizer must be a name that Keras knows"),
        ({"callbacks": 3}, "callbacks must be a keras.callbacks.Callback"),
        ({"metrics": "acuracy"}, "is not a metric that Keras knows"),
        ({"encoder": "scale"}, "encoder must be 'auto', None, a scikit-learn transformer"),
        ({"device": "/GPU:7"}, "device='/GPU:7' is not a device of this process"),
        ({"class_weight": {2: 1.0}}, "class_weight names the label 2, but y has the labels"),
        ({"class_weight": "even"}, "class_weight must be 'balanced'"),
        ({"class_weight": {0: 0.0, 1: 0.0}}, "weight of every row .* is zero"),
        ({"early_stopping": True, "scoring": "acuracy"}, "scoring"),
        ({"random_state": "seed"}, "random_state must be an integer, a numpy RandomState or None"),
        ({"time_limit": 0}, "time_limit must be seconds above 0"),
        ({"warm_start": 1}, "warm_start must be True or False"),
        ({"dtype_policy": "float8"}, "dtype_policy must be a policy that Keras knows"),
    ],
    ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value)),
)
def test_fit_raises_on_an_invalid_parameter(params, message):
    clf = KerasClassifier(**{"model": "mlp", "epochs": 1, **params})

    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(X, Y)

    assert not [name for name in vars(clf) if name.endswith("_")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((with_value(FRAME, "bmi", 3, np.nan), Y), "NaN in the column 'bmi' .1 row.s., the firs"),
        ((with_value(FRAME, "dose", 0, np.inf), Y), "inf in the column 'dose'"),
        (
            (FRAME.assign(sex="f"), Y),
            "The column 'sex' of X holds text or other levels, such as 'f', but the",
        ),
        ((X, Y[:39]), "y must have one value for each row of X. Got 39 values and 40 rows"),
        ((X, np.zeros(40)), "y must have at least 2 classes. Got 1 class, 0.0, instead"),
        ((X, np.where(np.arange(40) < 1, np.nan, Y)), "y contains NaN in row 0"),
        ((X, Y + 0.5 * X[:, 0]), "Unknown label type: continuous"),
        ((X, None), "requires y to be passed, but the target y is None"),
        ((X, Y, np.ones(39)), r"sample_weight must have the shape \(40,\)"),
        ((X, Y, -np.ones(40)), "sample_weight must be at least 0. Got -1.0 in row 0"),
        ((X, Y, np.zeros(40)), "weight of every row .* is zero"),
        ((X, Y, np.full(40, np.nan)), "sample_weight must be finite"),
    ],
    ids=[
        "NaN",
        "inf",
        "strings",
        "length",
        "one class",
        "NaN label",
        "continuous",
        "no y",
        "weights",
        "negative weights",
        "zero weights",
        "NaN weights",
    ],
)
def test_fit_raises_on_invalid_data(data, message):
    clf = KerasClassifier("mlp", encoder=None, epochs=1)

    with pytest.raises(ValueError, match=message):
        clf.fit(*data)

    assert not [name for name in vars(clf) if name.endswith("_")]
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_early_stopping_raises_on_a_class_with_one_row():
    y = np.zeros(40, dtype=int)
    y[0] = 1

    with pytest.raises(ValueError, match="The class 1 has one row only"):
        KerasClassifier("mlp", epochs=1, early_stopping=True).fit(X, y)


@pytest.fixture(scope="module")
def on_frame():
    """A classifier fitted on a DataFrame, not modified by tests."""
    return KerasClassifier("mlp", encoder=None, epochs=1, random_state=0).fit(FRAME, Y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="bmi"), "bmi"),
        (lambda frame: frame.assign(extra=1.0), "extra"),
        (lambda frame: frame[["bmi", "age", "dose", "weight"]], "order"),
    ],
    ids=["missing", "new", "order"],
)
def test_predict_raises_on_missing_new_or_reordered_columns(on_frame, change, message):
    with pytest.raises(ValueError, match=message):
        on_frame.predict(change(FRAME))


def test_predict_raises_on_another_number_of_features():
    clf = KerasClassifier("mlp", encoder=None, epochs=1).fit(X, Y)

    with pytest.raises(ValueError, match="X has 3 features, but KerasClassifier is expecting 4"):
        clf.predict(X[:, :3])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_unfitted_estimator_raises_not_fitted_error(method):
    arguments = (X, Y) if method == "score" else (X,)

    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(KerasClassifier(), method)(*arguments)
    with pytest.raises(NotFittedError):
        _ = KerasRegressor().model_
    assert not hasattr(KerasRegressor(), "model_")


def test_fit_raises_on_a_nonfinite_loss_and_names_the_epoch():
    reg = KerasRegressor(
        lambda: head(1, "linear"), encoder=None, optimizer="sgd", optimizer__learning_rate=1e20
    )

    with pytest.raises(NonFiniteLossError, match=r"in epoch \d+. Likely causes: a learning rate"):
        reg.fit(X * 1e6, Y * 1.0)


def test_failed_refit_keeps_the_previous_fit():
    clf = KerasClassifier(classifier_network, epochs=2, random_state=0).fit(X, Y)
    before = clf.predict_proba(X)
    state = set(vars(clf))

    clf.set_params(device="/GPU:7")
    with pytest.raises(ValueError, match="is not a device"):
        clf.fit(X[:, :3], np.arange(40) % 3)

    assert set(vars(clf)) == state
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_fit_propagates_errors_of_the_builder():
    def build():
        raise RuntimeError("no such file")

    with pytest.raises(RuntimeError, match="no such file"):
        KerasClassifier(build).fit(X, Y)


def test_fit_does_not_modify_parameters_and_data():
    frame, labels, weights = FRAME.copy(), Y.copy(), np.linspace(0, 2, 40)
    class_weight = {0: 1.0, 1: 3.0}
    optimizer = keras.optimizers.SGD(0.1)
    callback = keras.callbacks.EarlyStopping(monitor="loss")
    originals = frame.copy(), labels.copy(), weights.copy(), dict(class_weight)
    params = {
        "class_weight": class_weight,
        "model": "mlp",
        "optimizer": optimizer,
        "optimizer__learning_rate": 0.5,
        "callbacks": [callback],
        "callbacks__0__patience": 3,
        "metrics": ["accuracy"],
        "epochs": 2,
        "early_stopping": True,
    }
    clf = KerasClassifier(**params)

    clf.fit(frame, labels, sample_weight=weights)

    pd.testing.assert_frame_equal(frame, originals[0])
    np.testing.assert_array_equal(labels, originals[1])
    np.testing.assert_array_equal(weights, originals[2])
    assert class_weight == originals[3]
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    assert not optimizer.built
    assert callback.patience == 0
    assert callback.model is None
    for name, value in params.items():
        assert getattr(clf, name) is value


REAL = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    ("table", "label"),
    [
        (pd.DataFrame({"a": REAL[:, 0], "b": REAL[:, 1] * 1j}), "column 'b'"),
        (REAL * 1j, "column 0"),
        ((REAL * 1j).tolist(), "column 0"),
        (pd.DataFrame({"a": REAL[:, 0], "b": (REAL[:, 1] * 1j).astype(object)}), "column 'b'"),
    ],
    ids=["pandas", "numpy", "list", "objects"],
)
@pytest.mark.parametrize(
    "make",
    [KerasTransformer, lambda: KerasRegressor("mlp"), lambda: KerasRegressor(linear_network)],
    ids=["autoencoder", "mlp", "own"],
)
@pytest.mark.filterwarnings("error")
def test_fit_raises_on_complex_columns_and_names_them(make, table, label):
    with pytest.raises(ValueError, match=f"^Complex data not supported: {label}.*Split it into"):
        make().fit(table, np.arange(6.0))
