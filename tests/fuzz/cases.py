"""Random fits: a table, a target, weights and parameters, and what must hold for them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from fuzz import invariants, parameters
from fuzz.invariants import InvariantError
from fuzz.tables import (
    COLUMNS,
    CONTAINERS,
    LABELS,
    NAMES,
    VALUES,
    WEIGHTS,
    Table,
    Target,
    Weights,
    can_make,
)
from hypothesis import strategies as st

__all__ = ["Case", "cases", "check_case"]

SMALL = {"model__units": "(4,)", "epochs": "2", "random_state": "0"}
X_BEFORE = np.random.default_rng(0).normal(size=(8, 2))
Y_BEFORE = np.arange(8) % 2
NETWORKS = {
    "KerasClassifier": "'mlp'",
    "KerasRegressor": "'mlp'",
    "KerasTransformer": "'autoencoder'",
}


@dataclass(frozen=True)
class Case:
    """A fit."""

    estimator: str
    table: Table
    target: Target
    weights: Weights
    params: tuple[tuple[str, str], ...]
    is_refit: bool = False

    def __repr__(self):
        arguments = ", ".join(f"{name}={value}" for name, value in self.params)
        data = [self.table, self.target]
        if self.weights.kind != "none":
            data.append(self.weights)
        made = ", ".join(f"{part}.make()" for part in data)
        again = ".fit(X_BEFORE, Y_BEFORE)" if self.is_refit else ""
        return f"{self.estimator}({arguments}){again}.fit({made})"

    def data(self):
        """Return table, target and weights, made anew."""
        return self.table.make(), self.target.make(), self.weights.make()

    def arguments(self):
        """Return the arguments of the constructor, made anew."""
        return {name: parameters.value_of(value) for name, value in self.params}

    @property
    def names(self):
        """Return what a message may name."""
        columns = [str(name) for name in self.table.column_names() if str(name)]
        subjects = [
            "X", "y", "sample_weight", "class_weight", "validation_split", "rows", "row",
            "sample", "samples", "weight", "column", "columns", "label", "labels", "class",
            "classes", "loss", "encoder", "array", "complex", "Complex", "feature", "features",
        ]  # fmt: skip
        return {*columns, *subjects, *(name for name, _ in self.params)}

    @property
    def has_users_encoder(self):
        """Whether the table goes to a transformer of the user's."""
        return dict(self.params).get("encoder", "'auto'") != "'auto'"


@functools.cache
def _can_make(table):
    return can_make(table)


@st.composite
def tables(draw, kinds=tuple(COLUMNS)):
    """Draw tables of any kind."""
    columns = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))
    table = Table(
        tuple(columns),
        n_rows=draw(st.sampled_from([12, 30, 1, 2, 5, 0])),
        container=draw(st.sampled_from(CONTAINERS)),
        names=draw(st.sampled_from(["plain"] * 5 + list(NAMES))),
        has_gaps=draw(st.booleans()),
        seed=draw(st.integers(0, 3)),
    )
    return table if _can_make(table) else Table(table.columns, table.n_rows)


@st.composite
def settings_of(draw, estimator, max_settings=3):
    """Draw parameters of an estimator, few of them wrong."""
    params = {**SMALL, "model": NETWORKS[estimator]}
    if estimator == "KerasTransformer":
        params = {"epochs": "2", "model__n_components": "2", "random_state": "0"}
    right = parameters.RIGHT[estimator]
    for name in draw(st.lists(st.sampled_from(sorted(right)), max_size=max_settings, unique=True)):
        params[name] = draw(st.sampled_from(right[name]))
    routed = sorted(parameters.ROUTED_RIGHT)
    if estimator != "KerasTransformer" and draw(st.booleans()):
        name = draw(st.sampled_from(routed))
        params[name] = draw(st.sampled_from(parameters.ROUTED_RIGHT[name]))
    if draw(st.integers(0, 9)) == 9:
        name = draw(st.sampled_from(sorted(right)))
        params[name] = draw(st.sampled_from(parameters.wrong_values(name)))
    if "mlp" not in params.get("model", "'mlp'") and params.get("model__units") is not None:
        params["model__units"] = "4"
    return tuple(params.items())


@st.composite
def cases(draw):
    """Draw fits."""
    estimator = draw(st.sampled_from(sorted(NETWORKS)))
    table = draw(tables())
    is_labels = estimator != "KerasRegressor"
    kinds = LABELS if is_labels else VALUES
    return Case(
        estimator,
        table,
        Target(draw(st.sampled_from(list(kinds))), table.n_rows, is_labels),
        Weights(draw(st.sampled_from(["none"] * len(WEIGHTS) + list(WEIGHTS))), table.n_rows),
        draw(settings_of(estimator)),
        is_refit=draw(st.integers(0, 4)) == 4,
    )


def check_case(case, names=None, *, is_wrong=False):
    """Raise an InvariantError if an invariant does not hold for a fit.

    Parameters
    ----------
    case : Case
    names : collection of str or None
        What a message must name one of; None is what there is in the case.
    is_wrong : bool
        Whether the fit must be refused.

    Returns
    -------
    is_fitted : bool
        Whether it was fitted rather than refused.
    """
    data, arguments = case.data(), case.arguments()
    data_before = invariants.copy_of(data)
    has_state = any(hasattr(value, "__next__") for value in arguments.values())
    arguments_before = None if has_state else invariants.copy_of(arguments)
    states = invariants.global_states()
    with invariants.quiet(allows_hosts=case.has_users_encoder):
        estimator, is_fitted = _fitted(case, arguments, data, names or case.names)
    if is_fitted:
        if is_wrong:
            raise InvariantError("accepted", repr(case)[:200])
        # Rows without weight may be the only ones with an infinite number, or with text.
        hidden = {"infinite"} | (
            {"text and numbers"} if case.weights.kind == "some zero" else set()
        )
        if not hidden & set(case.table.columns):
            invariants.check_result(estimator, data[0], data[1])
    invariants.check_untouched_states(states)
    for what, before, after in zip(("X", "y", "sample_weight"), data_before, data, strict=True):
        invariants.check_untouched(what, before, after)
    # scikit-learn's convention: a RandomState that is given goes on.
    draws = any(isinstance(value, np.random.RandomState) for value in arguments.values())
    if estimator is not None and arguments_before is not None and not draws:
        now = estimator.get_params(deep=False)
        for name, before in arguments_before.items():
            invariants.check_untouched(name, before, now[name])
        invariants.check_clone(estimator, now)
    return is_fitted


def _fitted(case, arguments, data, names):
    """Return the estimator, None if its constructor raises, and whether fit took the data."""
    estimator = before = None
    try:
        cls = parameters.ESTIMATORS[case.estimator]
        if case.is_refit and "warm_start" not in arguments:
            estimator = cls(NETWORKS[case.estimator].strip("'"), epochs=1).fit(X_BEFORE, Y_BEFORE)
            estimator.set_params(**arguments)
        else:
            estimator = cls(**arguments)
        before = dict(vars(estimator))
        estimator.fit(*data)
    except Exception as error:
        invariants.check_message(error, names, is_users_encoder=case.has_users_encoder)
        if before is not None:
            invariants.check_same_attributes(before, vars(estimator))
        # A refused parameter may be set or not.
        return (None if before is None else estimator), False
    return estimator, True
