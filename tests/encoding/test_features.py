import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from nnkit.encoding import TabularEncoder
from nnkit.encoding.features import encode, make_encoder


def test_auto_encoder_depends_on_the_kind():
    assert isinstance(make_encoder("auto", kind="tabular"), TabularEncoder)
    assert isinstance(make_encoder("auto", kind="standard"), StandardScaler)
    assert make_encoder("auto", kind=None) is None
    assert make_encoder(None, kind="tabular") is None


def test_make_encoder_clones_a_transformer():
    encoder = OneHotEncoder()

    made = make_encoder(encoder, kind="tabular")

    assert made is not encoder
    assert isinstance(made, OneHotEncoder)


def test_encode_returns_sparse_output_as_csr():
    X = pd.DataFrame({"colour": ["red", "blue", "red"]})
    encoder = OneHotEncoder().fit(X)

    X_encoded = encode(encoder, X)

    assert sparse.issparse(X_encoded)
    assert X_encoded.toarray().tolist() == [[0, 1], [1, 0], [0, 1]]


def test_encode_returns_several_arrays_as_inputs():
    X = np.arange(6.0).reshape(2, 3)
    as_dict = FunctionTransformer(lambda X: {"a": X[:, :1], "b": X[:, 1:]}).fit(X)
    as_list = FunctionTransformer(lambda X: [X[:, :1], X[:, 1:]]).fit(X)

    assert {name: part.shape for name, part in encode(as_dict, X).items()} == {
        "a": (2, 1),
        "b": (2, 2),
    }
    assert [part.shape for part in encode(as_list, X)] == [(2, 1), (2, 2)]


def test_auto_encoder_of_a_sparse_table_does_not_centre():
    assert not make_encoder("auto", kind="tabular", is_sparse=True).with_mean


def test_encode_raises_on_strings_and_nan():
    as_is = FunctionTransformer().fit(np.array([["a"]], dtype=object))

    with pytest.raises(ValueError, match="must return numbers. Got values of dtype object"):
        encode(as_is, np.array([["a"]], dtype=object))
    with pytest.raises(ValueError, match="returns NaN or infinite values. Impute"):
        encode(as_is, np.array([[np.nan]]))


def test_make_encoder_raises_on_other_values():
    with pytest.raises(ValueError, match="encoder must be 'auto', None, a scikit-learn transf"):
        make_encoder("scale", kind="tabular")


def test_encode_does_not_change_the_sparse_input():
    """Duplicates are summed in a copy, also if the buffers are read-only."""
    X = sparse.csr_matrix((np.ones(4), [2, 0, 1, 1], [0, 2, 4]), shape=(2, 3))
    before = X.indices.copy(), X.data.copy()
    for buffer in (X.data, X.indices, X.indptr):
        buffer.flags.writeable = False

    X_encoded = encode(None, X)

    assert X_encoded.toarray().tolist() == [[1, 0, 1], [0, 2, 0]]
    np.testing.assert_array_equal(X.indices, before[0])
    np.testing.assert_array_equal(X.data, before[1])
