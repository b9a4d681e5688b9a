"""Losses and metrics for each output of a network with several outputs."""

import keras
from scikeras.wrappers import KerasRegressor
from sklearn.datasets import load_linnerud
from sklearn.preprocessing import scale

X, Y = load_linnerud(return_X_y=True)
X, Y = scale(X), scale(Y)


def build(meta, compile_kwargs):
    inputs = keras.Input((meta["n_features_in_"],))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(hidden))
    model.compile(**compile_kwargs)
    return model


reg = KerasRegressor(
    build,
    loss=keras.losses.Huber,
    loss__delta=2.0,
    optimizer=keras.optimizers.Adam,
    optimizer__learning_rate=0.05,
    metrics=[keras.metrics.MeanAbsoluteError],
    metrics__0__name="mae_of_all",
    epochs=60,
    batch_size=-1,
    verbose=0,
    random_state=0,
)
reg.fit(X, Y)
assert reg.predict(X).shape == Y.shape
assert reg.score(X, Y) > 0.4
assert reg.history_["mae_of_all"][-1] < reg.history_["mae_of_all"][0]

results = {
    "n_outputs_": reg.n_outputs_,
    "history": sorted(reg.history_),
    "loss": type(reg.model_.loss).__name__,
}
