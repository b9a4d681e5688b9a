"""The only place that reaches into private parts of other packages, each with its reason."""

from __future__ import annotations

import copy
import inspect
import re
import threading
import types
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "NotInTurnError",
    "compile_arguments",
    "compiled",
    "compute_loss_in",
    "constructor_arguments",
    "decay_exclusions",
    "forget_resumed_epoch",
    "fresh_names",
    "has_gradient_overwrites",
    "in_one_thread",
    "keras_mask",
    "learning_rate_or_schedule",
    "optimizer_copy",
    "output_layer",
    "output_of_layer",
    "plain_attributes",
    "registered_objects",
    "release_kernels",
    "renew_identities",
    "replace_metrics",
    "replaceable_gradient_rules",
    "replaced_metrics",
    "resumed_epoch",
    "rows_of",
    "settings_of_thread",
    "state_to_copy",
    "stateless_optimizer",
    "thread_settings",
    "traced",
    "value_scope",
    "with_callbacks",
    "with_keras_mask",
    "wrapped_function",
]


_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_callbacks(method: _Method) -> _Method:
    """Return a method of fitting that manages the callbacks of scikit-learn.

    Reason: scikit-learn's decorator hides the types of the method from type checkers (1.9).
    """
    from sklearn.callback import with_callbacks as decorated

    managed: _Method = decorated(method)
    return managed


def rows_of(X: Any, rows: np.ndarray) -> Any:
    """Return the given rows of an array, table, list, or dict of them, as the same container.

    Reason: scikit-learn's row selection for any container has no public name (1.9).
    """
    from sklearn.utils import _safe_indexing

    if isinstance(X, Mapping):
        return {name: _safe_indexing(part, rows) for name, part in X.items()}
    return _safe_indexing(X, rows)


def output_layer(output: Any) -> Any | None:
    """Return the layer that made a symbolic output, or None if unknown.

    Reason: a Keras tensor tells which layer made it only through ``_keras_history`` (3.15).
    """
    history = getattr(output, "_keras_history", None)
    return None if history is None else history.operation


def output_of_layer(model: Any, name: str) -> Any:
    """Return the symbolic output of a layer in the graph of a model.

    Reason: the public ``layer.output`` is that of the layer's first call, which for a copied
    ``Sequential`` belongs to another graph than the model's outputs (Keras 3.15).
    """
    from keras.src.ops.function import make_node_key

    layer = model.get_layer(name)
    graph = getattr(model, "_functional", None) or model
    for position, node in enumerate(layer._inbound_nodes):
        if make_node_key(layer, position) in getattr(graph, "_nodes", ()):
            return node.outputs[0] if len(node.outputs) == 1 else node.outputs
    return layer.output


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return the objects that a model was compiled with, by argument name of ``compile``.

    Reason: the public ``get_compile_config`` serialises them, which fails for the loss
    functions and metrics that users write in a notebook (Keras 3.15).
    """
    if not getattr(model, "compiled", False) or not hasattr(model, "_compile_config"):
        return {}
    return dict(model._compile_config.config)


def resumed_epoch(model: Any) -> int | None:
    """Return the epoch behind a backup that a callback has restored; None if it has not.

    Reason: ``BackupAndRestore`` tells Keras' own fit through a private attribute (3.15).
    """
    epoch = getattr(model, "_initial_epoch", None)
    return None if epoch is None else int(epoch)


def forget_resumed_epoch(model: Any) -> None:
    """Let the next training of a model begin at its first epoch.

    Reason: as for `resumed_epoch`; Keras never sets the attribute back.
    """
    model._initial_epoch = None


def replace_metrics(model: Any, metrics: Any, weighted_metrics: Any) -> None:
    """Let a compiled model update other metrics than those it keeps for saving.

    Reason: ``compile`` takes one object for both, and a model that is saved with metrics of
    nnkit could not be loaded without it (Keras 3.15).
    """
    kept = model._compile_metrics
    # Through the dict, so that the metrics are not tracked a second time.
    vars(kept).update(_user_metrics=metrics, _user_weighted_metrics=weighted_metrics, built=False)


def replaced_metrics(model: Any) -> list[Any]:
    """Return the metrics that `replace_metrics` gave a model, also before Keras has used them.

    Reason: Keras lists the metrics of a model only once they are built (3.15).
    """
    import keras

    kept = getattr(model, "_compile_metrics", None)
    if kept is None:
        return []
    return list(keras.tree.flatten([kept._user_metrics or [], kept._user_weighted_metrics or []]))


def wrapped_function(metric: Any) -> Any | None:
    """Return the function whose mean a metric is, or None.

    Reason: the public configuration of a ``MeanMetricWrapper`` holds it serialised (Keras 3.15).
    """
    return getattr(metric, "_fn", None)


def keras_mask(tensor: Any) -> Any | None:
    """Return the mask of steps that an output carries, or None.

    Reason: only the attribute ``_keras_mask`` of a tensor tells (Keras 3.15).
    """
    return getattr(tensor, "_keras_mask", None)


def with_keras_mask(tensor: Any, mask: Any) -> Any:
    """Return a tensor with the mask of another.

    Reason: as for `keras_mask`.
    """
    tensor._keras_mask = mask
    return tensor


def compute_loss_in(model: Any, dtype: str) -> None:
    """Make a compiled model compute its loss in the given dtype.

    Reason: the dtype of a loss is fixed by its constructor, and the one around all losses is
    made by ``compile`` in float32, so that the loss of a float64 network would be rounded and
    could not be added to its float64 regularisers (Keras 3.15).
    """
    losses = model.loss if isinstance(model.loss, (list, dict)) else [model.loss]
    for loss in losses.values() if isinstance(losses, dict) else losses:
        loss._dtype = dtype
    model._compile_loss._dtype = dtype


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a function as a TensorFlow graph, which is traced without autograph.

    Reason: TensorFlow counts traces by the address of a function, which the next fit's function
    often gets again, and then warns that one function is traced over and over (2.21).
    """
    import tensorflow as tf

    graph = tf.function(function, autograph=False, **options)
    graph._omit_frequent_tracing_warning = True
    return graph


def renew_identities(instance: Any) -> None:
    """Let a copied layer, model, metric or optimizer know the parts of the copy as its own.

    Reason: they know their variables and nodes by identities, which are those of the original
    (3.15).
    """
    from keras.src.ops.function import make_node_key

    tracker = getattr(instance, "_tracker", None)
    if tracker is not None:
        tracker.stored_ids = {
            name: {id(part) for part in store} for name, (_, store) in tracker.config.items()
        }
    if hasattr(instance, "_trainable_variables_indices"):
        instance._trainable_variables_indices = {
            instance._var_key(variable): position
            for position, variable in enumerate(instance._trainable_variables)
        }
    if hasattr(instance, "_nodes_by_depth"):
        instance._nodes = {
            make_node_key(node.operation, node.operation._inbound_nodes.index(node))
            for nodes in instance._nodes_by_depth.values()
            for node in nodes
        }


def state_to_copy(instance: Any) -> dict[str, Any]:
    """Return the attributes of a Keras object, but for those that a copy begins without.

    Reason: the functions that a model has compiled for itself refer to its variables, and the
    later calls that the output of a layer went to lead into other models (3.15).
    """
    without: dict[str, Any] = {
        "train_function": None,
        "test_function": None,
        "predict_function": None,
        "_outbound_nodes": [],
    }
    return {name: without.get(name, value) for name, value in vars(instance).items()}


def constructor_arguments(instance: Any) -> dict[str, Any]:
    """Return the arguments that a Keras object was made with, as far as it keeps them.

    Reason: ``get_config`` leaves out some, such as the delta of Huber and the axis of
    SparseCategoricalCrossentropy; a loss around a function keeps them in ``_fn_kwargs`` (3.15).
    """
    names = inspect.signature(type(instance)).parameters
    kept = {**vars(instance), **vars(instance).get("_fn_kwargs", {})}
    try:
        config = dict(instance.get_config())
    except NotImplementedError:
        config = {}
    return {**config, **{name: kept[name] for name in names if name in kept}}


@contextmanager
def thread_settings(settings: Mapping[str, Any]) -> Iterator[None]:
    """Give this thread the settings of another, and take them back at the end.

    Reason: Keras keeps the dtype policy and the scopes of custom objects for each thread, and
    TensorFlow the device of a context; neither has a public way to hand them over
    (Keras 3.15, TensorFlow 2.21).

    Parameters
    ----------
    settings : mapping
        From `settings_of_thread`.
    """
    import tensorflow as tf
    from keras.src.backend.common import global_state

    kept = {name: global_state.get_global_attribute(name) for name in _KERAS_SETTINGS}
    for name in _KERAS_SETTINGS:
        global_state.set_global_attribute(name, settings[name])
    try:
        with tf.device(settings["device"] or None):
            yield
    finally:
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


_KERAS_SETTINGS = ("dtype_policy", "custom_objects_scope_dict")


def settings_of_thread() -> dict[str, Any]:
    """Return what the caller has set for this thread: Keras' policy and scopes, the device.

    Reason: as for `thread_settings`.
    """
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context

    settings = {name: global_state.get_global_attribute(name) for name in _KERAS_SETTINGS}
    return {**settings, "device": context.context().device_name}


def registered_objects() -> dict[str, Any]:
    """Return what names in configurations stand for: registered for the process, or in a scope.

    Reason: the scopes of custom objects have no public reader (Keras 3.15).
    """
    import keras
    from keras.src.backend.common import global_state

    registered = dict(keras.saving.get_custom_objects())
    registered.update(global_state.get_global_attribute("custom_objects_scope_dict") or {})
    return registered


class NotInTurnError(Exception):
    """A graph whose operations cannot run one after the other in one thread."""


# Branches and calls of functions hand over to another thread and wait for it.
_NOT_IN_TURN = ("If", "Case", "Call", "PyFunc", "Send", "Recv", "Dataset", "Queue")


def _operations(concrete: Any) -> set[str]:
    graph = concrete.graph.as_graph_def()
    nodes = [node for function in graph.library.function for node in function.node_def]
    return {node.op for node in [*graph.node, *nodes]}


def traced(graph: Any, *examples: Any, in_turn: bool = False) -> Callable[..., Any]:
    """Return a graph function for arguments like the examples, which are not looked at again.

    Reason: the public call compares each argument with its specification in Python, which takes
    as long as a small program; the flat call of the same function does not (2.21).

    Parameters
    ----------
    graph : callable
        From `compiled`.
    *examples : structures of tf.TensorSpec
    in_turn : bool, default=False
        Whether the function will run `in_one_thread`, as the context of this call is.

    Raises
    ------
    NotInTurnError
        If the function has operations that wait for others, which one thread cannot.
    """
    import tensorflow as tf

    concrete = graph.get_concrete_function(*examples)
    captured = list(concrete.captured_inputs)
    if in_turn and any(part in op for op in _operations(concrete) for part in _NOT_IN_TURN):
        raise NotInTurnError

    def call(*arguments: Any) -> Any:
        tensors = [tf.convert_to_tensor(part) for part in tf.nest.flatten(arguments)]
        found = concrete.inference_fn.call_flat(*tensors, *captured)
        return tf.nest.pack_sequence_as(concrete.structured_outputs, found)

    return call


def release_kernels() -> None:
    """Let TensorFlow forget the kernels of operations that it has run eagerly.

    Reason: it keeps one for each function, and for each shape of a variable, that there has ever
    been, and has no public way to drop them (2.21). Those that are used again are made again.
    """
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


@contextmanager
def fresh_names() -> Iterator[None]:
    """Let Keras count its automatic names from the beginning, "dense", "dense_1" and so on.

    Reason: TensorFlow keeps some 35 kB for each name that a variable has ever had, and the
    counters have no public setter (Keras 3.15, TensorFlow 2.21).
    """
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", before or defaultdict(int))


_REPLACED_RULES = threading.RLock()


class _RulesOfThread(dict[str, Any]):
    """TensorFlow's rules for gradients, which one thread replaces for itself alone.

    The dict itself holds those of that thread; all others read and write the common ones.
    """

    def __init__(self, common: dict[str, Any]) -> None:
        # The entries are dicts too, which shap changes in place.
        super().__init__({name: dict(rule) for name, rule in common.items()})
        self.common = common
        self._owner = threading.get_ident()

    @property
    def _is_owner(self) -> bool:
        return threading.get_ident() == self._owner

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) if self._is_owner else name in self.common

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if self._is_owner else self.common[name]

    def __setitem__(self, name: str, rule: Any) -> None:
        if self._is_owner:
            super().__setitem__(name, rule)
        # What a module registers on its import is for all threads.
        if not self._is_owner or not (name.startswith("shap_") or name == "TensorListReserve"):
            self.common[name] = rule

    def __delitem__(self, name: str) -> None:
        if self._is_owner:
            super().__delitem__(name)
        else:
            del self.common[name]


def _module_with_own_recorder(module: Any) -> type[types.ModuleType]:
    """Return a class for a module in which one thread replaces ``record_gradient`` for itself."""
    owner, common = threading.get_ident(), module.record_gradient
    own = [common]

    class Module(types.ModuleType):
        @property
        def record_gradient(self) -> Any:
            return own[0] if threading.get_ident() == owner else common

        @record_gradient.setter
        def record_gradient(self, function: Any) -> None:
            own[0] = function

    return Module


@contextmanager
def replaceable_gradient_rules() -> Iterator[None]:
    """Let this thread replace the rules by which TensorFlow derives operations, until the end.

    One thread at a time does so. Others go on with the common rules meanwhile.

    Reason: shap's DeepExplainer replaces the function that records operations and entries of
    the registry of rules, neither of which has a public way back, for the whole process: what
    other threads derive meanwhile would fail or be wrong. After an error it leaves the former
    replaced, so that no new network could be trained (shap 0.51, TensorFlow 2.21).
    """
    from tensorflow.python.eager import execute
    from tensorflow.python.framework import ops

    with _REPLACED_RULES:
        registry, module = ops._gradient_registry, type(execute)
        common = registry._registry
        if isinstance(common, _RulesOfThread):  # a call inside a call
            yield
            return
        registry._registry = _RulesOfThread(common)
        execute.__class__ = _module_with_own_recorder(execute)
        try:
            yield
        finally:
            execute.__class__ = module
            registry._registry = common


def in_one_thread() -> AbstractContextManager[Any]:
    """Return a context in which compiled functions run their operations one after the other.

    Reason: handing each small operation to a pool of threads takes longer than to compute it;
    the executor is chosen by a private function (2.21). Single operations still use all cores.
    """
    from tensorflow.python.eager import context

    return context.function_executor_type("SINGLE_THREADED_EXECUTOR")


@cache
def _stateless_class(cls: Any) -> Any:
    from keras.src.backend.tensorflow.optimizer import TFOptimizer
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    # The methods that TensorFlow's base class replaces by some that need tf.Variable, and
    # tf.distribute. It stands right before that base in the order of methods.
    names = (
        "assign",
        "assign_add",
        "assign_sub",
        "_var_key",
        "_apply_weight_decay",
        "_backend_update_step",
    )
    methods = {name: vars(BaseOptimizer)[name] for name in names}
    methods["_backend_apply_gradients"] = _apply_gradients
    methods["stateless_apply"] = _stateless_apply
    mixin = type("Stateless", (TFOptimizer,), methods)
    return type(f"Stateless{cls.__name__}", (cls, mixin), {})


@cache
def _value_scope() -> Any:
    import keras

    class ValueScope(keras.StatelessScope):
        def add_update(self, update: tuple[Any, Any]) -> None:
            variable, value = update
            is_variable = isinstance(value, keras.Variable)
            super().add_update((variable, value.value if is_variable else value))

    return ValueScope


def value_scope(state_mapping: list[tuple[Any, Any]], **options: Any) -> Any:
    """Return a ``keras.StatelessScope`` that keeps the value of what a variable is assigned.

    Reason: a variable that is assigned another one, or itself, as by a constraint that leaves it,
    is kept as a variable, whose value outside the scope is that of the build (3.15).
    """
    return _value_scope()(state_mapping, **options)


def _stateless_apply(
    self: Any, optimizer_variables: list[Any], grads: list[Any], trainable_variables: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Return weights and variables of the optimizer after an update."""
    mapping = [
        *zip(self._trainable_variables, trainable_variables, strict=True),
        *zip(self.variables, optimizer_variables, strict=True),
    ]
    with value_scope(mapping) as scope:
        self.apply(grads)
    after = (self._trainable_variables, self.variables)
    weights, others = ([scope.get_current_value(v) for v in part] for part in after)
    return weights, others


def _apply_gradients(self: Any, grads: Any, trainable_variables: Any) -> None:
    """Apply gradients, and overwrite weights by their averages without a branch of the graph."""
    from keras import ops
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    frequency, self.ema_overwrite_frequency = self.ema_overwrite_frequency, None
    BaseOptimizer._backend_apply_gradients(self, grads, trainable_variables)
    self.ema_overwrite_frequency = frequency
    if not self.use_ema or not frequency:
        return
    is_time = ops.equal((self.iterations + 1) % frequency, 0)
    averages = self._model_variables_moving_average
    for variable, average in zip(self._trainable_variables, averages, strict=True):
        variable.assign(ops.where(is_time, average, variable))


def stateless_optimizer(optimizer: Any) -> Any:
    """Return an unbuilt copy of an optimizer whose ``stateless_apply`` works on tensors.

    Reason: Keras refuses it on the TensorFlow backend for the sake of tf.distribute, although
    the code that all backends share can do it (3.15).
    """
    copied = optimizer_copy(optimizer, {})
    for part in (copied, getattr(copied, "inner_optimizer", None)):
        if part is not None:
            cls: Any = type(part)
            part.__class__ = _stateless_class(cls)
    return copied


def has_gradient_overwrites(variables: list[Any]) -> bool:
    """Return whether any variable is set to its gradient, as the scales of float8 are.

    Reason: Keras marks them with an undocumented attribute (3.15).
    """
    return any(getattr(variable, "overwrite_with_gradient", False) for variable in variables)


def decay_exclusions(optimizer: Any) -> str | None:
    """Return the pattern of names that an optimizer excludes from weight decay.

    Reason: ``exclude_from_weight_decay(var_names=…)`` is not part of its configuration (3.15).
    """
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return None if pattern is None else pattern.pattern


def optimizer_copy(optimizer: Any, arguments: Mapping[str, Any]) -> Any:
    """Return an unused copy of an optimizer, with some of its arguments changed.

    Reason: as for `decay_exclusions`.
    """
    config = {**_configuration(optimizer), **arguments}
    inner = config.pop("inner_optimizer", None)
    if inner is None:
        copied = type(optimizer).from_config(config)
    else:
        copied = type(optimizer)(optimizer_copy(inner, {}), **config)
    if not type(optimizer).__module__.startswith("keras."):
        # Configurations of one's own classes may leave out arguments.
        for name, value in plain_attributes(optimizer).items():
            if name not in arguments:
                setattr(copied, name, value)
    pattern = decay_exclusions(optimizer)
    if pattern is not None:
        copied._exclude_from_weight_decay_pattern = re.compile(pattern)
    return copied


def _configuration(optimizer: Any) -> dict[str, Any]:
    """Return the configuration of an optimizer, with the objects that it was given in it.

    Reason: schedules that are not registered, or have no configuration, have no other way into
    a copy: ``get_config`` writes them out, and ``from_config`` looks their class up (3.15).
    """
    stand_in = object.__new__(type(optimizer))
    vars(stand_in).update(vars(optimizer))
    objects: dict[str, Any] = {}
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        vars(stand_in)["inner_optimizer"] = None
        objects["inner_optimizer"] = inner
    rate = getattr(optimizer, "_learning_rate", None)
    if callable(rate) and not hasattr(rate, "assign"):
        vars(stand_in)["_learning_rate"] = 0.5
        objects["learning_rate"] = copy.deepcopy(rate)
    return {**stand_in.get_config(), **objects}


def learning_rate_or_schedule(optimizer: Any) -> Any:
    """Return the learning rate of an optimizer, or the schedule that gives it.

    Reason: the public property is the value of a schedule at the present step (3.15).
    """
    return optimizer._learning_rate


def plain_attributes(optimizer: Any) -> dict[str, Any]:
    """Return the attributes of an optimizer that are numbers, texts or None.

    Reason: Keras keeps its own state among them, under these names (3.15).
    """
    kept = (bool, int, float, str, type(None))
    of_keras = ("name", "built", "_lock")
    return {
        name: value
        for name, value in vars(optimizer).items()
        if isinstance(value, kept) and name not in of_keras
    }
