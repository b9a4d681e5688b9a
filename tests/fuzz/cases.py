"""Random fits of a table, a target, weights and parameters, and the check of their invariants."""

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
    """Description of a fit, which prints as a Python expression."""

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
        made = ", ".join(f"{description}.make()" for description in data)
        first_fit = ".fit(X_BEFORE, Y_BEFORE)" if self.is_refit else ""
        return f"{self.estimator}({arguments}){first_fit}.fit({made})"

    def data(self):
        """Return a new table, target and weights."""
        return self.table.make(), self.target.make(), self.weights.make()

    def arguments(self):
        """Return new arguments of the constructor."""
        return {name: parameters.value_of(value) for name, value in self.params}

    @property
    def names(self):
        """Return the names of which an error message must contain one."""
        columns = [str(name) for name in self.table.column_names() if str(name)]
        words = [
            "X", "y", "sample_weight", "class_weight", "validation_split", "rows", "row",
            "sample", "samples", "weight", "column", "columns", "label", "labels", "class",
            "classes", "loss", "encoder", "array", "complex", "Complex", "feature", "features",
        ]  # fmt: skip
        return {*columns, *words, *(name for name, _ in self.params)}

    @property
    def has_custom_encoder(self):
        """Whether the encoder is a transformer given by the user."""
        return dict(self.params).get("encoder", "'auto'") != "'auto'"


@functools.cache
def _can_make(table):
    return can_make(table)


@st.composite
def tables(draw, kinds=tuple(COLUMNS)):
    """Draw descriptions of tables."""
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
    """Draw parameters of an estimator, few of them invalid."""
    params = {**SMALL, "model": NETWORKS[estimator]}
    if estimator == "KerasTransformer":
        params = {"epochs": "2", "model__n_components": "2", "random_state": "0"}
    valid = parameters.VALID[estimator]
    for name in draw(st.lists(st.sampled_from(sorted(valid)), max_size=max_settings, unique=True)):
        params[name] = draw(st.sampled_from(valid[name]))
    routed = sorted(parameters.ROUTED_VALID)
    if estimator != "KerasTransformer" and draw(st.booleans()):
        name = draw(st.sampled_from(routed))
        params[name] = draw(st.sampled_from(parameters.ROUTED_VALID[name]))
    if draw(st.integers(0, 9)) == 9:
        name = draw(st.sampled_from(sorted(valid)))
        params[name] = draw(st.sampled_from(parameters.invalid_values(name)))
    if "mlp" not in params.get("model", "'mlp'") and params.get("model__units") is not None:
        params["model__units"] = "4"
    return tuple(params.items())


@st.composite
def cases(draw):
    """Draw descriptions of fits."""
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


def check_case(case, names=None, *, must_raise=False):
    """Fit, and raise an InvariantError if an invariant is violated.

    Parameters
    ----------
    case : Case
    names : collection of str or None
        Names of which an error message must contain one; None for the names of the case.
    must_raise : bool
        Whether the fit must raise an error.

    Returns
    -------
    is_fitted : bool
        Whether fit returned without an error.
    """
    data, arguments = case.data(), case.arguments()
    data_before = invariants.copy_of(data)
    has_state = any(hasattr(value, "__next__") for value in arguments.values())
    arguments_before = None if has_state else invariants.copy_of(arguments)
    states = invariants.global_states()
    with invariants.no_output(allows_warnings=case.has_custom_encoder):
        estimator, is_fitted = _fitted(case, arguments, data, names or case.names)
    if is_fitted:
        if must_raise:
            raise InvariantError("accepted", repr(case)[:200])
        # Rows of weight 0 are ignored in fit, but may hold infinity or text in predict.
        hidden = {"infinite"} | (
            {"text and numbers"} if case.weights.kind == "some zero" else set()
        )
        if not hidden & set(case.table.columns):
            invariants.check_result(estimator, data[0], data[1])
    invariants.check_states_unchanged(states)
    for name, before, after in zip(("X", "y", "sample_weight"), data_before, data, strict=True):
        invariants.check_unchanged(name, before, after)
    # A given RandomState is consumed, as in scikit-learn.
    draws = any(isinstance(value, np.random.RandomState) for value in arguments.values())
    if estimator is not None and arguments_before is not None and not draws:
        now = estimator.get_params(deep=False)
        for name, before in arguments_before.items():
            invariants.check_unchanged(name, before, now[name])
        invariants.check_clone(estimator, now)
    return is_fitted


def _fitted(case, arguments, data, names):
    """Return the estimator, None if its constructor raises, and whether fit succeeded."""
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
        invariants.check_message(error, names, is_custom_encoder=case.has_custom_encoder)
        if before is not None:
            invariants.check_same_attributes(before, vars(estimator))
        # set_params may or may not have set the parameter that raised.
        return (None if before is None else estimator), False
    return estimator, True
