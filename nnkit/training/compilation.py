"""A model and its optimizer, loss and metrics, made ready to train."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from nnkit._compat import compile_arguments, compute_loss_in
from nnkit.training.heads import Head, Task, choose_loss, find_loss, read_head
from nnkit.training.instantiation import instantiate, instantiate_all

__all__ = ["Compilation", "compile_model"]


@dataclass(frozen=True)
class Compilation:
    """What a model is compiled with, as the user specified it.

    Parameters
    ----------
    optimizer : str, class or instance
    loss : None, str, class, instance or function
    metrics : None, a metric or a list or dict of them
    routed : mapping of str to mapping
        Arguments by prefix: "optimizer", "loss", "metrics" and "compile".
    """

    optimizer: Any = "adam"
    loss: Any = None
    metrics: Any = None
    routed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, prefix: str) -> Mapping[str, Any]:
        """Return the arguments routed to a prefix."""
        return self.routed.get(prefix, {})

    def compile_kwargs(self) -> dict[str, Any]:
        """Return fresh arguments of ``keras.Model.compile``, for a builder that compiles.

        The loss is None where it is to be chosen once the model is known.
        """
        loss = self.loss
        if loss is not None and not inspect.isroutine(loss):
            loss = instantiate(loss, self.of("loss"), parameter="loss", find=find_loss)
        return {
            "optimizer": _make_optimizer(self.optimizer, self.of("optimizer")),
            "loss": loss,
            "metrics": _make_metrics(self.metrics, self.of("metrics")),
            **self.of("compile"),
        }


def _find_optimizer(name: str) -> Any:
    return type(keras.optimizers.get(name))


def _make_optimizer(optimizer: Any, routed: Mapping[str, Any]) -> Any:
    made = instantiate(optimizer, routed, parameter="optimizer", find=_find_optimizer)
    if not isinstance(made, keras.optimizers.Optimizer):
        raise ValueError(
            "optimizer must be a name, a class or an instance of keras.optimizers.Optimizer. "
            f"Got {optimizer!r} instead."
        )
    return made


def _make_metrics(metrics: Any, routed: Mapping[str, Any]) -> list[Any] | None:
    def find(name: str) -> Any:
        found = keras.metrics.get(name)
        if not inspect.isroutine(found):
            return type(found)
        class_name = "".join(part.capitalize() for part in found.__name__.split("_"))
        return getattr(keras.metrics, class_name, found)

    def make(metric: Any, arguments: Mapping[str, Any], parameter: str) -> Any:
        # Keras picks the kind of a named accuracy or cross-entropy by the shapes.
        if isinstance(metric, str) and not arguments:
            try:
                keras.metrics.get(metric)
            except ValueError as error:
                known = ("acc", "accuracy", "ce", "crossentropy")
                if metric not in known:
                    raise ValueError(
                        f"{parameter}={metric!r} is not a metric that Keras knows."
                    ) from error
            return metric
        return instantiate(metric, arguments, parameter=parameter, find=find)

    made = instantiate_all(metrics, routed, parameter="metrics", make=make)
    return made or None


def compile_model(
    model: Any, compilation: Compilation, task: Task, row_shape: tuple[int, ...]
) -> tuple[Head, bool]:
    """Compile a model for a task, keeping what its builder compiled it with.

    Parameters
    ----------
    model : keras.Model
        Built; compiled or not.
    compilation : Compilation
        What the user specified.
    task : Task
        What is to be learnt.
    row_shape : tuple of int
        Shape of one row that the model takes.

    Returns
    -------
    head : Head
        What the outputs mean.
    as_codes : bool
        Whether the loss takes codes of classes.

    Raises
    ------
    ValueError
        If the outputs, the loss and the target do not fit, or a parameter would have no
        effect because the builder compiled the model with something else.
    """
    own = compile_arguments(model)
    optimizer, loss, metrics = compilation.optimizer, compilation.loss, compilation.metrics
    if own:
        _check_same_kind("optimizer", optimizer, own.get("optimizer"), default="adam")
        _check_same_kind("loss", loss, own.get("loss"), default=None)
        optimizer = own.get("optimizer") or optimizer
        loss = own.get("loss") if own.get("loss") is not None else loss
        metrics = own.get("metrics") if own.get("metrics") is not None else metrics
    if isinstance(loss, (list, tuple, dict)):
        raise ValueError(f"loss must be one loss for one output. Got {loss!r} instead.")
    head = read_head(model, task, row_shape, loss=loss)
    # What the builder was handed in compile_kwargs carries the routed arguments already.
    chosen_loss, as_codes = choose_loss(loss, compilation.of("loss"), head, task)
    made_metrics = _make_metrics(metrics, compilation.of("metrics"))
    kept = {
        name: value
        for name, value in own.items()
        if name not in ("optimizer", "loss", "metrics") and value is not None
    }
    model.compile(
        **{
            **kept,
            **compilation.of("compile"),
            "optimizer": _make_optimizer(optimizer, compilation.of("optimizer")),
            "loss": chosen_loss,
            "metrics": _thresholded(made_metrics, head),
        }
    )
    if output_dtype(model) == "float64":
        compute_loss_in(model, "float64")
    return head, as_codes


def output_dtype(model: Any) -> str:
    """Return the dtype of a model's output."""
    outputs = getattr(model, "outputs", None)
    return str(outputs[0].dtype) if outputs else str(model.compute_dtype)


def _thresholded(metrics: list[Any] | None, head: Head) -> list[Any] | None:
    """Return the metrics with named accuracies of one logit compared at 0, not 0.5."""
    if metrics is None or head.scale != "logits" or head.n_units > 1:
        return metrics
    return [
        keras.metrics.BinaryAccuracy(threshold=0.0, name=metric)
        if isinstance(metric, str) and metric in ("acc", "accuracy", "binary_accuracy")
        else metric
        for metric in metrics
    ]


def _check_same_kind(parameter: str, asked: Any, own: Any, *, default: Any) -> None:
    """Raise if a parameter says something else than the builder compiled."""
    if asked == default or own is None or asked is own:
        return
    if _kind(asked) == _kind(own):
        return
    raise ValueError(
        f"{parameter}={asked!r} has no effect: the builder compiles its model with {own!r}. "
        "Let the builder take compile_kwargs and pass them to model.compile, "
        "or return the model uncompiled."
    )


def _kind(specification: Any) -> str:
    if not isinstance(specification, str):
        cls = specification if inspect.isclass(specification) else type(specification)
        specification = specification.__name__ if inspect.isroutine(specification) else cls.__name__
    kind = specification.replace("_", "").lower()
    return {"mse": "meansquarederror", "mae": "meanabsoluteerror"}.get(kind, kind)
