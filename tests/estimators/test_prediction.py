import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from nnkit import KerasClassifier
from nnkit.estimators.prediction import (
    check_fitted,
    decoder_of,
    encoded_rows,
    fitted_copy,
    member_outputs,
)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    params = {"model__units": (4,), "epochs": 2, "n_estimators": 2, "random_state": 0}
    return KerasClassifier("mlp", **params).fit(X, X[:, 0] > 0), X


def test_outputs_of_members_decode_to_the_predictions(fitted):
    clf, X = fitted

    outputs = member_outputs(clf, X, {})

    assert [len(member) for member in outputs] == [1, 1]
    np.testing.assert_array_equal(decoder_of(clf).predicted(outputs), clf.predict_proba(X))


def test_chunks_give_the_same_outputs(fitted):
    clf, X = fitted

    whole, chunks = member_outputs(clf, X, {}), member_outputs(clf, X, {"batch_size": 7})

    np.testing.assert_allclose(chunks[0][0], whole[0][0], rtol=1e-6)


def test_encoded_rows_are_those_of_the_encoder(fitted):
    clf, X = fitted

    np.testing.assert_array_equal(encoded_rows(clf, X), clf.encoder_.transform(X))


def test_fitted_copy_keeps_its_networks_when_the_estimator_is_fitted_again(fitted):
    _, X = fitted
    clf = KerasClassifier("mlp", model__units=(4,), epochs=1, random_state=0).fit(X, X[:, 0] > 0)
    copied = fitted_copy(clf)
    before = copied.predict_proba(X)

    clf.set_params(epochs=5).fit(X, X[:, 0] > 0)

    np.testing.assert_array_equal(copied.predict_proba(X), before)
    assert not np.allclose(clf.predict_proba(X), before)


def test_check_fitted_raises_before_fit():
    with pytest.raises(NotFittedError):
        check_fitted(KerasClassifier("mlp"))


def test_unknown_argument_of_predict_raises_with_a_suggestion(fitted):
    clf, X = fitted

    with pytest.raises(TypeError, match="predict has no argument 'batchsize'. Did you mean batch_"):
        member_outputs(clf, X, {"batchsize": 3})


def test_listing_the_attributes_builds_no_live_model(iris):
    """Completion in a notebook lists the attributes."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1)

    assert "model_" not in dir(clf)
    names = dir(clf.fit(X, y))

    assert {"model_", "models_", "predict_proba", "classes_"} <= set(names)
    assert not clf._network.live.is_attached
