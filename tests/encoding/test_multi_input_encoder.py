"""`MultiInputEncoder`: columns of one DataFrame, or parts of a dict, as inputs by name."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

from nnkit.encoding import InputDict, MultiInputEncoder, TabularEncoder
from nnkit.export import TRUSTED_TYPES

X = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 40.0],
        "height": [1.6, 1.7, 1.8, 1.9],
        "city": ["Rome", "Paris", "Oslo", "Rome"],
    }
)


def test_lists_of_columns_are_encoded_as_tables():
    encoder = MultiInputEncoder({"numbers": ["age", "height"], "place": ["city"]})

    found = encoder.fit_transform(X)

    np.testing.assert_array_equal(
        found["numbers"], TabularEncoder().fit_transform(X[["age", "height"]])
    )
    np.testing.assert_array_equal(found["place"], TabularEncoder().fit_transform(X[["city"]]))
    assert encoder.n_features_in_ == 3
    assert encoder.feature_names_in_.tolist() == ["age", "height", "city"]


def test_tuple_gives_columns_to_any_transformer():
    encoder = MultiInputEncoder({"place": (OneHotEncoder(), ["city"]), "height": MinMaxScaler()})

    found = encoder.fit(X).transform(X)

    assert found["place"].shape == (4, 3)  # dense, also from a sparse matrix
    np.testing.assert_allclose(found["height"][:, 0], [0, 1 / 3, 2 / 3, 1])


def test_parts_of_a_dict_go_to_the_encoder_of_their_name():
    parts = InputDict({"numbers": X[["age", "height"]], "place": X[["city"]]})
    encoder = MultiInputEncoder({"numbers": TabularEncoder(), "place": TabularEncoder()})

    found = encoder.fit(parts).transform(parts[[1, 0]])

    by_columns = MultiInputEncoder({"numbers": ["age", "height"], "place": ["city"]}).fit(X)
    for name, part in by_columns.transform(X).items():
        np.testing.assert_array_equal(found[name], part[[1, 0]])


def test_facts_have_those_of_each_input():
    encoder = MultiInputEncoder({"numbers": ["height"], "scaled": (MinMaxScaler(), ["age"])})

    facts = encoder.fit(X).meta_facts()

    assert facts == {"inputs_": {"numbers": {"n_numeric_": 1, "cardinalities_": ()}, "scaled": {}}}


def test_parameters_of_encoders_are_reached_by_name():
    encoder = MultiInputEncoder({"numbers": TabularEncoder(clip=2.0), "place": ["city"]})

    copy = clone(encoder).set_params(numbers__clip=1.0)

    assert encoder.get_params()["numbers__clip"] == 2.0
    assert copy.get_params()["numbers__clip"] == 1.0
    replaced = copy.set_params(numbers=TabularEncoder(clip=None), place=["age"])
    assert replaced.encoders["numbers"].clip is None
    assert replaced.encoders["place"] == ["age"]
    assert encoder.encoders["numbers"].clip == 2.0


def test_fit_does_not_change_the_encoders_given():
    given = TabularEncoder()

    MultiInputEncoder({"numbers": (given, ["age"])}).fit(X)

    assert not hasattr(given, "n_features_in_")


@pytest.mark.parametrize(
    "copied",
    [
        lambda encoder: pickle.loads(pickle.dumps(encoder)),
        lambda encoder: skops.io.loads(skops.io.dumps(encoder), trusted=TRUSTED_TYPES),
    ],
    ids=["pickle", "skops"],
)
def test_stored_encoder_gives_the_same_inputs(copied):
    encoder = MultiInputEncoder({"numbers": ["age", "height"], "place": ["city"]}).fit(X)

    again = copied(encoder)

    for name, part in encoder.transform(X).items():
        np.testing.assert_array_equal(again.transform(X)[name], part)


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ({}, "encoders must be a dict"),
        ([TabularEncoder()], "encoders must be a dict"),
        ({"a": 3}, r"encoders\['a'\] must be a list of columns, a transformer, or a tuple"),
        ({"a": TabularEncoder}, r"encoders\['a'\] must be a list of columns"),
        ({"a": ["hight"]}, r"encoders\['a'\] names the column 'hight', which X lacks.*height"),
    ],
)
def test_bad_encoders_raise(encoders, message):
    with pytest.raises(ValueError, match=message):
        MultiInputEncoder(encoders).fit(X)


def test_missing_column_raises_in_transform():
    encoder = MultiInputEncoder({"numbers": ["age"]}).fit(X)

    with pytest.raises(ValueError, match="X lacks 'age'. In fit it had"):
        encoder.transform(X[["height", "city"]])


def test_missing_part_raises():
    with pytest.raises(ValueError, match="X lacks the input 'place'"):
        MultiInputEncoder({"place": TabularEncoder()}).fit({"places": X})


def test_array_raises():
    with pytest.raises(ValueError, match="X must be a DataFrame.*or a dict of data"):
        MultiInputEncoder({"numbers": ["age"]}).fit(np.zeros((3, 2)))


def test_error_of_an_encoder_names_the_input():
    encoder = MultiInputEncoder({"numbers": ["age"]}).fit(X)

    with pytest.raises(ValueError, match="Input 'numbers': .*'age'.*finite"):
        encoder.transform(X.assign(age=np.inf))
