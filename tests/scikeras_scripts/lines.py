"""Single features of SciKeras that the other scripts do not use, one function for each."""

import functools

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, scale

X, y = load_iris(return_X_y=True)
X = scale(X).astype("float32")
names = np.array(["c", "a", "b"])[y]


def build(meta, hidden=8):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def linear(meta):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


COMMON = {
    "loss": "sparse_categorical_crossentropy",
    "optimizer": "adam",
    "epochs": 2,
    "batch_size": 50,
    "verbose": 0,
    "random_state": 0,
}


def new(model=build, cls=KerasClassifier, **params):
    return cls(model, **{**COMMON, **params})


def predict_verbose():
    clf = new().fit(X, y)
    assert clf.predict(X, verbose=0).shape == (150,)
    assert clf.predict_proba(X, verbose=0).shape == (150, 3)


def predict_verbose_parameter():
    assert new(predict__verbose=0).fit(X, y).predict(X).shape == (150,)


def predict_callbacks():
    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_predict_end(self, logs=None):
            seen.append(1)

    new(predict__callbacks=Recorder).fit(X, y).predict(X)
    assert seen == [1]


def validation_batch_size():
    clf = new(validation_batch_size=10, validation_split=0.2).fit(X, y)
    assert len(clf.history_["val_loss"]) == 2


def fit_steps_per_epoch_and_validation_freq():
    clf = new().fit(X, y, steps_per_epoch=2, validation_data=(X, y), validation_freq=2)
    assert len(clf.history_["val_loss"]) == 1


def batch_size_none():
    assert int(new(batch_size=None).fit(X, y).model_.optimizer.iterations.numpy()) == 10


def run_eagerly():
    assert new(run_eagerly=True, epochs=1).fit(X[::3], y[::3]).model_.run_eagerly


def compile_run_eagerly():
    assert new(compile__run_eagerly=True, epochs=1).fit(X[::3], y[::3]).model_.run_eagerly


def weighted_metrics():
    clf = new(compile__weighted_metrics=["accuracy"], epochs=1).fit(X, y)
    assert "accuracy" in clf.history_


def build_fn_parameter():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf = KerasClassifier(build_fn=build, **COMMON).fit(X, y)
    assert clf.predict(X).shape == (150,)


def arguments_of_score():
    assert new(score__normalize=False).fit(X, y).score(X, y) > 10


def verbose_auto():
    assert new(verbose="auto", fit__verbose=0).verbose == "auto"
    new(verbose="auto", epochs=1).fit(X, y)


def current_epoch_and_initialized_attributes():
    clf = new()
    assert clf.current_epoch == 0
    assert clf.fit(X, y).current_epoch == 2
    assert clf.initialized_


def encoder_attributes():
    clf = new().fit(X, names)
    assert clf.target_encoder_.transform(names[:3]).shape[0] == 3
    assert clf.feature_encoder_.transform(X).shape == X.shape


def callback_instance_records_epochs():
    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.losses = []

        def on_epoch_end(self, epoch, logs=None):
            self.losses.append(logs["loss"])

    recorder = Recorder()
    new(callbacks=[recorder]).fit(X, y)
    assert len(recorder.losses) == 2


def fit_callback_instance_records_epochs():
    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.losses = []

        def on_epoch_end(self, epoch, logs=None):
            self.losses.append(logs["loss"])

    recorder = Recorder()
    new(fit__callbacks=[recorder]).fit(X, y)
    assert len(recorder.losses) == 2


def lambda_callback():
    losses = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: losses.append(logs["loss"])
    )
    new(callbacks=[callback]).fit(X, y)
    assert len(losses) == 2


def callback_positional_arguments():
    clf = new(
        callbacks=keras.callbacks.LearningRateScheduler,
        callbacks__0=lambda epoch: 0.25,
    )
    assert float(clf.fit(X, y).model_.optimizer.learning_rate) == 0.25


def subclass_with_init_and_keras_build_fn():
    class MLP(KerasClassifier):
        def __init__(self, units=7, optimizer="adam", epochs=2, batch_size=50, verbose=0, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.optimizer = optimizer
            self.epochs = epochs
            self.batch_size = batch_size
            self.verbose = verbose

        def _keras_build_fn(self, compile_kwargs):
            model = build({"n_features_in_": self.n_features_in_, "n_classes_": 3}, self.units)
            model.compile(
                loss="sparse_categorical_crossentropy", optimizer=compile_kwargs["optimizer"]
            )
            return model

    clf = MLP(units=5, random_state=0).fit(X, y)
    assert clf.get_params()["units"] == 5
    assert clf.model_.layers[0].units == 5


def subclass_with_keras_build_fn():
    class MLP(KerasClassifier):
        def _keras_build_fn(self, units):
            return build({"n_features_in_": self.n_features_in_, "n_classes_": 3}, units)

    clf = MLP(units=5, **COMMON).fit(X, y)
    assert clf.model_.layers[0].units == 5


def subclass_with_feature_encoder():
    class OnlyTwoColumns(KerasClassifier):
        @property
        def feature_encoder(self):
            return FunctionTransformer(lambda X: X[:, 2:])

    def narrow(meta):
        return build({"n_features_in_": 2, "n_classes_": 3})

    assert OnlyTwoColumns(narrow, **COMMON).fit(X, y).predict(X).shape == (150,)


def subclass_with_feature_encoder_for_two_inputs():
    class TwoInputs(KerasClassifier):
        @property
        def feature_encoder(self):
            return FunctionTransformer(lambda X: [X[:, :1], X[:, 1:]])

    def two(meta):
        inputs = [keras.Input((1,)), keras.Input((3,))]
        joined = keras.layers.Concatenate()(inputs)
        return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(joined))

    assert TwoInputs(two, **COMMON).fit(X, y).predict_proba(X).shape == (150, 3)


def subclass_with_target_encoder():
    class Reversed(BaseEstimator, TransformerMixin):
        def fit(self, y):
            self.labels_ = LabelEncoder().fit(y)
            return self

        def transform(self, y):
            return 2 - self.labels_.transform(y)

        def inverse_transform(self, y, return_proba=False):
            if return_proba:
                return y[:, ::-1]
            return self.labels_.inverse_transform(2 - y.argmax(axis=1))

        def get_metadata(self):
            return {"classes_": self.labels_.classes_, "n_classes_": 3, "is_reversed_": True}

    class WithEncoder(KerasClassifier):
        @property
        def target_encoder(self):
            return Reversed()

    clf = WithEncoder(build, **{**COMMON, "epochs": 15}, optimizer__learning_rate=0.05).fit(
        X, names
    )
    assert clf.is_reversed_
    assert clf.score(X, names) > 0.6


def subclass_with_scorer():
    class Halved(KerasClassifier):
        @staticmethod
        def scorer(y_true, y_pred, **kwargs):
            return -5.0

    assert Halved(build, **COMMON).fit(X, y).score(X, y) == -5.0


def one_hot_target():
    Y = np.eye(3, dtype=int)[y]
    clf = new(loss="categorical_crossentropy", epochs=15, optimizer__learning_rate=0.02)
    assert clf.fit(X, Y).predict(X).shape == (150, 3)
    assert clf.score(X, Y) > 0.6


def partial_fit_after_fit():
    clf = new(optimizer="sgd", optimizer__learning_rate=0.0).fit(X, y)
    before = clf.model_.get_weights()[0]
    clf.partial_fit(X, y)
    assert np.array_equal(clf.model_.get_weights()[0], before)
    assert len(clf.history_["loss"]) == 3


def warm_start_set_after_fit():
    clf = new().fit(X, y)
    clf.set_params(warm_start=True).fit(X, y)
    assert int(clf.model_.optimizer.iterations.numpy()) == 12


def meta_contains_the_encoders():
    def builder(meta):
        assert {"target_encoder_", "feature_encoder_", "X_dtype_", "y_dtype_"} <= set(meta)
        return build(meta)

    new(builder).fit(X, y)


def meta_is_a_mapping():
    def builder(meta):
        assert "n_classes_" in meta
        assert meta.get("no_such_fact", 3) == 3
        assert dict(meta)["target_type_"] == "multiclass"
        return build({**meta})

    new(builder).fit(X, y)


def builder_with_kwargs():
    def builder(**kwargs):
        assert {"meta", "compile_kwargs", "params", "hidden"} <= set(kwargs)
        assert kwargs["params"]["hidden"] == 3
        model = build(kwargs["meta"], kwargs["hidden"])
        model.compile(**kwargs["compile_kwargs"])
        return model

    assert new(builder, hidden=3).fit(X, y).model_.layers[0].units == 3


def builder_partial_and_lambda():
    new(functools.partial(build, hidden=3)).fit(X, y)
    new(lambda meta: build(meta)).fit(X, y)


def loss_equal_to_the_compiled_loss():
    def compiled(meta):
        model = build(meta)
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(), optimizer="adam")
        return model

    new(compiled).fit(X, y)
    new(compiled, loss=keras.losses.SparseCategoricalCrossentropy).fit(X, y)


def loss_other_than_the_compiled_loss():
    def compiled(meta):
        model = build(meta)
        model.compile(loss="categorical_crossentropy", optimizer="adam")
        return model

    try:
        new(compiled).fit(X, y)
    except ValueError:
        return
    raise AssertionError("the other loss was accepted")


def compiled_optimizer_is_kept():
    def compiled(meta):
        model = build(meta)
        model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
        return model

    clf = KerasClassifier(compiled, metrics=["accuracy"], epochs=2, verbose=0).fit(X, y)
    assert isinstance(clf.model_.optimizer, keras.optimizers.SGD)


def functions_as_loss_and_metric():
    def mean_of_log(y_true, y_pred):
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y_true, y_pred))

    def share(y_true, y_pred):
        return keras.ops.mean(y_pred)

    clf = new(loss=keras.losses.sparse_categorical_crossentropy, metrics=[share]).fit(X, y)
    assert "share" in clf.history_


def losses_and_metrics_in_lists():
    clf = new(
        loss=[keras.losses.SparseCategoricalCrossentropy],
        loss__0__from_logits=False,
        metrics=[keras.metrics.SparseTopKCategoricalAccuracy, "accuracy"],
        metrics__0__k=2,
        metrics__0__name="top2",
    ).fit(X, y)
    assert {"top2", "accuracy"} <= set(clf.history_)


def classes_in_routed_arguments():
    class Decay(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, start=0.5):
            self.start = start

        def __call__(self, step):
            return self.start

        def get_config(self):
            return {"start": self.start}

    class Holder(keras.callbacks.Callback):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def on_train_begin(self, logs=None):
            assert isinstance(self.inner, Decay)
            assert self.inner.start == 0.125

    new(callbacks=Holder, callbacks__inner=Decay, callbacks__inner__start=0.125).fit(X, y)


def lists_and_other_labels():
    assert new().fit(X.tolist(), names.tolist()).predict(X.tolist()).dtype.kind == "U"
    boolean = new().fit(X, y == 1)
    assert boolean.predict(X).dtype == bool
    assert new().fit(X, y * 10.0).predict(X).dtype == float
    assert new().fit(X.astype(object), y).predict(X.astype(object)).shape == (150,)


def fit_class_weight():
    new().fit(X, y, class_weight={0: 1.0, 1: 5.0, 2: 1.0})
    new(fit__class_weight={0: 1.0, 1: 5.0, 2: 1.0}).fit(X, y)


def positional_sample_weight():
    new().fit(X, y, np.ones(150))
    new().partial_fit(X, y, [0, 1, 2], np.ones(150))


def positional_sample_weight_of_a_regressor():
    reg = new(linear, cls=KerasRegressor, loss="mse")
    reg.fit(X, y * 1.0, np.ones(150))
    new(linear, cls=KerasRegressor, loss="mse").partial_fit(X, y * 1.0, np.ones(150))


def name_attribute():
    assert new().__name__ == "KerasClassifier"


def sparse_table():
    from scipy.sparse import csr_matrix

    assert new().fit(csr_matrix(X), y).predict(csr_matrix(X)).shape == (150,)


def data_frame():
    frame = load_iris(as_frame=True).data
    assert new().fit(frame, load_iris(as_frame=True).target).predict(frame).shape == (150,)
