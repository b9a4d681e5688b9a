"""Routed parameters such as model__units, and suggestions for misspelt or foreign names."""

import re

import keras
import numpy as np
import pytest
from networks import classifier_network, head
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder

from nnkit import KerasClassifier, KerasRegressor, TabularRegressor


def test_get_params_repr_and_html_show_routed_parameters():
    clf = KerasClassifier(classifier_network, model__units=3, optimizer__learning_rate=0.1)

    params = clone(clf).get_params()

    assert params["model__units"] == 3
    assert params["optimizer__learning_rate"] == 0.1
    assert "model__units=3" in repr(clf)
    assert "optimizer__learning_rate" in clf._repr_html_()


def test_get_params_shows_builder_defaults_only_if_deep():
    """A clone must not fix the defaults, since they may change with the model."""
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
def test_set_params_accepts_routed_parameters(params):
    clf = KerasClassifier(classifier_network).set_params(**params)

    assert params.items() <= clf.get_params().items()
    assert params.items() <= clone(clf).get_params().items()


def test_set_params_accepts_arguments_of_a_changed_model():
    clf = KerasClassifier(lambda depth: None)

    clf.set_params(model__units=4, model=classifier_network)

    assert clf.get_params()["model__units"] == 4


def test_set_params_routes_encoder_parameters():
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
        ("zyx__units", "there is no prefix 'zyx'"),
        ("encoder__min_frequency", "Set encoder to an object that has 'min_frequency'; set_params"),
    ],
)
def test_init_and_set_params_raise_on_misspelt_names(name, hint):
    with pytest.raises(TypeError, match=hint):
        KerasClassifier(classifier_network, **{name: 1})
    with pytest.raises(ValueError, match=hint):
        KerasClassifier(classifier_network).set_params(**{name: 1})


LEARNING_RATE = "Did you mean optimizer__learning_rate?"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lr", LEARNING_RATE),
        ("learning_rate", LEARNING_RATE),
        ("learning_rate_init", LEARNING_RATE),
        ("optimizer__lr", LEARNING_RATE),
        ("optimizer__decay", "optimizer__learning_rate? Use a schedule"),
        ("model__lr", LEARNING_RATE),
        ("hidden_layer_sizes", "Did you mean model__units?"),
        ("max_iter", "Did you mean epochs?"),
        ("n_iter", "Did you mean epochs?"),
        ("nb_epoch", "Did you mean epochs?"),
        ("fit__nb_epoch", "Did you mean fit__epochs?"),
        ("model__epochs", "Did you mean epochs?"),
        ("alpha", "model__l2? It corresponds to alpha / (2 * batch_size)"),
        ("patience", "Did you mean n_iter_no_change? It needs early_stopping=True"),
        ("n_jobs", "A fit uses all cores. Use n_jobs of GridSearchCV"),
        ("validation_fraction", "Did you mean validation_split?"),
        ("build_fn", "Did you mean model?"),
        ("dropout", "Did you mean model__dropout_rate?"),
        ("model__dropout", "Did you mean model__dropout_rate?"),
        ("momentum", "optimizer__momentum? It is an argument of optimizer='sgd'"),
        ("seed", "Did you mean random_state?"),
        ("model_units", "Did you mean model__units?"),
        ("optimizer_learning_rate", "Did you mean optimizer__learning_rate?"),
        ("predict__batchsize", "Did you mean predict__batch_size?"),
    ],
)
def test_init_and_set_params_suggest_names_for_those_of_other_libraries(name, hint):
    with pytest.raises(TypeError, match=re.escape(hint)):
        KerasClassifier("mlp", **{name: 1})
    with pytest.raises(ValueError, match=re.escape(hint)):
        KerasClassifier("mlp").set_params(**{name: 1})


def test_regressor_init_raises_on_class_weight():
    with pytest.raises(TypeError, match="is a parameter of classifiers. Use sample_w"):
        KerasRegressor("mlp", class_weight="balanced")


def test_unknown_parameter_error_lists_builder_arguments_first():
    with pytest.raises(
        TypeError, match=re.escape("There are ['depth', 'slope', 'background_size'")
    ):
        KerasClassifier(lambda depth, slope: None, xyz=1)


def test_init_suggests_adding_an_argument_to_the_builder():
    with pytest.raises(TypeError, match="The builder has no argument for it. Add one, for example"):
        KerasClassifier(lambda meta: None, dropout=0.1)


def test_builder_can_have_an_argument_named_as_in_other_libraries():
    clf = KerasClassifier(lambda lr, dropout: None, lr=0.1, model__dropout=0.5)

    assert clf.get_params(deep=False)["lr"] == 0.1


class WithLr(keras.optimizers.SGD):
    def __init__(self, lr=0.1, **kwargs):
        super().__init__(**{"learning_rate": lr, **kwargs})


def test_custom_optimizer_can_have_an_argument_named_as_in_other_libraries(iris):
    X, y = iris

    clf = KerasClassifier("mlp", optimizer=WithLr, optimizer__lr=0.25, epochs=1).fit(X, y)

    assert float(clf.model_.optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"nb_epoch": 3}, "Did you mean epochs?"),
        ({"lr": 0.1}, LEARNING_RATE),
        ({"eval_set": []}, "Did you mean validation_data?"),
        ({"patience": 3}, "Did you mean n_iter_no_change? It needs early_stopping=True. Other"),
        ({"sample_weigth": None}, "Did you mean sample_weight?"),
        ({"xyz": 3}, "There are ['epochs', 'batch_size'"),
    ],
)
def test_fit_suggests_names_for_arguments_of_other_libraries(iris, arguments, hint):
    with pytest.raises(TypeError, match=re.escape(hint)):
        KerasClassifier("mlp").fit(*iris, **arguments)


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"loss": "binary_crossentropi"}, "Did you mean 'binary_crossentropy'?"),
        ({"loss": "msee"}, "Did you mean 'mse'?"),
        ({"loss": "log_loss"}, "Leave loss=None, which takes the cross-entropy that fits"),
        ({"metrics": ["log_loss"]}, "Did you mean 'crossentropy'?"),
        ({"metrics": [5]}, "metrics__0 must be a name that Keras knows, a class, an instance or a"),
        ({"compile__jitcompile": True}, "Did you mean compile__jit_compile?"),
        ({"optimizer": "adamm"}, "Did you mean 'adam'?"),
        ({"optimizer": "AdamW2"}, "Did you mean 'adamw'?"),
        (
            {"metrics": ["acuracy"]},
            "metrics__0='acuracy' is not a metric that Keras knows. Did you mean 'accuracy'?",
        ),
        ({"metrics": "f1"}, "Did you mean 'F1Score'?"),
        ({"metrics": "AUCC", "metrics__name": "a"}, "Did you mean 'auc'?"),
        ({"callbacks": "early_stoping"}, "Did you mean keras.callbacks.EarlyStopping?"),
        ({"callbacks": [5]}, "Got 5 instead."),
        ({"model": "mpl"}, "Did you mean 'mlp'?"),
        ({"encoder": "Tabular Encoder"}, "Did you mean nnkit.encoding.TabularEncoder()?"),
        ({"encoder": "one-hot"}, "of encoders. Got 'one-hot' instead."),
    ],
    ids=str,
)
def test_fit_raises_on_misspelt_names_of_keras_objects(iris, params, hint):
    with pytest.raises(ValueError, match=re.escape(hint)):
        KerasClassifier(**{"model": classifier_network, "epochs": 1, **params}).fit(*iris)


def test_fit_raises_on_an_unknown_model_name_before_checking_the_table():
    images = np.zeros((6, 4, 4))

    with pytest.raises(ValueError, match="model='cnn' is not a ready-made builder"):
        KerasClassifier("cnn").fit(images, [0, 1] * 3)


def test_builder_receives_numpy_scalars_as_python_numbers(iris):
    X, y = iris
    seen = {}

    def build(meta, params, units, rate, activation, is_deep, sizes):
        values = [units, rate, activation, is_deep, sizes[0], params["epochs"], params["units"]]
        seen["types"] = [type(value) for value in values]
        return classifier_network(meta, units)

    clf = KerasClassifier(
        build,
        units=np.int64(4),
        rate=np.float32(0.5),
        activation=np.str_("relu"),
        model__is_deep=np.bool_(True),
        model__sizes=(np.int16(2),),
        epochs=np.int64(1),
        batch_size=np.int64(50),
        optimizer__learning_rate=np.float32(0.25),
    ).fit(X, y)

    assert seen["types"] == [int, float, str, bool, int, int, int]
    assert float(clf.model_.optimizer.learning_rate) == 0.25
    assert type(clf.get_params()["units"]) is np.int64


def test_builder_receives_the_same_list_object(iris):
    given, seen = [], {}

    def build(meta, log):
        seen["log"] = log
        return classifier_network(meta)

    KerasClassifier(build, log=given, epochs=1).fit(*iris)

    assert seen["log"] is given


def test_learning_rate_accepts_an_integer(iris):
    clf = KerasClassifier("mlp", optimizer__learning_rate=1, optimizer="sgd", epochs=1).fit(*iris)

    assert float(clf.model_.optimizer.learning_rate) == 1.0


@pytest.mark.parametrize("rate", ["0.1", -1, None, True])
def test_fit_raises_on_an_invalid_learning_rate(iris, rate):
    with pytest.raises(ValueError, match="optimizer__learning_rate must be a number of at least 0"):
        KerasClassifier("mlp", optimizer__learning_rate=rate, epochs=1).fit(*iris)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"random_state": 2**32}, "random_state must be an integer from 0 to 2**32 - 1"),
        ({"random_state": -1}, "random_state must be an integer from 0 to 2**32 - 1"),
        ({"random_state": 1.5}, "random_state must be an integer, a numpy RandomState or None"),
        ({"device": 5}, "device must be the name of a TensorFlow device"),
        ({"dtype_policy": 5}, "dtype_policy must be a policy that Keras knows"),
        ({"predict__batch_size": "a"}, "The batch_size of predict must be an integer"),
        ({"predict__batch_size": 0}, "The batch_size of predict must be an integer"),
    ],
    ids=str,
)
def test_fit_raises_on_values_out_of_range(iris, params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        KerasClassifier("mlp", epochs=1, **params).fit(*iris)


def test_predict_raises_on_an_invalid_batch_size(iris):
    clf = KerasClassifier("mlp", epochs=1).fit(*iris)

    with pytest.raises(ValueError, match="The batch_size of predict must be an integer"):
        clf.predict(iris[0], batch_size="a")


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"optimizer__learning_rat": 1}, "Did you mean optimizer__learning_rate"),
        ({"optimizer__momentum": 1}, "Did you mean optimizer__beta_1"),
        ({"optimizer": keras.optimizers.Adam, "optimizer__lr": 1}, "optimizer__learning_rate"),
        ({"loss": "mse", "loss__reductio": 1}, "Did you mean loss__reduction"),
        ({"metrics": ["AUC"], "metrics__0__nam": 1}, "Did you mean metrics__0__name"),
        (
            {"callbacks": keras.callbacks.EarlyStopping, "callbacks__patence": 1},
            "Did you mean callbacks__patience",
        ),
        (
            {"loss": keras.losses.CategoricalCrossentropy, "loss__label_smoothing": "a"},
            "loss__label_smoothing must be a number. Got 'a' instead",
        ),
        ({"optimizer__beta_1": "0.9"}, "optimizer__beta_1 must be a number. Got '0.9' instead"),
        ({"callbacks__patience": 1}, "callbacks__patience is set, but callbacks holds nothing"),
    ],
)
def test_fit_raises_on_misspelt_arguments_of_keras_objects(iris, params, hint):
    X, y = iris
    with pytest.raises(ValueError, match=hint):
        KerasClassifier(classifier_network, epochs=1, **params).fit(X, y)


def test_fit_raises_on_a_builder_argument_after_the_model_changed(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, units=3)
    clf.set_params(model=lambda: head(3, "softmax"))

    with pytest.raises(ValueError, match="units is not a parameter"):
        clf.fit(X, y)


def test_init_raises_on_arguments_for_a_keras_model():
    with pytest.raises(TypeError, match="model__units has no receiver"):
        KerasClassifier(head(3, "softmax"), model__units=3)


def test_grid_search_over_builder_and_optimizer_arguments(iris):
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


def test_grid_search_over_models_and_optimizer_instances(iris):
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
def test_callbacks_receive_routed_arguments(iris, callbacks, routed):
    X, y = iris
    clf = KerasClassifier(
        classifier_network, callbacks=callbacks, epochs=1, **{**routed, "random_state": 0}
    ).fit(X, y)

    (stopping,) = clf.callbacks_

    assert stopping.monitor == "loss"
    assert stopping is not callbacks
    for name, value in routed.items():
        assert getattr(stopping, name.rpartition("__")[2]) == value


@pytest.mark.parametrize(
    ("estimator", "name", "owner"),
    [
        (KerasClassifier, "preset", "TabularClassifier and TabularRegressor"),
        (KerasRegressor, "cv", "TabularClassifier and TabularRegressor"),
        (TabularRegressor, "calibration", "TabularClassifier"),
    ],
)
def test_constructor_names_the_estimators_that_have_the_parameter(estimator, name, owner):
    with pytest.raises(TypeError, match=f"{name} is not a parameter. It is a parameter of {owner}"):
        estimator(**{name: None})
