"""The U-Net: targets of pixels, shapes, arguments and training."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from nnkit import KerasClassifier, KerasRegressor
from nnkit.builders import unet


def masks_of(X):
    return (X > 100).astype(int)


@pytest.mark.parametrize(
    ("more", "target", "n_units", "shape", "activation"),
    [
        ({"y_ndim_": 3}, "multilabel-indicator", 32, (None, 32, 32), "sigmoid"),
        ({"y_ndim_": 4}, "multilabel-indicator", 4, (None, 32, 32, 4), "softmax"),
        ({"y_ndim_": 4}, "multilabel-indicator", 1, (None, 32, 32, 1), "sigmoid"),
        ({"y_ndim_": 3}, "continuous-multioutput", 32, (None, 32, 32), "linear"),
        ({"y_ndim_": 4}, "continuous-multioutput", 2, (None, 32, 32, 2), "linear"),
    ],
)
def test_output_has_the_axes_of_the_target(facts, more, target, n_units, shape, activation):
    model = unet(facts((32, 32, 3), target, n_units, **more))

    assert model.output_shape == shape
    assert model.layers[-1].activation.__name__ == activation


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (5, 5), (6, 10), (7, 8)])
def test_output_has_the_size_of_the_images(facts, size):
    model = unet(facts((*size, 1), "multilabel-indicator", size[-1], y_ndim_=3))

    assert model.output_shape == (None, *size)


@pytest.mark.parametrize("n_axes", [1, 2])
def test_target_without_pixels_raises(digits, n_axes):
    X, y = digits

    with pytest.raises(ValueError, match=f"Got y with {n_axes} axes instead. Use model='cnn2d'"):
        KerasClassifier("unet").fit(X, y if n_axes == 1 else np.stack([y, y], axis=1))


def test_labels_of_pixels_are_learnt(digits):
    X, _ = digits
    masks = masks_of(X)

    clf = KerasClassifier("unet", epochs=10, random_state=0, model__filters=(8, 16))
    clf.fit(X[:150], masks[:150])

    predicted = clf.predict(X[150:])
    assert predicted.shape == (50, 8, 8)
    assert np.mean(predicted == masks[150:]) > 0.9
    assert clf.predict_proba(X[150:]).shape == (50, 8, 8)


@pytest.mark.parametrize("output_activation", ["softmax", "sigmoid"])
def test_one_mask_for_each_class_is_learnt(digits, output_activation):
    X, _ = digits
    masks = np.stack([masks_of(X), 1 - masks_of(X)], axis=-1)

    clf = KerasClassifier(
        "unet",
        epochs=10,
        random_state=0,
        model__filters=(8, 16),
        model__output_activation=output_activation,
    ).fit(X[:150], masks[:150])

    predicted, proba = clf.predict(X[150:]), clf.predict_proba(X[150:])
    assert np.mean(predicted == masks[150:]) > 0.9
    is_normalised = np.allclose(proba.sum(axis=-1), 1, atol=1e-5)
    assert is_normalised == (output_activation == "softmax")


def test_values_of_pixels_are_learnt(digits):
    X, _ = digits
    values = X.astype(float) * 2 + 7

    reg = KerasRegressor("unet", epochs=15, random_state=0, model__filters=(8, 16))
    predicted = reg.fit(X[:150], values[:150]).predict(X[150:])

    assert predicted.shape == (50, 8, 8)
    assert np.mean((predicted - values[150:]) ** 2) < 0.1 * values.var()


@pytest.mark.parametrize(
    ("changed", "of_what"),
    [
        ({"filters": 8}, "weights"),
        ({"dropout_rate": 0.2}, "layers"),
        ({"learning_rate": 0.1}, "optimizer"),
        ({"weight_decay": 0.0}, "optimizer"),
        ({"n_steps": 10}, "optimizer"),
    ],
)
def test_every_argument_changes_the_network(facts, changed, of_what):
    def found(model):
        return {
            "weights": [tuple(weight.shape) for weight in model.weights],
            "layers": [type(layer).__name__ for layer in model.layers],
            "optimizer": keras.saving.serialize_keras_object(model.optimizer)["config"],
        }[of_what]

    meta = facts((8, 8, 1), "multilabel-indicator", 8, y_ndim_=3)
    assert found(unet(meta, **changed)) != found(unet(meta))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"output_activation": "relu"}, "output_activation must be 'softmax' or 'sigmoid'"),
        ({"dropout_rate": 1.5}, r"dropout_rate must be a fraction in \[0, 1\)"),
    ],
)
def test_wrong_arguments_raise(facts, changed, message):
    with pytest.raises(ValueError, match=message):
        unet(facts((8, 8, 1), "multilabel-indicator", 8, y_ndim_=3), **changed)


def classes_of(X):
    return np.where(X > 150, "bright", np.where(X > 50, "medium", "dark"))


def test_classes_of_pixels_are_learnt(digits):
    X, _ = digits
    labels = classes_of(X)

    clf = KerasClassifier("unet", epochs=10, random_state=0, model__filters=(8, 16))
    clf.fit(X[:150], labels[:150])

    assert clf.classes_.tolist() == ["bright", "dark", "medium"]
    predicted, proba = clf.predict(X[150:]), clf.predict_proba(X[150:])
    assert proba.shape == (50, 8, 8, 3)
    np.testing.assert_allclose(proba.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(predicted, clf.classes_[proba.argmax(axis=-1)])
    n_right = np.mean(predicted == labels[150:])
    assert n_right > 0.85
    assert clf.score(X[150:], labels[150:]) == pytest.approx(n_right)


@pytest.mark.parametrize("class_weight", ["balanced", {"dark": 0.0}])
def test_class_weights_of_pixels_change_the_predictions(digits, class_weight):
    X, _ = digits
    clf = KerasClassifier("unet", epochs=3, random_state=0, model__filters=4)

    plain = clf.fit(X, classes_of(X)).predict_proba(X)
    weighted = clf.set_params(class_weight=class_weight).fit(X, classes_of(X)).predict_proba(X)

    # "dark" is the second and most frequent class.
    assert weighted[..., 1].mean() < plain[..., 1].mean()


def test_classes_of_pixels_in_cross_validation_ensembles_and_pickles(digits):
    X, _ = digits
    clf = KerasClassifier(
        "unet", epochs=2, random_state=0, model__filters=4, n_estimators=2, early_stopping=True
    )

    scores = cross_val_score(clf, X[:90], classes_of(X)[:90], cv=2)
    clf.fit(X[:90], classes_of(X)[:90])

    assert ((scores > 0) & (scores < 1)).all()
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(copy.predict(X[90:]), clf.predict(X[90:]))


def test_continuous_values_of_pixels_raise(digits):
    X, _ = digits

    with pytest.raises(ValueError, match=r"y of a classifier must have labels.*value 0\.25"):
        KerasClassifier("unet").fit(X, np.full(X.shape, 0.25))


def test_unknown_class_of_a_pixel_raises_in_partial_fit(digits):
    X, _ = digits
    clf = KerasClassifier("unet", random_state=0, model__filters=4)
    clf.partial_fit(X, classes_of(X), classes=["bright", "dark", "medium"])

    with pytest.raises(ValueError, match="y holds the label 'new'"):
        clf.partial_fit(X[:2], np.full((2, 8, 8), "new"))
