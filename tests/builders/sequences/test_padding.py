"""Inputs of networks for sequences, and layers that leave padding out."""

import keras
import numpy as np
import pytest
from sequence_networks import N_STEPS, meta_of, padded, sequences

from nnkit.builders.sequences.padding import (
    Padding,
    filters_of,
    kernel_sizes_of,
    sequence_input,
    step_outputs,
)


@pytest.mark.parametrize("facts", [{}, {"has_padding_": False}])
def test_without_padding_there_is_no_mask_and_no_layer(facts):
    meta = meta_of(**facts)
    x = sequence_input(meta)

    padding = Padding.of(meta, x)

    assert padding.mask is None
    assert padding.is_step is None
    assert padding.removed(x) is x


def test_padding_is_removed_and_left_out_of_means_and_maxima():
    meta = meta_of(n_steps=N_STEPS + 2, has_padding_=True)
    inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    shifted = keras.layers.Rescaling(1.0, offset=-9.0)(inputs)
    outputs = [padding.removed(shifted), padding.mean(shifted), padding.largest(shifted, 3)]
    X = sequences(3)

    removed, mean, largest = keras.Model(inputs, outputs)(padded(X, N_STEPS + 2))

    np.testing.assert_allclose(removed, padded(X - 9, N_STEPS + 2), rtol=1e-5)
    np.testing.assert_allclose(mean, (X - 9).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(largest[:, N_STEPS - 1], (X - 9)[:, -2:].max(axis=1), rtol=1e-5)


def test_widths_and_filters_are_checked():
    assert filters_of([3, 4]) == (3, 4)
    assert kernel_sizes_of(5, (3, 4)) == (5, 5)
    assert kernel_sizes_of([5, 2], (3, 4)) == (5, 2)
    with pytest.raises(ValueError, match="one for each of the 2 filters. Got 3 integers"):
        kernel_sizes_of((1, 2, 3), (3, 4))


@pytest.mark.parametrize(
    ("kind", "facts", "units"),
    [
        (
            "multiclass-multioutput",
            {"classes_": [np.array(["a", "b"]), np.array(["b", "c"])] + [np.array(["a"])] * 5},
            3,
        ),
        ("multilabel-indicator", {}, 2),
        ("continuous-multioutput", {}, None),
    ],
)
def test_outputs_of_steps_fit_the_target(kind, facts, units):
    meta = meta_of(kind, n_outputs_=N_STEPS, **facts)

    outputs = step_outputs(meta, sequence_input(meta))

    assert outputs.shape == ((None, N_STEPS) if units is None else (None, N_STEPS, units))


def test_outputs_of_steps_raise_on_a_target_of_another_length():
    meta = meta_of("continuous-multioutput", n_outputs_=3)

    with pytest.raises(ValueError, match=r"y of shape \(n_samples, 7\).* Got 3 column"):
        step_outputs(meta, sequence_input(meta))
