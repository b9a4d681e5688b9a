"""Private parts of Keras models: graphs, compilation, masks and copies."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = [
    "compile_arguments",
    "compute_loss_in",
    "constructor_arguments",
    "forget_resumed_epoch",
    "keras_mask",
    "output_layer",
    "output_of_layer",
    "renew_identities",
    "replace_metrics",
    "replaced_metrics",
    "resumed_epoch",
    "state_to_copy",
    "with_keras_mask",
    "wrapped_function",
]


def output_layer(output: Any) -> Any | None:
    """Return the layer that computes a symbolic output, or None if it is unknown.

    Reason: a Keras tensor refers to its layer only by the attribute ``_keras_history`` (3.15).
    """
    history = getattr(output, "_keras_history", None)
    return None if history is None else history.operation


def output_of_layer(model: Any, name: str) -> Any:
    """Return the symbolic output of a layer in the graph of a model.

    Reason: the public ``layer.output`` is the output of the layer's first call. In a copied
    ``Sequential`` this call belongs to another graph than the outputs of the model (Keras 3.15).
    """
    from keras.src.ops.function import make_node_key

    layer = model.get_layer(name)
    graph = getattr(model, "_functional", None) or model
    for position, node in enumerate(layer._inbound_nodes):
        if make_node_key(layer, position) in getattr(graph, "_nodes", ()):
            return node.outputs[0] if len(node.outputs) == 1 else node.outputs
    return layer.output


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return the arguments that a model was compiled with, by name.

    Reason: the public ``get_compile_config`` serialises them, which fails for loss functions and
    metrics that are defined in a notebook (Keras 3.15).
    """
    if not getattr(model, "compiled", False) or not hasattr(model, "_compile_config"):
        return {}
    return dict(model._compile_config.config)


def resumed_epoch(model: Any) -> int | None:
    """Return the epoch at which training resumes from a restored backup, or None.

    Reason: ``BackupAndRestore`` passes the epoch to Keras' ``fit`` by a private attribute (3.15).
    """
    epoch = getattr(model, "_initial_epoch", None)
    return None if epoch is None else int(epoch)


def forget_resumed_epoch(model: Any) -> None:
    """Reset the resumed epoch, so that the next training begins at the first epoch.

    Reason: as for `resumed_epoch`. Keras never resets the attribute.
    """
    model._initial_epoch = None


def replace_metrics(model: Any, metrics: Any, weighted_metrics: Any) -> None:
    """Replace the metrics that a compiled model updates, without changing those that are saved.

    Reason: ``compile`` uses the same metrics for updates and for saving. A model that is saved
    with nnkit's metrics could not be loaded without nnkit (Keras 3.15).
    """
    kept = model._compile_metrics
    # The dict is changed directly, so that Keras does not track the metrics a second time.
    vars(kept).update(_user_metrics=metrics, _user_weighted_metrics=weighted_metrics, built=False)


def replaced_metrics(model: Any) -> list[Any]:
    """Return the metrics that were set by `replace_metrics`, whether built or not.

    Reason: Keras lists the metrics of a model only after they are built (3.15).
    """
    import keras

    kept = getattr(model, "_compile_metrics", None)
    if kept is None:
        return []
    return list(keras.tree.flatten([kept._user_metrics or [], kept._user_weighted_metrics or []]))


def wrapped_function(metric: Any) -> Any | None:
    """Return the function whose mean a metric computes, or None.

    Reason: the public configuration of a ``MeanMetricWrapper`` has only its serialised form
    (Keras 3.15).
    """
    return getattr(metric, "_fn", None)


def keras_mask(tensor: Any) -> Any | None:
    """Return the mask of the time steps of a tensor, or None.

    Reason: the mask is stored only in the attribute ``_keras_mask`` of the tensor (Keras 3.15).
    """
    return getattr(tensor, "_keras_mask", None)


def with_keras_mask(tensor: Any, mask: Any) -> Any:
    """Set the mask of the time steps of a tensor, and return the tensor.

    Reason: as for `keras_mask`.
    """
    tensor._keras_mask = mask
    return tensor


def compute_loss_in(model: Any, dtype: str) -> None:
    """Make a compiled model compute its loss in the given dtype.

    Reason: the dtype of a loss is fixed by its constructor, and ``compile`` wraps all losses in
    one of float32. The loss of a float64 network would be rounded, and could not be added to the
    penalties of its float64 regularizers (Keras 3.15).
    """
    losses = model.loss if isinstance(model.loss, (list, dict)) else [model.loss]
    for loss in losses.values() if isinstance(losses, dict) else losses:
        loss._dtype = dtype
    model._compile_loss._dtype = dtype


def renew_identities(instance: Any) -> None:
    """Update the object ids that a copied layer, model, metric or optimizer stores.

    Reason: Keras looks up variables and nodes by ``id``, and a copy has the ids of the original
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
    """Return the attributes of a Keras object that a copy of it takes over.

    Reason: the compiled functions of a model refer to its variables, and the outbound nodes of a
    layer refer to other models. A copy has neither (3.15).
    """
    reset: dict[str, Any] = {
        "train_function": None,
        "test_function": None,
        "predict_function": None,
        "_outbound_nodes": [],
    }
    return {name: reset.get(name, value) for name, value in vars(instance).items()}


def constructor_arguments(instance: Any) -> dict[str, Any]:
    """Return the constructor arguments of a Keras object, as far as it stores them.

    Reason: ``get_config`` omits some, such as the delta of Huber and the axis of
    SparseCategoricalCrossentropy. A loss that wraps a function stores them in ``_fn_kwargs``
    (3.15).
    """
    names = inspect.signature(type(instance)).parameters
    kept = {**vars(instance), **vars(instance).get("_fn_kwargs", {})}
    try:
        config = dict(instance.get_config())
    except NotImplementedError:
        config = {}
    return {**config, **{name: kept[name] for name in names if name in kept}}
