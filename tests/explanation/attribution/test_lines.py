"""Integration points on lines between rows."""

from __future__ import annotations

import numpy as np

from nnkit.explanation.attribution.lines import Lines

# The estimate


def test_fractions_are_in_equal_intervals_and_mirrored():
    lines = Lines("gradient", 5, 8)

    places = np.sort(lines.fractions, axis=1)

    assert (np.floor(places * 8) == np.arange(8)).all()
    np.testing.assert_allclose(places + places[:, ::-1], 1.0)
    assert len(np.unique(np.round(places[:, 0], 6))) == 5
    np.testing.assert_allclose(lines.quadratures.sum(axis=0), 1.0)
