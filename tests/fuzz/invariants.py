"""What holds for any fit: one clear sentence, or a result that can be used."""

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
    "check_untouched",
    "global_states",
    "held",
]

OWN_FILES = tuple(str(Path(package.__file__).parent) for package in (nnkit, sklearn))
REFUSALS = (ValueError, TypeError, NotFittedError, NonFiniteLossError)
# What Python, NumPy and pandas warn of is a fault of the code that made them do so.
WARNINGS_OF_HOSTS = (
    RuntimeWarning, DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning,
    pd.errors.PerformanceWarning,
)  # fmt: skip
MAX_MESSAGE = 700


class InvariantError(AssertionError):
    """An invariant that does not hold; its first argument says which."""

    def __init__(self, invariant, detail=""):
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


@contextlib.contextmanager
def held(invariant):
    """Make an error of any kind the violation of an invariant."""
    try:
        yield
    except InvariantError:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{Path(where.filename).name}:{where.lineno}"
        raise InvariantError(
            invariant, f"{type(error).__name__} ({line}) {str(error)[:300]}"
        ) from error


@contextlib.contextmanager
def quiet(*, allows_hosts=False):
    """Raise if anything is printed, or if a host warns where that is not the user's own doing."""
    said = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(said):
        warnings.simplefilter("always")
        yield
    for warning in caught:
        text = str(warning.message)
        is_of_host = issubclass(warning.category, WARNINGS_OF_HOSTS)
        if is_of_host and not allows_hosts and "__array__ impl" not in text:
            where = f"{Path(warning.filename).name}:{warning.lineno}"
            raise InvariantError("warning of a host", f"{warning.category.__name__} {where} {text}")
    if said.getvalue():
        raise InvariantError("printed", said.getvalue()[:200])


def check_message(error, names, *, is_users_encoder=False):
    """Raise if an error is not one clear sentence that names one of ``names``."""
    frames = traceback.extract_tb(error.__traceback__)
    where = frames[-1]
    line = f"{Path(where.filename).name}:{where.lineno}"
    is_of_transformer = any("preprocessing" in frame.filename for frame in frames)
    if is_users_encoder and is_of_transformer:
        return  # its errors are its own
    text = str(error)
    shown = f"{type(error).__name__} ({line}) {text[:400]!r}"
    if not isinstance(error, REFUSALS):
        raise InvariantError("type of error", shown)
    if not where.filename.startswith(OWN_FILES):
        raise InvariantError("raised by a host", shown)
    if len(text) > MAX_MESSAGE and where.filename.startswith(OWN_FILES[0]):
        raise InvariantError("length of message", f"{len(text)} characters, {shown}")
    # scikit-learn lists the names of features line by line.
    if where.filename.startswith(OWN_FILES[0]) and "\n" in text.strip():
        raise InvariantError("more than one line", shown)
    if len(text.split()) < 4:
        raise InvariantError("no sentence", shown)
    if not any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)|(?<!\w){re.escape(name)}__", text)
        for name in names
    ):
        raise InvariantError("names nothing of the fit", shown)


def global_states():
    """Return all random states and settings of the process."""
    kind, keys, *rest = np.random.get_state()
    # Keras has no public way to read it without drawing from it.
    of_keras = importlib.import_module("keras.src.backend.common.global_state")
    seeds = of_keras.get_global_attribute("global_seed_generator")
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


def check_untouched_states(before):
    """Raise if a random state or a setting of the process is another than before."""
    now = global_states()
    for what, state in before.items():
        check_untouched(f"the random state of {what}", state, now[what])


def check_same_attributes(before, now):
    """Raise if a failed fit has changed what an estimator holds."""
    changed = {name for name in {*before, *now} if before.get(name) is not now.get(name)}
    if changed:
        raise InvariantError("half-fitted", sorted(changed))


def check_untouched(what, before, after):
    """Raise if two values, of which one is a copy that was made before, differ."""
    if not same(before, after):
        raise InvariantError("untouched", f"{what} was {str(before)[:100]}, is {str(after)[:100]}")


def same(first, second):
    """Return whether two values of any kind are the same."""
    if type(first) is not type(second):
        return False
    if isinstance(first, type):
        return first is second
    if isinstance(first, (pd.DataFrame, pd.Series)):
        return bool(first.equals(second)) and list(first.index) == list(second.index)
    if isinstance(first, (pl.DataFrame, pl.Series)):
        # Columns of objects are equal to nothing, for polars.
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
    if type(first).__eq__ is object.__eq__ and not vars_of(first):
        return True  # nothing to compare
    # NaN, pandas.NA and the like are equal to nothing.
    return repr(first) == repr(second)


def vars_of(value):
    """Return whether an object holds anything that tells it from others."""
    return (
        bool(getattr(value, "__dict__", None))
        and not callable(value)
        and (type(value).__module__.partition(".")[0] != "keras")
    )


def answers_of(estimator, X):
    """Return all that a fitted estimator says about rows."""
    if hasattr(estimator, "transform"):
        return {"transform": estimator.transform(X)}
    answers = {"predict": estimator.predict(X)}
    if hasattr(estimator, "predict_proba"):
        answers["predict_proba"] = estimator.predict_proba(X)
    return answers


def check_result(estimator, X, y):
    """Raise if a fitted estimator's answers for its training rows cannot be used."""
    with held("predict"), quiet():
        answers = answers_of(estimator, X)
    for name, answer in answers.items():
        for part in answer if isinstance(answer, list) else [answer]:
            if part.dtype.kind in "fc" and not np.isfinite(part).all():
                raise InvariantError("finite", f"{name} gives {part.ravel()[:4]}")
    if "predict" in answers:
        _check_predictions(estimator, answers["predict"], y)
    if "predict_proba" in answers:
        _check_probabilities(estimator, answers["predict_proba"], len(answers["predict"]))
    with held("one row"), quiet():
        _check_one_row(estimator, X, answers)
    with held("pickle"), quiet():
        again = pickle.loads(pickle.dumps(estimator))
        _check_same_answers("pickle", answers, answers_of(again, X))


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
    """Return rows of a table of any kind."""
    return X.iloc[start:stop] if hasattr(X, "iloc") else X[start:stop]


def _check_one_row(estimator, X, answers):
    last = len(X) - 1 if hasattr(X, "__len__") and not sparse.issparse(X) else X.shape[0] - 1
    of_row = answers_of(estimator, rows_at(X, last, last + 1))
    for name, answer in answers.items():
        if name == "predict" and answer.dtype.kind != "f":
            continue  # classes of equal probability may go either way
        parts, alone = (a if isinstance(a, list) else [a] for a in (answer, of_row[name]))
        for part, one in zip(parts, alone, strict=True):
            scale = max(1e-300, float(np.abs(part).max()))
            in_batch, by_itself = (np.float64(row) / scale for row in (part[last], one[0]))
            if not np.allclose(in_batch, by_itself, rtol=1e-4, atol=1e-5):
                raise InvariantError(
                    "one row", f"{name}: {part[last]} in its batch, {one[0]} alone"
                )


def _check_same_answers(invariant, answers, others):
    for name, answer in answers.items():
        if not same(answer, others[name]):
            raise InvariantError(
                invariant, f"{name}: {str(answer)[:100]}, {str(others[name])[:100]}"
            )


def check_clone(estimator, params):
    """Raise if a clone is fitted, or has other parameters."""
    with held("clone"):
        copied = clone(estimator)
    if learnt_by(copied):
        raise InvariantError("clone", f"has {learnt_by(copied)}")
    check_untouched("a parameter of the clone", params, copied.get_params(deep=False))


def learnt_by(estimator):
    """Return the names of what an estimator has learnt."""
    return sorted(
        name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")
    )


def copy_of(value):
    """Return a copy of a table, target or parameters to compare with."""
    return copy.deepcopy(value)
