"""Parameters of the encoder that a ready-made network brings: ``encoder__name``."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasTransformer, TabularClassifier
from nnkit.encoding import TabularEncoder

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2


def test_parameter_reaches_the_encoder():
    clf = KerasClassifier("mlp", encoder__clip=1.0, epochs=1).fit(X, Y)

    assert clf.encoder_.clip == 1.0
    assert clf.encoder_.transform(X).max() < 1.0
    assert clone(clf).get_params()["encoder__clip"] == 1.0


def test_parameter_of_the_tabular_estimators_reaches_the_encoder():
    clf = TabularClassifier("fast", epochs=1, encoder__max_one_hot=2)

    assert clf.fit(X, Y).encoder_.max_one_hot == 2


def test_parameter_of_a_transformer_reaches_the_encoder():
    coder = KerasTransformer(epochs=1, encoder__with_std=False).fit(X)

    assert not coder.encoder_.with_std


def test_parameter_is_searched():
    search = GridSearchCV(KerasClassifier("mlp", epochs=1), {"encoder__clip": [1.0, 2.0]}, cv=2)

    search.fit(X, Y)

    assert search.best_estimator_.encoder_.clip in (1.0, 2.0)


def test_given_encoder_has_its_own_parameters():
    clf = KerasClassifier("mlp", encoder=TabularEncoder(), epochs=1)

    clf.set_params(encoder__clip=1.5)

    assert clf.encoder.clip == 1.5


def test_unknown_parameter_raises():
    with pytest.raises(TypeError, match="the encoder has no parameter 'clp'. Did you mean.*clip"):
        KerasClassifier("mlp", encoder__clp=1.0)


@pytest.mark.parametrize("encoder", [None, StandardScaler()])
def test_parameter_beside_another_encoder_raises(encoder):
    with pytest.raises(TypeError, match="encoder__clip"):
        KerasClassifier("mlp", encoder=encoder, encoder__clip=1.0)


def test_change_in_a_resumed_training_raises():
    clf = KerasClassifier("mlp", warm_start=True, epochs=1).fit(X, Y)

    with pytest.raises(ValueError, match="encoder__clip was changed.*columns are encoded as in"):
        clf.set_params(encoder__clip=1.0).fit(X, Y)
