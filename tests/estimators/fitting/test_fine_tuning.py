"""A second phase of training: ``fine_tune__*`` parameters."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score

from nnkit import KerasClassifier, KerasTransformer

X, Y = make_classification(n_samples=80, n_features=6, random_state=0)
X = X.astype(np.float32)


def base():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(4)],
        name="base",
    )


BASE = base()


def with_head(meta, is_thawed=False):
    trunk = keras.models.clone_model(BASE)
    trunk.set_weights(BASE.get_weights())
    trunk.trainable = is_thawed
    inputs = keras.Input((6,))
    x = trunk(inputs, training=False)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="head")(x))


def classifier(**params):
    settings = {
        "epochs": 3,
        "optimizer__learning_rate": 0.01,
        "random_state": 0,
        "fine_tune__model__is_thawed": True,
        "fine_tune__optimizer__learning_rate": 0.001,
        "fine_tune__epochs": 2,
        **params,
    }
    return KerasClassifier(with_head, **settings)


def kernels(clf):
    trunk = clf.model_.get_layer("base")
    return [np.array(layer.kernel) for layer in trunk.layers]


def test_first_phase_trains_the_head_and_second_the_base():
    first = KerasClassifier(with_head, epochs=3, optimizer__learning_rate=0.01, random_state=0).fit(
        X, Y
    )

    both = classifier().fit(X, Y)

    original = [np.array(layer.kernel) for layer in BASE.layers]
    for start, after_first, after_both in zip(original, kernels(first), kernels(both), strict=True):
        np.testing.assert_array_equal(after_first, start)
        assert not np.array_equal(after_both, start)
    np.testing.assert_allclose(both.history_["loss"][:3], first.history_["loss"], rtol=1e-6)
    assert both.n_iter_ == len(both.history_["loss"]) == 5
    assert both.best_epoch_ == 4


def test_second_phase_equals_a_resumed_fit_by_hand():
    by_hand = classifier(warm_start=True)
    for name in [name for name in by_hand.get_params() if name.startswith("fine_tune__")]:
        delattr(by_hand, name)
    by_hand.fit(X, Y)
    by_hand.set_params(model__is_thawed=True, optimizer__learning_rate=0.001, epochs=2).fit(X, Y)

    both = classifier().fit(X, Y)

    np.testing.assert_array_equal(both.predict_proba(X), by_hand.predict_proba(X))


def test_parameters_are_unchanged_after_both_phases():
    clf = classifier()
    before = clf.get_params()

    clf.fit(X, Y)

    assert clf.get_params() == before
    assert clone(clf).get_params() == before
    assert not hasattr(clf, "model__is_thawed")


def test_both_phases_are_reproducible_and_pickled():
    one, other = classifier().fit(X, Y), classifier().fit(X, Y)

    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))


def test_both_phases_stop_early_on_the_same_rows():
    clf = classifier(early_stopping=True, n_iter_no_change=1, epochs=4).fit(X, Y)

    assert len(clf.history_["val_loss"]) == clf.n_iter_
    assert clf.best_epoch_ < clf.n_iter_


def test_second_phase_is_cross_validated_and_searched():
    scores = cross_val_score(classifier(), X, Y, cv=2)
    search = GridSearchCV(classifier(), {"fine_tune__epochs": [1, 2]}, cv=2).fit(X, Y)

    assert scores.shape == (2,)
    assert search.best_estimator_.n_iter_ in (4, 5)


def test_warm_start_repeats_both_phases():
    clf = classifier(warm_start=True).fit(X, Y)

    clf.fit(X, Y)

    assert clf.n_iter_ == 5


def test_ensemble_is_tuned_as_a_whole():
    clf = classifier(n_estimators=2).fit(X, Y)

    assert [len(history["loss"]) for history in clf.histories_] == [5, 5]


def test_argument_of_fit_is_overridden_by_the_second_phase():
    clf = classifier().fit(X, Y, epochs=1)

    assert clf.n_iter_ == 3


def test_iterators_are_read_once_for_both_phases():
    def batches():
        return ((X[start : start + 32], Y[start : start + 32]) for start in range(0, 80, 32))

    by_arrays = classifier().fit(X, Y, X_val=X, y_val=Y)
    by_iterators = classifier().fit(batches(), X_val=batches())

    np.testing.assert_array_equal(by_iterators.predict_proba(X), by_arrays.predict_proba(X))
    assert by_iterators.history_["val_loss"] == by_arrays.history_["val_loss"]


def test_transformer_is_tuned():
    transformer = KerasTransformer(model__n_components=1, epochs=2, fine_tune__epochs=3)

    transformer.fit(X)

    assert len(transformer.history_["loss"]) == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fine_tune__random_state", "random_state is the same in both phases"),
        ("fine_tune__warm_start", "warm_start is the same in both phases"),
        ("fine_tune__epoch", "fine_tune__epoch: epoch is not a parameter. Did you mean epochs?"),
        ("fine_tune__model__thawed", "the builder has no argument 'thawed'"),
    ],
)
def test_unknown_parameter_of_the_second_phase_raises(name, message):
    with pytest.raises(TypeError, match=message):
        classifier(**{name: 1})
