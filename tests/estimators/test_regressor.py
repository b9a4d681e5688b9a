"""KerasRegressor: units of the target, linear networks, metadata and validation targets."""

import warnings

import keras
import numpy as np
import pytest
from networks import head, linear_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nnkit import KerasRegressor


def test_mlp_fits_a_target_far_from_zero(diabetes):
    X, y = diabetes

    reg = KerasRegressor("mlp", random_state=0).fit(X, y)

    assert reg.score(X, y) > 0.5
    assert reg.predict(X).mean() == pytest.approx(y.mean(), rel=0.05)
    assert reg.predict(X[:1]).shape == (1,)


def test_linear_network_equals_ridge(diabetes):
    """Both minimise the mean squared error plus an L2 penalty of 0.1 on the weights."""
    X, y = diabetes
    l2 = 0.1
    reg = KerasRegressor(
        linear_network,
        model__l2=l2,
        batch_size=-1,
        epochs=300,
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
        random_state=0,
    )
    ridge = Ridge(alpha=l2 * len(X))

    reg.fit(X, y)
    ridge.fit(X, y)

    weights, bias = reg.model_.get_weights()
    np.testing.assert_allclose(weights[:, 0], ridge.coef_, atol=1e-3)
    np.testing.assert_allclose(bias[0], ridge.intercept_, rtol=1e-4)
    np.testing.assert_allclose(reg.predict(X), ridge.predict(X), rtol=1e-4)


def test_ready_made_network_does_not_depend_on_the_units_of_the_target(diabetes):
    X, y = diabetes
    reg = KerasRegressor("mlp", epochs=5, random_state=0)

    in_units = reg.fit(X, y).predict(X)
    in_other_units = reg.fit(X, 1000.0 * y + 7.0).predict(X)

    np.testing.assert_allclose(in_other_units, 1000.0 * in_units + 7.0, rtol=1e-4)


def test_custom_builder_receives_the_unscaled_target(diabetes):
    X, y = diabetes
    seen = {}

    def build(y):
        seen["y"] = y
        return head(1, "linear", n_features=10)

    KerasRegressor(build, epochs=1).fit(X, y)

    np.testing.assert_array_equal(seen["y"], y)


def test_one_dimensional_outputs_are_compared_row_by_row(diabetes):
    """(n,) - (n, 1) would broadcast to (n, n)."""
    X, y = diabetes

    def build():
        inputs = keras.Input((10,))
        return keras.Model(inputs, keras.layers.Reshape(())(keras.layers.Dense(1)(inputs)))

    reg = KerasRegressor(build, optimizer__learning_rate=1.0, epochs=60, random_state=0)

    assert reg.fit(X, y).score(X, y) > 0.4


def test_meta_target_type_is_continuous_for_integers(diabetes):
    X, y = diabetes
    seen = {}

    def build(meta):
        seen.update(meta)
        return head(1, "linear", n_features=10)

    KerasRegressor(build, epochs=1).fit(X, y.astype(int))

    assert seen["target_type_"] == "continuous"
    assert seen["n_output_units_"] == seen["n_outputs_"] == 1
    assert "classes_" not in seen


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            ["a", "b"],
            "y must be numbers for a regression. Got text or other labels .* KerasClassifier",
        ),
        ([1.0, np.nan], "Input y contains NaN"),
    ],
)
def test_fit_raises_on_a_nonnumeric_or_missing_target(y, message):
    with pytest.raises(ValueError, match=message):
        KerasRegressor("mlp", epochs=1).fit([[0.0], [1.0]], y)


@pytest.mark.parametrize("transformer", [StandardScaler(), FunctionTransformer(np.log, np.exp)])
def test_fit_warns_on_a_validation_target_in_other_units(diabetes, transformer):
    """TransformedTargetRegressor does not transform y_val."""
    X, y = diabetes
    y = 1000.0 * y
    reg = TransformedTargetRegressor(KerasRegressor("mlp", epochs=1), transformer=transformer)

    with pytest.warns(
        UserWarning, match="y_val: let it hold rows out with validation_split"
    ) as record:
        reg.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])

    assert [one for one in record if "The target to validate on is far from y" in str(one.message)]


def test_validation_split_inside_a_transformed_target_regressor(diabetes):
    X, y = diabetes
    reg = TransformedTargetRegressor(
        KerasRegressor("mlp", epochs=3, validation_split=0.2, random_state=0),
        transformer=StandardScaler(),
    )

    history = reg.fit(X, 1000.0 * y).regressor_.history_

    assert history["val_loss"][-1] < 2 * history["loss"][-1]


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_fit_does_not_warn_on_a_validation_target_in_the_same_units(diabetes, scale):
    X, y = diabetes[0], scale * diabetes[1]

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        KerasRegressor("mlp", epochs=1).fit(
            X[:300], y[:300], X_val=X[300:], y_val=y[300:] + 2 * y.std()
        )
        KerasRegressor("mlp", epochs=1).fit(X[:300], np.ones(300), X_val=X[300:], y_val=y[300:])


def test_score_of_images_is_that_of_their_places():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 4, 3, 1))
    y = X[..., 0] + rng.normal(size=(20, 4, 3)) / 10

    def places(meta):
        inputs = keras.Input((4, 3, 1))
        return keras.Model(inputs, keras.layers.Conv2D(1, 1)(inputs)[..., 0])

    reg = KerasRegressor(places, epochs=2, random_state=0).fit(X, y)

    expected = r2_score(y.reshape(20, -1), reg.predict(X).reshape(20, -1))
    assert reg.score(X, y) == pytest.approx(expected)
