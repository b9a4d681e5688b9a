"""Texts that a user's own network takes: TextVectorization within the builder."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier

TEXTS = ["good film", "bad film", "very good", "very bad", "good and short", "bad, really bad"] * 10
Y = np.array(["yes", "no"] * 30)


def bag(meta, X, n_tokens=50, rank=0):
    vectorize = keras.layers.TextVectorization(n_tokens, output_sequence_length=6)
    vectorize.adapt(X)
    inputs = keras.Input((1,) * rank, dtype="string")
    x = keras.layers.Embedding(n_tokens, 4)(vectorize(inputs))
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_, activation="sigmoid")(x))


def classifier(model=bag, **params):
    settings = {"epochs": 15, "optimizer__learning_rate": 0.05, "random_state": 0, **params}
    return KerasClassifier(model, **settings)


@pytest.mark.parametrize(
    "container",
    [list, pd.Series, np.array, lambda texts: np.array(texts, dtype=object)],
    ids=["list", "series", "text array", "object array"],
)
def test_builder_gets_the_texts_of_every_container(container):
    clf = classifier().fit(container(TEXTS), Y)

    assert clf.score(container(TEXTS), Y) == 1
    assert clf.predict(container(TEXTS[:2])).tolist() == ["yes", "no"]
    assert clf.engine_ == "graph"


def test_input_with_an_axis_of_one_text_is_filled():
    clf = classifier(model__rank=1).fit(TEXTS, Y)

    assert clf.score(TEXTS, Y) == 1


def test_vocabulary_is_learnt_from_training_rows():
    seen = []

    def builder(meta, X):
        seen.append(set(X))
        return bag(meta, X)

    cross_val_score(classifier(builder, epochs=1), [*TEXTS[:30], *["other words"] * 30], Y, cv=2)

    assert len(seen) == 2
    assert all(len(texts) < 7 for texts in seen)


def test_texts_are_searched_in_a_pipeline():
    pipeline = make_pipeline(FunctionTransformer(lambda X: X["text"]), classifier())
    search = GridSearchCV(pipeline, {"kerasclassifier__model__n_tokens": [20, 50]}, cv=2)

    search.fit(pd.DataFrame({"text": TEXTS}), Y)

    assert search.best_score_ == 1


def test_pickled_network_keeps_its_vocabulary():
    clf = classifier().fit(TEXTS, Y)

    again = pickle.loads(pickle.dumps(clf))

    np.testing.assert_allclose(again.predict_proba(TEXTS), clf.predict_proba(TEXTS), rtol=1e-5)


def test_missing_text_raises():
    with pytest.raises(ValueError, match="X holds texts, but row 1 is None. Replace it by a text"):
        classifier().fit([TEXTS[0], None, *TEXTS[2:]], Y)


def test_texts_for_a_network_of_numbers_raise():
    def numbers(meta):
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])

    with pytest.raises(ValueError, match="X holds texts, but the input of the model.*TextEncoder"):
        classifier(numbers).fit(TEXTS, Y)


def test_numbers_for_a_network_of_texts_raise():
    def texts(meta):
        return bag(meta, np.array(TEXTS))

    with pytest.raises(ValueError, match="dtype string, but X holds numbers"):
        classifier(texts).fit(np.zeros((60, 1)), Y)


def test_numbers_after_texts_raise_in_predict():
    clf = classifier(epochs=1).fit(TEXTS, Y)

    with pytest.raises(ValueError, match="texts"):
        clf.predict(np.zeros((3, 1)))
