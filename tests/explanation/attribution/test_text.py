"""Shapley values of the words of texts."""

from __future__ import annotations

import re

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from nnkit import KerasClassifier, explain
from nnkit.explanation.attribution.text import are_texts, words_of

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

TRAIN = [
    "a good film",
    "a bad film",
    "good and cheap, a find",
    "bad and dear",
    "not good",
    "not bad at all",
    "good good good",
    "cheap and bad bad",
]
STARS = np.array([4.0, 1.0, 5.0, 0.5, 1.5, 3.5, 5.0, 0.0])
LONG = "a good film , not bad at all : cheap and good and dear"


def bag(**options):
    return CountVectorizer(binary=False, token_pattern=r"\S+", **options)


@pytest.fixture(scope="module")
def linear():
    return make_pipeline(bag(), LinearRegression()).fit(TRAIN, STARS)


@pytest.fixture(scope="module")
def logistic():
    return make_pipeline(bag(), LogisticRegression()).fit(TRAIN, STARS > 2)


def coefficients(pipeline, text):
    """Return the coefficient of each word of a text, 0 for unknown ones."""
    vocabulary, final = pipeline[0].vocabulary_, pipeline[-1]
    weights = np.ravel(final.coef_)
    return [weights[vocabulary[word]] if word in vocabulary else 0.0 for word in text.split()]


# Words and texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not good, sorry", ["not ", "good, ", "sorry"]),
        ("  two\tgaps \n here ", ["  two\t", "gaps \n ", "here "]),
        ("naïve 電影", ["naïve ", "電影"]),
        ("one", ["one"]),
        ("", []),
        (" \n ", []),
    ],
    ids=["sentence", "gaps", "letters", "one", "empty", "spaces"],
)
def test_words_of_splits_at_whitespace_and_joins_to_text(text, words):
    assert words_of(text) == words
    assert "".join(words) == (text if words else "")


TEXTS = {
    "list": ["a", "b c"],
    "tuple": ("a",),
    "empty text": [""],
    "array": np.array(["a", "b"]),
    "array of objects": np.array(["a", "b"], dtype=object),
    "series": pd.Series(["a", "b"], dtype="str"),
    "series of objects": pd.Series(["a", "b"], dtype=object, index=[7, 7]),
}
NO_TEXTS = {
    "nothing": [],
    "table": [["a", "b"]],
    "column": np.array([["a"]]),
    "numbers": pd.Series([1.0]),
    "frame": pd.DataFrame({"text": ["a"]}),
    "one string": "a text",
}


@pytest.mark.parametrize("kind", [*TEXTS, *NO_TEXTS])
def test_are_texts(kind):
    assert are_texts((TEXTS | NO_TEXTS)[kind]) is (kind in TEXTS)


# Closed forms


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_value_of_word_is_coefficient_of_linear_bag_of_words(linear, method):
    texts = ["a good film", "not bad at all, unheard of", "good good bad"]

    explanation = explain(linear, texts, method=method)

    assert explanation.shape[0] == 3
    for values, text in zip(explanation.values, texts, strict=True):
        np.testing.assert_allclose(values, coefficients(linear, text), atol=1e-12)
    np.testing.assert_allclose(explanation.base_values, linear[-1].intercept_, atol=1e-12)
    assert explanation.method == method
    assert explanation.background == "texts without words"
    assert explanation.output == "predicted value"


def test_value_of_word_is_coefficient_for_raw_output(logistic):
    explanation = explain(logistic, [LONG], output="raw")

    assert explanation.method == "permutation"  # of fourteen words
    np.testing.assert_allclose(explanation.values[0], coefficients(logistic, LONG), atol=1e-12)
    assert explanation.output_names == "True"


def test_product_of_two_words_is_split_evenly(linear):
    def both(texts):
        return np.array([("not" in text.split()) * ("bad" in text.split()) for text in texts])

    explanation = explain(linear, ["it is not bad"], output=both)

    np.testing.assert_allclose(explanation.values[0], [0, 0, 0.5, 0.5], atol=1e-12)
    assert explanation.base_values.tolist() == [0]


def test_callable_output_gets_masked_texts_in_word_order(linear):
    seen = set()

    def length(texts):
        assert isinstance(texts, list)
        seen.update(texts)
        return np.array([float(len(text)) for text in texts])

    explanation = explain(linear, ["ab, c\n d"], output=length)

    assert seen == {"", "ab, ", "c\n ", "d", "ab, c\n ", "ab, d", "c\n d", "ab, c\n d"}
    assert explanation.values[0].tolist() == [4, 3, 1]  # with the whitespace after each word
    assert explanation.data[0].tolist() == ["ab, ", "c\n ", "d"]
    assert explanation.feature_names == [["ab,", "c", "d"]]


def test_repeated_words_have_equal_values(logistic):
    explanation = explain(logistic, ["good film good and good"])

    values = explanation.values[0]
    assert values[0] == pytest.approx(values[2], abs=1e-15)
    assert values[0] == pytest.approx(values[4], abs=1e-15)
    assert values[0] != pytest.approx(values[1], abs=1e-3)


# Sums, methods and kinds of texts


def test_values_of_words_sum_to_prediction(logistic):
    texts = [*TRAIN, LONG]

    explanation = explain(logistic, texts)

    assert explanation.method == "exact or permutation"
    total = [values.sum() for values in explanation.values] + explanation.base_values
    np.testing.assert_allclose(total, logistic.predict_proba(texts)[:, 1], atol=1e-12)
    np.testing.assert_allclose(
        explanation.base_values, logistic.predict_proba([""])[0, 1], atol=1e-15
    )


def test_permutation_values_of_words_are_close_to_exact(logistic):
    text = ["not good and not bad at all , a cheap film"]

    exact = explain(logistic, text, method="exact").values[0]
    drawn = explain(logistic, text, method="permutation", n_permutations=200)

    assert not np.array_equal(drawn.values[0], exact)
    assert np.abs(drawn.values[0] - exact).max() < 4 * drawn.error_std[0].max() < 4e-3


def test_values_of_a_text_do_not_depend_on_other_texts(logistic):
    together = explain(logistic, ["cheap film", LONG, "good"])

    alone = explain(logistic, [LONG])

    np.testing.assert_array_equal(together.values[1], alone.values[0])
    np.testing.assert_array_equal(together.error_std[1], alone.error_std[0])


@pytest.mark.parametrize("batch_rows", [1, 7])
@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_batch_rows_bounds_calls_without_changing_word_values(logistic, method, batch_rows):
    n_called = []

    def predictions(texts):
        n_called.append(len(texts))
        return logistic.predict_proba(texts)[:, 1]

    text = ["not good and not bad"]
    expected = explain(logistic, text, method=method).values[0]

    bounded = explain(logistic, text, output=predictions, method=method, batch_rows=batch_rows)

    np.testing.assert_allclose(bounded.values[0], expected, atol=1e-12)
    assert max(n_called) <= batch_rows


@pytest.mark.parametrize("text", ["", "  "], ids=["empty", "spaces"])
def test_text_without_words_has_no_values(logistic, text):
    explanation = explain(logistic, ["good film", text])

    assert explanation.values[0].shape == (2,)
    assert explanation.values[1].shape == (0,)
    assert explanation.base_values.shape == (2,)
    assert explanation.base_values[1] == pytest.approx(logistic.predict_proba([text])[0, 1])
    assert explanation.data[1].tolist() == []


def test_only_texts_without_words(logistic):
    explanation = explain(logistic, ["", ""])

    assert [len(values) for values in explanation.values] == [0, 0]
    np.testing.assert_allclose(explanation.base_values, logistic.predict_proba([""])[0, 1])


def test_single_word_gets_the_whole_difference(logistic):
    explanation = explain(logistic, ["good"], method="permutation")

    expected = logistic.predict_proba(["good"])[0, 1] - logistic.predict_proba([""])[0, 1]
    np.testing.assert_allclose(explanation.values[0], [expected], atol=1e-15)


def test_texts_with_equal_numbers_of_words(logistic):
    explanation = explain(logistic, ["good film", "bad film"])

    assert [values.shape for values in explanation.values] == [(2,), (2,)]
    assert explanation.shape[0] == 2
    total = [values.sum() for values in explanation.values] + explanation.base_values
    np.testing.assert_allclose(
        total, logistic.predict_proba(["good film", "bad film"])[:, 1], atol=1e-12
    )


@pytest.mark.parametrize(
    "kind",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: pd.Series(texts, dtype="str", index=[5, 3, 3]),
        lambda texts: pd.Series(texts, dtype=object),
    ],
    ids=["tuple", "array", "objects", "series", "series of objects"],
)
def test_containers_of_texts_give_equal_values(logistic, kind):
    texts = ["good film", "bad", "not cheap and good"]
    expected = explain(logistic, texts)

    explanation = explain(logistic, kind(texts), feature_groups="words")

    for values, same in zip(explanation.values, expected.values, strict=True):
        np.testing.assert_array_equal(values, same)
    assert explanation.feature_names == expected.feature_names


def test_texts_multiclass():
    three = make_pipeline(bag(), LogisticRegression()).fit(TRAIN, np.digitize(STARS, [1.2, 3.8]))

    explanation = explain(three, ["good film", "not bad at all"])

    assert [values.shape for values in explanation.values] == [(2, 3), (4, 3)]
    assert explanation.base_values.shape == (2, 3)
    assert explanation.output_names == ["0", "1", "2"]
    total = np.array([values.sum(axis=0) for values in explanation.values])
    np.testing.assert_allclose(
        total + explanation.base_values,
        three.predict_proba(["good film", "not bad at all"]),
        atol=1e-12,
    )
    one = explain(three, ["good film"], classes=2).values[0]
    np.testing.assert_allclose(one, explanation.values[0][:, 2], atol=1e-15)


def dense(meta):
    return keras.Sequential(
        [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(1, activation="sigmoid")]
    )


@pytest.mark.parametrize("output", ["auto", "logit", "raw"])
def test_texts_of_network_with_vectorizer(output):
    network = KerasClassifier(dense, epochs=2, n_estimators=1, random_state=0)
    estimator = make_pipeline(bag(), network).fit(TRAIN, STARS > 2)

    explanation = explain(estimator, ["a good film", "bad"], output=output)

    kernel = estimator[-1].model_.get_weights()[0][:, 0]
    vocabulary = estimator[0].vocabulary_
    if output == "logit":
        for values, text in zip(explanation.values, ["a good film", "bad"], strict=True):
            expected = [kernel[vocabulary[word]] for word in text.split()]
            np.testing.assert_allclose(values, expected, atol=1e-5)
    total = [values.sum() for values in explanation.values] + explanation.base_values
    proba = estimator.predict_proba(["a good film", "bad"])[:, 1]
    expected = np.log(proba) - np.log1p(-proba) if output == "logit" else proba
    np.testing.assert_allclose(total, expected, atol=1e-6)


def test_tol_is_reached_for_each_text(logistic):
    texts = ["not good and not bad at all , a cheap film", LONG]
    options = {"method": "permutation", "n_permutations": 2}

    once = explain(logistic, texts, **options)
    explanation = explain(logistic, texts, tol=0.01, **options)

    gap = np.abs(logistic.predict_proba(texts)[:, 1] - explanation.base_values)
    reached = [errors.max() for errors in explanation.error_std] / gap
    assert ([errors.max() for errors in once.error_std] > 0.01 * gap).any()
    assert (reached <= 0.01).all()


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"background": TRAIN},
            "background must be None if X holds texts, whose masked words are removed. "
            "Leave it out.",
        ),
        (
            {"feature_groups": "elements"},
            "feature_groups must be 'input' or 'words' if X holds texts. Got 'elements'",
        ),
        (
            {"feature_groups": {"g": ["good"]}},
            "feature_groups must be 'input' or 'words' if X holds texts. Go",
        ),
        (
            {"interactions": True},
            "interactions=True does not support texts, whose numbers of words differ.",
        ),
        ({"method": "gradient"}, "method='gradient' does not support texts"),
        ({"method": "deep"}, "method='deep' does not support texts"),
        ({"method": "exact"}, "method='exact' takes at most 16 feature groups"),
    ],
    ids=["background", "elements", "groups", "interactions", "gradient", "deep", "many words"],
)
def test_options_that_texts_do_not_support_raise(logistic, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        explain(logistic, ["good film", " ".join(["good"] * 17)], **options)


def test_message_for_many_words_does_not_suggest_groups(logistic):
    with pytest.raises(
        ValueError, match="Got 17 feature groups. Use method='permutation'"
    ) as caught:
        explain(logistic, [" ".join(["good"] * 17)], method="exact")

    assert "columns" not in str(caught.value)


@pytest.mark.parametrize(
    "texts", [["a", None], pd.Series(["a", np.nan], dtype=object)], ids=["list", "series"]
)
def test_missing_value_among_texts_raises(logistic, texts):
    with pytest.raises(ValueError, match=r"X must hold texts only. Got (None|nan) in row 1"):
        explain(logistic, texts)


@pytest.mark.parametrize("kind", ["nothing", "numbers", "one string"])
def test_input_that_is_neither_text_nor_table_raises(logistic, kind):
    with pytest.raises(ValueError, match=r"X must have two dimensions, rows and columns. Got sha"):
        explain(logistic, NO_TEXTS[kind])
