import keras
import numpy as np
import pytest

from nnkit._compat import optimizer_copy
from nnkit.exceptions import NonFiniteLossError
from nnkit.training.loop.engine import train
from nnkit.training.loop.plan import TrainingData, TrainingPlan
from nnkit.training.loop.runs import ValidationRun
from nnkit.training.network import Network
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.heads import Task
from nnkit.training.specification.model_spec import ModelSpec

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype(np.float32)
Y = (X[:, :1] - 0.5 * X[:, 1:2] > 0).astype(np.float32)
WEIGHTS = RNG.uniform(0.5, 2.0, 50).astype(np.float32)
SPLIT = TrainingData(X[:30], Y[:30], validation=TrainingData(X[30:], Y[30:]))


def fresh(optimizer):
    return optimizer if isinstance(optimizer, str) else optimizer_copy(optimizer, {})


def make_model(optimizer="adam", loss="binary_crossentropy", metrics=None, **compile_arguments):
    """Return a network whose rows depend on each other through batch statistics."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, "relu", kernel_regularizer="l2"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(fresh(optimizer), loss, metrics=metrics, **compile_arguments)
    return model


def make_perceptron(optimizer="adam", constraint=None):
    """Return a network whose rows are independent, so that batches are padded."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, "tanh", kernel_regularizer="l2", kernel_constraint=constraint),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(fresh(optimizer), "binary_crossentropy")
    return model


def network_of(make, *arguments, seed=0, **keywords):
    """Return a network that a function builds and compiles."""
    model_spec = ModelSpec(lambda: make(*arguments, **keywords), {}, Compilation(), seed=seed)
    return Network(model_spec, [[Task("classification", n_classes=2)]], X[:1], None)


def assert_engines_agree(make, engines, data, plan, rtol=2e-4):
    networks, records = [], []
    for engine in engines:
        networks.append(network_of(make))
        records.append(train(networks[-1], data, TrainingPlan(**plan, engine=engine)))

    assert tuple(record.engine for record in records) == engines
    for ours, theirs in zip(*(network.values for network in networks), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=2e-6)
    assert records[0].history.keys() == records[1].history.keys()
    for name, values in records[0].history.items():
        np.testing.assert_allclose(values, records[1].history[name], rtol=1e-4)


OPTIMIZERS = {
    "SGD": keras.optimizers.SGD(0.1),
    "momentum": keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": keras.optimizers.Adam(0.01),
    "AMSGrad": keras.optimizers.Adam(0.01, amsgrad=True),
    "AdamW": keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "RMSprop": keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "Adagrad": keras.optimizers.Adagrad(0.1),
    "Adadelta": keras.optimizers.Adadelta(1.0),
    "Adamax": keras.optimizers.Adamax(0.01),
    "Adafactor": keras.optimizers.Adafactor(0.01),
    "Nadam": keras.optimizers.Nadam(0.01),
    "Ftrl": keras.optimizers.Ftrl(0.1, l1_regularization_strength=0.01),
    "Lion": keras.optimizers.Lion(0.003),
    "Lamb": keras.optimizers.Lamb(0.01),
    "Muon": keras.optimizers.Muon(0.01),
    "LossScale": keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), 2.0**10, 5),
    "clipnorm": keras.optimizers.Adam(0.01, clipnorm=0.5),
    "global clipnorm": keras.optimizers.Adam(0.01, global_clipnorm=0.5),
    "clipvalue": keras.optimizers.Adam(0.01, clipvalue=0.01),
    "schedule": keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)),
    "averages": keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=4),
    "averages at the end": keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
}


# The batches of a perceptron are padded, and its weights may be one vector. The cases contain an
# optimizer of each layout, and optimizers with further variables than moments.
OF_PERCEPTRON = ["AdamW", "Muon", "LossScale", "averages"]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((make_model, name) for name in OPTIMIZERS),
        *((make_perceptron, name) for name in OF_PERCEPTRON),
    ],
    ids=[*OPTIMIZERS, *(f"{name} of a perceptron" for name in OF_PERCEPTRON)],
)
def test_compiled_program_agrees_with_keras_fit(make, name):
    """With a regulariser, weights, batch statistics and a partial last batch."""

    def build():
        return make(OPTIMIZERS[name])

    plan = {"epochs": 3, "batch_size": 16, "seed": 7}

    assert_engines_agree(build, ("graph", "keras"), TrainingData(X, Y, WEIGHTS), plan)


@pytest.mark.parametrize("name", ["Adam", "clipnorm", "Nadam", "schedule"])
def test_xla_agrees_with_the_graph(name):
    def build():
        return make_perceptron(OPTIMIZERS[name])

    plan = {"epochs": 3, "batch_size": 16, "seed": 7}

    assert_engines_agree(build, ("xla", "graph"), TrainingData(X, Y, WEIGHTS), plan)


def test_metrics_agree_with_keras_fit():
    def build():
        return make_model(metrics=["accuracy", keras.metrics.AUC()])

    plan = {"epochs": 2, "batch_size": 16, "seed": 7}

    assert_engines_agree(build, ("graph", "keras"), TrainingData(X, Y, WEIGHTS), plan)


def test_a_constraint_holds_after_each_step():
    def build():
        return make_perceptron(constraint=keras.constraints.UnitNorm())

    plan = {"epochs": 2, "batch_size": 16, "seed": 7}

    assert_engines_agree(build, ("graph", "keras"), TrainingData(X, Y), plan)


def test_weight_decay_exclusions_by_name_are_respected():
    plan = {"epochs": 3, "batch_size": 16, "seed": 7}
    decaying = keras.optimizers.SGD(0.0, weight_decay=0.5)
    excluding = keras.optimizers.SGD(0.1, weight_decay=0.5)
    excluding.exclude_from_weight_decay(var_names=["bias"])

    def build():
        return make_perceptron(excluding)

    assert_engines_agree(build, ("graph", "keras"), TrainingData(X, Y), plan)
    assert network_of(build).compiled_model.layout.is_flat is False
    assert network_of(make_perceptron, decaying).compiled_model.layout.is_flat is True


def dropout_network():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, "relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def test_padded_batch_draws_the_same_random_numbers():
    """The random numbers of the padding are drawn after those of the other rows."""
    plan = {"epochs": 3, "batch_size": 16, "seed": 7}

    assert_engines_agree(dropout_network, ("graph", "keras"), TrainingData(X, Y), plan)


def test_weight_without_gradient_is_unchanged():
    def build():
        inputs = keras.Input((4,))
        used = keras.layers.Dense(1, "sigmoid")(inputs)
        unused = keras.layers.Dense(1, name="unused")
        unused(inputs)
        model = keras.Model(inputs, used)
        model.unused = unused
        model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
        return model

    network = network_of(build)
    before = network.values

    train(network, TrainingData(X, Y), TrainingPlan(epochs=1, batch_size=16))

    changed = [not np.array_equal(*pair) for pair in zip(before, network.values, strict=True)]
    assert changed == [True, True, False, False]


def test_validation_agrees_with_evaluate():
    network = network_of(make_model, metrics=["accuracy"], loss=keras.losses.BinaryCrossentropy())

    record = train(network, SPLIT, TrainingPlan(epochs=2, batch_size=10))

    evaluated = network.model.evaluate(X[30:], Y[30:], batch_size=20, verbose=0, return_dict=True)
    assert record.history["val_loss"][-1] == pytest.approx(evaluated["loss"], rel=1e-5)
    assert record.history["val_accuracy"][-1] == pytest.approx(evaluated["accuracy"])


def test_validation_does_not_depend_on_chunk_size():
    network = network_of(make_model, metrics=["accuracy"])
    data = TrainingData(X, Y, WEIGHTS)
    found, outputs = zip(
        *(
            ValidationRun(network.compiled_model, data, network.state, chunk_rows)(network.state)
            for chunk_rows in (50, 7)
        ),
        strict=True,
    )

    assert found[0] == pytest.approx(found[1], rel=1e-5)
    np.testing.assert_allclose(outputs[0][0], outputs[1][0], rtol=1e-5, atol=1e-6)


def test_row_orders_follow_from_the_seed():
    def weights_after(seed, shuffle=True):
        network = network_of(make_model)
        plan = TrainingPlan(epochs=1, batch_size=8, seed=seed, shuffle=shuffle)
        train(network, TrainingData(X, Y), plan)
        return network.values[0]

    np.testing.assert_array_equal(weights_after(1), weights_after(1))
    assert not np.array_equal(weights_after(1), weights_after(2))
    np.testing.assert_array_equal(weights_after(1, shuffle=False), weights_after(2, shuffle=False))


class CustomStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, "sigmoid")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        return super().train_step(data)


class BatchCounter(keras.callbacks.Callback):
    n_batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.n_batches += 1


def custom_step_model():
    model = CustomStep()
    model(X)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=False))
    return model


@pytest.mark.parametrize(
    ("make", "callbacks", "reason"),
    [
        (custom_step_model, [], "own train_step"),
        (lambda: make_model(run_eagerly=True), [], "run_eagerly"),
        (lambda: make_model(steps_per_execution=2), [], "steps_per_execution"),
        (lambda: make_model(jit_compile=True), [], "jit_compile"),
        (
            lambda: make_model(keras.optimizers.SGD(gradient_accumulation_steps=2)),
            [],
            "an optimizer that accumulates gradients",
        ),
        (make_model, [BatchCounter()], "BatchCounter, which is called at every batch"),
    ],
)
def test_unsupported_models_and_callbacks_use_keras_fit(make, callbacks, reason):
    plan = {"epochs": 1, "batch_size": 16, "callbacks": callbacks}

    network = network_of(make)
    assert train(network, TrainingData(X, Y), TrainingPlan(**plan)).engine == "keras"
    with pytest.raises(ValueError, match=f"engine='graph' cannot carry .*{reason}"):
        train(network, TrainingData(X, Y), TrainingPlan(**plan, engine="graph"))


def test_a_batch_callback_is_called_at_every_batch():
    counter = BatchCounter()

    train(
        network_of(make_model),
        TrainingData(X, Y),
        TrainingPlan(epochs=2, batch_size=16, callbacks=[counter]),
    )

    assert counter.n_batches == 2 * 4


class Recorder(keras.callbacks.Callback):
    """Records the calls of its hooks with their arguments."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} begins")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} ends with {sorted(logs)}")

    def on_train_end(self, logs=None):
        self.calls.append("end")


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_callbacks_get_validation_values_in_epoch_logs(engine):
    recorder = Recorder()
    plan = TrainingPlan(epochs=2, batch_size=16, callbacks=[recorder], engine=engine)

    train(network_of(make_model), SPLIT, plan)

    assert recorder.calls == [
        "begin",
        "epoch 0 begins",
        "epoch 0 ends with ['loss', 'val_loss']",
        "epoch 1 begins",
        "epoch 1 ends with ['loss', 'val_loss']",
        "end",
    ]
    assert recorder.params["epochs"] == 2
    assert recorder.params["steps"] == 2


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_keras_callbacks_act_on_the_live_model(engine):
    network = network_of(make_model, "sgd")
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)

    train(
        network,
        TrainingData(X, Y),
        TrainingPlan(epochs=3, batch_size=16, callbacks=[halve], engine=engine),
    )

    assert float(network.model.optimizer.learning_rate) == pytest.approx(0.01 / 8)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_early_stopping_restores_the_best_weights(engine):
    """With a growing learning rate, the validation loss increases after some epochs."""
    explode = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 if epoch < 2 else 20.0)
    network = network_of(make_model, "sgd")
    plan = TrainingPlan(
        epochs=20,
        batch_size=8,
        callbacks=[explode],
        stops_early=True,
        n_iter_no_change=3,
        engine=engine,
    )

    record = train(network, SPLIT, plan)

    losses = record.history["val_loss"]
    assert record.best_epoch == int(np.argmin(losses))
    assert len(losses) == record.best_epoch + 1 + 3
    loss = network.model.evaluate(X[30:], Y[30:], verbose=0)
    assert loss == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_nan_loss_raises_with_its_epoch(engine):
    explode = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.01 if epoch < 2 else 1e30)

    with pytest.raises(
        NonFiniteLossError, match=r"became nan in epoch [34]. Likely causes: a lear"
    ):
        train(
            network_of(make_model, "sgd", "mse"),
            TrainingData(X, Y),
            TrainingPlan(epochs=5, batch_size=8, callbacks=[explode], engine=engine),
        )


def test_non_finite_weights_after_the_last_step_raise():
    explode = keras.callbacks.LearningRateScheduler(lambda epoch, _: float("inf"))

    with pytest.raises(NonFiniteLossError, match="weights became NaN or infinite in epoch 1"):
        train(
            network_of(make_model, "sgd", "mse"),
            TrainingData(X, Y),
            TrainingPlan(epochs=1, batch_size=50, callbacks=[explode]),
        )


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_interrupt_keeps_the_best_weights_so_far(engine):
    network = network_of(make_model)
    plan = TrainingPlan(
        epochs=9, batch_size=8, callbacks=[Interrupt()], stops_early=True, engine=engine
    )

    record = train(network, SPLIT, plan)

    assert isinstance(record.interrupt, KeyboardInterrupt)
    assert len(record.history["loss"]) == 2


def test_progress_shows_a_bar_or_lines(capsys):
    for verbose in (0, 2):
        plan = TrainingPlan(epochs=2, batch_size=8, verbose=verbose)
        train(network_of(make_model), TrainingData(X, Y), plan)
    lines = capsys.readouterr().out.splitlines()

    assert [line.split(": loss=")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


class Closing(keras.callbacks.Callback):
    is_closed = False

    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("disk full")

    def on_train_end(self, logs=None):
        self.is_closed = True


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_callbacks_are_closed_after_an_error(engine):
    closing = Closing()
    plan = TrainingPlan(epochs=2, batch_size=8, callbacks=[closing], engine=engine)

    with pytest.raises(RuntimeError, match="disk full"):
        train(network_of(make_model), TrainingData(X, Y), plan)

    assert closing.is_closed


def two_outputs(metrics):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(5, "tanh")(inputs)
    outputs = [keras.layers.Dense(1, "sigmoid", name=name)(hidden) for name in ("u", "v")]
    model = keras.Model(inputs, outputs)
    model.compile("adam", ["mse", "mse"], metrics=metrics)
    return model


@pytest.mark.parametrize("metrics", [None, [["mae"], ["mse"]]], ids=["losses", "metrics"])
def test_losses_and_metrics_of_each_output_are_recorded(metrics):
    model_spec = ModelSpec(lambda: two_outputs(metrics), {}, Compilation())
    task = Task("multilabel", row_shape=(1,))
    histories = []
    for engine in ("graph", "keras"):
        network = Network(model_spec, [[task, task]], X[:1], None)
        plan = TrainingPlan(epochs=2, batch_size=16, engine=engine)
        histories.append(train(network, TrainingData(X, (Y, 1 - Y)), plan).history)

    assert histories[0].keys() == histories[1].keys() >= {"loss", "u_loss", "v_loss"}
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-4)


class Noise(keras.layers.Layer):
    """Draws from Keras' global generator, whose state is not part of the model."""

    def call(self, x, training=False):
        return x + keras.random.normal(keras.ops.shape(x)) if training else x


class Activity(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.activity = keras.metrics.Mean(name="activity")

    def call(self, x):
        self.activity.update_state(keras.ops.mean(keras.ops.abs(x)))
        return x


def network_with(layer):
    model = keras.Sequential([keras.Input((4,)), layer(), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    return model


def test_variables_outside_of_the_model_need_keras_fit():
    network = network_of(network_with, Noise)
    plan = {"epochs": 1, "batch_size": 16}

    assert train(network, TrainingData(X, Y), TrainingPlan(**plan)).engine == "keras"
    with pytest.raises(ValueError, match="cannot carry a layer, loss or metric with a variable"):
        train(network, TrainingData(X, Y), TrainingPlan(**plan, engine="graph"))


def test_metric_inside_a_layer_is_recorded():
    found = [
        train(
            network_of(network_with, Activity),
            TrainingData(X, Y),
            TrainingPlan(epochs=2, batch_size=16, engine=engine),
        ).history["activity"]
        for engine in ("graph", "keras")
    ]

    assert found[0][0] > 0.1
    np.testing.assert_allclose(*found, rtol=1e-4)


@pytest.mark.parametrize("loss", ["dice", "tversky"])
def test_losses_of_a_whole_batch_ignore_padding(loss):
    def build():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
        model.compile("adam", loss)
        return model

    plan = {"epochs": 2, "batch_size": 16}

    assert_engines_agree(build, ("graph", "keras"), TrainingData(X, Y), plan)


class Evaluating(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.evaluate(X[:3], Y[:3], verbose=0)


def test_callback_that_evaluates_does_not_change_the_metrics():
    found = [
        train(
            network_of(make_model, metrics=["mae"]),
            TrainingData(X, Y),
            TrainingPlan(epochs=3, batch_size=16, callbacks=callbacks),
        ).history["mae"]
        for callbacks in ([], [Evaluating()])
    ]

    np.testing.assert_allclose(*found, rtol=1e-5)
