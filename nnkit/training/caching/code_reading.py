"""The globals and modules that Python code reads, from its bytecode."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Hashable, Iterator
from typing import NamedTuple

__all__ = ["OutsideStateError", "Reached", "code_key", "reached_names"]

# Names by which code reads external state: files, the environment, clocks, and namespaces that
# are looked up by strings.
_READS_FROM_OUTSIDE = frozenset(
    {
        "GFile", "__import__", "check_output", "environ", "eval", "exec", "from_preset",
        "genfromtxt", "getenv", "globals", "import_module", "input", "load", "load_model",
        "load_weights", "loadtxt", "monotonic", "now", "open", "perf_counter", "read", "read_bytes",
        "read_csv", "read_feather", "read_file", "read_json", "read_parquet", "read_pickle",
        "read_text", "readline", "readlines", "reload", "time", "time_ns", "today", "urandom",
        "urlopen", "uuid1", "uuid4",
    }
)  # fmt: skip


class OutsideStateError(Exception):
    """Raised if code depends on state outside of the values of this process."""


class Reached(NamedTuple):
    """A global or module that code reads, with the attributes that it takes from it.

    Attributes
    ----------
    module : str or None
        Dotted name of a module that the code imports; None for a global.
    name : str
        Name of the global; empty for an imported module.
    attributes : tuple of str
        Attributes that the code reads, in their order: ``("b", "c")`` for ``a.b.c``.
    """

    module: str | None
    name: str
    attributes: tuple[str, ...]


@functools.lru_cache(maxsize=1024)
def code_key(code: types.CodeType) -> Hashable:
    """Return a key that is equal for code objects with the same instructions and constants.

    Parameters
    ----------
    code : code object
    """
    # Constants are compared by type and repr, since 1 == 1.0 == True.
    constants = tuple(
        code_key(part) if isinstance(part, types.CodeType) else (type(part).__name__, repr(part))
        for part in code.co_consts
    )
    return (
        code.co_code,
        getattr(code, "co_exceptiontable", b""),  # exception handlers by range of instructions
        code.co_flags,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        constants,
        code.co_names,
        code.co_freevars,
        code.co_cellvars,
        code.co_varnames,
    )


@functools.lru_cache(maxsize=1024)
def reached_names(code: types.CodeType) -> tuple[Reached, ...]:
    """Return the globals and modules that code and its inner functions load.

    Parameters
    ----------
    code : code object

    Raises
    ------
    OutsideStateError
        If the code reads files, the environment or a clock, or draws from NumPy's generators.
    """
    return tuple(dict.fromkeys(_reached(code, {})))


def _reached(code: types.CodeType, imported: dict[str, tuple[str, ...]]) -> Iterator[Reached]:
    """Yield the globals and modules that code loads.

    ``imported`` maps local names to the modules and attributes that they are bound to.
    """
    outside = _READS_FROM_OUTSIDE.intersection(code.co_names)
    if outside:
        raise OutsideStateError(f"a builder reads from outside the process: {sorted(outside)[0]}")
    imported = dict(imported)
    module: str | None = None  # module of the current import statement
    parts: tuple[str, ...] = ()
    chain: Reached | None = None
    for instruction in dis.get_instructions(code):
        name, argument = instruction.opname, instruction.argval
        if name == "EXTENDED_ARG":
            continue
        if chain is not None:
            if name in ("LOAD_ATTR", "LOAD_METHOD"):
                chain = chain._replace(attributes=(*chain.attributes, str(argument)))
                continue
            yield chain
            chain = None
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = Reached(None, str(argument), ())
        elif name.startswith(("LOAD_FAST", "LOAD_DEREF")) and argument in imported:
            dotted, *attributes = imported[argument]
            chain = Reached(dotted, "", tuple(attributes))
        elif name == "IMPORT_NAME":
            module, parts = str(argument), ()
            yield Reached(module, "", ())
        elif name == "IMPORT_FROM" and module is not None:
            parts = (str(argument),)
            yield Reached(module, "", parts)
        elif name.startswith("STORE_") and module is not None and isinstance(argument, str):
            # "import a.b" binds a; "import a.b as c" and "from a import b" bind a.b.
            root = module if parts else module.partition(".")[0]
            imported[argument] = (root, *parts)
            # One statement can bind several names of a module: "from a import b, c".
            module, parts = (module, ()) if parts else (None, ())
        elif name == "POP_TOP":
            module = None
    if chain is not None:
        yield chain
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _reached(part, imported)
