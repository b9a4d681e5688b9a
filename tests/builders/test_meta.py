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


@pytest.mark.parametrize(
    ("read", "error_type"),
    [
        (lambda meta, name: getattr(meta, name), AttributeError),
        (lambda meta, name: meta[name], KeyError),
    ],
    ids=["attribute", "item"],
)
def test_an_unknown_fact_names_the_nearest_and_all_known_ones(read, error_type):
    meta = Meta(n_classes_=2, X_shape_=(3, 4))

    with pytest.raises(error_type, match="meta has no 'n_clases_'. Did you mean n_classes_?"):
        read(meta, "n_clases_")
    with pytest.raises(
        error_type, match=r"meta has no 'rows'. It has \['X_shape_', 'n_classes_'\]"
    ):
        read(meta, "rows")


def test_a_missing_fact_can_be_asked_for_with_a_default():
    meta = Meta(n_classes_=2)

    assert meta.get("cardinalities_", (1,)) == (1,)
    assert "cardinalities_" not in meta
    assert not hasattr(meta, "cardinalities_")


def test_it_copies_and_pickles():
    meta = Meta(n_features_in_=4)

    for copied in (copy.deepcopy(meta), pickle.loads(pickle.dumps(meta))):
        assert dict(copied) == dict(meta)
