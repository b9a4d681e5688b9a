"""Random pairs of networks that differ in one setting, and a check that no cache mixes them up."""

from __future__ import annotations

import numpy as np
from fuzz.networks_with_values import FORMS, NAMED, SLOTS, Network
from hypothesis import strategies as st

from nnkit import clear_compiled_cache

__all__ = ["assert_not_confused", "pairs"]

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X @ [1.0, -1.0, 0.5]


def results_of(network, engine):
    """Return predictions and history of a fit."""
    fitted = network.make(engine).fit(X, Y)
    return fitted.predict(X), np.concatenate(list(fitted.history_.values()))


def assert_not_confused(network, other):
    """Raise if a fit after that of a similar network differs from Keras' fit with empty caches."""
    clear_compiled_cache()
    results_of(other, "graph")
    after_other = results_of(network, "graph")
    clear_compiled_cache()
    alone = results_of(network, "keras")

    for ours, theirs in zip(after_other, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@st.composite
def pairs(draw):
    """Draw two networks that differ in one setting."""
    slots = draw(st.lists(st.sampled_from(sorted(NAMED)), max_size=3, unique=True))
    named = {slot: draw(st.sampled_from(NAMED[slot])) for slot in slots}
    slots = draw(st.lists(st.sampled_from(sorted(SLOTS)), max_size=2, unique=True))
    held = {slot: (draw(st.sampled_from(sorted(FORMS))), 0.5) for slot in slots}
    if not held and not named:
        named = {"units": "3"}
    changed = draw(st.sampled_from([*(("held", s) for s in held), *(("named", s) for s in named)]))
    kind, slot = changed
    others = dict(held), dict(named)
    if kind == "held":
        # The value always changes; the way in which the function holds it may change too.
        form = draw(st.sampled_from([held[slot][0], *sorted(FORMS)]))
        others[0][slot] = (form, draw(st.sampled_from([0.75, 1.5])))
    else:
        others[1][slot] = draw(
            st.sampled_from([text for text in NAMED[slot] if text != named[slot]])
        )
    return tuple(
        Network(tuple(texts.items()), tuple((s, *rest) for s, rest in functions.items()))
        for functions, texts in ((held, named), others)
    )
