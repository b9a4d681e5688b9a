"""Parameters changed between fits with warm_start or partial_fit."""

import keras
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 4)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5, 1.0] > 0).astype(int)


def network_with_base(meta, trainable=True, units=6, activation="relu"):
    base = keras.layers.Dense(units, activation=activation, trainable=trainable)
    inputs = keras.Input(meta.X_shape_[1:])
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(base(inputs)))


def fitted(**parameters):
    settings = {
        "model": network_with_base,
        "epochs": 2,
        "warm_start": True,
        "random_state": 0,
        "optimizer": "adam",
        **parameters,
    }
    return KerasClassifier(**settings).fit(X, Y)


def kernel_of_base(classifier):
    values = classifier._network.values
    return next(value for value in values if value.shape == (4, 6)).copy()


# How a change of each parameter acts on further training.
EFFECTS = {
    "rebuild": ("device", "loss", "metrics", "model", "optimizer"),
    "refused": ("dtype_policy", "encoder", "background_size", "n_estimators", "random_state"),
    "each fit": (
        "batch_size", "callbacks", "checkpoint", "checkpoint_seconds", "class_weight",
        "early_stopping", "engine", "epochs", "n_iter_no_change", "scoring", "shuffle", "time_limit", "tol",
        "validation_split", "verbose", "warm_start",
    ),
}  # fmt: skip


def test_effects_table_lists_all_parameters():
    listed = [name for names in EFFECTS.values() for name in names]

    assert sorted(listed) == sorted(KerasClassifier._get_param_names())


@pytest.fixture(scope="module")
def resumed():
    """An estimator that was resumed without changes, not modified by tests."""
    return fitted(batch_size=8).fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "observed"),
    [
        ({"epochs": 3}, lambda c: c.n_iter_),
        ({"batch_size": 48}, lambda c: c.history_["loss"]),
        ({"shuffle": False}, lambda c: c.history_["loss"]),
        ({"class_weight": {0: 5.0}}, lambda c: c.history_["loss"]),
        ({"callbacks": keras.callbacks.CSVLogger("/dev/null")}, lambda c: len(c.callbacks_)),
        ({"engine": "keras"}, lambda c: c.engine_),
        ({"time_limit": 1e-9}, lambda c: c.n_iter_),
        ({"validation_split": 0.5}, lambda c: sorted(c.history_)),
        ({"early_stopping": True, "scoring": "accuracy"}, lambda c: sorted(c.history_)),
        (
            {"early_stopping": True, "epochs": 9, "n_iter_no_change": 3, "tol": 9.0},
            lambda c: c.n_iter_,
        ),
        ({"warm_start": False}, lambda c: c.history_["loss"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_changed_training_parameter_affects_the_next_fit(resumed, parameters, observed):
    changed = fitted(batch_size=8)
    changed.set_params(**parameters)

    changed.fit(X, Y)

    assert observed(changed) != observed(resumed)


def test_changed_verbose_affects_the_next_fit(capsys):
    classifier = fitted()
    classifier.set_params(verbose=2)

    classifier.fit(X, Y)

    assert "epoch" in capsys.readouterr().out


def test_warm_start_raises_on_a_changed_n_estimators():
    classifier = fitted()
    classifier.set_params(n_estimators=2)

    with pytest.raises(ValueError, match="n_estimators=2, but 1 network"):
        classifier.fit(X, Y)


def test_warm_start_resumes_on_a_changed_device():
    classifier = fitted(batch_size=48)
    once = fitted(batch_size=48)
    classifier.set_params(device="CPU:0")

    classifier.fit(X, Y)
    once.fit(X, Y)

    assert classifier._network.device == "CPU:0"
    np.testing.assert_allclose(classifier.predict_proba(X), once.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dtype_policy", "float64"),
        ("encoder", StandardScaler()),
        ("background_size", 3),
        ("random_state", 1),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_further_training_raises_on_a_changed_parameter_without_effect(method, name, value):
    classifier = fitted()
    classifier.set_params(**{name: value})

    with pytest.raises(ValueError, match=f"^{name} was changed, but has no effect"):
        getattr(classifier, method)(X, Y)


def test_warm_start_raises_on_a_changed_encoder_parameter():
    classifier = fitted(encoder=StandardScaler())
    classifier.set_params(encoder__with_mean=False)

    with pytest.raises(ValueError, match="encoder was changed"):
        classifier.fit(X, Y)


def test_set_params_to_equal_values_does_not_change_training():
    once, again = fitted(model__units=6), fitted(model__units=6)
    again.set_params(random_state=0, optimizer="adam", model=network_with_base, model__units=6)

    once.fit(X, Y)
    again.fit(X, Y)

    np.testing.assert_array_equal(once.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize("engine", ["graph", "xla", "keras"])
def test_unfreezing_layers_by_set_params_resumes_from_their_weights(engine):
    classifier = fitted(model__trainable=False, engine=engine)
    frozen = kernel_of_base(classifier)
    classifier.fit(X, Y)
    still_frozen = kernel_of_base(classifier)

    classifier.set_params(model__trainable=True, optimizer__learning_rate=1e-4)
    classifier.fit(X, Y)

    np.testing.assert_array_equal(frozen, still_frozen)
    # Four steps of at most 1e-4 each.
    difference = np.abs(kernel_of_base(classifier) - frozen)
    assert 0 < difference.max() < 4.1e-4


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_further_training_uses_a_changed_learning_rate(method):
    classifier = fitted(batch_size=48, epochs=1)
    before = kernel_of_base(classifier)
    classifier.set_params(optimizer__learning_rate=1e-6)

    getattr(classifier, method)(X, Y)

    assert 0 < np.abs(kernel_of_base(classifier) - before).max() < 1.1e-6


def test_warm_start_uses_a_changed_optimizer():
    classifier = fitted(batch_size=48, epochs=1, optimizer="sgd")
    other = fitted(batch_size=48, epochs=1, optimizer="sgd")
    other.set_params(optimizer="rmsprop")

    classifier.fit(X, Y)
    other.fit(X, Y)

    assert not np.allclose(classifier.predict_proba(X), other.predict_proba(X))
    assert isinstance(other.model_.optimizer, keras.optimizers.RMSprop)


def test_warm_start_uses_changed_loss_and_metrics():
    classifier = fitted(batch_size=48)
    before = classifier.history_["loss"][-1]
    classifier.set_params(loss=keras.losses.BinaryFocalCrossentropy(), metrics=["accuracy"])

    classifier.fit(X, Y)

    assert classifier.history_["loss"][0] < 0.6 * before
    assert "accuracy" in classifier.history_


def test_changed_metrics_keep_the_optimizer_state():
    once, again = fitted(), fitted()
    again.set_params(metrics=["accuracy"], engine="graph")

    once.set_params(engine="graph").fit(X, Y)
    again.fit(X, Y)

    np.testing.assert_allclose(once.predict_proba(X), again.predict_proba(X), atol=1e-6)


def test_changed_activation_keeps_the_weights():
    classifier = fitted()
    before = kernel_of_base(classifier)
    classifier.set_params(model__activation="tanh", optimizer__learning_rate=1e-7)

    classifier.fit(X, Y)

    np.testing.assert_allclose(kernel_of_base(classifier), before, atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{"model__units": 7}, {"model": lambda meta: network_with_base(meta, units=3)}]
)
def test_warm_start_raises_on_changed_weight_shapes(changes):
    classifier = fitted()
    before = classifier.predict_proba(X)
    classifier.set_params(**changes)

    with pytest.raises(
        ValueError, match=r"was changed, and with it the shape or the name of the w"
    ):
        classifier.fit(X, Y)

    np.testing.assert_array_equal(classifier.predict_proba(X), before)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_layer_unfrozen_on_model_is_trained_by_warm_start(engine):
    classifier = fitted(model__trainable=False, engine=engine)
    frozen = kernel_of_base(classifier)
    classifier.model_.layers[1].trainable = True

    classifier.fit(X, Y)

    assert not np.allclose(kernel_of_base(classifier), frozen)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_layer_frozen_on_model_is_not_trained_by_warm_start(engine):
    classifier = fitted(engine=engine)
    classifier.model_.layers[1].trainable = False
    frozen = kernel_of_base(classifier)
    before = classifier.predict_proba(X)

    classifier.fit(X, Y)

    np.testing.assert_array_equal(kernel_of_base(classifier), frozen)
    assert not np.allclose(classifier.predict_proba(X), before)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_fit_raises_on_a_callback_that_changes_trainable_layers(engine):
    class Unfreeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[1].trainable = epoch > 0

    classifier = KerasClassifier(
        network_with_base, model__trainable=False, epochs=3, callbacks=Unfreeze(), engine=engine
    )

    with pytest.raises(ValueError, match="A callback changed which layers are trainable before e"):
        classifier.fit(X, Y)


def test_warm_start_resumes_with_an_optimizer_without_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 4)
    classifier = fitted(optimizer=keras.optimizers.Adam(schedule))
    before = kernel_of_base(classifier)
    classifier.set_params(optimizer="adam")

    classifier.fit(X, Y)

    assert not np.allclose(kernel_of_base(classifier), before)


def test_changed_parameters_apply_to_all_ensemble_members():
    regressor = KerasRegressor(
        lambda meta, trainable=True: keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(3, trainable=trainable),
                keras.layers.Dense(1),
            ]
        ),
        model__trainable=False,
        n_estimators=2,
        epochs=1,
        warm_start=True,
        random_state=0,
    ).fit(X, Y)
    before = [member.values[0].copy() for member in regressor._members]

    regressor.set_params(model__trainable=True).fit(X, Y)

    for member, kernel in zip(regressor._members, before, strict=True):
        assert not np.allclose(member.values[0], kernel)


def test_transformer_warm_start_raises_on_a_changed_encoder():
    transformer = KerasTransformer(epochs=1, warm_start=True, random_state=0).fit(X)
    transformer.set_params(encoder=StandardScaler())

    with pytest.raises(ValueError, match="encoder was changed"):
        transformer.fit(X)
