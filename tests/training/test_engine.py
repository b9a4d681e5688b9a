import copy

import keras
import numpy as np
import pytest

from nnkit.exceptions import NonFiniteLossError
from nnkit.training.engine import TrainingData, TrainingPlan, train
from nnkit.training.seeding import seeded_build

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype(np.float32)
Y = (X[:, :1] - 0.5 * X[:, 1:2] > 0).astype(np.float32)
WEIGHTS = RNG.uniform(0.5, 2.0, 50).astype(np.float32)


def make_model(optimizer="adam", loss="binary_crossentropy", metrics=None, **compile_arguments):
    with seeded_build(0):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(6, "relu", kernel_regularizer="l2"),
                keras.layers.BatchNormalization(momentum=0.9),
                keras.layers.Dense(1, "sigmoid"),
            ]
        )
    model.compile(optimizer, loss, metrics=metrics, **compile_arguments)
    return model


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        keras.optimizers.Adam(0.01, clipnorm=0.5),
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
        keras.optimizers.RMSprop(0.01),
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)),
        keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=4),
    ],
    ids=["momentum", "clipped", "decayed", "rmsprop", "schedule", "ema"],
)
def test_the_compiled_program_agrees_with_keras_own_fit(optimizer, weights):
    """Regulariser, batch statistics and a partial last batch included."""
    data = TrainingData(X, Y, weights)
    models, records = [], []
    for engine in ("compiled", "keras"):
        model = make_model(copy.deepcopy(optimizer), metrics=["accuracy"])
        plan = TrainingPlan(epochs=3, batch_size=16, seed=7, engine=engine)
        records.append(train(model, data, plan))
        models.append(model)

    compiled, by_keras = models
    assert [record.engine for record in records] == ["compiled", "keras"]
    for ours, theirs in zip(compiled.get_weights(), by_keras.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-6)
    assert records[0].history.keys() == records[1].history.keys() == {"loss", "accuracy"}
    for name, values in records[0].history.items():
        np.testing.assert_allclose(values, records[1].history[name], rtol=1e-4)


def test_validation_agrees_with_evaluate():
    model = make_model(metrics=["accuracy"], loss=keras.losses.BinaryCrossentropy())
    data = TrainingData(X[:30], Y[:30], validation=TrainingData(X[30:], Y[30:]))

    record = train(model, data, TrainingPlan(epochs=2, batch_size=10))

    evaluated = model.evaluate(X[30:], Y[30:], batch_size=20, verbose=0, return_dict=True)
    assert record.history["val_loss"][-1] == pytest.approx(evaluated["loss"], rel=1e-5)
    assert record.history["val_accuracy"][-1] == pytest.approx(evaluated["accuracy"])


def test_validation_in_chunks_gives_the_same_loss():
    from nnkit.training.callbacks import Validation

    model = make_model(loss=keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight"))
    found = []
    for chunk_rows in (50, 7):
        callback = Validation(TrainingData(X, Y, WEIGHTS), None, chunk_rows=chunk_rows)
        callback.set_model(model)
        logs = {}
        callback.on_epoch_end(0, logs)
        found.append(logs["val_loss"])

    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_orders_come_from_the_seed():
    def weights_after(seed, shuffle=True):
        model = make_model()
        train(
            model,
            TrainingData(X, Y),
            TrainingPlan(epochs=1, batch_size=8, seed=seed, shuffle=shuffle),
        )
        return model.get_weights()[0]

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
    model.compile("sgd", "binary_crossentropy")
    return model


@pytest.mark.parametrize(
    ("make", "callbacks", "reason"),
    [
        (custom_step_model, [], "own train_step"),
        (lambda: make_model(run_eagerly=True), [], "run_eagerly"),
        (lambda: make_model(steps_per_execution=2), [], "steps_per_execution"),
        (lambda: make_model(jit_compile=True), [], "jit_compile"),
        (make_model, [BatchCounter()], "BatchCounter, which wants to be called at every batch"),
    ],
)
def test_what_the_program_cannot_carry_goes_to_keras(make, callbacks, reason):
    plan = {"epochs": 1, "batch_size": 16, "callbacks": callbacks}

    assert train(make(), TrainingData(X, Y), TrainingPlan(**plan)).engine == "keras"
    with pytest.raises(ValueError, match=f"engine='compiled' cannot carry .*{reason}"):
        train(make(), TrainingData(X, Y), TrainingPlan(**plan, engine="compiled"))


def test_a_batch_callback_is_called_at_every_batch():
    counter = BatchCounter()

    train(
        make_model(),
        TrainingData(X, Y),
        TrainingPlan(epochs=2, batch_size=16, callbacks=[counter]),
    )

    assert counter.n_batches == 2 * 4


class Recorder(keras.callbacks.Callback):
    """Records the hooks that are called, with what they see."""

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


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_callbacks_hear_of_epochs_with_their_validation(engine):
    recorder = Recorder()
    data = TrainingData(X[:30], Y[:30], validation=TrainingData(X[30:], Y[30:]))
    plan = TrainingPlan(epochs=2, batch_size=16, callbacks=[recorder], engine=engine)

    train(make_model(), data, plan)

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


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_stock_callbacks_act_on_the_live_model(engine):
    model = make_model("sgd")
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)

    train(
        model,
        TrainingData(X, Y),
        TrainingPlan(epochs=3, batch_size=16, callbacks=[halve], engine=engine),
    )

    assert float(model.optimizer.learning_rate) == pytest.approx(0.01 / 8)


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_the_best_weights_are_put_back(engine):
    """A learning rate that grows makes the validation loss rise again."""
    explode = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 if epoch < 2 else 20.0)
    model = make_model("sgd")
    data = TrainingData(X[:30], Y[:30], validation=TrainingData(X[30:], Y[30:]))
    plan = TrainingPlan(
        epochs=20,
        batch_size=8,
        callbacks=[explode],
        stops_early=True,
        n_iter_no_change=3,
        engine=engine,
    )

    record = train(model, data, plan)

    losses = record.history["val_loss"]
    assert record.best_epoch == int(np.argmin(losses))
    assert len(losses) == record.best_epoch + 1 + 3
    loss = model.evaluate(X[30:], Y[30:], verbose=0)
    assert loss == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_a_loss_that_is_nan_stops_with_its_epoch(engine):
    explode = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.01 if epoch < 2 else 1e30)

    with pytest.raises(
        NonFiniteLossError, match=r"became nan in epoch [34]. Likely causes: a lear"
    ):
        train(
            make_model("sgd", "mse"),
            TrainingData(X, Y),
            TrainingPlan(epochs=5, batch_size=8, callbacks=[explode], engine=engine),
        )


def test_a_last_step_that_breaks_the_weights_is_noticed():
    explode = keras.callbacks.LearningRateScheduler(lambda epoch, _: float("inf"))

    with pytest.raises(NonFiniteLossError, match="weights became NaN or infinite in epoch 1"):
        train(
            make_model("sgd", "mse"),
            TrainingData(X, Y),
            TrainingPlan(epochs=1, batch_size=50, callbacks=[explode]),
        )


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_an_interrupt_keeps_the_best_weights_so_far(engine):
    model = make_model()
    data = TrainingData(X[:30], Y[:30], validation=TrainingData(X[30:], Y[30:]))
    plan = TrainingPlan(
        epochs=9, batch_size=8, callbacks=[Interrupt()], stops_early=True, engine=engine
    )

    with pytest.warns(UserWarning, match="interrupted after 2 of 9 epochs"):
        record = train(model, data, plan)

    assert len(record.history["loss"]) == 2


def test_progress_shows_a_bar_or_lines(capsys):
    for verbose in (0, 2):
        train(
            make_model(), TrainingData(X, Y), TrainingPlan(epochs=2, batch_size=8, verbose=verbose)
        )
    lines = capsys.readouterr().out.splitlines()

    assert [line.split(": loss=")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


class Closing(keras.callbacks.Callback):
    is_closed = False

    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("disk full")

    def on_train_end(self, logs=None):
        self.is_closed = True


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_callbacks_are_closed_after_an_error(engine):
    closing = Closing()
    plan = TrainingPlan(epochs=2, batch_size=8, callbacks=[closing], engine=engine)

    with pytest.raises(RuntimeError, match="disk full"):
        train(make_model(), TrainingData(X, Y), plan)

    assert closing.is_closed
