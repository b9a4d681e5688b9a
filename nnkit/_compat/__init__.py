"""Access to private parts of scikit-learn, Keras and TensorFlow, each with its reason.

No other module of nnkit imports private parts. Each function states why the public interface is
not enough, and the version for which this was checked.

- ``scikit_learn``: callbacks and row selection.
- ``keras_models``: graphs, compilation and masks of models, and copies of them.
- ``keras_optimizers``: optimizers as functions of tensors, and copies of them.
- ``keras_settings``: Keras' settings of threads, registered objects and automatic names.
- ``tensorflow_graphs``: traced functions and how they are run.
- ``onnx_packages``: parsers of skl2onnx and errors of onnxruntime.
- ``gradient_registry``: TensorFlow's registry of gradients, with replacements for one thread.
"""

from nnkit._compat.gradient_registry import replaceable_gradient_rules
from nnkit._compat.keras_models import (
    compile_arguments,
    compute_loss_in,
    constructor_arguments,
    forget_resumed_epoch,
    keras_mask,
    output_layer,
    output_of_layer,
    renew_identities,
    replace_metrics,
    replaced_metrics,
    resumed_epoch,
    state_to_copy,
    with_keras_mask,
    wrapped_function,
)
from nnkit._compat.keras_optimizers import (
    add_counters,
    decay_exclusions,
    has_gradient_overwrites,
    learning_rate_or_schedule,
    optimizer_copy,
    plain_attributes,
    set_schedule,
    stateless_optimizer,
    value_scope,
)
from nnkit._compat.keras_settings import (
    fresh_names,
    registered_objects,
    safe_mode,
    settings_of_thread,
    thread_settings,
)
from nnkit._compat.scikit_learn import rows_of, with_callbacks
from nnkit._compat.tensorflow_graphs import (
    NotInTurnError,
    compiled,
    in_one_thread,
    operations_counted,
    release_kernels,
    return_free_memory,
    traced,
)

__all__ = [
    "NotInTurnError",
    "add_counters",
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
    "operations_counted",
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
    "return_free_memory",
    "rows_of",
    "safe_mode",
    "set_schedule",
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
