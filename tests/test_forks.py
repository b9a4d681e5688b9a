"""Fits and predictions in forked child processes."""

import multiprocessing
import os
import subprocess
import sys

import keras
import pytest
from networks import classifier_network
from sklearn.datasets import load_iris

from nnkit import KerasClassifier

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def found_in_child(function):
    """Return the result of a function in a forked child, or its error as text."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run():
        try:
            sender.send(function())
        except RuntimeError as error:
            sender.send(str(error))

    child = context.Process(target=run)
    child.start()
    assert receiver.poll(60), "the child hangs"
    found = receiver.recv()
    child.join()
    return found


def normalizing_network(meta):
    """Return a network whose predictions need TensorFlow."""
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.LayerNormalization(),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


def test_fit_and_predict_raise_in_a_process_forked_after_tensorflow_has_run(iris):
    X, y = iris
    clf = KerasClassifier(normalizing_network, epochs=1).fit(X, y)
    before = clf.predict(X)

    for use in (lambda: clf.fit(X, y), lambda: clf.predict(X), lambda: clf.model_):
        message = found_in_child(use)

        assert message.startswith("This process was forked from one in which TensorFlow had run")
        for remedy in ("get_context('spawn')", "'loky'", "nnkit.batched_training()"):
            assert remedy in message
    assert (clf.predict(X) == before).all()


def test_dense_networks_predict_in_a_forked_process(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, epochs=1).fit(X, y)
    before = clf.predict(X)

    assert (found_in_child(lambda: clf.predict(X)) == before).all()


def _score():
    X, y = load_iris(return_X_y=True)
    return KerasClassifier("mlp", epochs=5, random_state=0).fit(X, y).score(X, y)


def test_fit_works_in_a_process_forked_before_tensorflow_has_run():
    code = (
        "import nnkit.training, test_forks as t; "
        "print(t.found_in_child(t._score), t.found_in_child(t._score))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=os.path.dirname(__file__),
        capture_output=True,
        text=True,
        check=False,
    )

    first, second = done.stdout.split()
    assert float(first) == float(second) > 0.5, done.stderr
