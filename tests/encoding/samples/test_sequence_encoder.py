"""`SequenceEncoder`: containers, gaps, padding, scaling, inverse, and random sequences."""

import inspect
import pickle
import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nnkit.encoding.samples import sequence_encoder
from nnkit.encoding.samples.sequence_encoder import SequenceEncoder
from nnkit.export import TRUSTED_TYPES

RAGGED = [[1.0, 2.0, 3.0], [4.0, 5.0], [6.0, 7.0, 8.0, 9.0]]
NAN = np.nan


def expected_failures(encoder):
    reason = "sequences can be longer or shorter than those of fit"
    failures = {
        "check_n_features_in_after_fitting": reason,
        "check_dtype_object": "an object among numbers raises a ValueError, not a TypeError",
    }
    return (
        {**failures, "check_transformer_general": reason} if encoder.masking is True else failures
    )


@parametrize_with_checks(
    [SequenceEncoder(), SequenceEncoder(scaling="series", missing="previous", masking=True)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_documented_defaults_equal_the_signature():
    documented = inspect.getdoc(SequenceEncoder)

    for name, parameter in inspect.signature(SequenceEncoder).parameters.items():
        default = parameter.default
        written = f'"{default}"' if isinstance(default, str) else default
        line = documented.split(f"\n{name} : ")[1].split("\n    ")
        assert f"default={written}" in line[0], name


@pytest.mark.parametrize(
    "changed",
    [
        {"columns": ["a"]},
        {"layout": "channels_first"},
        {"max_length": 3},
        {"scaling": "series"},
        {"scaling": None},
        {"missing": "previous"},
        {"missing_indicator": False},
        {"masking": True},
    ],
)
def test_every_parameter_changes_the_encoding_or_its_facts(changed):
    table = pd.DataFrame({"a": [np.arange(4.0), [1, NAN, 5, 6]], "b": [[0, 1, 4, 9]] * 2})
    X = table if "columns" in changed else np.stack([np.stack(row, 1) for row in table.to_numpy()])

    default = SequenceEncoder().fit(X)
    encoder = SequenceEncoder(**changed).fit(X)

    encoded, expected = encoder.transform(X), default.transform(X)
    is_equal = encoded.shape == expected.shape and np.array_equal(encoded, expected)
    assert not is_equal or encoder.meta_facts() != default.meta_facts()


# Containers


def series_pairs():
    """Two sequences with two channels of 3 and 4 steps: (n_steps, n_channels)."""
    return [
        np.array([[1.0, 10], [2, 20], [3, 30]]),
        np.array([[4.0, 40], [5, 50], [6, 60], [7, 0]]),
    ]


def as_nested(rows):
    cells = {name: [pd.Series(row[:, at]) for row in rows] for at, name in enumerate("uv")}
    return pd.DataFrame(cells, index=["r", "s"])


def as_objects(rows):
    objects = np.empty(len(rows), dtype=object)
    objects[:] = rows
    return objects


def as_polars(rows):
    return pl.DataFrame(
        {name: [row[:, at].tolist() for row in rows] for at, name in enumerate("uv")}
    )


def as_padded(rows):
    return np.stack([np.vstack([rows[0], [[NAN, NAN]]]), rows[1]])


CONTAINERS = {
    "lists": (lambda rows: [row.tolist() for row in rows], "steps_first"),
    "tuple": (tuple, "steps_first"),
    "series": (lambda rows: pd.Series(rows, index=["r", "s"]), "steps_first"),
    "objects": (as_objects, "steps_first"),
    "frames": (lambda rows: [pd.DataFrame(row) for row in rows], "steps_first"),
    "frames in aeon's layout": (lambda rows: [pd.DataFrame(r) for r in rows], "channels_first"),
    "aeon's list": (lambda rows: [row.T for row in rows], "channels_first"),
    "nested": (as_nested, "steps_first"),
    "nested in aeon's layout": (as_nested, "channels_first"),
    "nested arrays": (lambda rows: as_nested(rows).map(np.asarray), "steps_first"),
    "polars": (as_polars, "steps_first"),
    "nested objects": (lambda rows: as_nested(rows).to_numpy(), "steps_first"),
    "padded": (as_padded, "steps_first"),
    "aeon's array": (lambda rows: as_padded(rows).transpose(0, 2, 1), "channels_first"),
    "nullable": (lambda rows: [pd.DataFrame(r).astype("Float64") for r in rows], "steps_first"),
    "integers": (lambda rows: [row.astype(int) for row in rows], "steps_first"),
}


@pytest.mark.parametrize(("convert", "layout"), CONTAINERS.values(), ids=CONTAINERS)
def test_containers_are_encoded_alike(convert, layout):
    rows = series_pairs()
    expected = SequenceEncoder().fit_transform(rows)

    X_encoded = SequenceEncoder(layout=layout).fit_transform(convert(rows))

    assert X_encoded.dtype == np.float32
    np.testing.assert_array_equal(X_encoded, expected)


def without_nan(X):
    return [row[~np.isnan(row)].tolist() for row in X]


ONE_CHANNEL = {
    "3d array": lambda X: X[:, :, np.newaxis],
    "table": pd.DataFrame,
    "nullable table": lambda X: pd.DataFrame(X).astype("Float64"),
    "polars table": lambda X: pl.DataFrame(X, schema=list("abcd")),
    "list of Series": lambda X: [pd.Series(row) for row in X],
    "Series": lambda X: pd.Series(without_nan(X)),
    "polars Series": lambda X: pl.Series(without_nan(X)),
    "nested": lambda X: pd.DataFrame({"series": list(X)}),
    "objects": lambda X: X.astype(object),
    "masked": np.ma.masked_invalid,
    "list of masked": lambda X: [np.ma.masked_invalid(row) for row in X],
}


@pytest.mark.parametrize("convert", ONE_CHANNEL.values(), ids=ONE_CHANNEL)
def test_containers_of_one_channel_are_encoded_alike(convert):
    X = np.array([[1.0, 2, 3, 4], [5, 6, 7, NAN]])
    expected = SequenceEncoder().fit_transform(X)

    X_encoded = SequenceEncoder().fit_transform(convert(X))

    assert expected.shape == (2, 4, 1)
    np.testing.assert_array_equal(X_encoded, expected)


def test_columns_select_the_sequences_of_a_table():
    rows = series_pairs()
    table = as_nested(rows).assign(city=["Rome", "Oslo"])
    encoder = SequenceEncoder(columns=["u", "v"]).fit(table)

    assert encoder.feature_names_in_.tolist() == ["u", "v", "city"]
    assert encoder.channel_names_.tolist() == ["u", "v"]
    expected = SequenceEncoder().fit_transform(rows)
    np.testing.assert_array_equal(encoder.transform(table[["v", "u"]]), expected)
    one = SequenceEncoder(columns="v").fit_transform(table)
    np.testing.assert_array_equal(one, SequenceEncoder().fit_transform([r[:, 1] for r in rows]))


# Gaps and ends


def test_gaps_are_interpolated_and_flagged():
    X = np.array([[NAN, 2.0, NAN, NAN, 5.0, 6.0], [0.0, 1.0, 2.0, 3.0, NAN, NAN]])

    X_encoded = SequenceEncoder(scaling=None).fit_transform(X)

    np.testing.assert_array_equal(X_encoded[0, :, 0], [2, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(X_encoded[0, :, 1], [1, 0, 1, 1, 0, 0])
    np.testing.assert_allclose(X_encoded[1, :, 0], [0, 1, 2, 3, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(X_encoded[1, :, 1], 0)


def test_previous_repeats_the_last_value():
    X = np.array([[NAN, 2.0, NAN, NAN, 5.0, 6.0]])

    X_encoded = SequenceEncoder(scaling=None, missing="previous").fit_transform(X)

    np.testing.assert_array_equal(X_encoded[0, :, 0], [2, 2, 2, 2, 5, 6])


def test_a_channel_that_ends_early_has_a_gap():
    X = np.array([[[1.0, 1.0], [2.0, NAN]], [[3.0, 1.0], [4.0, 5.0]]])
    encoder = SequenceEncoder(scaling=None).fit(X)

    X_encoded = encoder.transform(X)

    assert not encoder.has_padding_
    assert encoder.channel_names_.tolist() == ["x0", "x1", "x1_missing"]
    np.testing.assert_array_equal(X_encoded[0], [[1, 1, 0], [2, 1, 1]])


def test_a_channel_without_values_has_the_mean_of_fit():
    X = pd.DataFrame({"a": [[1.0, 3.0], [5.0, 7.0]], "b": [[2.0, 4.0], None]})

    X_encoded = SequenceEncoder(scaling=None).fit_transform(X)
    X_scaled = SequenceEncoder().fit_transform(X)

    np.testing.assert_array_equal(X_encoded[1], [[5, 3, 1], [7, 3, 1]])
    np.testing.assert_array_equal(X_scaled[1, :, 1:], [[0, 1], [0, 1]])


def test_gaps_that_do_not_occur_in_fit_are_filled_without_an_indicator():
    encoder = SequenceEncoder(scaling=None).fit([[1.0, 2.0, 3.0]])

    np.testing.assert_array_equal(encoder.transform([[4.0, NAN, 6.0]])[0, :, 0], [4, 5, 6])


def test_padding_is_zero_and_steps_are_not():
    encoder = SequenceEncoder().fit(RAGGED)
    mean = np.mean([value for row in RAGGED for value in row])

    X_encoded = encoder.transform([[mean, 1.0], [mean, mean, mean]])

    assert encoder.has_padding_
    assert encoder.n_steps_ == 4
    np.testing.assert_array_equal(
        X_encoded.any(axis=2), [[True, True, False, False], [True, True, True, False]]
    )
    assert X_encoded[0, 0, 0] == 2.0**-20
    assert np.float16(X_encoded[0, 0, 0]) > 0


def test_keras_masking_finds_the_padding():
    X_encoded = SequenceEncoder().fit_transform([[0.0, 0.0], [0.0, 0.0, 0.0]])

    mask = keras.layers.Masking().compute_mask(X_encoded)

    np.testing.assert_array_equal(mask, [[True, True, False], [True, True, True]])


# Length


def test_longer_sequences_are_cut_with_a_warning():
    encoder = SequenceEncoder(scaling=None).fit(RAGGED)

    with pytest.warns(
        UserWarning, match=r"X has 1 .* cut to 4 steps; row 1 has 6. Fit with longer"
    ):
        X_encoded = encoder.transform([[1.0], [1, 2, 3, 4, 5, 6]])

    np.testing.assert_array_equal(X_encoded[1, :, 0], [1, 2, 3, 4])


def test_max_length_cuts_without_a_warning():
    encoder = SequenceEncoder(scaling=None, max_length=3).fit(RAGGED)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X_encoded = encoder.transform(RAGGED)

    assert encoder.n_steps_ == 3
    assert encoder.has_padding_
    np.testing.assert_array_equal(X_encoded[2, :, 0], [6, 7, 8])
    assert SequenceEncoder(max_length=2).fit(RAGGED).has_padding_ is False
    assert SequenceEncoder(max_length=9).fit(RAGGED).n_steps_ == 4


def test_shorter_sequences_raise_without_padding():
    X = np.arange(12.0).reshape(3, 4)

    encoder = SequenceEncoder().fit(X)

    assert encoder.meta_facts() == {"has_padding_": False}
    with pytest.raises(ValueError, match=r"Row 1 of X has 2 step.s., but all .* 4.*masking=True"):
        encoder.transform([X[0], X[1, :2]])
    for masking in (True, False):
        forced = SequenceEncoder(masking=masking).fit(X)
        assert forced.has_padding_ is masking
        assert forced.transform([X[1, :2]])[0, 2:].tolist() == [[0.0], [0.0]]


# Scaling


def test_standard_scaling_equals_standard_scaler_on_all_steps():
    X = np.random.default_rng(0).normal(3, 2, (5, 7, 2))
    expected = StandardScaler().fit_transform(X.reshape(-1, 2)).reshape(X.shape)

    X_encoded = SequenceEncoder().fit_transform(X)

    np.testing.assert_allclose(X_encoded, expected, rtol=1e-6, atol=1e-6)


def test_statistics_leave_out_padding_and_gaps():
    X = [[1.0, NAN, 3.0], [5.0]]

    encoder = SequenceEncoder().fit(X)

    # Mean 3, standard deviation sqrt(8 / 3) of the values 1, 3 and 5.
    factor = 1 / np.sqrt(8 / 3)
    np.testing.assert_allclose(encoder.transform(X)[:, 0, 0], [-2 * factor, 2 * factor], rtol=1e-6)


def test_series_scaling_removes_level_and_amplitude_of_each_sequence():
    shape = np.array([0.0, 1.0, 4.0, 2.0])

    X_encoded = SequenceEncoder(scaling="series").fit_transform([shape, 100 - 7 + 3 * shape])

    np.testing.assert_allclose(X_encoded[0], X_encoded[1], rtol=1e-5)
    np.testing.assert_allclose(X_encoded.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(X_encoded.std(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["standard", "series"])
def test_constant_channels_are_zero(scaling):
    X = np.stack([np.arange(6.0).reshape(2, 3), np.full((2, 3), 0.1)], axis=2)
    encoder = SequenceEncoder(scaling=scaling).fit(X)

    assert not encoder.transform(X)[:, :, 1].any()
    if scaling == "standard":
        assert not encoder.transform(X + 5)[:, :, 1].any()
        restored = encoder.inverse_transform(encoder.transform(X))
        np.testing.assert_allclose(restored[1], X[1], rtol=1e-5)


def test_blocks_of_rows_do_not_change_the_encoding(monkeypatch):
    X = np.random.default_rng(0).normal(size=(9, 4, 2))
    X[2, 1, 0] = NAN
    expected = SequenceEncoder().fit_transform(X)

    monkeypatch.setattr(sequence_encoder, "_BLOCK_VALUES", 16)

    np.testing.assert_allclose(SequenceEncoder().fit_transform(X), expected, rtol=1e-5, atol=1e-6)


# Inverse, copies and stored files


@pytest.mark.parametrize("layout", ["steps_first", "channels_first"])
def test_inverse_transform_restores_sequences_and_gaps(layout):
    rows = series_pairs()
    rows[1][1, 0] = NAN
    X = [row.T for row in rows] if layout == "channels_first" else rows
    encoder = SequenceEncoder(layout=layout).fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    for found, row in zip(restored, X, strict=True):
        np.testing.assert_allclose(found, row, atol=1e-4)


def test_inverse_transform_raises_on_another_shape():
    encoder = SequenceEncoder().fit(RAGGED)

    with pytest.raises(ValueError, match=r"shape \(n_samples, 4, 1\).* Got \(3, 4\) instead"):
        encoder.inverse_transform(np.zeros((3, 4)))


def test_methods_raise_before_fit():
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(SequenceEncoder(), method)(RAGGED)
    with pytest.raises(NotFittedError):
        SequenceEncoder().meta_facts()


def test_copies_and_stored_files_encode_alike():
    X = [[1.0, NAN, 3.0], [5.0]]
    encoder = SequenceEncoder(max_length=5).fit(X)

    copies = [
        pickle.loads(pickle.dumps(encoder)),
        skops.io.loads(skops.io.dumps(encoder), trusted=TRUSTED_TYPES),
        clone(encoder).fit(X),
    ]

    for copy in copies:
        assert copy.get_params() == encoder.get_params()
        np.testing.assert_array_equal(copy.transform(X), encoder.transform(X))
        assert copy.meta_facts() == encoder.meta_facts()


def test_fit_on_arrays_forgets_the_names_of_a_table():
    encoder = SequenceEncoder().fit(pd.DataFrame({"a": [1.0, 2], "b": [3.0, 5]}))

    encoder.fit(RAGGED)

    assert not hasattr(encoder, "feature_names_in_")
    assert encoder.n_features_in_ == 1


def test_transform_raises_on_other_columns():
    encoder = SequenceEncoder().fit(as_nested(series_pairs()))

    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- u"):
        encoder.transform(as_nested(series_pairs())[["v"]])


# Bad input


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1.0], []], "Row 1 of X has no steps. A sequence must have at least one value"),
        ([[1.0], [NAN, NAN]], "Row 1 of X has no steps"),
        (np.array([[1.0, 2.0], [NAN, NAN]]), "Row 1 of X has no steps"),
        (pd.DataFrame({"a": [[1.0], None]}), "Row 1 of X has no steps"),
        ([np.ones((3, 2)), np.ones((3, 1))], "Row 0 has 2, and row 1 has 1. If the channels are"),
        ([[1.0], [np.inf, 1.0]], "must be finite in float32. Row 1 of X has inf. Replace it"),
        (np.array([[1.0], [1e39]]), "must be finite in float32. Row 1 of X has 1e"),
        ([[1.0], [2.0, "3.5"]], "Row 1 of X must have numbers. Got '3.5' instead"),
        (["abc", "de"], "Row 0 of X must be an array of shape .* Got 'abc' instead"),
        (np.array([["a"], ["b"]]), "Row 0 of X must have numbers. Got .*'a'.* instead"),
        (pd.DataFrame({"n": [1.0], "s": ["x"]}), "Column 's' of X must have numbers. Got 'x'"),
        ([[1.0], [{"a": 1}]], "Row 1 of X must have numbers. Got {'a': 1} instead"),
        ([1.0, 2.0], "Row 0 of X must be an array .* Got 1.0 instead. Reshape your data"),
        (np.ones(3), r"must have the shape .* Got \(3,\) instead. Reshape your data"),
        (np.ones((2, 2, 2, 2)), r"must have the shape .* Got \(2, 2, 2, 2\) instead"),
        ([np.ones((2, 2, 2))], r"Row 0 of X must be .* Got the shape \(2, 2, 2\) instead"),
        ([[[1.0], [2.0, 3.0]]], "Row 0 of X must be .* Got lists of unequal lengths instead"),
        ([], r"Found array with 0 sample\(s\)"),
        (pd.DataFrame({"a": []}), r"Found array with 0 sample\(s\)"),
        (pd.DataFrame(index=[0, 1]), r"Found array with 0 feature\(s\)"),
        ([[1j]], "Complex data not supported: Row 0 of X"),
        ("text", "X must have one sequence for each row. Got 'text' instead"),
        (
            pd.DataFrame({"a": [[1.0, 2.0]], "b": [[1.0]]}),
            "Row 0 has 2 steps in column 'a', and 1 in column 'b'. Pad the shorter",
        ),
        (
            pd.DataFrame({"a": [[1.0, 2.0]], "city": ["Rome"]}),
            r"in each row of column 'a', but not of column 'city'. Set columns=\['a'\]",
        ),
        (
            pd.DataFrame({"a": [np.ones((2, 2))]}),
            r"Row 0 of column 'a' must be a sequence of numbers. Got the shape \(2, 2\)",
        ),
    ],
)
def test_fit_raises_on_invalid_sequences(X, message):
    with pytest.raises(ValueError, match=message):
        SequenceEncoder().fit(X)


def test_fit_raises_on_sparse_rows():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        SequenceEncoder().fit(sparse.csr_array(np.eye(3)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"columns": ["a"]}, "needs a DataFrame. Got a list instead"),
        ({"layout": "time"}, "layout must be 'steps_first' or 'channels_first'. Got 'time'"),
        ({"max_length": 0}, "max_length must be an integer of at least 1, or None. Got 0"),
        ({"scaling": "robust"}, "scaling must be 'standard', 'series' or None. Got 'robust'"),
        ({"missing": "mean"}, "missing must be 'interpolate' or 'previous'. Got 'mean'"),
        ({"missing_indicator": 2}, "missing_indicator must be True or False. Got 2"),
        ({"masking": "yes"}, "masking must be 'auto', True or False. Got 'yes'"),
    ],
)
def test_fit_raises_on_parameters_out_of_range(changed, message):
    with pytest.raises(ValueError, match=message):
        SequenceEncoder(**changed).fit(RAGGED)


def test_fit_raises_on_unknown_columns():
    with pytest.raises(ValueError, match="Got 'speeed' instead. Did you mean 'speed'"):
        SequenceEncoder(columns="speeed").fit(pd.DataFrame({"speed": [[1.0]]}))
    with pytest.raises(ValueError, match="columns must name at least one column"):
        SequenceEncoder(columns=[]).fit(pd.DataFrame({"speed": [[1.0]]}))


def test_transform_raises_on_other_channels():
    encoder = SequenceEncoder().fit(np.ones((4, 5, 2)))

    with pytest.raises(ValueError, match=r"Row 0 of X has 5 channel.s., but .* with 2.*layout="):
        encoder.transform(np.ones((4, 2, 5)))


# Properties


values = st.floats(-1e9, 1e9, width=32) | st.just(NAN)


@st.composite
def ragged_sequences(draw):
    n_channels = draw(st.integers(1, 3))
    rows = []
    for n_steps in draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)):
        row = draw(st_numpy.arrays(np.float64, (n_steps, n_channels), elements=values))
        row[-1, 0] = draw(st.floats(-1e9, 1e9, width=32))
        rows.append(row)
    return rows


encoders = st.builds(
    SequenceEncoder,
    scaling=st.sampled_from(["standard", "series", None]),
    missing=st.sampled_from(["interpolate", "previous"]),
    missing_indicator=st.booleans(),
    masking=st.sampled_from(["auto", True]),
)


@settings(max_examples=100, deadline=None)
@given(encoder=encoders, rows=ragged_sequences())
def test_random_sequences_are_finite_and_marked_by_their_lengths(encoder, rows):
    given_rows = [row.copy() for row in rows]

    X_encoded = encoder.fit_transform(rows)

    assert np.isfinite(X_encoded).all()
    lengths = [len(row) for row in rows]
    np.testing.assert_array_equal(
        X_encoded.any(axis=2), np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]
    )
    for row, before in zip(rows, given_rows, strict=True):
        np.testing.assert_array_equal(row, before)


@settings(max_examples=100, deadline=None)
@given(encoder=encoders, rows=ragged_sequences(), data=st.data())
def test_encoding_of_a_row_does_not_depend_on_other_rows(encoder, rows, data):
    X_encoded = encoder.set_params(masking=True).fit_transform(rows)
    order = data.draw(st.permutations(range(len(rows))))

    np.testing.assert_array_equal(encoder.transform([rows[at] for at in order]), X_encoded[order])
    one_by_one = np.concatenate([encoder.transform([row]) for row in rows])
    np.testing.assert_array_equal(one_by_one, X_encoded)


@settings(max_examples=100, deadline=None)
@given(rows=ragged_sequences())
def test_inverse_transform_restores_random_sequences(rows):
    encoder = SequenceEncoder(masking=True).fit(rows)
    largest = max(np.nanmax(np.abs(row)) for row in rows)

    restored = encoder.inverse_transform(encoder.transform(rows))

    for found, row in zip(restored, rows, strict=True):
        np.testing.assert_allclose(found, row, atol=1e-5 * largest + 1e-30)
