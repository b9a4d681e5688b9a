"""Datasets of Keras and TensorFlow in place of X and y."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.datasets import make_classification

from nnkit import KerasClassifier, KerasRegressor

X, CODES = make_classification(n_samples=96, n_features=5, random_state=0)
X = X.astype(np.float32)
Y = np.array(["no", "yes"])[CODES]


def build(meta, units=8):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


class Batches(keras.utils.PyDataset):
    """Batches of 16 rows; with ``noise`` other rows in each pass."""

    def __init__(self, y=Y, noise=0.0):
        super().__init__()
        self.y, self.noise, self.n_passes = y, noise, 0

    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        noise = self.noise * self.n_passes
        return (X[rows] + noise,) if self.y is None else (X[rows] + noise, self.y[rows])

    def on_epoch_end(self):
        self.n_passes += 1


def tensors(y=CODES, weight=None):
    parts = (X, y) if weight is None else (X, y, weight)
    return tf.data.Dataset.from_tensor_slices(parts).batch(16)


def classifier(**params):
    return KerasClassifier(build, **{"epochs": 4, "random_state": 0, **params})


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_dataset_trains_as_its_rows_do(engine):
    by_rows = classifier(engine=engine, batch_size=16).fit(X, Y)

    by_dataset = classifier(engine=engine).fit(Batches(), None)

    assert by_dataset.resolved_params_["batch_size"] == 16
    np.testing.assert_allclose(
        by_dataset.predict_proba(X), by_rows.predict_proba(X), rtol=1e-5, atol=1e-6
    )
    assert by_dataset.classes_.tolist() == ["no", "yes"]


def test_each_epoch_has_a_pass_of_its_own():
    batches = Batches(noise=0.01)

    classifier().fit(batches)

    assert batches.n_passes == 4


def test_epochs_of_changing_rows_equal_partial_fits():
    clf = classifier(shuffle=False, batch_size=16)
    by_hand = clone(clf)
    for number in range(4):
        by_hand.partial_fit(X + np.float32(0.5 * number), Y)

    by_dataset = clf.fit(Batches(noise=np.float32(0.5)))

    np.testing.assert_allclose(
        by_dataset.predict_proba(X), by_hand.predict_proba(X), rtol=1e-4, atol=1e-5
    )


def test_weights_of_a_dataset_count():
    weight = np.where(CODES == 1, 5.0, 1.0).astype(np.float32)

    by_dataset = classifier().fit(tensors(weight=weight))

    by_rows = classifier(batch_size=16).fit(X, CODES, weight)
    np.testing.assert_allclose(
        by_dataset.predict_proba(X), by_rows.predict_proba(X), rtol=1e-5, atol=1e-6
    )


def test_iterator_is_read_once():
    clf = classifier().fit((X[at : at + 32], Y[at : at + 32]) for at in (0, 32, 64))

    assert clf.n_iter_ == 4
    assert clf.resolved_params_["batch_size"] == 32


def test_another_dataset_validates_with_early_stopping():
    clf = classifier(early_stopping=True, n_iter_no_change=1)

    clf.fit(tensors(), validation_data=tensors())

    assert len(clf.history_["val_loss"]) == clf.n_iter_


def test_ready_made_network_takes_a_dataset():
    clf = KerasClassifier("mlp", epochs=3, random_state=0).fit(tensors())

    assert clf.encoder_.n_features_in_ == 5


def test_predict_and_score_take_datasets():
    clf = classifier().fit(X, CODES)

    np.testing.assert_array_equal(clf.predict(tensors()), clf.predict(X))
    assert clf.score(tensors()) == clf.score(X, CODES)
    reg = KerasRegressor(build, epochs=2, random_state=0).fit(tensors(CODES.astype(np.float32)))
    assert reg.score(tensors(CODES.astype(np.float32))) == pytest.approx(reg.score(X, CODES))


def test_partial_fit_takes_a_dataset():
    clf = classifier().partial_fit(tensors(), classes=[0, 1])

    assert clf.n_iter_ == 1


def test_held_out_rows_of_changing_passes_warn():
    with pytest.warns(UserWarning, match="yields other rows in each pass"):
        classifier(validation_split=0.25).fit(Batches(noise=1.0))

    clf = classifier(validation_split=0.25).fit(Batches())
    assert "val_loss" in clf.history_


def test_dataset_without_targets_raises():
    with pytest.raises(ValueError, match=r"X \(Batches\) yields batches without targets"):
        classifier().fit(Batches(y=None))


def test_target_beside_a_dataset_raises():
    with pytest.raises(ValueError, match="X is a dataset.*Leave y out"):
        classifier().fit(Batches(), Y)


def test_label_of_a_later_pass_raises():
    class Later(Batches):
        def __getitem__(self, index):
            X_batch, y_batch = super().__getitem__(index)
            return X_batch, np.where(
                y_batch == "no", "maybe", y_batch
            ) if self.n_passes else y_batch

    with pytest.raises(ValueError, match="maybe"):
        classifier().fit(Later())


def test_score_without_target_raises():
    with pytest.raises(ValueError, match="score needs the targets y"):
        classifier().fit(X, Y).score(X)
