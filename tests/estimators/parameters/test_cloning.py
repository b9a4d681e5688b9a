import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasTransformer, TabularRegressor


@pytest.mark.parametrize(
    "estimator",
    [
        KerasClassifier("mlp", model__units=(4,), optimizer__learning_rate=0.1),
        KerasTransformer(model__n_components=3),
        TabularRegressor("fast", cv=3, units=(8,)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_clone_has_all_parameters_routed_ones_too(estimator):
    copied = clone(estimator)

    assert copied.get_params() == estimator.get_params()
    assert copied is not estimator


def test_clone_copies_keras_objects_and_clones_estimators():
    optimizer, encoder = keras.optimizers.Adam(0.5), StandardScaler(with_mean=False)

    copied = clone(KerasClassifier("mlp", optimizer=optimizer, encoder=encoder))

    assert copied.optimizer is not optimizer
    assert float(copied.optimizer.learning_rate) == 0.5
    assert copied.encoder is not encoder
    assert copied.encoder.with_mean is False


def test_clone_of_unregistered_callbacks_shares_what_is_not_plain_data():
    class Reporting(keras.callbacks.Callback):
        def __init__(self, queue):
            super().__init__()
            self.queue = queue
            self.seen = [1]

    class Queue:
        pass

    queue = Queue()
    callback = Reporting(queue)

    copied = clone(KerasClassifier("mlp", callbacks=[callback])).callbacks[0]

    assert copied is not callback
    assert copied.queue is queue
    assert copied.seen == [1]
    assert copied.seen is not callback.seen


def test_clone_forgets_attributes_that_are_no_parameters(iris):
    clf = KerasClassifier("mlp", model__units=(4,), epochs=1).fit(*iris)
    clf.note = np.ones(3)

    copied = clone(clf)

    assert not hasattr(copied, "note")
    assert not hasattr(copied, "classes_")
