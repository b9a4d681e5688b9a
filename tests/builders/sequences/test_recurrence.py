"""The LSTM and GRU networks."""

import keras
import numpy as np
import pytest
from sequence_networks import N_STEPS, meta_of, padded, sequences

from nnkit import KerasClassifier, KerasRegressor
from nnkit.builders.sequences.gru import gru
from nnkit.builders.sequences.lstm import lstm

BUILDERS = [lstm, gru]


@pytest.mark.parametrize(("build", "kind"), [(lstm, "LSTM"), (gru, "GRU")])
def test_each_entry_of_units_is_a_layer(build, kind):
    model = build(meta_of(), units=(5, 3), bidirectional=False)

    layers = [part for part in model.layers if type(part).__name__ == kind]
    assert [layer.units for layer in layers] == [5, 3]
    assert [layer.return_sequences for layer in layers] == [True, False]


@pytest.mark.parametrize("build", BUILDERS)
def test_bidirectional_networks_read_both_ends(build):
    X = sequences(2)
    changed = X.copy()
    changed[:, 0] += 1
    forward = build(meta_of(), units=1, bidirectional=False)
    both = build(meta_of(), units=4)

    assert both.layers[-1].input.shape == (None, 8)
    assert forward.layers[-1].input.shape == (None, 1)
    assert np.any(both(X) != both(changed))


def test_state_after_padding_equals_that_of_keras_without_it():
    model = lstm(
        meta_of("continuous", 1, n_steps=N_STEPS + 4, has_padding_=True),
        units=3, bidirectional=False,
    )  # fmt: skip
    layer = next(part for part in model.layers if isinstance(part, keras.layers.LSTM))
    plain = keras.layers.LSTM(3)
    plain.build((None, N_STEPS, 2))
    plain.set_weights(layer.get_weights())
    X = sequences(4)

    outputs = model(padded(X, N_STEPS + 4)).numpy()

    np.testing.assert_allclose(outputs, model.layers[-1](plain(X)), rtol=1e-5, atol=1e-6)


STEP_TARGETS = {
    "classes": lambda X: np.array(["low", "mid", "high"])[np.digitize(X[:, :, 0], [-0.5, 0.5])],
    "indicator": lambda X: (X[:, :, 0] > 0).astype(int),
    "values": lambda X: X[:, :, 0] * 2.0,
}


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("kind", STEP_TARGETS)
def test_return_sequences_predicts_a_target_for_each_step(build, kind):
    X = sequences(60)
    y = STEP_TARGETS[kind](X)
    estimator = KerasRegressor if kind == "values" else KerasClassifier

    fitted = estimator(
        build.__name__, model__units=8, model__return_sequences=True, model__learning_rate=0.03,
        epochs=30, random_state=0,
    ).fit(X, y)  # fmt: skip

    predicted = fitted.predict(X)
    assert predicted.shape == y.shape
    if kind == "values":
        assert np.corrcoef(predicted.ravel(), y.ravel())[0, 1] > 0.9
    else:
        assert np.mean(predicted == y) > 0.9


def test_padding_is_left_out_of_the_loss_of_classes():
    X = padded(sequences(20), N_STEPS + 3)
    model = lstm(
        meta_of(
            "multiclass-multioutput", [3] * 10, n_steps=N_STEPS + 3, has_padding_=True,
            classes_=[np.array([0, 1, 2])] * 10, n_outputs_=10,
        ),
        units=4, return_sequences=True,
    )  # fmt: skip
    model.compile(loss="sparse_categorical_crossentropy")
    y = np.zeros((20, N_STEPS + 3), int)
    other = y.copy()
    other[:, N_STEPS:] = 2

    assert model.evaluate(X, y, verbose=0) == model.evaluate(X, other, verbose=0)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be an integer of at least 1. Got 0"),
        ({"units": ()}, "units must have an entry for each layer, at least one. Got none"),
        ({"bidirectional": 1}, "bidirectional must be True or False. Got 1"),
        ({"dropout_rate": 2}, r"dropout_rate must be a fraction in \[0, 1\). Got 2"),
        ({"return_sequences": "yes"}, "return_sequences must be True or False. Got 'yes'"),
        ({"return_sequences": True}, r"needs y of shape \(n_samples, 7\).*of kind 'multiclass'"),
    ],
)
def test_recurrent_networks_raise_on_invalid_arguments(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(meta_of(), **arguments)
