"""Creation of optimizers, losses, metrics and callbacks from names, classes and instances."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from nnkit._compat import constructor_arguments, optimizer_copy
from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit.training.copying.copies import KERAS_OBJECTS, NotCopyableError, copy_of, deep_copy_of
from nnkit.training.copying.ownership import with_copies
from nnkit.training.specification.keras_arguments import check_ranges
from nnkit.training.specification.keras_names import hint_of_name

__all__ = [
    "check_arguments",
    "class_of_name",
    "entries_of",
    "instantiate",
    "instantiate_all",
    "split_routed",
]


def instantiate(
    specification: Any,
    routed: Mapping[str, Any],
    *,
    parameter: str,
    find: Callable[[str], Any],
    module: Any = None,
) -> Any:
    """Return a fresh object from a name, a class or an instance.

    Parameters
    ----------
    specification : str, class or instance
        A name is looked up by ``find``. An instance is copied, since many fits may use it.
    routed : mapping
        Constructor arguments, which override the configuration of an instance.
    parameter : str
        The estimator's parameter, for messages.
    find : callable
        Function from a name to a class, or to an instance of it.
    module : module or None, default=None
        Keras module of the names, such as ``keras.losses``, for suggestions in messages.

    Raises
    ------
    ValueError
        If a name or an argument is unknown. The message suggests the most similar one.
    """
    # Arguments such as schedules are copied too, since many fits may use them.
    routed = {
        name: _fresh(value) if isinstance(value, KERAS_OBJECTS) else value
        for name, value in routed.items()
    }
    if isinstance(specification, str):
        try:
            specification = find(specification)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{parameter} must be a name that Keras knows, a class or an instance. "
                f"Got {shown(specification)} instead."
                f"{'' if module is None else hint_of_name(module, specification)}"
            ) from error
    if inspect.isclass(specification):
        return _from_class(specification, routed, parameter)
    if isinstance(specification, keras.Layer):
        # A copied layer would draw a seed from Python's global random state.
        raise ValueError(
            f"{parameter} must be a name that Keras knows, a class or an instance. "
            f"Got a layer, {shown(specification)}, instead."
        )
    if not routed:
        return _fresh(specification)
    if inspect.isroutine(specification):
        raise ValueError(
            f"{parameter}__{next(iter(routed))} is set, but {parameter} is the function "
            f"{specification.__name__}, which takes no arguments. Give a class or an instance."
        )
    return _with_arguments(specification, routed, parameter)


def _from_class(cls: Any, routed: Mapping[str, Any], parameter: str) -> Any:
    """Return an instance of a class with the routed arguments."""
    check_arguments(cls, routed, parameter=parameter)
    positional, keywords = _by_position(routed)
    try:
        return cls(*positional, **keywords)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{parameter}__{name}={value!r}" for name, value in routed.items())
        raise ValueError(
            f"{parameter}={cls.__name__} cannot be made with {given or 'no arguments'}: {error}"
        ) from error


def _with_arguments(specification: Any, routed: Mapping[str, Any], parameter: str) -> Any:
    """Return a copy of an instance in which the routed arguments replace its own."""
    check_arguments(type(specification), routed, parameter=parameter)
    if isinstance(specification, (keras.losses.Loss, keras.metrics.Metric)):
        return type(specification)(**{**constructor_arguments(specification), **routed})
    if isinstance(specification, keras.optimizers.Optimizer):
        return optimizer_copy(specification, routed)
    if hasattr(specification, "get_config") and hasattr(type(specification), "from_config"):
        return type(specification).from_config({**specification.get_config(), **routed})
    changed = copy.deepcopy(specification)
    for name, value in routed.items():
        setattr(changed, name, value)
    return changed


def _fresh(instance: Any) -> Any:
    """Return an unused copy of an instance, or a function with a copied closure."""
    if inspect.isroutine(instance):
        return with_copies(instance, {})[0]
    if isinstance(instance, keras.optimizers.Optimizer):
        return optimizer_copy(instance, {})
    if not isinstance(instance, KERAS_OBJECTS):
        return deep_copy_of(instance)
    try:
        return copy_of(instance)
    except NotCopyableError as error:
        raise ValueError(
            f"The {type(instance).__name__} cannot be copied, since it holds {error}. Give a class "
            "instead of the instance, so that every fit makes its own."
        ) from error


def is_function_of(value: Any, n_arguments: int) -> bool:
    """Return whether the signature of a value allows a call with ``n_arguments`` arguments."""
    if not callable(value) or isinstance(value, keras.Layer):
        return False
    try:
        inspect.signature(value).bind(*range(n_arguments))
    except TypeError:
        return False
    except ValueError:
        return True  # some built-in functions have no signature
    return True


def _by_position(routed: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return positional arguments, which are named by integers, and keyword arguments."""
    positions = sorted((name for name in routed if name.isdigit()), key=int)
    keywords = {name: value for name, value in routed.items() if not name.isdigit()}
    return [routed[position] for position in positions], keywords


def check_arguments(cls: Any, routed: Mapping[str, Any], *, parameter: str) -> None:
    """Raise a ValueError if a class does not take an argument, or takes a number, not a string."""
    known: dict[str, Any] = {}
    takes_any = True
    # Arguments in **kwargs are passed to the base class, which has the other names.
    for base in inspect.getmro(cls):
        if not takes_any or base is object:
            break
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        known = {**{p.name: p.default for p in named}, **known}
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    known.pop("self", None)
    is_of_keras = cls.__module__.startswith("keras")
    for name, value in routed.items():
        if name not in known and not name.isdigit():
            whose = "keras' " if is_of_keras else ""
            raise ValueError(
                f"{parameter}__{name} is not an argument of {whose}{cls.__name__}. "
                f"{did_you_mean(name, known, f'{parameter}__')}"
            )
        # Some arguments of callbacks are a number or a string, such as profile_batch.
        is_number = type(known.get(name)) in (int, float) and not parameter.startswith("callbacks")
        if is_of_keras and is_number and isinstance(value, str):
            raise ValueError(f"{parameter}__{name} must be a number. Got {value!r} instead.")
    check_ranges(cls, routed, parameter=parameter)


def class_of_name(module: Any, name: str) -> Any:
    """Return the class for a name such as "mse" in ``keras.losses`` or ``keras.metrics``.

    A function without a corresponding class is returned as it is.
    """
    found = module.get(name)
    if not inspect.isroutine(found):
        return type(found)
    # The capitals of a class do not follow from its name, as in KLDivergence for kl_divergence.
    wanted = found.__name__.replace("_", "").lower()
    classes = (getattr(module, key) for key in dir(module) if key.lower() == wanted)
    return next((cls for cls in classes if inspect.isclass(cls)), found)


def entries_of(specifications: Any) -> dict[str, Any] | None:
    """Return the entries of a list or dict by position or key; None for other objects."""
    if isinstance(specifications, Mapping):
        return {str(key): entry for key, entry in specifications.items()}
    if isinstance(specifications, (list, tuple)):
        return {str(position): entry for position, entry in enumerate(specifications)}
    return None


def split_routed(routed: Mapping[str, Any], keys: list[str]) -> dict[str, dict[str, Any]]:
    """Return the arguments routed to each entry of a collection, by its key.

    ``{"patience": 1, "0__patience": 2}`` gives entry "0" a patience of 2 and the others 1.
    """
    common = {
        name: value
        for name, value in routed.items()
        if name not in keys and name.partition("__")[0] not in keys
    }
    split = {key: dict(common) for key in keys}
    for name, value in routed.items():
        key, separator, rest = name.partition("__")
        if key in keys and separator:
            split[key][rest] = value
    return split


def instantiate_all(
    specifications: Any,
    routed: Mapping[str, Any],
    *,
    parameter: str,
    make: Callable[[Any, Mapping[str, Any], str], Any],
) -> list[Any]:
    """Return the objects of one specification, or of a list or dict of them.

    Parameters
    ----------
    specifications : object, list or dict
        A specification as for `instantiate`, or a collection of them. None is left out.
    routed : mapping
        Arguments for all, and by position or key for one, as ``"0__patience"``.
    parameter : str
        The estimator's parameter, for messages.
    make : callable
        Function from a specification, its routed arguments and its parameter name to an object.

    Raises
    ------
    ValueError
        If arguments are routed and there are no specifications.
    """
    entries = {} if specifications is None else entries_of(specifications)
    if entries is None:
        return [make(specifications, routed, parameter)]
    # A routed value under a bare key replaces the entry: callbacks__es=None.
    for name in [name for name in routed if name in entries]:
        entries[name] = routed[name]
    if routed and not entries:
        raise ValueError(
            f"{parameter}__{next(iter(routed))} is set, but {parameter} holds nothing to take it. "
            f"Set {parameter}."
        )
    split = split_routed(routed, list(entries))
    return [
        make(entry, split[key], f"{parameter}__{key}")
        for key, entry in entries.items()
        if entry is not None
    ]
