"""Invariants of all fits: a clear error message, or a usable fitted estimator."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import pickle
import random
import re
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import polars as pl
import sklearn
import tensorflow as tf
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import nnkit
from nnkit.exceptions import NonFiniteLossError

__all__ = [
    "InvariantError",
    "check_message",
    "check_result",
    "check_unchanged",
    "errors_as_violation_of",
    "global_states",
]

OWN_FILES = tuple(str(Path(package.__file__).parent) for package in (nnkit, sklearn))
ALLOWED_ERRORS = (ValueError, TypeError, NotFittedError, NonFiniteLossError)
# Warnings of Python, NumPy and pandas are faults of the code that calls them.
DEPENDENCY_WARNINGS = (
    RuntimeWarning, DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning,
    pd.errors.PerformanceWarning,
)  # fmt: skip
MAX_MESSAGE = 700


class InvariantError(AssertionError):
    """A violated invariant; the first argument is its name."""

    def __init__(self, invariant, detail=""):
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


@contextlib.contextmanager
def errors_as_violation_of(invariant):
    """Turn any error into an InvariantError."""
    try:
        yield
    except InvariantError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{Path(frame.filename).name}:{frame.lineno}"
        raise InvariantError(
            invariant, f"{type(error).__name__} ({line}) {str(error)[:300]}"
        ) from error


@contextlib.contextmanager
def no_output(*, allows_warnings=False):
    """Raise if anything is printed, or if a dependency warns and this is not allowed."""
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        yield
    for warning in caught:
        text = str(warning.message)
        is_of_dependency = issubclass(warning.category, DEPENDENCY_WARNINGS)
        if is_of_dependency and not allows_warnings and "__array__ impl" not in text:
            line = f"{Path(warning.filename).name}:{warning.lineno}"
            raise InvariantError(
                "warning of a dependency", f"{warning.category.__name__} {line} {text}"
            )
    if printed.getvalue():
        raise InvariantError("printed", printed.getvalue()[:200])


def check_message(error, names, *, is_custom_encoder=False):
    """Raise if an error is not of an allowed type, or its message is not clear.

    A clear message is raised by nnkit or scikit-learn, has one line of limited length, and contains
    one of ``names``.
    """
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    line = f"{Path(last.filename).name}:{last.lineno}"
    is_of_transformer = any("preprocessing" in frame.filename for frame in frames)
    if is_custom_encoder and is_of_transformer:
        return  # errors of custom encoders are not checked
    text = str(error)
    shown = f"{type(error).__name__} ({line}) {text[:400]!r}"
    if not isinstance(error, ALLOWED_ERRORS):
        raise InvariantError("type of error", shown)
    if not last.filename.startswith(OWN_FILES):
        raise InvariantError("raised by a dependency", shown)
    if len(text) > MAX_MESSAGE and last.filename.startswith(OWN_FILES[0]):
        raise InvariantError("length of message", f"{len(text)} characters, {shown}")
    # scikit-learn lists feature names on separate lines.
    if last.filename.startswith(OWN_FILES[0]) and "\n" in text.strip():
        raise InvariantError("more than one line", shown)
    if len(text.split()) < 4:
        raise InvariantError("message too short", shown)
    if not any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)|(?<!\w){re.escape(name)}__", text)
        for name in names
    ):
        raise InvariantError("no name in message", shown)


def global_states():
    """Return the global random states and settings of the process."""
    kind, keys, *rest = np.random.get_state()
    # The public functions of Keras draw from the generator, so its private state is read.
    keras_state = importlib.import_module("keras.src.backend.common.global_state")
    seeds = keras_state.get_global_attribute("global_seed_generator")
    drawn = None if seeds is None else seeds.state.numpy().tolist()
    policy = keras.config.dtype_policy().name
    return {
        "random": random.getstate(),
        "numpy": (kind, keys.tolist(), rest),
        "tensorflow": tf.random.get_global_generator().state.numpy().tolist(),
        "keras seeds": drawn,
        "keras settings": (policy, keras.config.floatx(), keras.config.image_data_format()),
        "numpy errors": np.geterr(),
    }


def check_states_unchanged(before):
    """Raise if a global random state or setting has changed."""
    now = global_states()
    for name, state in before.items():
        check_unchanged(f"the random state of {name}", state, now[name])


def check_same_attributes(before, now):
    """Raise if a failed fit has changed the attributes of an estimator."""
    changed = {name for name in {*before, *now} if before.get(name) is not now.get(name)}
    if changed:
        raise InvariantError("attributes after a failed fit", sorted(changed))


def check_unchanged(name, before, after):
    """Raise if a value differs from its earlier copy."""
    if not same(before, after):
        raise InvariantError("unchanged", f"{name} was {str(before)[:100]}, is {str(after)[:100]}")


def same(first, second):
    """Return whether two values of any type are equal, with NaN equal to NaN."""
    if type(first) is not type(second):
        return False
    if isinstance(first, type):
        return first is second
    if isinstance(first, (pd.DataFrame, pd.Series)):
        return bool(first.equals(second)) and list(first.index) == list(second.index)
    if isinstance(first, (pl.DataFrame, pl.Series)):
        # polars cannot compare columns of objects.
        return first.shape == second.shape and str(first) == str(second)
    if sparse.issparse(first):
        return same(first.toarray(), second.toarray())
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and (
            same(first.tolist(), second.tolist())
        )  # fmt: skip
    if isinstance(first, dict):
        return list(first) == list(second) and same(list(first.values()), list(second.values()))
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(
            same(*pair) for pair in zip(first, second, strict=True)
        )
    if isinstance(first, np.random.RandomState):
        return same(list(first.get_state()), list(second.get_state()))
    if hasattr(first, "get_config"):
        return same(first.get_config(), second.get_config())
    if hasattr(first, "get_params"):
        return same(first.get_params(), second.get_params())
    if type(first).__eq__ is object.__eq__ and not has_state(first):
        return True  # objects without state
    # NaN and pandas.NA are not equal to themselves, so their text is compared.
    return repr(first) == repr(second)


def has_state(value):
    """Return whether an object has attributes to compare."""
    return (
        bool(getattr(value, "__dict__", None))
        and not callable(value)
        and (type(value).__module__.partition(".")[0] != "keras")
    )


def outputs_of(estimator, X):
    """Return the outputs of all prediction methods of a fitted estimator."""
    if hasattr(estimator, "transform"):
        return {"transform": estimator.transform(X)}
    outputs = {"predict": estimator.predict(X)}
    if hasattr(estimator, "predict_proba"):
        outputs["predict_proba"] = estimator.predict_proba(X)
    return outputs


def check_result(estimator, X, y):
    """Raise if the outputs of an estimator for its training rows are not usable."""
    with errors_as_violation_of("predict"), no_output():
        outputs = outputs_of(estimator, X)
    for name, output in outputs.items():
        for array in output if isinstance(output, list) else [output]:
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                raise InvariantError("finite", f"{name} gives {array.ravel()[:4]}")
    if "predict" in outputs:
        _check_predictions(estimator, outputs["predict"], y)
    if "predict_proba" in outputs:
        _check_probabilities(estimator, outputs["predict_proba"], len(outputs["predict"]))
    with errors_as_violation_of("one row"), no_output():
        _check_one_row(estimator, X, outputs)
    with errors_as_violation_of("pickle"), no_output():
        again = pickle.loads(pickle.dumps(estimator))
        _check_same_outputs("pickle", outputs, outputs_of(again, X))


def _check_predictions(estimator, predicted, y):
    target = y.toarray() if sparse.issparse(y) else np.asarray(y)
    if predicted.shape != target.shape:
        raise InvariantError(
            "shape", f"predict gives {predicted.shape} for a target {target.shape}"
        )
    if not hasattr(estimator, "classes_"):
        if predicted.dtype != np.float64:
            raise InvariantError("dtype", f"predict gives {predicted.dtype}")
        low, high = np.min(target.astype(float)), np.max(target.astype(float))
        span = max(high - low, abs(low), abs(high))
        if (
            len(predicted) > 1
            and isinstance(estimator.model, str)
            and (np.abs(predicted) > 1e3 * span).any()
        ):
            raise InvariantError(
                "size", f"predict gives {predicted.ravel()[:4]} of {low} to {high}"
            )
        return
    if target.ndim == 1:
        known = set(np.unique(target).tolist())
        if set(estimator.classes_.tolist()) != known:
            raise InvariantError("classes", f"classes_ is {estimator.classes_}, y has {known}")
        if not set(predicted.tolist()) <= known:
            raise InvariantError("labels", f"predict gives {predicted[:4]}, y has {known}")
    if predicted.dtype.kind != target.dtype.kind and target.dtype.kind != "O":
        raise InvariantError("dtype", f"predict gives {predicted.dtype} for {target.dtype}")


def _check_probabilities(estimator, found, n_rows):
    is_list = isinstance(found, list)
    classes = estimator.classes_
    for position, proba in enumerate(found if is_list else [found]):
        if len(proba) != n_rows or (proba < 0).any() or (proba > 1).any():
            raise InvariantError(
                "probabilities", f"shape {proba.shape}, {proba.min()} {proba.max()}"
            )
        if estimator.target_type_ == "multilabel-indicator":
            continue
        n_classes = len(classes[position] if is_list else classes)
        if proba.shape != (n_rows, n_classes):
            raise InvariantError(
                "shape", f"predict_proba gives {proba.shape} of {n_classes} classes"
            )
        if not np.allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-6):
            raise InvariantError("sum of probabilities", proba.sum(axis=1)[:4])


def rows_at(X, start, stop):
    """Return rows of a table in any container."""
    return X.iloc[start:stop] if hasattr(X, "iloc") else X[start:stop]


def _check_one_row(estimator, X, outputs):
    last = len(X) - 1 if hasattr(X, "__len__") and not sparse.issparse(X) else X.shape[0] - 1
    of_row = outputs_of(estimator, rows_at(X, last, last + 1))
    for name, output in outputs.items():
        if name == "predict" and output.dtype.kind != "f":
            continue  # with equal probabilities, either label is correct
        arrays, alone = (a if isinstance(a, list) else [a] for a in (output, of_row[name]))
        for array, one in zip(arrays, alone, strict=True):
            scale = max(1e-300, float(np.abs(array).max()))
            in_batch, by_itself = (np.float64(row) / scale for row in (array[last], one[0]))
            if not np.allclose(in_batch, by_itself, rtol=1e-4, atol=1e-5):
                raise InvariantError(
                    "one row", f"{name}: {array[last]} in its batch, {one[0]} alone"
                )


def _check_same_outputs(invariant, outputs, others):
    for name, output in outputs.items():
        if not same(output, others[name]):
            raise InvariantError(
                invariant, f"{name}: {str(output)[:100]}, {str(others[name])[:100]}"
            )


def check_clone(estimator, params):
    """Raise if a clone is fitted or has other parameters."""
    with errors_as_violation_of("clone"):
        copied = clone(estimator)
    if fitted_attributes_of(copied):
        raise InvariantError("clone", f"has {fitted_attributes_of(copied)}")
    check_unchanged("a parameter of the clone", params, copied.get_params(deep=False))


def fitted_attributes_of(estimator):
    """Return the names of the fitted attributes of an estimator."""
    return sorted(
        name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")
    )


def copy_of(value):
    """Return a copy of a table, a target or parameters for a later comparison."""
    return copy.deepcopy(value)
