"""`TextEncoder`: codes, containers, cutting, Unicode, persistence, and random texts."""

import inspect
import pickle
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skops.io as sio
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_columns import as_objects
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.estimator_checks import estimator_checks_generator

from nnkit.encoding import TextEncoder
from nnkit.encoding.samples.words import default_pattern
from nnkit.export import TRUSTED_TYPES

TEXTS = ["Good film!", "A good, good film.", "bad", None, ""]


def encoded(texts, **arguments):
    return TextEncoder(min_frequency=1, **arguments).fit_transform(texts)


def tokens_of(text, **arguments):
    encoder = TextEncoder(min_frequency=1, **arguments).fit([text])
    return encoder.inverse_transform(encoder.transform([text]))[0].split(" ")


def checks_without_data():
    """Return the checks of scikit-learn that need no two-dimensional data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        return list(estimator_checks_generator(TextEncoder()))


@pytest.mark.parametrize(("estimator", "check"), checks_without_data())
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_documented_defaults_equal_the_signature():
    documented = inspect.getdoc(TextEncoder)

    for name, parameter in inspect.signature(TextEncoder).parameters.items():
        default = f"{parameter.default:_}" if name == "max_tokens" else parameter.default
        line = documented.split(f"\n{name} : ")[1].split("\n")[0]
        assert line.endswith(f"default={default}"), name


def test_codes_are_padding_unknown_and_tokens_by_document_frequency():
    encoder = TextEncoder(min_frequency=1).fit(TEXTS)

    codes = encoder.transform(["film GOOD awful", "a bad ! film"])

    # film and good occur in two texts, all others in one.
    assert encoder.vocabulary_.tolist() == ["film", "good", "!", ",", ".", "a", "bad"]
    assert encoder.n_steps_ == 6
    assert codes.tolist() == [[2, 3, 1, 0, 0, 0], [7, 8, 4, 2, 0, 0]]
    assert codes.dtype == np.int32
    assert encoder.meta_facts() == {"n_codes_": 9}


def test_missing_and_empty_texts_are_padding():
    texts = as_objects(["a b", None, np.nan, pd.NA, "", "  \n", float("nan")])

    codes = encoded(texts)

    assert codes.tolist() == [[2, 3]] + [[0, 0]] * 6


def test_codes_of_bigrams_follow_those_of_the_words():
    encoder = TextEncoder(ngram_range=(1, 2), min_frequency=2)
    codes = encoder.fit(["not a good film", "a good film", "not good"]).transform(
        ["not a good film", "very good film"]
    )

    names = ["", "?", *encoder.vocabulary_]
    as_text = [[names[code] for code in row if code] for row in codes]
    assert as_text[0] == ["not", "a", "good", "film", "a good", "good film"]
    assert as_text[1] == ["?", "good", "film", "good film"]


def test_ngrams_longer_than_the_text_do_not_exist():
    encoder = TextEncoder(ngram_range=(2, 3), min_frequency=1).fit(["a b c", "a b", "a"])

    codes = encoder.transform(["a b c", "b a", "a", ""])

    assert encoder.vocabulary_.tolist() == ["a b", "a b c", "b c"]
    assert codes.tolist() == [[2, 4, 3], [1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_bag_has_each_known_token_once():
    encoder = TextEncoder(binary=True, min_frequency=1).fit(["b a b", "a c b", "a"])

    codes = encoder.transform(["c b b z a", "z"])

    assert encoder.vocabulary_.tolist() == ["a", "b", "c"]
    assert codes.tolist() == [[2, 3, 4], [0, 0, 0]]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2), (2, 3)])
def test_codes_equal_the_columns_of_count_vectorizer(binary, ngram_range):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefghij"), rng.integers(0, 12))) for _ in range(60)]
    arguments = {"ngram_range": ngram_range, "binary": binary}
    encoder = TextEncoder(min_frequency=3, **arguments)
    peer = CountVectorizer(token_pattern=default_pattern(), min_df=3, **arguments)

    codes = encoder.fit_transform(texts)
    counts = peer.fit_transform(texts).toarray()

    names = peer.get_feature_names_out()
    assert sorted(encoder.vocabulary_) == names.tolist()
    found = np.stack([np.bincount(row, minlength=len(names) + 2)[2:] for row in codes])
    np.testing.assert_array_equal(found[:, np.argsort(encoder.vocabulary_)], counts)


def test_max_tokens_keeps_tokens_of_the_most_texts_and_ties_by_alphabet():
    texts = ["c b a", "c d", "c c d e", "a"]

    vocabularies = [
        TextEncoder(min_frequency=1, max_tokens=n).fit(texts).vocabulary_.tolist()
        for n in (1, 2, 4, None)
    ]

    assert vocabularies == [["c"], ["c", "a"], ["c", "a", "d", "b"], ["c", "a", "d", "b", "e"]]


def test_min_frequency_counts_texts_not_occurrences():
    encoder = TextEncoder(min_frequency=2).fit(["a a a b", "b"])

    assert encoder.vocabulary_.tolist() == ["b"]


def test_max_length_keeps_the_beginning_of_a_sequence():
    codes = encoded(["a b c d", "d"], max_length=2)

    # d occurs in two texts.
    assert codes.tolist() == [[3, 4], [2, 0]]


def test_cut_sequence_with_bigrams_is_that_of_the_beginning_of_the_text():
    encoder = TextEncoder(ngram_range=(1, 2), min_frequency=1, max_length=5)
    encoder.fit(["a b c d e"])

    cut, beginning = encoder.transform(["a b c d e", "a b c"])

    np.testing.assert_array_equal(cut, beginning)


def test_cut_bag_keeps_the_rarest_tokens():
    codes = encoded(["a b c", "a b", "a"], binary=True, max_length=2)

    assert codes.tolist() == [[3, 4], [2, 3], [2, 0]]


@pytest.mark.parametrize("binary", [True, False])
def test_transform_warns_if_a_text_is_longer_than_those_of_fit(binary):
    encoder = TextEncoder(min_frequency=1, binary=binary).fit(["a b", "c d"])

    with pytest.warns(UserWarning, match=r"1 text\(s\) have more tokens .* up to 4, .* 2 are kept"):
        codes = encoder.transform(["a b c d", "a"])

    assert codes.tolist() == [[4, 5] if binary else [2, 3], [2, 0]]


def test_transform_does_not_warn_with_max_length():
    encoder = TextEncoder(min_frequency=1, max_length=2).fit(["a b", "c d"])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(["a b c d"])


@pytest.mark.parametrize(
    ("changed", "texts"),
    [
        ({"lowercase": False}, ["A a"]),
        ({"token_pattern": r"\S+"}, ["a!"]),
        ({"ngram_range": (1, 2)}, ["a b"]),
        ({"max_tokens": 1}, ["a b"]),
        ({"min_frequency": 2}, ["a b", "a"]),
        ({"binary": True}, ["b a b"]),
        ({"max_length": 1}, ["a b"]),
    ],
)
def test_every_parameter_changes_the_encoding(changed, texts):
    default = encoded(texts)

    codes = TextEncoder(**{"min_frequency": 1, **changed}).fit_transform(texts)

    assert codes.shape != default.shape or (codes != default).any()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't  stop, it's GREAT!?", ["don't", "stop", ",", "it's", "great", "!", "?"]),
        ("don’t", ["don't"]),
        ("$1,000.50 for 3.5 or 2nd", ["$", "1,000.50", "for", "3.5", "or", "2nd"]),
        ("ÉCOLE E\u0301cole", ["école", "école"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("我喜歡 film", ["我", "喜", "歡", "film"]),
        ("😀😀 👍🏽 👩‍👩‍👧 🇩🇪🇫🇷 ❤️", ["😀", "😀", "👍🏽", "👩‍👩‍👧", "🇩🇪", "🇫🇷", "❤️"]),
        ("snake_case <br/>", ["snake_case", "<", "br", "/", ">"]),
    ],
)
def test_words_of_unicode_texts(text, tokens):
    assert tokens_of(text) == tokens


def test_group_of_the_pattern_is_the_token():
    assert tokens_of("#one two #three", token_pattern=r"#(\w+)") == ["one", "three"]


def test_empty_matches_of_the_pattern_are_no_tokens():
    assert tokens_of("ab 12 c", token_pattern=r"[a-z]*") == ["ab", "c"]


def test_very_long_texts_and_words_are_encoded():
    texts = ["word " * 100_000, "x" * 1_000_000, "word"]

    codes = encoded(texts, max_length=10)

    assert codes[:2].tolist() == [[2] * 10, [3] + [0] * 9]


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "objects": as_objects,
    "column of objects": lambda texts: as_objects(texts)[:, np.newaxis],
    "text of fixed width": lambda texts: np.array([text or "" for text in texts]),
    "text of NumPy": lambda texts: np.array(
        [t or "" for t in texts], dtype=np.dtypes.StringDType()
    ),
    "Series of objects": lambda texts: pd.Series(texts, dtype=object),
    "Series of string": lambda texts: pd.Series(texts, dtype="string"),
    "Series of str": lambda texts: pd.Series(texts, dtype="str", index=list("vwxyz")),
    "Series of categories": lambda texts: pd.Series(texts, dtype="category"),
    "Series of Arrow": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "Series of polars": pl.Series,
    "array of Arrow": pa.array,
    "DataFrame": lambda texts: pd.DataFrame({"review": texts}),
    "DataFrame of polars": lambda texts: pl.DataFrame({"review": texts}),
    "table of Arrow": lambda texts: pa.table({"review": texts}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_texts_of_every_container_are_encoded_alike(name):
    codes = encoded(CONTAINERS[name](TEXTS))

    np.testing.assert_array_equal(codes, encoded(TEXTS))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_column_selects_the_texts_of_a_table(frame):
    X = frame({"stars": [1, 2, 3, 4, 5], "review": TEXTS})

    encoder = TextEncoder(column="review", min_frequency=1).fit(X)

    np.testing.assert_array_equal(encoder.transform(X), encoded(TEXTS))
    assert encoder.feature_names_in_.tolist() == ["stars", "review"]
    assert encoder.n_features_in_ == 2
    assert encoder.get_feature_names_out().tolist() == [f"review_{i}" for i in range(6)]
    assert TextEncoder(column="review").fit(pd.Series(TEXTS, name="review")).n_features_in_ == 1


def test_second_fit_forgets_the_names_of_the_first():
    encoder = TextEncoder(min_frequency=1).fit(pd.DataFrame({"review": ["a"]}))

    encoder.fit(["a b"])

    assert not hasattr(encoder, "feature_names_in_")
    assert encoder.get_feature_names_out().tolist() == ["x0_0", "x0_1"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"column": 3}, "column must be the name of a column, or None. Got 3 instead"),
        ({"column": "a"}, "column='a' selects a column of a DataFrame. Got a list instead"),
        ({"lowercase": "no"}, "lowercase must be True or False. Got 'no'"),
        ({"binary": 1}, "binary must be True or False. Got 1"),
        ({"token_pattern": 3}, "token_pattern must be a regular expression as a string.*Got 3"),
        ({"token_pattern": "("}, r"token_pattern must be a regular expression. Got '\(' instead"),
        ({"token_pattern": "(a)(b)"}, "token_pattern must have at most one group"),
        ({"ngram_range": 2}, "ngram_range must be two integers of at least 1 in .*Got 2 instead"),
        ({"ngram_range": (2, 1)}, r"ngram_range must be two integers .*Got \(2, 1\) instead"),
        ({"ngram_range": (0, 1)}, r"ngram_range must be two integers .*Got \(0, 1\) instead"),
        ({"max_tokens": 0}, "max_tokens must be an integer of at least 1, or None. Got 0"),
        ({"max_length": 0}, "max_length must be an integer of at least 1, or None. Got 0"),
        ({"min_frequency": 0.5}, "min_frequency must be an integer of at least 1. Got 0.5"),
    ],
)
def test_fit_raises_on_parameters_out_of_range(changed, message):
    with pytest.raises(ValueError, match=message):
        TextEncoder(**changed).fit(["a b", "a"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", 5], r"text of X in row 1 must be a string. Got 5 \(int\) instead. Convert it"),
        ([1.5, "a"], r"text of X in row 0 must be a string. Got 1.5 \(float\) instead"),
        (np.eye(3)[0], r"text of X in row 0 must be a string. Got 1.0 \(float\)"),
        ([b"a"], r"row 0 must be a string. Got b'a' \(bytes\) instead. Decode it"),
        ([["a", "b"]], r"row 0 must be a string. Got \['a', 'b'\] \(list\) instead. Join"),
        ("a text", "must be a list, .*Got a single text, 'a text', instead. Put it into a list"),
        ({"a": 1}, "X must be a list, an array or a Series of texts.*Got {'a': 1} instead"),
        (sparse.csr_array(np.eye(2)), "X must be a list, an array or a Series of texts"),
        (np.array([["a", "b"]]), r"X must have the shape .*Got \(1, 2\) instead. Select the"),
        ([], r"Found array with 0 sample\(s\)"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"column must name .* 2 columns: \['a', 'b'\]"),
        (pd.DataFrame({"a": ["x", 2]}), "text of column 'a' in row 1 must be a string. Got 2"),
        (["a", "b"], "No token occurs in min_frequency=2 of the 2 texts, such as 'a'. Lower"),
        ([None, ""], "No token occurs in min_frequency=2 of the 2 texts"),
    ],
)
def test_fit_raises_on_invalid_texts(texts, message):
    with pytest.raises(ValueError, match=message):
        TextEncoder().fit(texts)


def test_fit_raises_on_a_column_that_does_not_exist():
    with pytest.raises(
        ValueError, match=r"column must be a column of X, which has \['a'\]. Got 'b'"
    ):
        TextEncoder(column="b").fit(pd.DataFrame({"a": ["x"]}))


def test_transform_raises_on_other_columns_than_in_fit():
    encoder = TextEncoder(min_frequency=1).fit(pd.DataFrame({"a": ["x"]}))

    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        encoder.transform(pd.DataFrame({"b": ["x"]}))


def test_methods_raise_before_fit():
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(TextEncoder(), method)(["a"])
    with pytest.raises(NotFittedError):
        TextEncoder().meta_facts()


@pytest.mark.parametrize("codes", [[[9]], [[-1]], [1, 2], [["a"]], [[0.5]]])
def test_inverse_transform_raises_on_values_that_are_not_codes(codes):
    encoder = TextEncoder(min_frequency=1).fit(["a b"])

    with pytest.raises(ValueError, match="two-dimensional array of codes from 0 to 3. Got"):
        encoder.inverse_transform(codes)


def test_set_output_returns_a_dataframe():
    X = pd.DataFrame({"review": TEXTS}, index=list("vwxyz"))

    codes = TextEncoder(min_frequency=1).set_output(transform="pandas").fit_transform(X)

    assert codes.index.tolist() == list("vwxyz")
    assert codes.columns[0] == "review_0"
    np.testing.assert_array_equal(codes.to_numpy(), encoded(TEXTS))


def test_fit_and_transform_do_not_change_the_texts():
    texts = as_objects(TEXTS)
    before = texts.copy()

    encoded(texts)

    assert all(left is right for left, right in zip(texts, before, strict=True))


def stored_by_pickle(encoder):
    return pickle.loads(pickle.dumps(encoder))


def stored_by_skops(encoder):
    return sio.loads(sio.dumps(encoder), trusted=TRUSTED_TYPES)


@pytest.mark.parametrize("stored", [stored_by_pickle, stored_by_skops])
def test_stored_encoder_is_equal(stored):
    X = pd.DataFrame({"review": [*TEXTS, "😀 👩‍👩‍👧 É"]})
    encoder = TextEncoder(ngram_range=(1, 2), min_frequency=1).fit(X)

    again = stored(encoder)

    assert again.get_params() == encoder.get_params()
    assert again.vocabulary_.tolist() == encoder.vocabulary_.tolist()
    np.testing.assert_array_equal(again.transform(X), encoder.transform(X))


def test_stored_encoder_has_about_the_size_of_its_words():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"word{i}" for i in rng.integers(0, 20_000, 50)) for _ in range(4000)]
    encoder = TextEncoder().fit([*texts, *texts, "x" * 100_000, "x" * 100_000])

    stored = pickle.dumps(encoder)

    # Text of fixed width would take 8 GB, because of the longest word.
    assert len(stored) < 1_000_000


def test_bigrams_of_a_million_words_are_encoded_in_seconds():
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(5000)])
    texts = [" ".join(row) for row in words[rng.integers(0, 5000, (1000, 200))]]

    start = time.process_time()
    TextEncoder(ngram_range=(1, 2)).fit_transform(texts)

    # A fifth of 5,000 texts takes about 1 s of one core; the bound is for slow machines.
    assert time.process_time() - start < 5


few = settings(max_examples=40, deadline=None)
some_texts = st.lists(st.none() | st.text() | st.text(alphabet="ab !é\u0301😀"), min_size=1)
encoders = st.builds(
    TextEncoder,
    lowercase=st.booleans(),
    ngram_range=st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 3)]),
    max_tokens=st.sampled_from([None, 1, 5]),
    min_frequency=st.just(1),
    binary=st.booleans(),
    max_length=st.sampled_from([1, 2, 7]),
)


def fitted(encoder, texts):
    """Return a fitted encoder. One text has a token, so that there is a vocabulary."""
    return encoder.fit([*texts, "a b a"])


@few
@given(some_texts, some_texts, encoders)
def test_codes_are_in_range_with_padding_at_the_end(texts, later, encoder):
    codes = fitted(encoder, texts).transform(later)

    assert codes.shape == (len(later), encoder.n_steps_)
    assert codes.dtype == np.int32
    assert ((codes >= 0) & (codes < encoder.meta_facts()["n_codes_"])).all()
    assert (np.diff((codes == 0).astype(int), axis=1) >= 0).all()


@few
@given(some_texts, encoders, st.data())
def test_texts_are_encoded_independently(texts, encoder, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1))

    codes = fitted(encoder, texts).transform(texts)

    np.testing.assert_array_equal(encoder.transform([texts[row] for row in rows]), codes[rows])


@few
@given(some_texts, encoders, st.randoms(use_true_random=False))
def test_vocabulary_does_not_depend_on_the_order_of_texts(texts, encoder, random):
    shuffled = texts.copy()
    random.shuffle(shuffled)

    vocabulary = fitted(encoder, texts).vocabulary_.tolist()

    assert fitted(clone(encoder), shuffled).vocabulary_.tolist() == vocabulary


@few
@given(some_texts, encoders)
def test_fit_transform_equals_fit_and_transform(texts, encoder):
    codes = encoder.fit_transform([*texts, "a b a"])

    np.testing.assert_array_equal(encoder.transform([*texts, "a b a"]), codes)


@few
@given(some_texts, st.booleans())
def test_restored_texts_have_the_same_codes(texts, lowercase):
    encoder = fitted(TextEncoder(lowercase=lowercase, min_frequency=1), texts)
    codes = encoder.transform(texts)

    restored = encoder.inverse_transform(codes)

    np.testing.assert_array_equal(encoder.transform(restored), codes)
