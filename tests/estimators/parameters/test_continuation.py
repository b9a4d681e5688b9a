"""Parameters that are changed between the fits of a training that goes on."""

import keras
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 4)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5, 1.0] > 0).astype(int)


def based(meta, trainable=True, units=6, activation="relu"):
    base = keras.layers.Dense(units, activation=activation, trainable=trainable)
    inputs = keras.Input(meta.X_shape_[1:])
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(base(inputs)))


def fitted(**parameters):
    settings = {
        "model": based,
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


# In the signature: how each is heard when a training goes on.
EFFECTS = {
    "anew": ("device", "loss", "metrics", "model", "optimizer"),
    "refused": ("dtype_policy", "encoder", "background_size", "n_estimators", "random_state"),
    "each fit": (
        "batch_size", "callbacks", "class_weight", "early_stopping", "engine",
        "epochs", "n_iter_no_change", "scoring", "shuffle", "time_limit", "tol",
        "validation_split", "verbose", "warm_start",
    ),
}  # fmt: skip


def test_every_parameter_of_the_signature_is_in_the_table():
    listed = [name for names in EFFECTS.values() for name in names]

    assert sorted(listed) == sorted(KerasClassifier._get_param_names())


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
def test_parameter_of_the_training_has_its_effect_on_the_next_fit(parameters, observed):
    unchanged, changed = fitted(batch_size=8), fitted(batch_size=8)
    changed.set_params(**parameters)

    unchanged.fit(X, Y)
    changed.fit(X, Y)

    assert observed(changed) != observed(unchanged)


def test_verbose_has_its_effect_on_the_next_fit(capsys):
    classifier = fitted()
    classifier.set_params(verbose=2)

    classifier.fit(X, Y)

    assert "epoch" in capsys.readouterr().out


def test_changed_number_of_members_is_refused():
    classifier = fitted()
    classifier.set_params(n_estimators=2)

    with pytest.raises(ValueError, match="n_estimators=2, but 1 network"):
        classifier.fit(X, Y)


def test_changed_device_is_where_the_network_goes_on():
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
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_parameter_without_effect_is_refused_by_name(way, name, value):
    classifier = fitted()
    classifier.set_params(**{name: value})

    with pytest.raises(ValueError, match=f"^{name} was changed, but has no effect"):
        getattr(classifier, way)(X, Y)


def test_changed_parameter_of_an_encoder_is_refused():
    classifier = fitted(encoder=StandardScaler())
    classifier.set_params(encoder__with_mean=False)

    with pytest.raises(ValueError, match="encoder was changed"):
        classifier.fit(X, Y)


def test_parameters_that_are_set_to_the_same_values_change_nothing():
    once, again = fitted(model__units=6), fitted(model__units=6)
    again.set_params(random_state=0, optimizer="adam", model=based, model__units=6)

    once.fit(X, Y)
    again.fit(X, Y)

    np.testing.assert_array_equal(once.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize("engine", ["graph", "xla", "keras"])
def test_unfreezing_the_base_by_set_params_trains_it_from_its_weights(engine):
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


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_changed_learning_rate_is_that_of_the_next_steps(way):
    classifier = fitted(batch_size=48, epochs=1)
    before = kernel_of_base(classifier)
    classifier.set_params(optimizer__learning_rate=1e-6)

    getattr(classifier, way)(X, Y)

    assert 0 < np.abs(kernel_of_base(classifier) - before).max() < 1.1e-6


def test_changed_optimizer_trains():
    classifier = fitted(batch_size=48, epochs=1, optimizer="sgd")
    other = fitted(batch_size=48, epochs=1, optimizer="sgd")
    other.set_params(optimizer="rmsprop")

    classifier.fit(X, Y)
    other.fit(X, Y)

    assert not np.allclose(classifier.predict_proba(X), other.predict_proba(X))
    assert isinstance(other.model_.optimizer, keras.optimizers.RMSprop)


def test_changed_loss_and_metrics_show_in_the_history():
    classifier = fitted(batch_size=48)
    before = classifier.history_["loss"][-1]
    classifier.set_params(loss=keras.losses.BinaryFocalCrossentropy(), metrics=["accuracy"])

    classifier.fit(X, Y)

    assert classifier.history_["loss"][0] < 0.6 * before
    assert "accuracy" in classifier.history_


def test_changed_metrics_leave_the_optimizer_as_it_is():
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
    "changes", [{"model__units": 7}, {"model": lambda meta: based(meta, units=3)}]
)
def test_change_of_the_weights_shapes_is_refused(changes):
    classifier = fitted()
    before = classifier.predict_proba(X)
    classifier.set_params(**changes)

    with pytest.raises(
        ValueError, match=r"was changed, and with it the shape or the name of the w"
    ):
        classifier.fit(X, Y)

    np.testing.assert_array_equal(classifier.predict_proba(X), before)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_layer_that_is_made_trainable_on_the_live_model_is_trained(engine):
    classifier = fitted(model__trainable=False, engine=engine)
    frozen = kernel_of_base(classifier)
    classifier.model_.layers[1].trainable = True

    classifier.fit(X, Y)

    assert not np.allclose(kernel_of_base(classifier), frozen)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_layer_that_is_frozen_on_the_live_model_is_not_trained(engine):
    classifier = fitted(engine=engine)
    classifier.model_.layers[1].trainable = False
    frozen = kernel_of_base(classifier)
    before = classifier.predict_proba(X)

    classifier.fit(X, Y)

    np.testing.assert_array_equal(kernel_of_base(classifier), frozen)
    assert not np.allclose(classifier.predict_proba(X), before)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_callback_that_unfreezes_in_mid_training_is_refused(engine):
    class Unfreeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[1].trainable = epoch > 0

    classifier = KerasClassifier(
        based, model__trainable=False, epochs=3, callbacks=Unfreeze(), engine=engine
    )

    with pytest.raises(ValueError, match="A callback changed which layers are trainable before e"):
        classifier.fit(X, Y)


def test_optimizer_without_a_schedule_goes_on_where_a_schedule_has_ended():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 4)
    classifier = fitted(optimizer=keras.optimizers.Adam(schedule))
    before = kernel_of_base(classifier)
    classifier.set_params(optimizer="adam")

    classifier.fit(X, Y)

    assert not np.allclose(kernel_of_base(classifier), before)


def test_changes_reach_all_members_of_an_ensemble():
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


def test_transformer_refuses_another_encoder():
    transformer = KerasTransformer(epochs=1, warm_start=True, random_state=0).fit(X)
    transformer.set_params(encoder=StandardScaler())

    with pytest.raises(ValueError, match="encoder was changed"):
        transformer.fit(X)
