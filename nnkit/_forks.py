"""What a process forked from one in which TensorFlow has run may not do: use TensorFlow.

The threads of TensorFlow do not exist in a forked child, which would wait for them for ever.
"""

from __future__ import annotations

import os
import sys

__all__ = ["check_not_forked"]

_is_broken = False


def _note_fork() -> None:
    """Note in a forked child whether TensorFlow had run in its parent.

    Private parts are read because nothing may be imported or started here: TensorFlow keeps one
    context for the process, which is initialised by the first operation (2.21).
    """
    global _is_broken
    module = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(module, "_context", None)
    if getattr(context, "_initialized", False):
        _is_broken = True


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked() -> None:
    """Raise in a forked child in which TensorFlow cannot run.

    Raises
    ------
    RuntimeError
        Naming the ways that work.
    """
    if _is_broken:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had run, and would wait for its "
            "threads for ever. Start processes by multiprocessing.get_context('spawn') or joblib's "
            "default backend 'loky', or fit in threads of one process inside "
            "nnkit.batched_training()."
        )
