"""Common mistakes of users raise an error or a warning that names the parameter."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

from nnkit import KerasClassifier, KerasRegressor

RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=120), "b": RNG.normal(size=120)})
Y = X["a"] + 3 * X["b"] + 20
LABELS = (Y > 20).astype(int)


def build(meta, units=8):
    layers = [keras.Input((2,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    return keras.Sequential(layers)


def compiled(meta):
    model = build(meta)
    model.compile("sgd", "mse")
    return model


# Losses


@pytest.mark.parametrize("loss", ["msle", "mape", "poisson", "kl_divergence"])
def test_fit_raises_on_a_scale_dependent_loss_with_a_standardised_target(loss):
    with pytest.raises(ValueError, match="compares values in their own units, but model='mlp'"):
        KerasRegressor("mlp", loss=loss, epochs=1).fit(X, Y)
    if loss in ("msle", "mape"):
        assert KerasRegressor(build, loss=loss, epochs=1).fit(X, Y).n_iter_ == 1


def threshold(y_true, y_pred):
    return ops.mean(ops.where(y_true > 22, 10.0, 1.0) * ops.square(y_true - y_pred), axis=-1)


def pinball(y_true, y_pred):
    return ops.mean(ops.maximum(0.9 * (y_true - y_pred), -0.1 * (y_true - y_pred)), axis=-1)


def quartic(y_true, y_pred):
    return ops.mean((y_true - y_pred) ** 4, axis=-1)


def test_fit_warns_on_a_loss_with_a_threshold_and_a_standardised_target():
    with pytest.warns(UserWarning, match="loss=threshold is another one in other units"):
        KerasRegressor("mlp", loss=threshold, epochs=1).fit(X, Y)


@pytest.mark.parametrize("loss", [pinball, quartic])
def test_fit_does_not_warn_on_a_loss_of_differences(loss):
    KerasRegressor("mlp", loss=loss, epochs=1).fit(X, Y)


def total(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


def test_fit_raises_on_sample_weight_with_a_scalar_loss():
    reg = KerasRegressor(build, loss=total, epochs=1)

    assert reg.fit(X, Y).n_iter_ == 1
    with pytest.raises(
        ValueError, match="loss=total gives one number for all rows, so that sample"
    ):
        reg.fit(X, Y, sample_weight=np.arange(120.0))
    with pytest.raises(ValueError, match="loss=total gives one number for all rows"):
        KerasClassifier(build, loss=total, epochs=1, class_weight="balanced").fit(X, LABELS)


def of_one_hot(y_true, y_pred):
    return -ops.sum(y_true * ops.log(y_pred + 1e-7), axis=-1)


@pytest.mark.parametrize("batch_size", [3, 32])
def test_fit_raises_on_a_loss_that_expects_one_hot_rows(batch_size):
    def softmax(meta):
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])

    clf = KerasClassifier(softmax, loss=of_one_hot, epochs=1, batch_size=batch_size)

    with pytest.raises(ValueError, match="loss=of_one_hot gets y as codes of classes.*one_hot"):
        clf.fit(X, np.arange(120) % 3)


# Optimizers


def test_fit_raises_on_optimizer_with_a_compiled_model():
    assert type(KerasRegressor(compiled, epochs=1).fit(X, Y).model_.optimizer).__name__ == "SGD"
    for optimizer in ("adam", "rmsprop"):
        with pytest.raises(ValueError, match=f"optimizer='{optimizer}' has no effect"):
            KerasRegressor(compiled, optimizer=optimizer, epochs=1).fit(X, Y)


@pytest.mark.parametrize("n_before", [0, 2])
def test_fit_raises_on_a_negative_learning_rate(n_before):
    for rate in (0.1, 0.2)[:n_before]:
        KerasRegressor(build, epochs=1, optimizer__learning_rate=rate).fit(X, Y)

    with pytest.raises(ValueError, match="optimizer__learning_rate must be a number of at least 0"):
        KerasRegressor(build, epochs=1, optimizer__learning_rate=-0.1).fit(X, Y)
    with pytest.raises(ValueError, match="learning rate of optimizer must be at least 0"):
        KerasRegressor(build, epochs=1, optimizer=keras.optimizers.Adam(-0.1)).fit(X, Y)


# Parameters


def test_fit_raises_on_one_builder_argument_under_two_names():
    reg = KerasRegressor(build, units=4, model__units=5, epochs=1)

    with pytest.raises(ValueError, match="units and model__units are one argument of the builder"):
        reg.fit(X, Y)


def test_get_params_lists_a_builder_argument_only_once():
    params = KerasRegressor(build, units=4).get_params()

    assert params["units"] == 4
    assert "model__units" not in params


# Further training


def train(reg, table, y, further):
    return reg.partial_fit(table, y) if further == "partial_fit" else reg.fit(table, y)


@pytest.mark.parametrize("further", ["partial_fit", "warm_start"])
def test_further_training_warns_on_a_column_that_was_constant_in_the_first_fit(further):
    table = X.assign(c=np.where(X["a"] > 0, "u", "v"))
    reg = KerasRegressor("mlp", epochs=1, random_state=0, warm_start=further == "warm_start")
    train(reg, table.head(50).assign(b=0.0, c="u"), Y.head(50), further)

    with pytest.warns(UserWarning, match="was constant in the first fit") as found:
        train(reg, table, Y, further)

    texts = " ".join(str(one.message) for one in found)
    assert "Column 'b' was constant in the first fit" in texts
    assert "Column 'c' was constant in the first fit" in texts


def test_further_training_does_not_warn_on_columns_that_vary():
    reg = KerasRegressor("mlp", epochs=1, random_state=0).partial_fit(X.head(50), Y.head(50))

    reg.partial_fit(X, Y)


@pytest.mark.parametrize("further", ["partial_fit", "warm_start"])
def test_further_training_extends_the_range_of_clipped_predictions(further):
    order = np.argsort(Y.to_numpy())
    reg = KerasRegressor("realmlp", epochs=1, random_state=0, warm_start=further == "warm_start")
    low = order[:60]
    train(reg, X.iloc[low], Y.iloc[low], further)

    assert reg.predict(X).max() <= Y.iloc[low].max()
    reg.set_params(epochs=150)
    for _ in range(60 if further == "partial_fit" else 1):
        train(reg, X, Y, further)

    assert reg.predict(X).max() > Y.iloc[low].max() + 1
    assert reg.predict(X).max() <= Y.max()


# Rows


def test_shuffle_false_keeps_the_row_order():
    seen = []

    def builder(meta, X, y):
        seen.append(np.ravel(y))
        return build(meta)

    KerasRegressor(builder, shuffle=False, validation_split=0.2, epochs=1, random_state=0).fit(
        X, np.arange(120.0)
    )

    assert [len(part) for part in seen] == [96]
    assert (np.diff(seen[0]) > 0).all()


def test_masked_arrays_are_read_as_missing_values():
    table, mask = X.to_numpy(), RNG.random((120, 2)) < 0.2
    masked = np.ma.MaskedArray(table, mask)

    found = KerasRegressor("mlp", epochs=2, random_state=0).fit(masked, Y).predict(masked)

    with_gaps = np.where(mask, np.nan, table)
    expected = KerasRegressor("mlp", epochs=2, random_state=0).fit(with_gaps, Y).predict(with_gaps)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="X contains NaN"):
        KerasRegressor(build, epochs=1).fit(masked, Y)
    with pytest.raises(ValueError, match="row 1 is masked"):
        KerasRegressor("mlp", epochs=1).fit(
            table[:3], np.ma.MaskedArray([1.0, 2.0, 3.0], [0, 1, 0])
        )


@pytest.mark.parametrize("engine", ["graph", "xla", "keras"])
def test_fit_and_predict_raise_on_a_code_outside_of_an_embedding(engine):
    def embedding(meta):
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((4,), dtype="int32"),
                layers.Embedding(50, 2),
                layers.Flatten(),
                layers.Dense(1),
            ]
        )

    tokens = RNG.integers(0, 50, (40, 4))
    reg = KerasRegressor(embedding, epochs=1, random_state=0, engine=engine)
    beyond = tokens.copy()
    beyond[3, 2] = 50
    with pytest.raises(ValueError, match="X holds the code 50, but .*input_dim=50, takes 0 to 49"):
        KerasRegressor(embedding, epochs=1, random_state=0, engine=engine).fit(beyond, Y[:40])
    with pytest.raises(ValueError, match="X holds the code 50, but .*input_dim=50, takes 0 to 49"):
        reg.fit(tokens, Y[:40]).predict(beyond)
