"""TensorFlow's registry of gradients, with replacements that hold for one thread."""

from __future__ import annotations

import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["replaceable_gradient_rules"]

_REPLACEMENT_LOCK = threading.RLock()


@contextmanager
def replaceable_gradient_rules() -> Iterator[None]:
    """Restrict replacements of TensorFlow's gradient functions to this thread and this context.

    One thread at a time can be in the context. Other threads use the common gradients.

    Reason: shap's DeepExplainer replaces entries of the gradient registry and the function that
    records operations, both of which are private and hold for the whole process. Gradients in
    other threads would fail or be wrong. After an error it does not restore the function, and no
    network could be trained any more (shap 0.51, TensorFlow 2.21).
    """
    from tensorflow.python.eager import execute
    from tensorflow.python.framework import ops

    with _REPLACEMENT_LOCK:
        registry, module = ops._gradient_registry, type(execute)
        common = registry._registry
        if isinstance(common, _GradientsOfThread):  # nested contexts
            yield
            return
        registry._registry = _GradientsOfThread(common)
        execute.__class__ = _module_with_own_recorder(execute)
        try:
            yield
        finally:
            execute.__class__ = module
            registry._registry = common


class _GradientsOfThread(dict[str, Any]):
    """A gradient registry in which one thread can replace entries without effect on others.

    The dict itself has the entries of that thread. All other threads read and write ``common``.
    """

    def __init__(self, common: dict[str, Any]) -> None:
        # Each entry is a dict that shap changes in place, hence the copies.
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
        # Gradients that a module registers on its import are for all threads.
        if not self._is_owner or not (name.startswith("shap_") or name == "TensorListReserve"):
            self.common[name] = rule

    def __delitem__(self, name: str) -> None:
        if self._is_owner:
            super().__delitem__(name)
        else:
            del self.common[name]


def _module_with_own_recorder(module: Any) -> type[types.ModuleType]:
    """Return a module class in which one thread has a ``record_gradient`` of its own."""
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
