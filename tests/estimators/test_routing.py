import keras
import pytest
from networks import classifier_network, head
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder

from nnkit import KerasClassifier


def test_routed_parameters_are_seen_everywhere():
    clf = KerasClassifier(classifier_network, model__units=3, optimizer__learning_rate=0.1)

    params = clone(clf).get_params()

    assert params["model__units"] == 3
    assert params["optimizer__learning_rate"] == 0.1
    assert "model__units=3" in repr(clf)
    assert "optimizer__learning_rate" in clf._repr_html_()


def test_defaults_of_a_builder_are_seen_deep_only():
    """In a clone they would freeze, and stay when model changes."""
    clf = KerasClassifier(classifier_network)

    assert clf.get_params()["model__units"] == 8
    assert "model__units" not in clf.get_params(deep=False)
    assert "model__units" not in vars(clone(clf))


@pytest.mark.parametrize(
    "params",
    [
        {"model__units": 3},
        {"units": 3},
        {"optimizer__learning_rate": 0.5},
        {"loss__from_logits": False},
        {"metrics__0__name": "hits"},
        {"callbacks__patience": 1},
        {"compile__jit_compile": False},
        {"epochs": 7},
    ],
    ids=lambda params: next(iter(params)),
)
def test_undeclared_parameters_can_be_set(params):
    clf = KerasClassifier(classifier_network).set_params(**params)

    assert params.items() <= clf.get_params().items()
    assert params.items() <= clone(clf).get_params().items()


def test_a_changed_model_brings_its_own_names():
    clf = KerasClassifier(lambda depth: None)

    clf.set_params(model__units=4, model=classifier_network)

    assert clf.get_params()["model__units"] == 4


def test_parameters_of_an_encoder_are_its_own():
    clf = KerasClassifier("mlp", encoder=OneHotEncoder())

    clf.set_params(encoder__min_frequency=2)

    assert clf.encoder.min_frequency == 2
    assert clf.get_params()["encoder__min_frequency"] == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("epoch", "epoch is not a parameter. Did you mean epochs"),
        ("model__unit", "the builder has no argument 'unit'. Did you mean model__units"),
        ("unit", "Did you mean units"),
        ("optimiser__learning_rate", "Did you mean optimizer__learning_rate"),
        ("model__meta", "the builder has no argument 'meta'"),
        ("xyz", "xyz is not a parameter. There are"),
    ],
)
def test_misspelt_names_are_refused_with_the_nearest_right_one(name, hint):
    with pytest.raises(TypeError, match=hint):
        KerasClassifier(classifier_network, **{name: 1})
    with pytest.raises(ValueError, match=hint):
        KerasClassifier(classifier_network).set_params(**{name: 1})


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"optimizer__learning_rat": 1}, "Did you mean optimizer__learning_rate"),
        ({"loss": "mse", "loss__reductio": 1}, "Did you mean loss__reduction"),
        ({"metrics": ["AUC"], "metrics__0__nam": 1}, "Did you mean metrics__0__name"),
        (
            {"callbacks": keras.callbacks.EarlyStopping, "callbacks__patence": 1},
            "Did you mean callbacks__patience",
        ),
        ({"callbacks__patience": 1}, "callbacks__patience is set, but callbacks holds nothing"),
    ],
)
def test_misspelt_arguments_of_keras_pieces_are_refused_in_fit(iris, params, hint):
    X, y = iris
    with pytest.raises(ValueError, match=hint):
        KerasClassifier(classifier_network, epochs=1, **params).fit(X, y)


def test_a_name_that_lost_its_builder_is_refused_in_fit(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, units=3)
    clf.set_params(model=lambda: head(3, "softmax"))

    with pytest.raises(ValueError, match="units is not a parameter"):
        clf.fit(X, y)


def test_a_model_takes_no_arguments():
    with pytest.raises(TypeError, match="model__units has nobody to take it"):
        KerasClassifier(head(3, "softmax"), model__units=3)


def test_a_grid_search_reaches_builder_and_optimizer(iris):
    X, y = iris
    grid = {
        "model__units": [2, 16],
        "optimizer__learning_rate": [1e-6, 0.05],
        "dropout_rate": [0.0, 0.2],
    }

    search = GridSearchCV(
        KerasClassifier(classifier_network, epochs=8, batch_size=16, random_state=0), grid, cv=2
    ).fit(X, y)

    assert search.best_params_["optimizer__learning_rate"] == 0.05
    best = search.best_estimator_
    assert best.model_.weights[0].shape == (4, search.best_params_["model__units"])
    assert len({round(score, 6) for score in search.cv_results_["mean_test_score"]}) > 2


def test_a_grid_over_builders_and_instances(iris):
    X, y = iris
    grid = {
        "model": ["mlp", classifier_network, head(3, "softmax")],
        "optimizer": [keras.optimizers.SGD(0.1), "adam"],
    }

    search = GridSearchCV(KerasClassifier("mlp", epochs=2), grid, cv=2).fit(X, y)

    assert len(search.cv_results_["params"]) == 6


@pytest.mark.parametrize(
    ("callbacks", "routed"),
    [
        (keras.callbacks.EarlyStopping, {"callbacks__monitor": "loss", "callbacks__patience": 1}),
        (keras.callbacks.EarlyStopping(patience=50, monitor="loss"), {"callbacks__patience": 1}),
        ([keras.callbacks.EarlyStopping], {"callbacks__0__monitor": "loss"}),
        ({"es": keras.callbacks.EarlyStopping(patience=50)}, {"callbacks__es__monitor": "loss"}),
    ],
    ids=["class", "instance", "list", "dict"],
)
def test_callbacks_take_routed_arguments(iris, callbacks, routed):
    X, y = iris
    clf = KerasClassifier(
        classifier_network, callbacks=callbacks, epochs=1, **{**routed, "random_state": 0}
    ).fit(X, y)

    (stopping,) = clf.callbacks_

    assert stopping.monitor == "loss"
    assert stopping is not callbacks
    for name, value in routed.items():
        assert getattr(stopping, name.rpartition("__")[2]) == value
