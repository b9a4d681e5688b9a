"""The networks of a fit: the arguments of their builder, and how they are compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit._compat import learning_rate_or_schedule
from nnkit._messages import shown
from nnkit.builders.meta import Meta
from nnkit.builders.registry import initializer_of
from nnkit.builders.signature import builder_arguments, injected_arguments
from nnkit.builders.size import check_size
from nnkit.encoding.features import columns_of
from nnkit.estimators.parameters.fit_settings import FitSettings
from nnkit.estimators.parameters.parameter_names import routed_parameters
from nnkit.estimators.parameters.routing import (
    OF_COMPILATION,
    as_python,
    builder_hyperparameters,
    resolve_builder,
    routed_to,
)
from nnkit.estimators.rows.training_rows import Rows

if TYPE_CHECKING:
    import keras

    from nnkit.estimators.keras_estimator import KerasEstimator
    from nnkit.training.network import Network
    from nnkit.training.specification.compilation import Compilation
    from nnkit.training.specification.model_spec import ModelSpec

__all__ = ["Networks", "build", "rebuild"]


@dataclass(frozen=True)
class Networks:
    """The networks of a fit.

    Parameters
    ----------
    members : list of Network
        The networks of the ensemble, at least one.
    schedule_owner : {"optimizer", "builder"} or None
        What makes the training end after a number of steps: a schedule of the optimizer, or the
        ``n_steps`` that the builder took. None if the training can be resumed.
    facts : dict
        Facts about the data, by the names of ``meta``.
    """

    members: list[Network]
    schedule_owner: str | None
    facts: dict[str, Any]


def build(
    draft: KerasEstimator,
    X_encoded: Any,
    training: Rows,
    settings: FitSettings,
    n_steps: int | None,
) -> Networks:
    """Build and compile the networks of a fit.

    Parameters
    ----------
    draft : estimator
        With encoder, target and seeds.
    X_encoded : ndarray, csr_array, or dict or list of ndarray
        Encoded training rows.
    training : Rows
        The same rows before encoding.
    settings : FitSettings
    n_steps : int or None
        Optimizer steps of the training; None if it can be resumed.

    Raises
    ------
    ValueError
        If a schedule needs the number of steps and there is none, or the networks do not fit into
        memory.
    """
    from nnkit.training.loop.batches import take_on_host
    from nnkit.training.network import Network
    from nnkit.training.placement import is_on_cpu

    facts = _facts(draft, X_encoded, training)
    meta = Meta(**facts, **columns_of(draft.encoder_, facts["X_shape_"]), **draft._meta_facts)
    model_spec, schedule_owner = _model_spec(draft, meta, X_encoded, training, settings, n_steps)
    initialize = initializer_of(model_spec.builder)

    def member(position: int) -> Network:
        seed = draft._seeds.of_member(position).build
        network = Network(
            replace(model_spec, seed=seed),
            draft._target.task_choices(),
            take_on_host(X_encoded, slice(0, 1)),
            settings.device,
            draws_afresh=settings.random_state is None,
        )
        if initialize is not None:
            rng = np.random.default_rng(seed)
            network.assign_weights(lambda model: initialize(model, X_encoded, rng))
        return network

    first = member(0)
    if is_on_cpu(settings.device):
        check_size(first.compiled_model.n_trainable, "The network", settings.n_estimators)
    others = [member(position) for position in range(1, settings.n_estimators)]
    return Networks([first, *others], schedule_owner, facts)


def rebuild(
    draft: KerasEstimator, X_encoded: Any, training: Rows, settings: FitSettings, changed: list[str]
) -> Networks:
    """Build networks anew with the weights of the present ones, for a training without an end.

    Networks that were built for a number of steps have a learning rate of 0 after it. Others are
    compiled with changed parameters.

    Parameters
    ----------
    draft : estimator
        Its networks give the weights.
    X_encoded, training, settings : object
        As for `build`.
    changed : list of str
        Parameters that changed since the last fit.

    Raises
    ------
    ValueError
        If a changed parameter changes the shapes or names of weights.
    """
    before, was_timed = draft._members, draft._schedule_owner == "builder"
    networks = build(draft, X_encoded, training, settings, None)
    # A new optimizer begins without moments, as in Keras.
    keeps_optimizer = bool(changed) and all(
        name.startswith(("metrics", "loss", "device")) for name in changed
    )
    for member, old in zip(networks.members, before, strict=True):
        unlike, left = member.take_values_of(old, keeps_optimizer=keeps_optimizer)
        if not was_timed:  # step counters exist in a training with an end only
            unlike += left
        if changed and unlike:
            raise ValueError(
                f"{changed[0]} was changed, and with it the shape or the name of the weights "
                f"{unlike[0]!r}, but a resumed training keeps its weights. Set it back, "
                "or fit anew with warm_start=False."
            )
    return networks


def _facts(draft: KerasEstimator, X_encoded: Any, rows: Rows) -> dict[str, Any]:
    shapes: Any
    if isinstance(X_encoded, dict):
        shapes = {name: part.shape for name, part in X_encoded.items()}
        dtypes: Any = {name: part.dtype for name, part in X_encoded.items()}
    elif isinstance(X_encoded, list):
        shapes, dtypes = [part.shape for part in X_encoded], [part.dtype for part in X_encoded]
    else:
        shapes, dtypes = X_encoded.shape, X_encoded.dtype
    expected = [task.n_units_expected for task in draft._target.task_choices()[0]]
    return {
        "n_features_in_": draft.n_features_in_,
        "feature_names_in_": getattr(draft, "feature_names_in_", None),
        "X_shape_": shapes,
        "X_dtype_": dtypes,
        "y_dtype_": rows.y.dtype,
        "y_ndim_": rows.y.ndim,
        "n_outputs_": 1 if rows.y.ndim == 1 else rows.y.shape[-1],
        "n_outputs_expected_": len(expected),
        "n_output_units_": expected[0] if len(expected) == 1 else expected,
        **draft._target.facts(),
    }


def _model_spec(
    draft: KerasEstimator,
    meta: Meta,
    X_encoded: Any,
    training: Rows,
    settings: FitSettings,
    n_steps: int | None,
) -> tuple[ModelSpec, str | None]:
    """Return the specification of the networks, and the owner of a schedule that ends them."""
    from nnkit.training.specification.model_spec import ModelSpec

    routed = {**settings.builder_arguments, **routed_parameters(draft)}
    compilation = _compilation(settings, routed, n_steps)
    schedule_owner = None if compilation.n_steps is None else "optimizer"
    seed, policy = draft._seeds.build, settings.dtype_policy
    builder = resolve_builder(settings.model)
    if builder is None:
        model = _copy_of(settings.model)
        spec = ModelSpec(model, {}, compilation, seed=seed, dtype_policy=policy)
        return spec, schedule_owner
    offered = _offered(draft, meta, X_encoded, training, settings, n_steps)
    # The rows are part of the initialisation of such a builder, not of the build.
    is_after_build = initializer_of(builder) is not None
    names = [name for name in injected_arguments(builder) if not (is_after_build and name == "X")]
    injected = {name: offered[name]() for name in names}
    arguments = builder_arguments(builder, builder_hyperparameters(routed), injected)
    if schedule_owner is None and n_steps is not None and "n_steps" in arguments:
        schedule_owner = "builder"
    wants_compile_kwargs = "compile_kwargs" in arguments
    arguments.pop("compile_kwargs", None)
    spec = ModelSpec(
        builder,
        arguments,
        compilation,
        wants_compile_kwargs,
        seed,
        policy,
        is_rebuildable=not {"X", "y"} & set(arguments),
    )
    return spec, schedule_owner


def _compilation(
    settings: FitSettings, routed: Mapping[str, Any], n_steps: int | None
) -> Compilation:
    from nnkit.training.specification.compilation import Compilation

    is_scheduled = _is_scheduled(settings.optimizer, routed)
    if is_scheduled and n_steps is None:
        raise ValueError(
            "The optimizer has a schedule that spans the whole training, whose length is not "
            "known with warm_start=True, in partial_fit and in initialize: "
            "give the schedule n_steps = epochs * batches per epoch."
        )
    by_prefix = {prefix: routed_to(prefix, routed) for prefix in OF_COMPILATION}
    if settings.is_loss_of_quantiles:
        by_prefix["loss"] = {**by_prefix["loss"], "quantiles": settings.learnt_quantiles}
    compilation = Compilation(
        settings.optimizer,
        settings.loss,
        settings.metrics,
        by_prefix,
        n_steps if is_scheduled else None,
        wins=settings.is_ready_made and settings.is_optimizer_given,
        is_asked=settings.is_optimizer_given,
    )
    compilation.check()
    return compilation


def _offered(
    draft: KerasEstimator,
    meta: Meta,
    X_encoded: Any,
    training: Rows,
    settings: FitSettings,
    n_steps: int | None,
) -> dict[str, Callable[[], Any]]:
    """Return functions that give the injected arguments of a builder, by their names."""

    def params() -> Any:
        every = draft.get_params()
        return as_python({**every, **settings.chosen(set(every))})

    def targets() -> Any:
        n_outputs = len(draft._target.task_choices()[0])
        found = draft._target.network_targets(training.encoded, n_outputs)
        return found[0] if n_outputs == 1 else found

    return {
        "meta": lambda: meta,
        "compile_kwargs": lambda: None,
        "params": params,
        "n_steps": lambda: n_steps,
        "X": lambda: X_encoded,
        "y": targets,
    }


def _copy_of(model: Any) -> keras.Model:
    """Return a copy of a user's model, which the user can train further without an effect."""
    import keras

    from nnkit.training.copying.ownership import owned_copy

    if not isinstance(model, keras.Model):
        raise ValueError(
            "model must be a function that returns a keras.Model, a keras.Model, or the "
            f"name of a ready-made builder. Got {shown(model)} instead."
        )
    return owned_copy(model)


def _is_scheduled(optimizer: Any, routed: Mapping[str, Any]) -> bool:
    """Return whether the optimizer has a schedule that needs the number of steps.

    Without one, fits of different lengths share their compiled model.
    """
    given = list(routed_to("optimizer", routed).values())
    parts: list[Any] = [optimizer, getattr(optimizer, "inner_optimizer", None)]
    for part in parts:
        if hasattr(part, "apply_gradients") and not isinstance(part, type):
            given += [learning_rate_or_schedule(part), part.weight_decay]
    # Such schedules have an attribute n_steps that is None.
    return any(getattr(part, "n_steps", 0) is None for part in given)
