"""Builds with a seed: initial weights follow from it, and global random states do not change."""

import random
import threading

import keras
import numpy as np
import pytest

from nnkit.training.specification.model_spec import seeded_build


def build():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])


def test_seed_determines_initial_weights_and_random_layers():
    models = []
    for seed in (1, 1, 2):
        with seeded_build(seed):
            models.append(build())
    first, again, other = models

    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    X = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(first(X, training=True), again(X, training=True))


def test_seeded_build_does_not_change_global_random_states(global_random_states):
    before = global_random_states()

    with seeded_build(0):
        build()

    assert global_random_states() == before


def test_random_state_is_restored_after_an_error():
    state = random.getstate()

    with pytest.raises(RuntimeError), seeded_build(0):
        raise RuntimeError

    assert random.getstate() == state


def test_seeded_builds_in_threads_are_independent():
    found = {}

    def build_with(seed):
        with seeded_build(seed):
            found[seed] = build().get_weights()[0]

    threads = [threading.Thread(target=build_with, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for seed in range(8):
        with seeded_build(seed):
            np.testing.assert_array_equal(found[seed], build().get_weights()[0])
