"""KerasClassifier: labels, output layers and losses, builders, metadata and metrics."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import classifier_network, head, linear_network
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from nnkit import KerasClassifier


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes"],
        [0, 1],
        [-5, 7],
        [False, True],
        [1.0, 2.0],
        np.array(["a", "b"], dtype=object),
        ["setosa", "versicolor", "virginica"],
        [10, 20, 30],
    ],
    ids=str,
)
def test_predict_returns_labels_of_the_given_type(iris, labels):
    X, y = iris
    _, codes = np.unique(y, return_inverse=True)
    labels = np.asarray(labels)
    target = labels[codes % len(labels)]
    clf = KerasClassifier(classifier_network, epochs=2, random_state=0).fit(X, target)

    predicted = clf.predict(X)
    y_proba = clf.predict_proba(X)

    assert clf.classes_.tolist() == sorted(labels.tolist())
    assert predicted.dtype == target.dtype
    assert set(predicted) <= set(labels.tolist())
    assert y_proba.shape == (150, len(labels))
    np.testing.assert_allclose(y_proba.sum(axis=1), 1.0)
    assert (clf.classes_[y_proba.argmax(axis=1)] == predicted).all()


def test_predict_and_predict_proba_of_one_row(iris):
    X, y = iris
    clf = KerasClassifier(classifier_network, epochs=1).fit(X, y)

    assert clf.predict_proba(X[:1]).shape == (1, 3)
    assert clf.predict(X[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("n_units", "activation", "loss"),
    [
        (1, "sigmoid", None),
        (1, "linear", None),
        (2, "softmax", None),
        (2, "linear", None),
        (1, "sigmoid", "binary_crossentropy"),
        (2, "softmax", "categorical_crossentropy"),
        (2, "softmax", "sparse_categorical_crossentropy"),
        (1, "sigmoid", keras.losses.BinaryFocalCrossentropy()),
        (2, "softmax", keras.losses.CategoricalFocalCrossentropy),
        (2, "sigmoid", None),
        (1, "sigmoid", "mse"),
        (2, "softmax", functools.partial(keras.losses.sparse_categorical_crossentropy, axis=-1)),
        (1, "sigmoid", lambda y_true, y_pred: keras.ops.mean(abs(y_true - y_pred), axis=-1)),
    ],
)
def test_output_layers_and_losses_learn_two_classes(cancer, n_units, activation, loss):
    X, y = cancer
    clf = KerasClassifier(
        lambda: head(n_units, activation, n_features=30),
        loss=loss,
        epochs=15,
        batch_size=32,
        optimizer__learning_rate=0.01,
        random_state=0,
    )

    assert clf.fit(X, y).score(X, y) > 0.94


def test_linear_network_equals_logistic_regression(cancer):
    """Both minimise the mean log loss plus an L2 penalty of 0.01 on the weights."""
    X, y = cancer
    l2 = 0.01
    clf = KerasClassifier(
        linear_network,
        model__l2=l2,
        encoder=None,
        batch_size=-1,
        epochs=300,
        optimizer=keras.optimizers.SGD(0.5, momentum=0.9),
        random_state=0,
    )
    logistic = LogisticRegression(C=1 / (2 * l2 * len(X)), tol=1e-8, max_iter=10_000)

    clf.fit(X, y)
    logistic.fit(X, y)

    weights, bias = clf.model_.get_weights()
    np.testing.assert_allclose(weights[:, 0], logistic.coef_[0], atol=1e-4)
    np.testing.assert_allclose(bias, logistic.intercept_, atol=1e-4)
    np.testing.assert_allclose(clf.predict_proba(X), logistic.predict_proba(X), atol=1e-4)


def test_history_loss_equals_the_log_loss(iris):
    X, y = iris
    clf = KerasClassifier(
        classifier_network, validation_split=0.3, epochs=2, optimizer="sgd", random_state=0
    )
    # The learning rate of the last epoch is 0, so that its loss is that of the predictions.
    freeze = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 if epoch == 0 else 0.0)

    clf.set_params(callbacks=freeze).fit(X, y)

    n_training = 105
    total = clf.history_["loss"][-1] * n_training + clf.history_["val_loss"][-1] * 45
    assert total / 150 == pytest.approx(log_loss(y, clf.predict_proba(X)), rel=1e-5)


class Builder:
    def __init__(self, units):
        self.units = units

    def __call__(self, meta):
        return classifier_network(meta, self.units)

    def build(self, meta, units=5):
        return classifier_network(meta, units)


class Network(keras.Model):
    """A subclassed model, given as a class."""

    def __init__(self, units, n_classes=3, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(units, "relu")
        self.out = keras.layers.Dense(n_classes, "softmax")

    def call(self, x):
        return self.out(self.hidden(x))


def keras_style(X, y, units=5):
    return keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            keras.layers.Dense(units),
            keras.layers.Dense(len(np.unique(y)), "softmax"),
        ]
    )


def compiles_itself(meta, compile_kwargs, units=5):
    model = classifier_network(meta, units)
    model.compile(**compile_kwargs)
    return model


@pytest.mark.parametrize(
    ("model", "parameters", "n_hidden"),
    [
        ("mlp", {"model__units": (5,)}, 5),
        (classifier_network, {"model__units": 5}, 5),
        (classifier_network, {"units": 5}, 5),
        (lambda meta: classifier_network(meta, 5), {}, 5),
        (functools.partial(classifier_network, units=5), {}, 5),
        (Builder(5), {}, 5),
        (Builder(5).build, {"model__units": 6}, 6),
        (Network, {"model__units": 5, "loss": "sparse_categorical_crossentropy"}, 5),
        (keras_style, {"model__units": 6}, 6),
        (compiles_itself, {"optimizer": "sgd", "optimizer__learning_rate": 0.1}, 5),
        (lambda **kwargs: classifier_network(kwargs["meta"], kwargs["units"]), {"units": 5}, 5),
    ],
    ids=[
        "name",
        "function",
        "unprefixed",
        "lambda",
        "partial",
        "callable object",
        "bound method",
        "class",
        "X and y",
        "compile_kwargs",
        "kwargs",
    ],
)
def test_model_accepts_all_kinds_of_builders(iris, model, parameters, n_hidden):
    X, y = iris
    if model is Network:
        # The last activation of a subclassed model is unknown, so the loss must be explicit.
        parameters = {
            **parameters,
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=False),
        }
    clf = KerasClassifier(model, epochs=1, random_state=0, **parameters).fit(X, y)

    hidden = clf.model_.weights[0]

    assert hidden.shape == (4, n_hidden)
    assert clf.predict_proba(X).shape == (150, 3)


def test_pretrained_model_is_copied_with_its_weights(iris):
    X, y = iris
    pretrained = head(3, "softmax")
    before = pretrained.get_weights()
    clf = KerasClassifier(pretrained, optimizer="sgd", optimizer__learning_rate=0.0, epochs=1)

    clf.fit(X, y)

    for now, then in zip(clf.model_.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    clf.set_params(optimizer__learning_rate=0.5).fit(X, y)
    assert not np.array_equal(clf.model_.get_weights()[0], before[0])
    np.testing.assert_array_equal(pretrained.get_weights()[0], before[0])


def test_meta_contains_the_attributes_of_the_data(iris_frame):
    X, y = iris_frame
    seen = {}

    def build(meta):
        seen.update(meta)
        return classifier_network(meta)

    KerasClassifier(build, epochs=1, validation_split=0.2).fit(X, y)

    assert seen["n_features_in_"] == 4
    assert seen["feature_names_in_"].tolist() == X.columns.tolist()
    assert seen["X_shape_"] == (120, 4)
    assert seen["classes_"].tolist() == [0, 1, 2]
    assert seen["n_classes_"] == seen["n_output_units_"] == 3
    assert seen["n_outputs_"] == 1
    assert seen["target_type_"] == "multiclass"
    assert seen["y_dtype_"] == np.int64
    assert seen["y_ndim_"] == 1
    assert seen["X_dtype_"] == np.float64


def test_metrics_are_recorded_with_keras_names(cancer):
    X, y = cancer
    clf = KerasClassifier(
        "mlp", metrics=["accuracy", keras.metrics.AUC(name="auc")], epochs=3, validation_split=0.2
    )

    clf.fit(X, y)

    assert set(clf.history_) == {
        f"{prefix}{name}" for prefix in ("", "val_") for name in ("loss", "accuracy", "auc")
    }
    assert type(clf.history_) is dict
    assert all(type(value) is float for values in clf.history_.values() for value in values)


@pytest.mark.parametrize("loss", [None, "categorical_crossentropy"])
def test_one_hot_rows_are_learnt_with_a_softmax_output(iris, loss):
    X, y = iris
    one_hot = (y[:, None] == np.unique(y)).astype(int)
    clf = KerasClassifier(
        lambda: head(3, "softmax"), loss=loss, epochs=60, batch_size=16, random_state=0
    ).fit(X, one_hot)

    predicted = clf.predict(X)

    assert (predicted.sum(axis=1) == 1).all()
    assert (predicted == one_hot).all(axis=1).mean() > 0.7
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1.0)


def test_fit_raises_on_multilabel_rows_with_a_softmax_output(iris):
    X, _ = iris
    y = (np.abs(X[:, :3]) > 0.5).astype(int)

    with pytest.raises(ValueError, match="'softmax', which allows one label a row, but y has a ro"):
        KerasClassifier(lambda: head(3, "softmax"), epochs=1).fit(X, y)


def test_loss_in_a_list_receives_arguments_routed_by_position(iris):
    X, y = iris
    clf = KerasClassifier(
        lambda: head(3, "linear"),
        loss=[keras.losses.SparseCategoricalCrossentropy],
        loss__0__from_logits=True,
        epochs=1,
    )

    assert clf.fit(X, y).model_.compute_loss is not None
    assert clf._network.output_spec.heads[0].scale == "logits"


def test_sequences_of_one_hot_rows(iris):
    X, y = iris
    _, codes = np.unique(y, return_inverse=True)
    steps = np.stack([np.eye(3)[codes], np.eye(3)[(codes + 1) % 3]], axis=1)

    def build():
        return keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(6),
                keras.layers.Reshape((2, 3)),
                keras.layers.Softmax(),
            ]
        )

    clf = KerasClassifier(build, epochs=60, batch_size=16, random_state=0).fit(X, steps)

    assert clf.predict(X).shape == (150, 2, 3)
    assert (clf.predict(X) == steps).all(axis=2).mean() > 0.7


def test_refit_with_multilabel_rows_after_one_hot_rows(iris):
    X, y = iris
    y_multilabel = (np.abs(X[:, :3]) > 0.5).astype(int)
    clf = KerasClassifier(lambda: head(3, "softmax"), epochs=1)
    clf.fit(X, (y[:, None] == np.unique(y)).astype(int))

    clf.set_params(model=lambda: head(3, "sigmoid")).fit(X, y_multilabel)

    assert clf.predict(X).shape == (150, 3)


@pytest.mark.parametrize("weight", [None, np.linspace(0.1, 2.0, 30)], ids=["equal", "weights"])
def test_backends_agree_on_multioutput_classes(weight):
    X = np.random.default_rng(0).normal(size=(30, 3))
    y = np.column_stack([np.arange(30) % 2, np.arange(30) % 3])
    found = [
        KerasClassifier("mlp", model__units=(4,), epochs=3, random_state=0, engine=engine)
        .fit(X, y, sample_weight=weight)
        .predict_proba(X)
        for engine in ("graph", "keras")
    ]

    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_model_is_made_inside_a_tf_function(iris):
    X, y = iris
    clf = KerasClassifier("mlp", model__units=(4,), epochs=1, random_state=0).fit(X, y)
    rows = clf.encoder_.transform(X)

    outputs = tf.function(lambda x: clf.model_(x))(tf.constant(rows))

    np.testing.assert_allclose(outputs, clf.predict_proba(X), rtol=1e-5)
