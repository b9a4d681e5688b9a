"""A check that TensorFlow is not used in a process forked after TensorFlow has run.

The threads of TensorFlow do not exist in a forked process, so that its operations would block
forever.
"""

from __future__ import annotations

import os
import sys

__all__ = ["check_not_forked"]

_is_broken = False


def _note_fork() -> None:
    """Record in a forked process whether TensorFlow has run in its parent.

    TensorFlow has one context per process, which the first operation initialises (2.21). Its
    private attributes are read, because this function must not import or initialise anything.
    """
    global _is_broken
    module = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(module, "_context", None)
    if getattr(context, "_initialized", False):
        _is_broken = True


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked() -> None:
    """Raise an error in a forked process in which TensorFlow cannot run.

    Raises
    ------
    RuntimeError
        If this process was forked after TensorFlow had run.
    """
    if _is_broken:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had run, and TensorFlow would "
            "block forever. Start processes by multiprocessing.get_context('spawn') or joblib's "
            "default backend 'loky', or fit in threads of one process inside "
            "nnkit.batched_training()."
        )
