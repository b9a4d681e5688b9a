"""The facts about the data that a builder receives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nnkit._suggestions import nearest

__all__ = ["Meta"]


class Meta(Mapping[str, Any]):
    """Facts about the data, as a read-only mapping with attribute access.

    Parameters
    ----------
    **facts : object
        The facts, by name. The estimators pass ``n_features_in_`` (number of columns of X),
        ``feature_names_in_`` (their names, or None), ``X_shape_`` (shape of the encoded
        training rows), ``X_dtype_``, ``y_dtype_``, ``y_ndim_``, ``target_type_`` (as from
        ``sklearn.utils.multiclass.type_of_target``), ``n_outputs_`` (number of columns of y),
        ``n_outputs_expected_`` (number of outputs of the network), ``n_output_units_`` (units of
        the last layer, a list if there are several outputs), ``n_numeric_`` (number of leading
        encoded features that are numbers) and ``cardinalities_`` (number of codes of each
        trailing encoded feature of codes). A classifier also passes ``classes_`` and
        ``n_classes_``.

    Examples
    --------
    >>> from nnkit.builders import Meta
    >>> meta = Meta(n_features_in_=4, n_output_units_=3)
    >>> meta.n_features_in_, meta["n_output_units_"]
    (4, 3)
    """

    def __init__(self, **facts: Any) -> None:
        self.__dict__["_facts"] = facts

    def __getitem__(self, name: str) -> Any:
        if name not in self._facts:
            raise KeyError(_unknown(name, self._facts))
        return self._facts[name]

    # Mapping's own methods call __getitem__, whose error message is slow to compute.
    def __contains__(self, name: object) -> bool:
        return name in self._facts

    def get(self, name: str, default: Any = None) -> Any:
        """Return a fact by name, or ``default`` if there is none."""
        return self._facts.get(name, default)

    def __getattr__(self, name: str) -> Any:
        # During unpickling and copying, _facts is not set yet.
        facts = self.__dict__.get("_facts", {})
        if name not in facts:
            raise AttributeError(_unknown(name, facts))
        return facts[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"meta is read-only, so that {name!r} cannot be set.")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_meta, (self._facts,)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self._facts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__["_facts"] = state

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __repr__(self) -> str:
        return f"Meta({', '.join(f'{name}={value!r}' for name, value in self.items())})"


def _unknown(name: str, facts: Mapping[str, Any]) -> str:
    suggestion = nearest(str(name), facts)
    hint = "" if suggestion is None else f" Did you mean {suggestion}?"
    return f"meta has no {name!r}.{hint} It has {sorted(facts)}."


def _restore_meta(facts: dict[str, Any]) -> Meta:
    return Meta(**facts)
