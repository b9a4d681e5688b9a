"""Fits to tables that are read in blocks, compared with fits to the same table in memory."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler
from tables_on_disk import mixed_frame, write_parts

from nnkit import KerasClassifier, KerasRegressor
from nnkit.datasets import BlockTable, predict_blocks, predict_to_parquet, sources
from nnkit.datasets.encoded_rows import EncodedRows
from nnkit.estimators.fitting import stages

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

# In blocks, and in memory or on disk after the encoding of 2000 rows of 36 bytes.
IN_MEMORY, ON_DISK = 600_000, 100_000
FEATURES = ["age", "income", "city", "member", "since"]
SETTINGS = {"epochs": 2, "batch_size": 64, "random_state": 0}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return mixed_frame()


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory) -> Path:
    return write_parts(frame, tmp_path_factory.mktemp("table"))


def _table(folder: Path, max_memory: int = ON_DISK, block_rows: int = 300) -> BlockTable:
    return BlockTable(folder, max_memory=max_memory, block_rows=block_rows)


def _classifier(**parameters) -> KerasClassifier:
    return KerasClassifier("mlp", model__units=(8,), **{**SETTINGS, **parameters})


def _encoded(monkeypatch) -> list[object]:
    """Return a list to which each fit adds its encoded rows."""
    seen = []
    original = stages.member_data_of

    def noted(draft, division, X_encoded, settings):
        seen.append(X_encoded)
        return original(draft, division, X_encoded, settings)

    monkeypatch.setattr(stages, "member_data_of", noted)
    return seen


def _assert_same_fit(first, second, X) -> None:
    assert first.histories_ == second.histories_
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("as_pattern", [False, True])
def test_a_small_table_is_fitted_as_in_memory(frame, folder, as_pattern):
    source = str(folder / "*.parquet") if as_pattern else folder
    in_memory = _classifier().fit(frame[FEATURES], frame["bought"], frame["weight"])
    in_files = BlockTable(source, columns=[*FEATURES, "bought", "weight"])
    fitted = _classifier().fit(in_files, y="bought", sample_weight="weight")
    _assert_same_fit(fitted, in_memory, frame[FEATURES])
    assert fitted.feature_names_in_.tolist() == FEATURES


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"early_stopping": True, "scoring": "roc_auc"},
        {"class_weight": "balanced", "validation_split": 0.2},
        {"n_estimators": 2, "early_stopping": True},
    ],
)
def test_blocks_that_stay_in_memory_give_the_same_bits(frame, folder, parameters, monkeypatch):
    seen = _encoded(monkeypatch)
    in_memory = _classifier(**parameters).fit(frame[FEATURES], frame["bought"])
    table = BlockTable(folder, columns=[*FEATURES, "bought"], max_memory=IN_MEMORY, block_rows=300)
    fitted = _classifier(**parameters).fit(table, y="bought")
    assert isinstance(seen[1], np.ndarray)
    _assert_same_fit(fitted, in_memory, frame[FEATURES])
    assert fitted.resolved_params_ == in_memory.resolved_params_


def test_rows_on_disk_give_the_same_bits_in_the_same_order(frame, folder, monkeypatch):
    seen = _encoded(monkeypatch)
    parameters = {"shuffle": False, "early_stopping": True}
    in_memory = _classifier(**parameters).fit(frame[FEATURES], frame["bought"], frame["weight"])
    table = _table(folder)
    fitted = _classifier(**parameters).fit(table, y="bought", sample_weight="weight")
    assert isinstance(seen[1], EncodedRows)
    _assert_same_fit(fitted, in_memory, frame[FEATURES])


@pytest.mark.parametrize(
    "parameters", [{"early_stopping": True}, {"n_estimators": 2, "early_stopping": True}]
)
def test_the_size_of_the_blocks_does_not_matter(frame, folder, parameters):
    fits = [
        _classifier(**parameters).fit(
            _table(folder, block_rows=rows), y="bought", sample_weight="weight"
        )
        for rows in (300, 77)
    ]
    _assert_same_fit(*fits, frame[FEATURES])


def test_rows_on_disk_are_learnt_as_well(frame, folder):
    parameters = {"epochs": 15, "early_stopping": True}
    in_memory = _classifier(**parameters).fit(frame[FEATURES], frame["bought"], frame["weight"])
    fitted = _classifier(**parameters).fit(_table(folder), y="bought", sample_weight="weight")
    accuracies = [each.score(frame[FEATURES], frame["bought"]) for each in (in_memory, fitted)]
    assert min(accuracies) > 0.85
    assert abs(accuracies[0] - accuracies[1]) < 0.03
    assert fitted.background_.columns.tolist() == FEATURES
    assert len(fitted.background_) == len(in_memory.background_)


def test_a_regression_with_given_validation_rows(frame, folder):
    table = BlockTable(folder, columns=["age", "income", "city"], max_memory=ON_DISK)
    regressor = KerasRegressor("mlp", model__units=(8,), **SETTINGS)
    regressor.fit(table, y="age", X_val=folder, y_val="age")
    assert len(regressor.history_["val_loss"]) == 2
    X = frame[["income", "city"]]
    np.testing.assert_array_equal(regressor.predict(folder), regressor.predict(X))
    assert regressor.score(folder, y="age") == regressor.score(X, frame["age"])


def test_training_goes_on_from_the_table(frame, folder):
    fitted = _classifier(warm_start=True).fit(_table(folder), y="bought", sample_weight="weight")
    first = fitted.history_["loss"]
    fitted.fit(_table(folder), y="bought", sample_weight="weight")
    assert fitted.history_["loss"][0] < first[0]
    fitted.partial_fit(_table(folder), y="bought", sample_weight="weight")
    assert fitted._n_epochs_trained == 5


@pytest.mark.parametrize("encoder", [None, StandardScaler()])
def test_an_own_builder(folder, frame, encoder, monkeypatch):
    def build(meta):
        return keras.Sequential(
            [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(4), keras.layers.Dense(1)]
        )

    seen = _encoded(monkeypatch)
    scaled = frame[["age", "weight"]] / 40
    numbers = pa.Table.from_pandas(scaled.assign(y=scaled["age"] > 1))
    table = BlockTable(numbers, max_memory=10_000, block_rows=300)
    parameters = {**SETTINGS, "encoder": encoder, "shuffle": False, "loss": "binary_crossentropy"}
    parameters["loss"] = keras.losses.BinaryCrossentropy(from_logits=True)
    fitted = KerasClassifier(build, **parameters).fit(table, y="y")
    in_memory = KerasClassifier(build, **parameters).fit(scaled, scaled["age"] > 1)
    assert isinstance(seen[0], EncodedRows)
    assert fitted.histories_ == in_memory.histories_


@pytest.mark.parametrize("engine", ["keras", "xla"])
def test_other_engines(frame, folder, engine):
    parameters = {"engine": engine, "shuffle": False}
    in_memory = _classifier(**parameters).fit(frame[FEATURES], frame["bought"], frame["weight"])
    fitted = _classifier(**parameters).fit(_table(folder), y="bought", sample_weight="weight")
    _assert_same_fit(fitted, in_memory, frame[FEATURES])


@pytest.mark.parametrize("encoder", [None, "auto"])
def test_an_array_on_disk_is_not_copied_whole(tmp_path, monkeypatch, encoder):
    monkeypatch.setattr(sources, "_MIN_BYTES_OF_ARRAY", 1)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, 4)).astype(np.float32)
    array = np.memmap(tmp_path / "array.bin", np.float32, "w+", shape=values.shape)
    array[...] = values
    array.flush()
    y = values[:, 0] > 0
    seen = _encoded(monkeypatch)
    parameters = {"encoder": encoder, "shuffle": False, "validation_split": 0.2}
    fitted = _classifier(**parameters).fit(BlockTable(array, max_memory=10_000), y)
    in_memory = _classifier(**parameters).fit(values, y)
    assert isinstance(seen[0], EncodedRows)
    _assert_same_fit(fitted, in_memory, values)
    np.testing.assert_array_equal(fitted.predict(array), fitted.predict(values))


def test_predictions_block_by_block(frame, folder, tmp_path):
    fitted = _classifier().fit(frame[FEATURES], frame["bought"])
    proba = fitted.predict_proba(frame[FEATURES])
    table = _table(folder, block_rows=300)
    parts = list(predict_blocks(fitted, table, method="predict_proba"))
    assert max(map(len, parts)) <= 300
    np.testing.assert_allclose(np.concatenate(parts), proba, rtol=1e-5)
    path = tmp_path / "predictions.parquet"
    predict_to_parquet(fitted, table, path, method="predict_proba", keep=["age"])
    written = pd.read_parquet(path)
    assert written.columns.tolist() == ["age", "proba_no", "proba_yes"]
    np.testing.assert_allclose(written["proba_yes"], proba[:, 1], rtol=1e-5)
    np.testing.assert_array_equal(written["age"], frame["age"])
    predict_to_parquet(fitted, table, path)
    assert pd.read_parquet(path)["prediction"].tolist() == fitted.predict(frame[FEATURES]).tolist()
    before = path.read_bytes()
    with pytest.raises(ValueError, match="keep has 'key', which is no column of X"):
        predict_to_parquet(fitted, table, path, keep=["key"])
    with pytest.raises(RuntimeError, match="stopped"):
        predict_to_parquet(_Stopping(), table, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


class _Stopping:
    """An estimator that fails at its second block."""

    n_calls = 0

    def predict(self, X):
        self.n_calls += 1
        if self.n_calls > 1:
            raise RuntimeError("stopped")
        return np.zeros(len(X))


def test_a_fit_on_disk_can_be_pickled_and_leaves_no_file(folder, frame, tmp_path):
    table = BlockTable(folder, max_memory=ON_DISK, cache_dir=tmp_path)
    fitted = _classifier().fit(table, y="bought", sample_weight="weight")
    assert os.listdir(tmp_path) == []
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        again.predict_proba(frame[FEATURES]), fitted.predict_proba(frame[FEATURES])
    )


class _Interrupt(keras.callbacks.Callback):
    """Raises KeyboardInterrupt at the end of the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_an_interrupt_leaves_no_file(folder, frame, tmp_path):
    table = BlockTable(folder, max_memory=ON_DISK, cache_dir=tmp_path)
    classifier = _classifier(callbacks=[_Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(table, y="bought", sample_weight="weight")
    assert os.listdir(tmp_path) == []


def test_a_level_of_the_last_block_is_known(frame, tmp_path, monkeypatch):
    from nnkit.datasets import summary

    monkeypatch.setattr(summary, "_SAMPLE_ROWS", 200)
    late = frame.copy()
    late.loc[1990:, "city"] = "late"
    folder = write_parts(late, tmp_path)
    fitted = _classifier().fit(_table(folder), y="bought", sample_weight="weight")
    assert "late" in fitted.encoder_.categories_["city"]


def test_what_does_not_fit_is_named(frame, folder):
    with pytest.raises(ValueError, match="y='sold' is no column of X"):
        _classifier().fit(folder, y="sold")
    with pytest.raises(ValueError, match="y must have one value for each row of X"):
        _classifier().fit(_table(folder), frame["bought"][:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        _classifier().fit(_table(folder))
    fitted = _classifier().fit(frame[FEATURES], frame["bought"])
    without = BlockTable(folder, columns=["age", "bought"])
    with pytest.raises(ValueError, match=r"(?s)feature names.*missing"):
        fitted.predict(without)
    texts = KerasClassifier("text_bag", **SETTINGS)
    with pytest.raises(ValueError, match=r"in blocks.*takes texts, images or series"):
        texts.fit(_table(folder), y="bought")
