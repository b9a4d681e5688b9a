"""The forward pass of one network and of several networks of one compiled model."""

import keras
import numpy as np
import pytest
from networks import classifier_network
from sklearn.datasets import load_iris

from nnkit import KerasClassifier, TabularClassifier
from nnkit.training.network import outputs_of_networks
from nnkit.training.prediction import forward

X, Y = load_iris(return_X_y=True)


def test_outputs_of_networks_equal_those_of_each_alone(monkeypatch):
    n_calls = []
    call_of = forward.Forward._call_of
    monkeypatch.setattr(
        forward.Forward, "_call_of", lambda self, n: n_calls.append(n) or call_of(self, n)
    )
    clf = TabularClassifier(epochs=2, n_estimators=3, cv=3, random_state=0).fit(X, Y)
    X_encoded = clf.encoder_.transform(X)
    n_calls.clear()

    together = outputs_of_networks(clf._members, X_encoded)

    assert n_calls == [3]
    for outputs, member in zip(together, clf._members, strict=True):
        np.testing.assert_array_equal(outputs[0], member.outputs(X_encoded)[0])


@pytest.mark.parametrize("chunk_rows", [None, 1, 7, 1000])
def test_outputs_do_not_depend_on_the_size_of_chunks(chunk_rows):
    clf = TabularClassifier(epochs=2, n_estimators=2, cv=2, random_state=0).fit(X, Y)
    X_encoded = clf.encoder_.transform(X)

    whole = outputs_of_networks(clf._members, X_encoded, len(X))
    chunked = outputs_of_networks(clf._members, X_encoded, chunk_rows)

    np.testing.assert_allclose(chunked, whole, rtol=1e-5, atol=1e-6)


def test_network_that_was_compiled_again_is_computed_by_itself():
    clf = KerasClassifier(classifier_network, n_estimators=2, epochs=2, random_state=0).fit(X, Y)
    before = clf.predict_proba(X)

    clf.models_[1].compile("sgd", keras.losses.SparseCategoricalCrossentropy())

    np.testing.assert_allclose(clf.predict_proba(X), before, rtol=1e-5, atol=1e-6)
