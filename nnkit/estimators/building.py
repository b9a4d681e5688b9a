"""The networks of a fit: what their builder is told, and what they are compiled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nnkit._compat import learning_rate_or_schedule
from nnkit._messages import shown
from nnkit.builders import Meta, builder_arguments, check_size
from nnkit.encoding import columns_of
from nnkit.estimators.defaults import chosen
from nnkit.estimators.kind_of_target import KindOfTarget
from nnkit.estimators.parts import Rows, Seeds
from nnkit.estimators.routing import (
    PREFIXES,
    as_python,
    builder_hyperparameters,
    resolve_builder,
    routed_to,
)

if TYPE_CHECKING:
    import keras

    from nnkit.training import ModelSpec, Network

__all__ = ["Building"]


class Building(KindOfTarget):
    """Base of the estimators that builds the networks of a fit.

    What ends the training is remembered as ``_schedule_owner``: a schedule of the "optimizer", the
    number of steps that the "builder" was told, or nothing (None).
    """

    _network: Network
    _members: list[Network]
    _seeds: Seeds
    _schedule_owner: str | None
    n_features_in_: int
    encoder_: Any

    def _build(
        self, X_encoded: Any, training: Rows, settings: SimpleNamespace, n_steps: int | None
    ) -> None:
        from nnkit.training import Network
        from nnkit.training.loop.batches import take_on_host
        from nnkit.training.placement import is_on_cpu

        facts = self._facts(X_encoded, training)
        meta = Meta(**facts, **columns_of(self.encoder_, facts["X_shape_"]))
        model_spec = self._model_spec(meta, X_encoded, training, settings, n_steps)

        def member(position: int) -> Network:
            return Network(
                replace(model_spec, seed=self._seeds.of_member(position).build),
                self._task_choices(),
                take_on_host(X_encoded, slice(0, 1)),
                settings.device,
                draws_afresh=settings.random_state is None,
            )

        self._network = member(0)
        if is_on_cpu(settings.device):
            check_size(
                self._network.compiled_model.n_trainable, "The network", settings.n_estimators
            )
        others = [member(position) for position in range(1, settings.n_estimators)]
        self._members = [self._network, *others]
        for name, fact in facts.items():
            if name not in ("feature_names_in_", "n_features_in_"):
                setattr(self, name, fact)

    def _build_again(
        self, X_encoded: Any, training: Rows, settings: SimpleNamespace, changed: list[str]
    ) -> None:
        """Build networks with the weights that there are, whose training has no end.

        Those that were built for a number of steps have a learning rate of 0 behind it; others
        are to be compiled with changed parameters.
        """
        before, was_timed = self._members, self._schedule_owner == "builder"
        self._build(X_encoded, training, settings, None)
        # As in Keras, another optimizer begins without moments.
        keeps_optimizer = bool(changed) and all(
            name.startswith(("metrics", "loss", "device")) for name in changed
        )
        for member, old in zip(self._members, before, strict=True):
            unlike, left = member.take_values_of(old, keeps_optimizer=keeps_optimizer)
            if not was_timed:  # by counters of steps that a training without an end does not have
                unlike += left
            if changed and unlike:
                raise ValueError(
                    f"{changed[0]} was changed, and with it the shape or the name of the weights "
                    f"{unlike[0]!r}, but a training that goes on keeps its weights. Set it back, "
                    "or fit anew with warm_start=False."
                )

    def _facts(self, X_encoded: Any, rows: Rows) -> dict[str, Any]:
        shapes: Any
        if isinstance(X_encoded, dict):
            shapes = {name: part.shape for name, part in X_encoded.items()}
            dtypes: Any = {name: part.dtype for name, part in X_encoded.items()}
        elif isinstance(X_encoded, list):
            shapes, dtypes = [part.shape for part in X_encoded], [part.dtype for part in X_encoded]
        else:
            shapes, dtypes = X_encoded.shape, X_encoded.dtype
        expected = [task.n_units_expected for task in self._task_choices()[0]]
        return {
            "n_features_in_": self.n_features_in_,
            "feature_names_in_": getattr(self, "feature_names_in_", None),
            "X_shape_": shapes,
            "X_dtype_": dtypes,
            "y_dtype_": rows.y.dtype,
            "y_ndim_": rows.y.ndim,
            "n_outputs_": 1 if rows.y.ndim == 1 else rows.y.shape[-1],
            "n_outputs_expected_": len(expected),
            "n_output_units_": expected[0] if len(expected) == 1 else expected,
            **self._target_facts(),
        }

    def _model_spec(
        self,
        meta: Meta,
        X: Any,
        training: Rows,
        settings: SimpleNamespace,
        n_steps: int | None,
    ) -> ModelSpec:
        from nnkit.training import Compilation, ModelSpec

        routed = {**settings.of_builder, **self._routed()}
        is_scheduled = _is_scheduled(settings.optimizer, routed)
        if is_scheduled and n_steps is None:
            raise ValueError(
                "The optimizer has a schedule that spans the whole training, whose length nobody "
                "knows with warm_start=True, in partial_fit and in initialize: "
                "give the schedule n_steps = epochs * batches per epoch."
            )
        compilation = Compilation(
            settings.optimizer,
            self.loss,
            self.metrics,
            {prefix: routed_to(prefix, routed) for prefix in PREFIXES},
            n_steps if is_scheduled else None,
            wins=isinstance(self.model, str) and self.optimizer != "auto",
            is_asked=not (isinstance(self.optimizer, str) and self.optimizer == "auto"),
        )
        compilation.check()
        self._schedule_owner = None if compilation.n_steps is None else "optimizer"
        seed, policy = self._seeds.build, settings.dtype_policy
        builder = resolve_builder(self.model)
        if builder is None:
            return ModelSpec(_copy_of(self.model), {}, compilation, seed=seed, dtype_policy=policy)
        offered = self._offered(meta, X, training, settings, n_steps)
        arguments = builder_arguments(builder, builder_hyperparameters(routed), offered)
        if self._schedule_owner is None and n_steps is not None and "n_steps" in arguments:
            self._schedule_owner = "builder"
        wants_compile_kwargs = "compile_kwargs" in arguments
        arguments.pop("compile_kwargs", None)
        return ModelSpec(
            builder,
            arguments,
            compilation,
            wants_compile_kwargs,
            seed,
            policy,
            is_rebuildable=not {"X", "y"} & set(arguments),
        )

    def _offered(
        self,
        meta: Meta,
        X: Any,
        training: Rows,
        settings: SimpleNamespace,
        n_steps: int | None,
    ) -> dict[str, Any]:
        """Return what a builder gets if it names it."""
        n_outputs = len(self._task_choices()[0])
        targets = self._network_targets(training.encoded, n_outputs)
        return {
            "meta": meta,
            "compile_kwargs": None,
            "params": as_python({**self.get_params(), **chosen(settings)}),
            "n_steps": n_steps,
            "X": X,
            "y": targets[0] if n_outputs == 1 else targets,
        }


def _copy_of(model: Any) -> keras.Model:
    """Return a copy of its own, which goes into pickles: the user may train theirs further."""
    import keras

    from nnkit.training.copying.ownership import owned_copy

    if not isinstance(model, keras.Model):
        raise ValueError(
            "model must be a function that returns a keras.Model, a keras.Model, or the "
            f"name of a ready-made builder. Got {shown(model)} instead."
        )
    return owned_copy(model)


def _is_scheduled(optimizer: Any, routed: Mapping[str, Any]) -> bool:
    """Return whether the optimizer has a schedule that wants to know the steps.

    Where it has none, fits of other lengths share their network.
    """
    given = list(routed_to("optimizer", routed).values())
    parts: list[Any] = [optimizer, getattr(optimizer, "inner_optimizer", None)]
    for part in parts:
        if hasattr(part, "apply_gradients") and not isinstance(part, type):
            given += [learning_rate_or_schedule(part), part.weight_decay]
    # Schedules that wait to be told have the attribute, and nothing in it.
    return any(getattr(part, "n_steps", 0) is None for part in given)
