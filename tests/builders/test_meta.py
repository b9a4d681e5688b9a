import copy
import pickle

import pytest

from nnkit.builders import Meta


def test_facts_are_read_by_name_and_by_attribute():
    meta = Meta(n_features_in_=4, classes_=["a", "b"])

    assert meta.n_features_in_ == meta["n_features_in_"] == 4
    assert dict(meta) == {"n_features_in_": 4, "classes_": ["a", "b"]}
    assert "n_features_in_=4" in repr(meta)


def test_it_is_read_only():
    meta = Meta(n_features_in_=4)

    with pytest.raises(AttributeError, match="read-only"):
        meta.n_features_in_ = 5
    with pytest.raises(TypeError):
        meta["n_features_in_"] = 5


def test_an_unknown_fact_names_the_known_ones():
    with pytest.raises(AttributeError, match=r"meta has no 'n_features_'; it has \['n_classes_'\]"):
        _ = Meta(n_classes_=2).n_features_


def test_it_copies_and_pickles():
    meta = Meta(n_features_in_=4)

    for copied in (copy.deepcopy(meta), pickle.loads(pickle.dumps(meta))):
        assert dict(copied) == dict(meta)
