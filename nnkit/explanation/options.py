"""Validation of the arguments of ``explain`` that do not depend on the estimator or on X."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from nnkit.explanation.attribution.gradient import GRADIENT_METHODS

__all__ = ["ExplainOptions", "seed_of"]

METHODS = ("auto", "exact", "permutation", *GRADIENT_METHODS, "deep")


@dataclass(frozen=True)
class ExplainOptions:
    """Validated arguments of :func:`nnkit.explain` other than the estimator and the tables.

    Parameters
    ----------
    method, feature_groups, patch, n_permutations, tol, interactions, layer
        As in :func:`nnkit.explain`.
    max_background, batch_rows
        As in :func:`nnkit.explain`.
    seed : int
        Seed of the permutations and of the sample of the background.

    Raises
    ------
    ValueError
        If an argument is out of its range, or two arguments exclude each other.
    """

    method: str
    feature_groups: Any
    patch: Any
    n_permutations: int | str
    tol: float | None
    interactions: bool
    layer: str | None
    max_background: int
    batch_rows: int
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or self.method not in METHODS:
            raise ValueError(
                f"method must be one of {', '.join(map(repr, METHODS))}. "
                f"Got {self.method!r} instead."
            )
        for name in ("max_background", "batch_rows"):
            if not _is_count(getattr(self, name)):
                raise ValueError(
                    f"{name} must be a positive integer. Got {getattr(self, name)!r} instead."
                )
        is_auto = isinstance(self.n_permutations, str) and self.n_permutations == "auto"
        if not is_auto and not _is_count(self.n_permutations):
            raise ValueError(
                "n_permutations must be 'auto' or a positive integer. "
                f"Got {self.n_permutations!r} instead."
            )
        tol = self.tol
        if tol is not None and (not isinstance(tol, Real) or isinstance(tol, bool) or not tol > 0):
            raise ValueError(f"tol must be None or a number above 0. Got {tol!r} instead.")
        if not isinstance(self.interactions, bool | np.bool_):
            raise ValueError(
                f"interactions must be True or False. Got {self.interactions!r} instead."
            )
        self._check_together()

    def _check_together(self) -> None:
        method = self.method
        if method not in ("auto", "permutation") and (
            self.tol is not None or self.n_permutations != "auto"
        ):
            raise ValueError(
                f"tol and n_permutations have no effect on method={method!r}. "
                "Leave them out, or use method='permutation'."
            )
        if self.interactions and method not in ("auto", "exact"):
            raise ValueError(
                f"interactions=True needs all coalitions, which method={method!r} does not "
                "evaluate. Use method='exact' or leave it out."
            )
        if self.layer is not None and method not in GRADIENT_METHODS:
            raise ValueError(
                f"layer={self.layer!r} has no effect on method={method!r}. Leave it out, or use "
                "method='gradient'."
            )
        has_patches = isinstance(self.feature_groups, str) and self.feature_groups == "patches"
        if self.patch is not None and not has_patches:
            raise ValueError("patch has no effect without feature_groups='patches'. Give both.")

    @property
    def is_gradient(self) -> bool:
        """Whether the method differentiates the network."""
        return self.method in (*GRADIENT_METHODS, "deep")


def seed_of(random_state: Any) -> int:
    """Return an integer seed, without drawing from a global random state.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        As in :func:`nnkit.explain`.

    Raises
    ------
    ValueError
        If ``random_state`` is anything else, or a negative integer.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint64))
    if (
        isinstance(random_state, int | np.integer)
        and not isinstance(random_state, bool)
        and random_state >= 0
    ):
        return int(random_state)
    raise ValueError(
        "random_state must be None, an integer of at least 0 or a numpy RandomState. "
        f"Got {random_state!r} instead."
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) > 0
