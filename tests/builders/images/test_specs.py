"""Builders for images in estimators: searches, pipelines, engines, clones and stored files."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier, KerasTransformer
from nnkit.builders.builder_spec import TableFacts
from nnkit.builders.images.specs import IMAGE_BUILDERS
from nnkit.encoding.samples.image_encoder import ImageEncoder
from nnkit.export import TRUSTED_TYPES

SMALL = {
    "cnn2d": {"model__filters": (4, 8), "model__units": (8,)},
    "resnet2d": {"model__filters": (4, 8), "model__n_blocks": 1},
    "unet": {"model__filters": (4, 8)},
}


def classifier(name, **params):
    return KerasClassifier(name, **{"epochs": 2, "random_state": 0, **SMALL[name], **params})


def target_of(name, X, y):
    return (X > 100).astype(int) if name == "unet" else y


@pytest.fixture(params=SMALL)
def name(request):
    return request.param


@pytest.mark.parametrize(
    ("name", "n_samples", "epochs", "batch_size"),
    [
        ("cnn2d", 8000, 7, 64),
        ("cnn2d", 1437, 14, 32),
        ("cnn2d", 10, 60, 32),
        ("resnet2d", 5000, 20, 64),
        ("unet", 200, 100, 32),
        ("conv_autoencoder", 1000, 50, 32),
    ],
)
def test_epochs_and_batch_size_depend_on_the_number_of_images(name, n_samples, epochs, batch_size):
    settings = IMAGE_BUILDERS[name].training_for(TableFacts(n_samples, 28))

    assert (settings.epochs, settings.batch_size) == (epochs, batch_size)
    assert not settings.early_stopping


def test_fit_takes_the_settings_of_the_builder(digits):
    X, y = digits

    clf = KerasClassifier("cnn2d", **SMALL["cnn2d"], random_state=0).fit(X[:20], y[:20])

    assert len(clf.history_["loss"]) == 60
    assert isinstance(clf.encoder_, ImageEncoder)


def test_networks_are_in_a_search_and_a_pipeline(name, digits):
    X, y = digits[0][:60], target_of(name, *digits)[:60]
    brighter = FunctionTransformer(lambda images: np.minimum(images * 1.2, 255).astype(np.uint8))
    pipeline = make_pipeline(brighter, classifier(name, epochs=1))
    rates = {"kerasclassifier__model__learning_rate": [0.001, 0.01]}

    search = GridSearchCV(pipeline, rates, cv=2, error_score="raise", scoring=_accuracy)
    search.fit(X, y)

    assert search.best_params_.keys() == rates.keys()
    assert search.predict(X).shape == y.shape


def _accuracy(estimator, X, y):
    return np.mean(estimator.predict(X) == y)


def test_search_space_is_that_of_a_randomized_search(digits):
    X, y = digits
    space = {**IMAGE_BUILDERS["cnn2d"].search_space, "model__filters": [(4,), (4, 8)]}

    search = RandomizedSearchCV(
        classifier("cnn2d", epochs=1), space, n_iter=2, cv=2, random_state=0, error_score="raise"
    ).fit(X[:60], y[:60])

    assert set(search.best_params_) == set(space)


@pytest.mark.parametrize("builder", sorted(IMAGE_BUILDERS))
def test_search_space_names_arguments_of_the_builder(builder):
    cls = KerasTransformer if builder == "conv_autoencoder" else KerasClassifier
    space = IMAGE_BUILDERS[builder].search_space

    for parameter, values in space.items():
        drawn = values[-1] if isinstance(values, list) else values.rvs(random_state=0)
        estimator = cls(builder, **{parameter: drawn})
        assert estimator.get_params()[parameter] == drawn


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_networks_train_in_a_graph_and_by_keras(name, engine, digits):
    X, y = digits[0], target_of(name, *digits)

    clf = classifier(name, engine=engine).fit(X, y)

    assert np.isfinite(clf.history_["loss"]).all()


def test_batch_normalisation_is_refused_in_xla(name, digits):
    X, y = digits[0], target_of(name, *digits)

    with pytest.raises(ValueError, match="engine='xla' cannot carry layers that combine rows"):
        classifier(name, engine="xla").fit(X, y)


def test_clones_and_stored_networks_predict_alike(name, digits):
    X, y = digits[0], target_of(name, *digits)
    clf = classifier(name).fit(X, y)
    expected = clf.predict_proba(X)

    for restored in (
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(skops.io.dumps(clf), trusted=TRUSTED_TYPES),
        clone(clf).fit(X, y),
    ):
        np.testing.assert_array_equal(restored.predict_proba(X), expected)


def test_prediction_does_not_depend_on_the_batch(name, digits):
    X, y = digits[0], target_of(name, *digits)
    clf = classifier(name).fit(X, y)

    one_at_a_time = np.concatenate([clf.predict_proba(X[i : i + 1]) for i in range(5)])

    np.testing.assert_allclose(one_at_a_time, clf.predict_proba(X)[:5], atol=1e-5)


@pytest.mark.parametrize(
    "container",
    [
        list,
        lambda X: pd.DataFrame({"photo": list(X)}),
        lambda X: X.astype(float),
        lambda X: X[..., np.newaxis],
    ],
    ids=["list", "DataFrame", "float", "channels"],
)
def test_images_of_any_container_are_cross_validated(container, digits):
    X, y = digits[0][:60], digits[1][:60]

    predicted = cross_val_predict(classifier("cnn2d", epochs=1), container(X), y, cv=2)

    assert predicted.shape == y.shape


def test_autoencoder_is_cloned_stored_and_in_a_pipeline(digits):
    X, _ = digits
    transformer = KerasTransformer(
        "conv_autoencoder",
        encoder=ImageEncoder(),
        epochs=2,
        random_state=0,
        model__n_components=3,
        model__filters=(4,),
        model__noise=0.1,
    ).fit(X)
    expected = transformer.transform(X)

    assert expected.shape == (200, 3)
    for restored in (
        pickle.loads(pickle.dumps(transformer)),
        skops.io.loads(skops.io.dumps(transformer), trusted=TRUSTED_TYPES),
        clone(transformer).fit(X),
    ):
        np.testing.assert_array_equal(restored.transform(X), expected)
    assert make_pipeline(clone(transformer), FunctionTransformer()).fit_transform(X).shape == (
        200,
        3,
    )
