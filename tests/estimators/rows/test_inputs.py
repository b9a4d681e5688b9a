"""Dates, text, Arrow and polars tables, lists of texts or dicts, datasets, and their errors."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from networks import classifier_network
from sklearn.base import clone
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from nnkit import KerasClassifier, KerasTransformer

Y = np.arange(24) % 2
TEXTS = [f"{'good' if label else 'bad'} film {row % 5}" for row, label in enumerate(Y)]
NUMBERS = np.column_stack([Y * 2.0 - 1, np.arange(24) / 24])


def own(**params):
    return KerasClassifier(classifier_network, **{"epochs": 2, "random_state": 0, **params})


# Networks without an encoder


DAY = datetime.date(2020, 1, 1)
REFUSED = {
    "dates": pd.Series(pd.date_range("2020-01-01", periods=24)),
    "dates of Arrow": pd.Series([DAY] * 24, dtype=pd.ArrowDtype(pa.date32())),
    "dates of objects": pd.Series([DAY] * 24, dtype=object),
    "durations": pd.Series(pd.to_timedelta(np.arange(24), unit="s")),
    "text": pd.Series(TEXTS),
    "text of a categorical": pd.Series(pd.Categorical(TEXTS)),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("container", ["pandas", "polars", "arrow"])
def test_fit_raises_on_dates_and_text_without_an_encoder(kind, container):
    frame = pd.DataFrame({"size": NUMBERS[:, 1], "x": REFUSED[kind]})
    if container != "pandas":
        table = pa.Table.from_pandas(frame, preserve_index=False)
        frame = pl.from_arrow(table) if container == "polars" else table
    values = kind.split(" of ")[0]

    with pytest.raises(ValueError, match=rf"column 'x' of X holds {values}.*TabularEncoder\(\)"):
        own().fit(frame, Y)


def test_fit_raises_on_an_array_of_dates_without_an_encoder():
    dates = np.array([["2020-01-01"]] * 24, dtype="datetime64[D]")

    with pytest.raises(ValueError, match="X holds dates, but the network takes numbers"):
        own().fit(dates, Y)


def in_arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


NUMERIC_TABLES = {
    "nullable": lambda frame: frame.convert_dtypes(),
    "arrow columns": lambda frame: in_arrow(frame).to_pandas(types_mapper=pd.ArrowDtype),
    "arrow decimals": lambda frame: frame.astype(pd.ArrowDtype(pa.decimal128(12, 9))),
    "arrow table": in_arrow,
    "polars": lambda frame: pl.from_arrow(in_arrow(frame)),
    "polars lazy": lambda frame: pl.from_arrow(in_arrow(frame)).lazy(),
}


FRAME = pd.DataFrame(NUMBERS.round(6), columns=["a", "b"])


@pytest.fixture(scope="module", params=[classifier_network, "mlp"], ids=["builder", "mlp"])
def on_pandas(request):
    """An unfitted estimator and the probabilities of a fit on a DataFrame."""
    clf = KerasClassifier(request.param, epochs=2, random_state=0)
    return clf, clone(clf).fit(FRAME, Y).predict_proba(FRAME)


@pytest.mark.parametrize("container", NUMERIC_TABLES)
def test_fit_does_not_depend_on_the_container(container, on_pandas):
    clf, y_proba = clone(on_pandas[0]), on_pandas[1]
    table = NUMERIC_TABLES[container](FRAME)

    found = clf.fit(table, Y).predict_proba(table)

    assert clf.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_allclose(found, clf.predict_proba(FRAME), rtol=1e-5)
    np.testing.assert_allclose(found, y_proba, rtol=1e-5)


# Encoders of texts and dicts


DICTS = [{"word": text.split()[0], "row": row} for row, text in enumerate(TEXTS)]
SAMPLES = {
    "list": TEXTS,
    "array": np.array(TEXTS),
    "object array": np.array(TEXTS, dtype=object),
    "series": pd.Series(TEXTS),
    "polars series": pl.Series(TEXTS),
}


@pytest.fixture(
    scope="module",
    params=[
        TfidfVectorizer(),
        CountVectorizer(),
        HashingVectorizer(n_features=16),
        make_pipeline(CountVectorizer(), MaxAbsScaler()),
    ],
    ids=["tfidf", "count", "hashing", "pipeline"],
)
def vectorizer(request):
    """A vectorizer, and the probabilities of a pipeline with it."""
    return request.param, make_pipeline(request.param, own()).fit(TEXTS, Y).predict_proba(TEXTS)


@pytest.mark.parametrize("container", SAMPLES)
def test_text_vectorizer_as_encoder_accepts_all_containers(vectorizer, container):
    encoder, in_pipeline = vectorizer
    clf = own(encoder=encoder)

    clf.fit(SAMPLES[container], Y)

    np.testing.assert_array_equal(clf.predict_proba(SAMPLES[container]), in_pipeline)


def test_dict_vectorizer_as_encoder_accepts_a_list_of_dicts():
    clf = own(encoder=DictVectorizer()).fit(DICTS, Y)

    assert clf.predict_proba(DICTS[:2]).shape == (2, 2)


def test_text_vectorizer_as_encoder_in_cross_validation_with_early_stopping():
    clf = own(encoder=TfidfVectorizer(), validation_split=0.25, early_stopping=True)

    assert np.isfinite(cross_val_score(clf, TEXTS, Y, cv=2)).all()


def test_text_vectorizer_as_encoder_raises_on_a_data_frame():
    with pytest.raises(ValueError, match="returns 1 rows for the 24 rows of X.*ColumnTransformer"):
        own(encoder=TfidfVectorizer()).fit(pd.DataFrame({"text": TEXTS}), Y)


# Datasets, ragged rows, lists of inputs and arrays of text


def batches():
    yield NUMBERS, Y


class Rows:
    """An iterator that is not a generator."""

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


def of_tensorflow():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((NUMBERS, Y)).batch(8)


def of_keras():
    import keras

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, batch):
            return NUMBERS, Y

    return Data()


@pytest.mark.parametrize("make", [batches, Rows, of_tensorflow, of_keras])
def test_fit_raises_on_a_target_beside_a_dataset(make):
    with pytest.raises(ValueError, match="X is a dataset .* Leave y out"):
        own().fit(make(), Y)


def test_fit_raises_on_an_empty_iterator():
    with pytest.raises(ValueError, match="yields no batches. An iterator that was read before"):
        own().fit(Rows())


def test_transformer_raises_on_datasets():
    with pytest.raises(TypeError, match="X must be a table, an array or a dict of arrays.*Collect"):
        KerasTransformer(epochs=1).fit(of_keras())


@pytest.mark.parametrize("model", [classifier_network, "mlp"])
def test_fit_raises_on_ragged_rows(model):
    rows = [[1.0, 2.0, 3.0][: 1 + row % 3] for row in range(24)]

    with pytest.raises(
        ValueError, match="Got rows of 1 to 3 values. For sequences, use.*SequenceEncoder"
    ):
        KerasClassifier(model, epochs=1).fit(rows, Y)


@pytest.mark.parametrize("widths", [(2, 2), (2, 3)], ids=["equal", "unequal"])
@pytest.mark.parametrize("model", [classifier_network, "mlp"])
def test_fit_raises_on_a_list_of_inputs_and_suggests_a_dict(widths, model):
    inputs = [np.zeros((24, width)) for width in widths]

    with pytest.raises(ValueError, match="a list of 2 arrays of 24 rows each. Give .* as a dict"):
        KerasClassifier(model, epochs=1).fit(inputs, Y)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_predict_accepts_longer_sequences_with_an_open_input_shape(engine):
    import keras

    def build(meta):
        inputs = keras.Input((None, 2))
        hidden = keras.layers.GRU(3)(inputs)
        return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(hidden))

    X = np.random.default_rng(0).normal(size=(24, 5, 2)).astype(np.float32)
    clf = KerasClassifier(build, epochs=1, engine=engine, random_state=0).fit(X, Y)

    longer = np.concatenate([X, X], axis=1)
    found = clf.predict_proba(longer)

    scores = clf.model_(longer).numpy().ravel()
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-4)
    with pytest.raises(ValueError, match="X must have rows of shape"):
        clf.predict(np.zeros((2, 5, 3)))


@pytest.mark.parametrize("dtype", [object, str])
def test_fit_raises_on_text_in_an_array_and_names_the_column(dtype):
    X = np.array([["1", "same"], ["2", "same"]] * 10, dtype=dtype)

    with pytest.raises(ValueError, match="The column 1 of X holds .* such as 'same'"):
        KerasTransformer(epochs=1).fit(X)


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ([datetime.datetime(2020, 1, 1)], TypeError, "The column 1 of X holds values that are no"),
        ([1 + 2j], ValueError, "Complex data not supported: column 1. Split it into two"),
        (["3"], ValueError, r"X holds numbers as text. Convert them before: X.astype\(float\)"),
    ],
    ids=["dates", "complex", "numbers as text"],
)
def test_fit_raises_on_nonnumeric_columns_of_lists(column, error, message):
    X = [[row if column != ["3"] else "1", *column] for row in range(12)]

    with pytest.raises(error, match=message):
        KerasTransformer(epochs=1).fit(X)
