"""Files of skops: round trips without code, and hostile files."""

import functools
import io
import json
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
import skops.io as sio
from mixed_tables import raw_table
from networks import classifier_network, head
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from skops.io.exceptions import UntrustedTypesFoundException

import nnkit.estimators.persistence.pickling
from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    TabularClassifier,
    TabularRegressor,
)
from nnkit.encoding import TabularEncoder
from nnkit.export import TRUSTED_TYPES
from nnkit.training.copying.keras_config import ModelFromConfig, StoredConfig

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True, as_frame=True)


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    """A custom layer at the top level of a module."""

    def call(self, x):
        return 2.0 * x


def doubled_network(X, meta):
    """A builder that uses the training rows, so that the configuration of its model is stored."""
    model = classifier_network(meta, 3)
    return keras.Sequential([keras.Input(X.shape[1:]), Doubled(), model])


def halved_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred) / 2.0


def through_skops(estimator, also_trusted=()):
    """Return an estimator after a round trip in which only classes of nnkit are trusted."""
    data = sio.dumps(estimator)
    untrusted = sio.get_untrusted_types(data=data)
    assert set(untrusted) <= {*TRUSTED_TYPES, *also_trusted}
    assert set(also_trusted) <= set(untrusted)
    return sio.loads(data, trusted=untrusted)


def changed(estimator, change):
    """Return the skops file of an estimator with a changed state of the first nnkit estimator."""
    data = sio.dumps(estimator)
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                change(schema)
                content = json.dumps(schema).encode()
            file.writestr(name, content)
    return target.getvalue()


def with_document(change):
    """Return a change of a schema that changes the JSON document of the attributes."""

    def change_schema(schema):
        node = schema["content"]["content"]["attributes"]
        document = json.loads(json.loads(node["content"]))
        change(document)
        node["content"] = json.dumps(json.dumps(document))

    return change_schema


FITTED = {
    "mlp": lambda: KerasClassifier("mlp", epochs=2, random_state=0).fit(*IRIS),
    "realmlp": lambda: KerasClassifier("realmlp", epochs=2, random_state=0).fit(*IRIS),
    "regressor": lambda: KerasRegressor(epochs=2, scoring="r2", early_stopping=True).fit(*DIABETES),
    "autoencoder": lambda: KerasTransformer("autoencoder", epochs=2).fit(IRIS[0]),
    "tabular classifier": lambda: TabularClassifier(
        epochs=2, cv=3, n_estimators=3, random_state=0
    ).fit(*raw_table()),
    "tabular regressor": lambda: TabularRegressor("fast", epochs=2).fit(*DIABETES),
    "Keras model": lambda: KerasClassifier(head(3, "softmax"), epochs=2).fit(
        scale(IRIS[0]), IRIS[1]
    ),
    "Keras objects": lambda: KerasClassifier(
        optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100)),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        epochs=2,
        class_weight={0: 2.0, 2: 0.5},
        encoder=StandardScaler(),
    ).fit(*IRIS),
    "pipeline": lambda: make_pipeline(
        make_column_transformer((StandardScaler(), [0, 1]), remainder="passthrough"),
        KerasClassifier(epochs=2, warm_start=True),
    ).fit(*IRIS),
}


@pytest.mark.parametrize("name", FITTED)
def test_pipeline_of_a_ready_made_network_is_loaded_with_types_of_nnkit_only(name):
    estimator = FITTED[name]()
    X = estimator[-1].background_ if name == "pipeline" else getattr(estimator, "background_", None)
    X = IRIS[0] if X is None or name == "pipeline" else X

    restored = through_skops(estimator)

    method = "transform" if name == "autoencoder" else "predict"
    np.testing.assert_array_equal(getattr(restored, method)(X), getattr(estimator, method)(X))
    assert repr(restored) == repr(estimator) or name == "Keras objects"
    final, original = (e[-1] if name == "pipeline" else e for e in (restored, estimator))
    assert final.history_ == original.history_
    clone(restored).fit(*(raw_table() if name == "tabular classifier" else IRIS))


def test_unfitted_estimator_is_loaded():
    restored = through_skops(KerasClassifier("mlp", units=(3,), epochs=7))

    assert restored.get_params()["units"] == (3,)
    assert restored.epochs == 7


def test_training_is_resumed_after_loading():
    reg = KerasRegressor("mlp", epochs=3, warm_start=True, random_state=0).fit(*DIABETES)

    restored = through_skops(reg)

    np.testing.assert_array_equal(
        restored.fit(*DIABETES).predict(DIABETES[0]), reg.fit(*DIABETES).predict(DIABETES[0])
    )


def test_encoder_is_loaded_with_its_own_type_only():
    X, _ = raw_table()
    encoder = TabularEncoder(max_one_hot=3, scaling="quantile").fit(X)

    restored = through_skops(encoder)

    np.testing.assert_array_equal(restored.transform(X), encoder.transform(X))
    pd.testing.assert_frame_equal(
        restored.inverse_transform(restored.transform(X)),
        encoder.inverse_transform(encoder.transform(X)),
    )


def test_function_of_the_user_is_listed_and_refused_until_trusted():
    clf = KerasClassifier(classifier_network, epochs=1).fit(scale(IRIS[0]), IRIS[1])
    data = sio.dumps(clf)

    with pytest.raises(UntrustedTypesFoundException, match=r"networks\.classifier_network"):
        sio.loads(data, trusted=["nnkit.estimators.classifier.KerasClassifier"])
    restored = through_skops(clf, ["networks.classifier_network"])

    np.testing.assert_array_equal(restored.predict(IRIS[0]), clf.predict(IRIS[0]))


def test_classes_and_functions_in_a_keras_configuration_are_listed():
    module = Doubled.__module__
    clf = KerasClassifier(doubled_network, loss=halved_loss, epochs=1).fit(*IRIS)

    names = [f"{module}.{name}" for name in ("Doubled", "doubled_network", "halved_loss")]
    restored = through_skops(clf, names)

    np.testing.assert_array_equal(restored.predict_proba(IRIS[0]), clf.predict_proba(IRIS[0]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda meta: None, r"KerasClassifier\.model cannot be stored: <lambda> of the module"),
        (keras.Sequential([keras.layers.Lambda(lambda x: x)]), "Lambda"),
        (keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), "<lambda>"),
    ],
)
def test_code_without_an_import_path_is_not_stored(model, message):
    is_callback = isinstance(model, keras.callbacks.Callback)
    clf = KerasClassifier(callbacks=model) if is_callback else KerasClassifier(model)

    with pytest.raises(TypeError, match=message):
        sio.dumps(clf)
    assert isinstance(pickle.loads(pickle.dumps(clf)), KerasClassifier)


def replace_builder(document):
    """Let a system command take the place of the builder."""
    spec = document["_members"][0]["model_spec"]
    spec["builder"] = {"nnkit": "ready-made", "name": "os.system"}


def add_lambda(document):
    config = {
        "class_name": "Sequential",
        "module": "keras",
        "config": {
            "layers": [
                {
                    "class_name": "Lambda",
                    "module": "keras.layers",
                    "config": {
                        "function": {"class_name": "__lambda__", "config": {"code": "4w=="}}
                    },
                }
            ]
        },
    }
    spec = document["_members"][0]["model_spec"]
    spec["builder"] = {"nnkit": "from config", "json": json.dumps(config), "custom_objects": {}}


def add_function_of_os(document):
    config = {
        "class_name": "function",
        "module": "os",
        "config": "system",
        "registered_name": "system",
    }
    layer = {
        "class_name": "Dense",
        "module": "keras.layers",
        "config": {"units": 3, "activation": config},
    }
    document["loss"] = {
        "nnkit": "keras object",
        "json": json.dumps(layer),
        "custom_objects": {},
        "values": [],
    }


def add_unlisted_function_of_keras(document):
    config = {"class_name": "function", "module": "keras.utils", "config": "get_file"}
    document["loss"] = {
        "nnkit": "keras object",
        "json": json.dumps(config),
        "custom_objects": {},
        "values": [],
    }


def add_keras_part(name, module, config, registered=None):
    """Return a change that adds a Keras object of a class or function to a document."""
    part = {"class_name": name, "module": module, "config": config, "registered_name": registered}

    def change(document):
        document["loss"] = {
            "nnkit": "keras object",
            "json": json.dumps(part),
            "custom_objects": {},
            "values": [],
        }

    return change


def add_pickle(document):
    document["loss"] = {"nnkit": "object", "position": 0}


def replace_method(document):
    document["predict"] = "a text"


def add_attribute_of_network(document):
    document["_members"][0]["outputs"] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace_builder, "model='os.system' is not a ready-made builder"),
        (add_lambda, "has a 'Lambda', which runs code of the file"),
        (add_function_of_os, r"refers to os\.system, which the file does not list"),
        (add_unlisted_function_of_keras, r"refers to keras\.utils\.get_file"),
        (add_keras_part("layers.Lambda", "keras", {}), r"refers to keras\.layers\.Lambda"),
        (add_keras_part("function", "keras", "config.enable_flash_attention"), r"keras\.config\."),
        (add_keras_part("Doubled", None, {}, "tests>Doubled"), r"refers to None\.Doubled"),
        (
            add_keras_part("Doubled", "builtins", {}, "tests>Doubled"),
            r"refers to builtins\.Doubled",
        ),
        (add_keras_part("Dense", "keras.layers", {}, "tests>Doubled"), r"keras\.layers\.Dense"),
        (
            add_keras_part("tests>Doubled", "keras.layers", {}),
            r"refers to keras\.layers\.tests>Doubled",
        ),
        (add_keras_part("Registered", "keras.layers", {}), r"refers to keras\.layers\.Registered"),
        (
            add_keras_part("deserialize", "keras.layers", {}),
            r"refers to keras\.layers\.deserialize",
        ),
        (add_keras_part("function", "keras.activations", "tests>act"), r"refers to .*tests>act"),
        (
            add_keras_part("function", "keras.activations", "get"),
            r"refers to keras\.activations\.get",
        ),
        (add_keras_part("function", "builtins", "eval"), r"refers to builtins\.eval"),
        (
            add_keras_part("StringLookup", "keras.layers", {"vocabulary": "/etc/hostname"}),
            "refuses",
        ),
        (add_keras_part("TorchModuleWrapper", "keras.layers", {}), "loads objects of PyTorch"),
        (add_pickle, "kind 'object', which this version of nnkit does not know"),
        (replace_method, "has the attribute 'predict', which no KerasClassifier stores"),
        (add_attribute_of_network, "stored network must have the entries"),
    ],
)
def test_hostile_state_is_refused(change, message, monkeypatch):
    monkeypatch.setitem(keras.saving.get_custom_objects(), "Registered", Doubled)
    monkeypatch.setitem(keras.saving.get_custom_objects(), "tests>act", halved_loss)
    clf = KerasClassifier("mlp", epochs=1).fit(*IRIS)
    data = changed(clf, with_document(change))

    with pytest.raises(ValueError, match=message):
        sio.loads(data, trusted=sio.get_untrusted_types(data=data))


def test_function_in_the_place_of_a_part_is_listed():
    clf = KerasClassifier("mlp", epochs=1).fit(*IRIS)

    def add_system(schema):
        parts = schema["content"]["content"]["parts"]["content"]
        parts[0] = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}

    data = changed(clf, add_system)

    assert "os.system" in sio.get_untrusted_types(data=data)
    with pytest.raises(UntrustedTypesFoundException, match=r"os\.system"):
        sio.loads(data, trusted=["nnkit.estimators.classifier.KerasClassifier"])


def system_of_lambda(allows_code):
    """Return the builder of a network whose configuration has code, as a file could have it."""
    config = {"class_name": "__lambda__", "module": "builtins", "config": {"code": "4w=="}}
    return ModelFromConfig(StoredConfig(json.dumps(config)), allows_code=allows_code)


@pytest.mark.parametrize(
    "builder",
    [
        lambda: system_of_lambda(allows_code=True),
        lambda: functools.partial(nnkit.estimators.persistence.pickling.loads, b""),
        lambda: nnkit.estimators.persistence.pickling.unpickled,
        lambda: nnkit.estimators.persistence.pickling.loads.__get__(b""),
    ],
    ids=["configuration with code", "partial", "function", "method"],
)
def test_parts_of_nnkit_that_are_never_stored_are_refused_although_trusted(builder):
    """Somebody may trust all names that begin with nnkit."""
    clf = KerasClassifier("mlp", epochs=1).fit(*IRIS)
    state = clf.__getstate__()
    document = json.loads(state["attributes"])
    document["_members"][0]["model_spec"]["builder"] = {"nnkit part": len(state["parts"])}
    state["attributes"] = json.dumps(document)
    state["parts"].append(builder())

    with pytest.raises(ValueError, match=r"refers to nnkit\..*, which nnkit never stores"):
        KerasClassifier().__setstate__(state)


def with_part(part):
    """Return the state of an estimator whose loss is a part of it."""
    state = KerasClassifier("mlp", units=(3,)).__getstate__()
    document = json.loads(state["attributes"])
    document["loss"] = {"nnkit part": len(state["parts"])}
    return {**state, "attributes": json.dumps(document), "parts": [*state["parts"], part]}


@pytest.mark.parametrize(
    "part",
    [{"class_name": "Lambda"}, [1], (1,), {1}, np.array([{"class_name": "Lambda"}])],
    ids=repr,
)
def test_containers_as_parts_are_refused(part):
    with pytest.raises(ValueError, match="its parts must be arrays and objects"):
        KerasClassifier().__setstate__(with_part(part))


def test_configuration_as_an_argument_of_a_builder_is_checked():
    """Keras makes an object of a dict with the entry "class_name"."""
    config = {"class_name": "Doubled", "module": None, "registered_name": "tests>Doubled"}
    state = KerasClassifier("mlp", activation={**config, "config": {}}).__getstate__()
    document = json.loads(state["attributes"])
    pairs = {"nnkit": "dict", "keys": list(config), "values": list(config.values())}
    text_of_numpy = {"nnkit": "number", "dtype": "<U7", "shape": [], "values": ["Doubled"]}
    disguised = [
        json.dumps({**document, "activation": {**config, "class_name": text_of_numpy}}),
        state["attributes"].replace("class_name", "class\\u005fname"),
        json.dumps({**document, "activation": pairs}),
        json.dumps(
            {**document, "activation": {"nnkit": "objects", "shape": [1], "values": [pairs]}}
        ),
    ]

    for attributes in (state["attributes"], *disguised):
        with pytest.raises(
            ValueError, match=r"refers to None\.Doubled, which the file does not list"
        ):
            KerasClassifier().__setstate__({**state, "attributes": attributes})
    allowed = KerasClassifier("mlp", activation={"class_name": "ReLU", "config": {}})
    allowed.activation["module"] = "keras.layers"
    assert KerasClassifier().__setstate__(allowed.__getstate__()) is None


def test_registered_class_is_not_made_by_its_name_as_an_optimizer(monkeypatch):
    made = []
    monkeypatch.setitem(
        keras.saving.get_custom_objects(), "Runner", type("Runner", (), {"__init__": made.append})
    )

    with pytest.raises(ValueError, match="optimizer must be a name that Keras knows"):
        KerasClassifier(optimizer="Runner", epochs=1).fit(*IRIS)
    assert made == []


def test_keras_setting_for_unsafe_configurations_is_not_used():
    """In a process of its own, because Keras cannot take the setting back."""
    code = (
        "import keras\n"
        "from nnkit.training.copying.keras_config import StoredConfig\n"
        "keras.config.enable_unsafe_deserialization()\n"
        'stored = StoredConfig(\'{"class_name": "StringLookup", "module": "keras.layers", \'\n'
        '                      \'"config": {"vocabulary": "/etc/hostname"}}\')\n'
        "stored.load()"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "loading of a vocabulary file" in result.stderr


class OwnLoss(keras.losses.Loss):
    """A loss that is not registered with Keras."""

    def call(self, y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def test_classes_and_functions_of_main_are_stored_with_a_warning(monkeypatch):
    """Keras stores no module for classes of notebooks."""
    for name in ("OwnLoss", "Doubled"):
        cls = globals()[name]
        monkeypatch.setattr(cls, "__module__", "__main__")
        monkeypatch.setattr(sys.modules["__main__"], name, cls, raising=False)
    model = keras.Sequential(
        [keras.Input((4,)), Doubled(), keras.layers.Dense(3, activation="softmax")]
    )
    clf = KerasClassifier(model, loss=OwnLoss(), epochs=1).fit(scale(IRIS[0]), IRIS[1])

    with pytest.warns(UserWarning, match="(OwnLoss|Doubled) is defined in __main__"):
        data = sio.dumps(clf)
    names = sio.get_untrusted_types(data=data)
    restored = sio.loads(data, trusted=names)

    assert {"__main__.OwnLoss", "__main__.Doubled"} <= set(names)
    np.testing.assert_array_equal(restored.predict(IRIS[0]), clf.predict(IRIS[0]))


@pytest.mark.parametrize("where", ["middle", "end"])
def test_damaged_file_is_refused(where):
    data = sio.dumps(KerasClassifier("mlp", epochs=1).fit(*IRIS))
    trusted = sio.get_untrusted_types(data=data)
    middle = len(data) // 2
    damaged = (
        data[:middle] if where == "end" else data[:middle] + b"\0" * 500 + data[middle + 500 :]
    )

    with pytest.raises((zipfile.BadZipFile, ValueError)):
        sio.loads(damaged, trusted=trusted)


def test_safe_file_of_the_default_ensemble_is_as_small_as_its_pickle():
    X, y = raw_table()
    clf = TabularClassifier(epochs=20, random_state=0).fit(X, y)

    assert len(sio.dumps(clf)) < 1.2 * len(pickle.dumps(clf))


def test_pickle_holds_only_the_globals_that_the_builder_uses(tmp_path):
    """In a notebook, functions are pickled by their code."""
    script = tmp_path / "notebook.py"
    script.write_text(
        "import pickle, warnings\n"
        "import numpy as np\n"
        "from nnkit import KerasClassifier\n"
        "secret = 'the-password-of-the-database'\n"
        "table = np.random.default_rng(0).random(50_000_000 // 8)\n"
        "used = np.random.default_rng(0).random(8_000_000 // 8)\n"
        "def build(meta):\n"
        "    return meta.secret\n"
        "def build_large(meta):\n"
        "    return used[:3]\n"
        "pickled = pickle.dumps(KerasClassifier(build))\n"
        "assert b'the-password' not in pickled\n"
        "assert len(pickled) < 5_000, len(pickled)\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    pickle.dumps(KerasClassifier(build_large))\n"
        "message = str(caught[0].message)\n"
        "assert len(caught) == 1 and caught[0].filename == __file__, caught\n"
        'assert "holds 8 MB of variables" in message and "\'used\' (8 MB)" in message, message\n'
    )

    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
