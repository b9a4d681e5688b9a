"""Private parts of TensorFlow: traced functions and how they are run."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = [
    "NotInTurnError",
    "compiled",
    "in_one_thread",
    "operations_counted",
    "release_kernels",
    "return_free_memory",
    "traced",
]


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a ``tf.function`` without autograph and without the warning of frequent tracing.

    Reason: TensorFlow counts traces by the address of a function. The function of a later fit
    often has the same address, and TensorFlow then warns of repeated tracing (2.21).
    """
    import tensorflow as tf

    graph = tf.function(function, autograph=False, **options)
    graph._omit_frequent_tracing_warning = True
    return graph


class NotInTurnError(Exception):
    """The operations of a graph cannot run one after the other in a single thread."""


# These operations run on another thread and block until it is done.
_NOT_IN_TURN = ("If", "Case", "Call", "PyFunc", "Send", "Recv", "Dataset", "Queue")


def traced(graph: Any, *examples: Any, in_turn: bool = False) -> Callable[..., Any]:
    """Return the traced function for arguments like the examples, without checks of arguments.

    Reason: the public call compares each argument with its specification in Python, which takes
    as long as a small training step. The flat call of the same function does not (2.21).

    Parameters
    ----------
    graph : callable
        From `compiled`.
    *examples : structures of tf.TensorSpec
        Shapes and dtypes of the arguments.
    in_turn : bool, default=False
        Whether the function will run within `in_one_thread`. Call this function there, too.

    Raises
    ------
    NotInTurnError
        If ``in_turn`` is true and the function has operations that need a second thread.
    """
    import tensorflow as tf

    concrete = graph.get_concrete_function(*examples)
    captured = list(concrete.captured_inputs)
    operations = _operations(concrete)
    if in_turn and any(part in op for op in set(operations) for part in _NOT_IN_TURN):
        raise NotInTurnError
    for counts in _counts_of_thread():
        counts.append(len(operations))

    pack = _packing(concrete.structured_outputs)

    def call(*arguments: Any) -> Any:
        tensors = [
            part if isinstance(part, tf.Tensor) else tf.convert_to_tensor(part)
            for part in tf.nest.flatten(arguments)
        ]
        return pack(iter(concrete.inference_fn.call_flat(*tensors, *captured)))

    return call


def _packing(structure: Any) -> Callable[[Iterator[Any]], Any]:
    """Return a function that arranges tensors in a structure.

    The order of the tensors is that of ``tf.nest.flatten``. Its own ``pack_sequence_as`` examines
    the structure in each call.
    """
    if isinstance(structure, dict):
        # Values are in the order of the sorted keys.
        by_key = [(key, _packing(structure[key])) for key in sorted(structure)]
        return lambda tensors: {key: pack(tensors) for key, pack in by_key}
    if isinstance(structure, (list, tuple)):
        packs = [_packing(part) for part in structure]
        kind = getattr(type(structure), "_make", type(structure))  # of a named tuple
        return lambda tensors: kind([pack(tensors) for pack in packs])
    return next


def _operations(concrete: Any) -> list[str]:
    graph = concrete.graph.as_graph_def()
    nodes = [node for function in graph.library.function for node in function.node_def]
    return [node.op for node in [*graph.node, *nodes]]


_of_thread = threading.local()


def _counts_of_thread() -> list[list[int]]:
    if not hasattr(_of_thread, "counts"):
        _of_thread.counts = []
    counts: list[list[int]] = _of_thread.counts
    return counts


@contextmanager
def operations_counted() -> Iterator[list[int]]:
    """Yield a list of the numbers of operations of the functions that are traced in this context.

    Reason: no public function gives the memory that a traced function takes (2.21).
    """
    own: list[int] = []
    counts = _counts_of_thread()
    counts.append(own)
    try:
        yield own
    finally:
        counts.pop()


def in_one_thread() -> AbstractContextManager[Any]:
    """Return a context in which traced functions run their operations one after the other.

    A single operation still uses all cores.

    Reason: the default executor sends each operation to a thread pool, which takes longer than a
    small operation itself. The executor is selected by a private function (2.21).
    """
    from tensorflow.python.eager import context

    return context.function_executor_type("SINGLE_THREADED_EXECUTOR")


def release_kernels() -> None:
    """Clear TensorFlow's cache of eager kernels, which are made again when they are needed.

    Reason: TensorFlow keeps a kernel for each function and for each shape of a variable that was
    ever used, and no public function clears them (2.21).
    """
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


def return_free_memory() -> None:
    """Return memory that was freed to the operating system.

    Reason: glibc keeps the many small blocks of graphs for later use, hundreds of MB after some
    dozens of networks. Other C libraries have no such function.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
