import keras
import numpy as np
import pytest
from networks import head as network

from nnkit.training.specification.compilation import Compilation, compile_model
from nnkit.training.specification.heads import Task

BINARY = Task("classification", n_classes=2)
EXAMPLE = np.zeros((1, 4), np.float32)


def test_uncompiled_model_gets_the_specified_compilation():
    model = network(1, "sigmoid")

    compile_model(
        model,
        Compilation("sgd", None, ["AUC"], {"optimizer": {"learning_rate": 0.5}}),
        [[BINARY]],
        EXAMPLE,
    )

    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.5
    assert isinstance(model.loss, keras.losses.BinaryCrossentropy)


def test_compiled_model_keeps_the_compilation_of_its_builder():
    model = network(1, "sigmoid")
    model.compile(keras.optimizers.SGD(0.125), keras.losses.BinaryFocalCrossentropy(gamma=3.0))

    compile_model(model, Compilation(), [[BINARY]], EXAMPLE)

    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.125
    assert model.loss.get_config()["gamma"] == 3.0


def test_routed_arguments_override_those_of_the_builder():
    model = network(1, "sigmoid")
    model.compile(keras.optimizers.SGD(0.125, momentum=0.5), "binary_crossentropy")
    routed = {"optimizer": {"learning_rate": 0.25}, "loss": {"label_smoothing": 0.1}}

    compile_model(model, Compilation(routed=routed), [[BINARY]], EXAMPLE)

    assert float(model.optimizer.learning_rate) == 0.25
    assert model.optimizer.momentum == 0.5
    assert model.loss.get_config()["label_smoothing"] == 0.1


@pytest.mark.parametrize(
    ("compilation", "message"),
    [
        (Compilation(optimizer="rmsprop"), "optimizer='rmsprop' has no effect: the model is"),
        (Compilation(loss="mse"), "loss='mse' has no effect"),
        (Compilation(optimizer=keras.optimizers.SGD(0.5)), "has no effect"),
        (Compilation(loss=keras.losses.BinaryCrossentropy(label_smoothing=0.3)), "has no effect"),
        (Compilation(metrics=["AUC"]), "metrics=.'AUC'. has no effect"),
    ],
)
def test_compile_raises_on_parameters_that_the_builder_ignores(compilation, message):
    model = network(1, "sigmoid")
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])

    with pytest.raises(ValueError, match=message):
        compile_model(model, compilation, [[BINARY]], EXAMPLE)


def test_compile_accepts_parameters_equal_to_those_of_the_builder():
    model = network(1, "sigmoid")
    model.compile("sgd", "binary_crossentropy")

    compile_model(
        model, Compilation(optimizer="SGD", loss="BinaryCrossentropy"), [[BINARY]], EXAMPLE
    )

    assert isinstance(model.optimizer, keras.optimizers.SGD)


def test_accuracy_of_a_logit_has_threshold_zero():
    """Keras' threshold of 0.5 on a logit would be a probability of 0.62."""
    model = network(1, "linear")

    compile_model(model, Compilation(metrics=["accuracy"]), [[BINARY]], EXAMPLE)
    logs = model.compute_metrics(
        None, keras.ops.array([[1.0], [0.0]]), keras.ops.array([[0.25], [-0.25]])
    )

    assert float(logs["accuracy"]) == 1.0


def test_metrics_take_routed_arguments_by_position_or_key():
    model = network(1, "sigmoid")
    routed = {"metrics": {"0__name": "area", "1__threshold": 0.75}}

    compile_model(
        model,
        Compilation(metrics=["AUC", keras.metrics.BinaryAccuracy], routed=routed),
        [[BINARY]],
        EXAMPLE,
    )
    logs = model.compute_metrics(
        None, keras.ops.array([[1.0], [0.0]]), keras.ops.array([[0.7], [0.6]])
    )

    assert float(logs["area"]) == pytest.approx(1.0)
    assert float(logs["binary_accuracy"]) == 0.5


@pytest.mark.parametrize(
    ("compilation", "message"),
    [
        (Compilation(metrics=["acuracy"]), "metrics__0='acuracy' is not a metric that Keras knows"),
        (Compilation(optimizer=3), "optimizer must be a name, a class or an instance"),
        (
            Compilation(loss=["mse", "mae"]),
            "loss must be one loss, or one for each of the 1 output",
        ),
        (Compilation(loss={"a": "mse"}), "loss names the output 'a'; the model has"),
    ],
)
def test_compile_raises_on_unknown_names(compilation, message):
    with pytest.raises(ValueError, match=message):
        compile_model(network(1, "sigmoid"), compilation, [[BINARY]], EXAMPLE)


def test_compile_raises_on_dict_outputs_out_of_alphabetical_order():
    """Keras takes them in alphabetical order, so that the columns of y would be swapped."""
    inputs = keras.Input((4,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("price", "age")}
    tasks = [[Task("regression"), Task("regression")]]

    with pytest.raises(ValueError, match="order .'price', 'age'., but Keras takes them by name"):
        compile_model(keras.Model(inputs, outputs), Compilation(), tasks, EXAMPLE)
