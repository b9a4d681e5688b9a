"""Kinds of Keras metrics: the targets for which they are defined, and their arguments."""

from __future__ import annotations

import inspect
from typing import Any, Literal

import keras

from nnkit._compat import wrapped_function
from nnkit.training.caching.library_code import is_genuine, is_of_package
from nnkit.training.specification.heads import Head, Task
from nnkit.training.specification.instantiation import class_of_name

__all__ = [
    "HINGES",
    "NAMED_ACCURACY",
    "OF_DIFFERENCES",
    "Form",
    "check_defined",
    "description",
    "form_of",
    "kind_of",
    "metric_of_name",
]

Form = Literal["second", "decided", "columns", "sparse", "codes", "own", "values"]
"""Form of the arguments (y_true, y_pred) of a metric.

second : indicators of the second class, and its probability, (n, 1); of several classes, columns
decided : as second, with the probability rounded to 0 or 1
columns : one-hot rows and probabilities, (n, n_classes)
sparse : codes (n,) and probabilities (n, n_classes)
codes : codes (n,) and codes of the most probable classes (n,)
own : the target of the loss, and probabilities in the shape of the output, for custom metrics
values : both in the units of the target, (n, n_columns)

Labels of a multilabel target are columns in every form. Steps and pixels are rows, except in
"own".
"""

# The form of each metric for classes, by its name in lower case without underscores.
_OF_CLASSES: dict[str, Form] = {
    "accuracy": "codes", "iou": "codes", "meaniou": "codes",
    "auc": "second", "falsenegatives": "second", "falsepositives": "second",
    "precision": "second", "precisionatrecall": "second", "recall": "second",
    "recallatprecision": "second", "sensitivityatspecificity": "second",
    "specificityatsensitivity": "second", "truenegatives": "second", "truepositives": "second",
    "binaryaccuracy": "second", "binarycrossentropy": "second",
    "binaryfocalcrossentropy": "second", "binaryiou": "second",
    "hinge": "second", "squaredhinge": "second",
    "huber": "second", "logcosh": "second", "logcosherror": "second",
    "meanabsoluteerror": "second", "meansquarederror": "second",
    "meansquaredlogarithmicerror": "second", "r2score": "second",
    "rootmeansquarederror": "second",
    "categoricalaccuracy": "columns", "categoricalcrossentropy": "columns",
    "categoricalfocalcrossentropy": "columns", "categoricalhinge": "columns",
    "cosinesimilarity": "columns", "f1score": "columns", "fbetascore": "columns",
    "kldivergence": "columns", "onehotiou": "columns", "onehotmeaniou": "columns",
    "topkcategoricalaccuracy": "columns",
    "sparsecategoricalaccuracy": "sparse", "sparsecategoricalcrossentropy": "sparse",
    "sparsetopkcategoricalaccuracy": "sparse",
}  # fmt: skip

_OF_VALUES = frozenset(
    {
        "concordancecorrelation", "cosinesimilarity", "huber", "logcosh", "logcosherror",
        "meanabsoluteerror", "meanabsolutepercentageerror", "meansquarederror",
        "meansquaredlogarithmicerror", "pearsoncorrelation", "poisson", "r2score",
        "rootmeansquarederror",
    }
)  # fmt: skip

OF_DIFFERENCES = frozenset(
    {
        "huber", "logcosh", "logcosherror", "meanabsoluteerror", "meansquarederror", "r2score",
        "rootmeansquarederror",
    }
)  # fmt: skip

# Metrics that compare the columns of each row.
_ACROSS_COLUMNS = frozenset({"concordancecorrelation", "cosinesimilarity", "pearsoncorrelation"})

# Binary metrics. For more classes, Keras would treat the columns of one-hot rows separately.
_OF_TWO_CLASSES = frozenset(
    {
        "binaryaccuracy", "binarycrossentropy", "binaryfocalcrossentropy", "binaryiou", "hinge",
        "squaredhinge",
    }
)  # fmt: skip

# Metrics of mutually exclusive classes.
_OF_ONE_OF_MANY = frozenset(
    {
        "categoricalaccuracy", "categoricalcrossentropy", "categoricalfocalcrossentropy",
        "categoricalhinge", "kldivergence", "onehotiou", "onehotmeaniou",
        "sparsecategoricalaccuracy", "sparsecategoricalcrossentropy",
        "sparsetopkcategoricalaccuracy", "topkcategoricalaccuracy",
    }
)  # fmt: skip

HINGES = frozenset({"hinge", "squaredhinge", "categoricalhinge"})

NAMED_ACCURACY = "named accuracy"

_SHORT_NAMES = {
    "mse": "meansquarederror", "mae": "meanabsoluteerror",
    "mape": "meanabsolutepercentageerror", "msle": "meansquaredlogarithmicerror",
}  # fmt: skip


def metric_of_name(name: str) -> Any:
    """Return the class, or else the function, of a Keras metric by its name."""
    wanted = name.replace("_", "").lower()
    for key in dir(keras.metrics):
        found = getattr(keras.metrics, key)
        # keras.metrics.get would create an instance, for which some metrics need arguments.
        if inspect.isclass(found) and key.lower() == wanted:
            return found
    return class_of_name(keras.metrics, name)


def kind_of(given: Any) -> str | None:
    """Return the name of a Keras metric in lower case without underscores; None for others."""
    if isinstance(given, str):
        name = given
    elif inspect.isroutine(given):
        # A decorated function has the module and name of the function that it wraps.
        if not (is_of_package(given, "keras") and is_genuine(given)):
            return None
        name = given.__name__
    elif type(given) is keras.metrics.MeanMetricWrapper:
        return kind_of(wrapped_function(given))
    else:
        # A subclass that only sets arguments counts as its base class.
        owner = next(
            (cls for cls in type(given).__mro__ if {"update_state", "call"} & set(vars(cls))),
            object,
        )
        if not owner.__module__.startswith("keras."):
            return None
        bases = type(given).__mro__
        name = next(cls for cls in bases if cls.__module__.startswith("keras.")).__name__
    kind = name.replace("_", "").lower()
    # The class Accuracy compares numbers. The name stands for the accuracy that fits the target.
    if isinstance(given, str) and given in ("acc", "accuracy"):
        return NAMED_ACCURACY
    return _SHORT_NAMES.get(kind, kind)


def description(given: Any, parameter: str) -> str:
    """Return the description of a metric in messages."""
    if isinstance(given, str):
        return f"{parameter}={given!r}"
    name = given.__name__ if inspect.isroutine(given) else type(given).__name__
    return f"{parameter}={name}"


def check_defined(kind: str, described: str, head: Head, task: Task) -> None:
    """Raise a ValueError if a Keras metric is not defined for a target."""
    if kind in ("mean", "sum", "metric"):
        raise ValueError(
            f"{described} does not compare targets and predictions. Give a metric that does, such "
            "as 'accuracy' or 'mae'."
        )
    if task.kind == "regression":
        if kind not in _OF_VALUES:
            raise ValueError(
                f"{described} is for classes, but y is continuous. Use a metric of values, such as "
                "'mae', 'mse' or 'r2_score'."
            )
        if kind in _ACROSS_COLUMNS and head.n_units == 1:
            raise ValueError(
                f"{described} compares the columns of each row, but y has one column. "
                "Use 'mae', 'mse' or 'r2_score'."
            )
        return
    if kind != NAMED_ACCURACY and kind not in ("ce", "crossentropy") and kind not in _OF_CLASSES:
        raise ValueError(
            f"{described} is for continuous values, but y has classes. Use 'accuracy', 'AUC' or "
            "another metric of classes."
        )
    if head.is_multilabel:
        if kind in _OF_ONE_OF_MANY:
            raise ValueError(
                f"{described} is for mutually exclusive classes, but y is multilabel. "
                "Use 'accuracy', 'binary_accuracy', 'AUC' or 'f1_score'."
            )
    elif kind in _OF_TWO_CLASSES and head.n_units > 2:
        raise ValueError(
            f"{described} is for two classes, but y has {head.n_units} classes. "
            "Use 'accuracy' or another metric of several classes."
        )
    elif kind == "categoricalhinge" and head.n_units == 1:
        raise ValueError(
            f"{described} needs one output unit per class, but the model's last layer has 1 unit. "
            "Use 'hinge', or give the last layer 2 units."
        )


def form_of(metric: Any, kind: str | None, head: Head, task: Task) -> Form:
    """Return the form of a metric's arguments for a target."""
    if kind is None:
        return "own"
    if task.kind == "regression":
        return "values"
    if kind == NAMED_ACCURACY:
        return "codes"
    if kind in ("ce", "crossentropy"):
        return "second" if head.is_multilabel else "sparse"
    form = _OF_CLASSES[kind]
    if form == "second" and any(
        getattr(metric, name, None) is not None for name in ("class_id", "top_k")
    ):
        return "columns"
    if kind in ("f1score", "fbetascore") and (
        # For two classes, average=None is the score of the second class, as in scikit-learn.
        head.is_multilabel or (metric.average is None and head.n_units <= 2)
    ):
        return "decided" if metric.threshold is None else "second"
    return form
