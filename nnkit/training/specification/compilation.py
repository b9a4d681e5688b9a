"""Compilation of a model with an optimizer, losses and metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import keras

from nnkit._compat import compile_arguments, compute_loss_in
from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit.optimizers import with_n_steps
from nnkit.training.loop.state import learning_rate_of
from nnkit.training.specification.heads import (
    Task,
    choose_loss,
    find_loss,
    output_structure,
    read_heads,
)
from nnkit.training.specification.instantiation import (
    entries_of,
    instantiate,
    is_function_of,
    split_routed,
)
from nnkit.training.specification.keras_arguments import check_compile_arguments
from nnkit.training.specification.keras_names import hint_of_name
from nnkit.training.specification.metric_kinds import metric_of_name
from nnkit.training.specification.metrics import read_metrics
from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["Compilation", "compile_model"]


@dataclass(frozen=True)
class Compilation:
    """Optimizer, loss and metrics of a model, as the user specified them.

    Parameters
    ----------
    optimizer : str, class or instance
    loss : None, str, class, instance or function
    metrics : None, a metric or a list or dict of them
    routed : mapping of str to mapping
        Arguments by prefix: "optimizer", "loss", "metrics" and "compile".
    n_steps : int or None, default=None
        Number of optimizer steps of the training, for schedules without a number of steps. None
        if it is unknown.
    wins : bool, default=False
        Whether the optimizer replaces the one with which the builder compiles the model.
    is_asked : bool, default=False
        Whether the user set the optimizer explicitly, even to the default.
    """

    optimizer: Any = "adam"
    loss: Any = None
    metrics: Any = None
    routed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    n_steps: int | None = None
    wins: bool = False
    is_asked: bool = False

    def check(self) -> None:
        """Raise a ValueError if the learning rate is out of its range."""
        _with_number(self.of("optimizer"))

    def of(self, prefix: str) -> Mapping[str, Any]:
        """Return the arguments routed to a prefix."""
        return self.routed.get(prefix, {})

    def make_optimizer(self, optimizer: Any) -> Any:
        """Return a fresh optimizer with the routed arguments and the number of steps."""
        made = _make_optimizer(optimizer, self.of("optimizer"))
        return made if self.n_steps is None else with_n_steps(made, self.n_steps)

    def compile_kwargs(self) -> dict[str, Any]:
        """Return fresh arguments of ``keras.Model.compile``, for a builder that compiles.

        The loss is None if it is chosen after the build, by the outputs of the model.
        """
        return {
            "optimizer": self.make_optimizer(self.optimizer),
            "loss": _make_structure(self.loss, self.of("loss"), "loss", _make_loss),
            "metrics": _make_metrics(self.metrics, self.of("metrics")),
            **self.of("compile"),
        }


def _find_optimizer(name: str) -> Any:
    registered = keras.saving.get_registered_object(name)
    if registered is not None and not _is_optimizer_class(registered):
        raise ValueError(name)  # Keras would make an instance of any registered class
    return type(keras.optimizers.get(name))


def _is_optimizer_class(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, keras.optimizers.Optimizer)


def _make_optimizer(optimizer: Any, routed: Mapping[str, Any]) -> Any:
    made = instantiate(
        optimizer,
        _with_number(routed),
        parameter="optimizer",
        find=_find_optimizer,
        module=keras.optimizers,
    )
    if not isinstance(made, keras.optimizers.Optimizer):
        raise ValueError(
            "optimizer must be a name, a class or an instance of keras.optimizers.Optimizer. "
            f"Got {shown(optimizer)} instead."
        )
    rate = learning_rate_of(made)
    if rate is not None and rate < 0:
        raise ValueError(f"The learning rate of optimizer must be at least 0. Got {rate:g}.")
    return made


def _with_number(routed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of an optimizer, with a numeric learning rate as a float."""
    rate = routed.get("learning_rate", 0.0)
    if "learning_rate" not in routed or callable(rate) or hasattr(rate, "get_config"):
        return routed
    # Keras refuses integers.
    if not isinstance(rate, Real) or isinstance(rate, bool) or float(rate) < 0:
        raise ValueError(
            "optimizer__learning_rate must be a number of at least 0, or a schedule of "
            f"keras.optimizers.schedules. Got {rate!r} instead."
        )
    return {**routed, "learning_rate": float(rate)}


def _make_loss(loss: Any, arguments: Mapping[str, Any], parameter: str) -> Any:
    return instantiate(loss, arguments, parameter=parameter, find=find_loss, module=keras.losses)


def _find_metric(name: str) -> Any:
    return metric_of_name(name)


def _make_metric(metric: Any, arguments: Mapping[str, Any], parameter: str) -> Any:
    # A metric without arguments stays a name, since the kind of accuracy or cross-entropy depends
    # on the target.
    if isinstance(metric, str) and not arguments:
        try:
            metric_of_name(metric)
        except ValueError as error:
            if metric not in ("acc", "accuracy", "ce", "crossentropy"):
                raise ValueError(
                    f"{parameter}={shown(metric)} is not a metric that Keras knows."
                    f"{hint_of_name(keras.metrics, metric)}"
                ) from error
        return metric
    made = instantiate(
        metric, arguments, parameter=parameter, find=_find_metric, module=keras.metrics
    )
    if not (isinstance(made, keras.metrics.Metric) or is_function_of(made, 2)):
        raise ValueError(
            f"{parameter} must be a name that Keras knows, a class, an instance or a function of "
            f"(y_true, y_pred). Got {shown(metric)} instead."
        )
    return made


def _make_structure(
    specifications: Any,
    routed: Mapping[str, Any],
    parameter: str,
    make: Callable[[Any, Mapping[str, Any], str], Any],
) -> Any:
    """Return the objects of a specification, in its structure of lists and dicts.

    Arguments are routed to all entries, or by position or key to one, as ``"0__name"``.
    """
    if specifications is None:
        if routed and parameter != "loss":
            raise ValueError(
                f"{parameter}__{next(iter(routed))} is set, but {parameter} holds nothing to "
                f"take it. Set {parameter}."
            )
        return None
    entries = entries_of(specifications)
    if entries is None:
        return make(specifications, routed, parameter)
    split = split_routed(routed, list(entries))
    made = {
        key: _make_structure(entry, split[key], f"{parameter}__{key}", make)
        for key, entry in entries.items()
    }
    return made if isinstance(specifications, Mapping) else list(made.values())


def _make_metrics(metrics: Any, routed: Mapping[str, Any]) -> Any:
    made = _make_structure(metrics, routed, "metrics", _make_metric)
    return made if made is None or isinstance(made, (list, dict)) else [made]


def compile_model(
    model: Any,
    compilation: Compilation,
    task_choices: Sequence[Sequence[Task]],
    X_example: Any,
    *,
    was_handed: bool = False,
) -> OutputSpec:
    """Compile a model for its tasks, with the arguments with which its builder compiled it.

    Parameters
    ----------
    model : keras.Model
        Built model, compiled or not.
    compilation : Compilation
        The user's specification.
    task_choices : sequence of sequences of Task
        Possible tasks of the outputs. The number of outputs selects one of the choices.
    X_example : ndarray, or dict or list of ndarray
        Rows in the dtypes of the model's inputs.
    was_handed : bool, default=False
        Whether the builder got ``compile_kwargs`` and compiled the model with them.

    Returns
    -------
    output_spec : OutputSpec

    Raises
    ------
    ValueError
        If the outputs, the loss and the target do not fit, or if a parameter has no effect
        because the builder compiled the model with another value.
    """
    own = compile_arguments(model)
    check_compile_arguments(compilation.of("compile"))
    optimizer, loss, metrics = _merged(compilation, own, was_handed=was_handed)
    outputs = output_structure(model, X_example)
    names = _output_names(model, outputs)
    tasks = _tasks_of(outputs, names, task_choices)
    losses = _by_output(loss, names)
    heads = read_heads(model, outputs, tasks, losses)
    routed = compilation.of("loss")
    if len(heads) > 1 or isinstance(loss, (list, tuple, Mapping)):
        keys = names if isinstance(loss, Mapping) else [str(i) for i in range(len(heads))]
        by_output = list(split_routed(routed, keys).values())
    else:
        by_output = [dict(routed)]
    chosen = [
        choose_loss(one, arguments, head, task)
        for one, arguments, head, task in zip(losses, by_output, heads, tasks, strict=True)
    ]
    made_metrics = _make_metrics(metrics, compilation.of("metrics"))
    _check_compile_arguments(model, compilation.of("compile"))
    kept = {
        name: value
        for name, value in own.items()
        if name not in ("optimizer", "loss", "metrics") and value is not None
    }
    model.compile(
        **{
            **kept,
            **compilation.of("compile"),
            "optimizer": compilation.make_optimizer(optimizer),
            "loss": keras.tree.pack_sequence_as(outputs, [one for one, _ in chosen]),
            "metrics": made_metrics,
        }
    )
    if str(keras.tree.flatten(outputs)[0].dtype) == "float64":
        compute_loss_in(model, "float64")
    structure = keras.tree.map_structure(lambda _: 0, outputs)
    output_spec = OutputSpec(tasks, heads, [as_codes for _, as_codes in chosen], structure, names)
    read_metrics(model, output_spec)
    return output_spec


def _check_compile_arguments(model: Any, routed: Mapping[str, Any]) -> None:
    """Raise a ValueError if ``compile`` of a model does not take a routed argument."""
    if not routed:
        return
    parameters = inspect.signature(model.compile).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for name in routed:
        if name not in known:
            raise ValueError(
                f"compile__{name} is not an argument of keras.Model.compile. "
                f"{did_you_mean(name, known, 'compile__')}"
            )


def _merged(
    compilation: Compilation, own: Mapping[str, Any], *, was_handed: bool
) -> tuple[Any, Any, Any]:
    """Return optimizer, loss and metrics: those of the builder, else those of the user."""
    optimizer, loss, metrics = compilation.optimizer, compilation.loss, compilation.metrics
    if not own:
        return optimizer, loss, metrics
    if not compilation.wins:
        default = None if compilation.is_asked else "adam"
        _check_same_kind("optimizer", optimizer, own.get("optimizer"), default, was_handed)
        optimizer = own.get("optimizer") or optimizer
    _check_same_kind("loss", loss, own.get("loss"), None, was_handed)
    if metrics is not None and own.get("metrics") is not None and not was_handed:
        raise ValueError(_without_effect("metrics", metrics, own.get("metrics")))
    loss = own.get("loss") if own.get("loss") is not None else loss
    metrics = own.get("metrics") if own.get("metrics") is not None else metrics
    return optimizer, loss, metrics


def _tasks_of(
    outputs: Any, names: Sequence[str], task_choices: Sequence[Sequence[Task]]
) -> list[Task]:
    """Return the task of each output, selected by the number and the ranks of the outputs."""
    if isinstance(outputs, Mapping) and len(outputs) > 1 and list(outputs) != sorted(outputs):
        raise ValueError(
            f"The outputs of the model are a dict in the order {list(outputs)}, but Keras takes "
            "them by name in alphabetical order, so that the columns of y would be mixed up. "
            "Return a list of outputs, or name them in alphabetical order."
        )
    fitting = [choice for choice in task_choices if len(choice) == len(names)]
    if len(fitting) > 1:
        ranks = [len(output.shape) for output in keras.tree.flatten(outputs)]
        fitting = [
            choice for choice in fitting if [task.rank for task in choice] == ranks
        ] or fitting
    return list(fitting[0] if fitting else task_choices[0])


def _output_names(model: Any, outputs: Any) -> list[str]:
    """Return the names of a model's outputs in flat order."""
    if isinstance(outputs, Mapping):
        return sorted(outputs)
    names = getattr(model, "output_names", None)
    n_outputs = len(keras.tree.flatten(outputs))
    return list(names) if names else [str(position) for position in range(n_outputs)]


def _by_output(loss: Any, names: list[str]) -> list[Any]:
    """Return the specified loss of each output."""
    if isinstance(loss, Mapping):
        unknown = sorted(set(loss) - set(names))
        if unknown:
            raise ValueError(f"loss names the output {unknown[0]!r}; the model has {names}.")
        return [loss.get(name) for name in names]
    if isinstance(loss, (list, tuple)):
        if len(loss) != len(names):
            raise ValueError(
                f"loss must be one loss, or one for each of the {len(names)} output(s) of the "
                f"model. Got {len(loss)} instead."
            )
        return list(loss)
    return [loss] * len(names)


def _check_same_kind(parameter: str, asked: Any, own: Any, default: Any, was_handed: bool) -> None:
    """Raise if a parameter differs from the value with which the builder compiled the model."""
    if was_handed or asked is own or own is None or (asked is None or asked == default):
        return
    is_structure = isinstance(asked, (list, tuple, dict)) or isinstance(own, (list, tuple, dict))
    # An instance has settings that the builder did not get.
    is_name = isinstance(asked, str) or inspect.isclass(asked) or inspect.isroutine(asked)
    if not is_structure and is_name and _kind(asked) == _kind(own):
        return
    raise ValueError(_without_effect(parameter, asked, own))


def _without_effect(parameter: str, asked: Any, own: Any) -> str:
    return (
        f"{parameter}={shown(asked)} has no effect: the model is compiled with {shown(own)} "
        "already. Let the builder take compile_kwargs and pass them to model.compile, "
        "or give the model uncompiled."
    )


def _kind(specification: Any) -> str:
    if not isinstance(specification, str):
        cls = specification if inspect.isclass(specification) else type(specification)
        specification = specification.__name__ if inspect.isroutine(specification) else cls.__name__
    kind = specification.replace("_", "").lower()
    return {"mse": "meansquarederror", "mae": "meanabsoluteerror"}.get(kind, kind)
