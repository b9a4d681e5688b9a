import copy
import pickle

import pytest

from nnkit.builders import Meta


def test_facts_are_items_and_attributes():
    meta = Meta(n_features_in_=4, classes_=["a", "b"])

    assert meta.n_features_in_ == meta["n_features_in_"] == 4
    assert dict(meta) == {"n_features_in_": 4, "classes_": ["a", "b"]}
    assert "n_features_in_=4" in repr(meta)


def test_meta_is_read_only():
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
def test_unknown_fact_raises_with_a_suggestion_and_all_known_facts(read, error_type):
    meta = Meta(n_classes_=2, X_shape_=(3, 4))

    with pytest.raises(error_type, match="meta has no 'n_clases_'. Did you mean n_classes_?"):
        read(meta, "n_clases_")
    with pytest.raises(
        error_type, match=r"meta has no 'rows'. It has \['X_shape_', 'n_classes_'\]"
    ):
        read(meta, "rows")


def test_get_returns_the_default_of_a_missing_fact():
    meta = Meta(n_classes_=2)

    assert meta.get("cardinalities_", (1,)) == (1,)
    assert "cardinalities_" not in meta
    assert not hasattr(meta, "cardinalities_")


def test_meta_can_be_copied_and_pickled():
    meta = Meta(n_features_in_=4)

    for copied in (copy.deepcopy(meta), pickle.loads(pickle.dumps(meta))):
        assert dict(copied) == dict(meta)
