"""Importances and their standard errors, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

shap = pytest.importorskip("shap")

from nnkit.explanation.results.feature_importance import feature_importance  # noqa: E402

# |values|: age 1, 3 (mean 2, variance 2), height 4, 4 (mean 4, variance 0).
VALUES = np.array([[1.0, -4.0], [-3.0, 4.0]])


def table_explanation(values=VALUES, **arrays):
    base_shape = values.shape[:1] + values.shape[2:]
    given = {
        "base_values": np.zeros(base_shape),
        "data": np.ones(values.shape[:2]),
        "feature_names": ["age", "height"],
    }
    return shap.Explanation(values, **given | arrays)


def text_explanation(**arrays):
    """Two texts: "good good film" and "film"."""
    words = [np.array(["good ", "good", "film"], dtype=object), np.array(["film"], dtype=object)]
    values = np.empty(2, dtype=object)
    values[:] = [np.array([1.0, 2.0, -1.0]), np.array([5.0])]
    return shap.Explanation(
        values, base_values=np.zeros(2), data=words, feature_names=words, **arrays
    )


def test_standard_error_without_error_std():
    table = feature_importance(table_explanation())

    assert list(table.index) == ["height", "age"]
    assert list(table.columns) == ["importance", "std_error"]
    assert table["importance"].tolist() == [4, 2]
    assert table["std_error"].tolist() == pytest.approx([0, np.sqrt(2 / 2)])


def test_errors_of_values_do_not_average_out():
    errors = np.array([[3.0, 0.5], [5.0, 1.5]])

    table = feature_importance(table_explanation(error_std=errors))

    assert table.loc["age", "std_error"] == pytest.approx(np.sqrt(2 / 2 + 4**2))
    assert table.loc["height", "std_error"] == pytest.approx(1)


def test_standard_error_matches_resampled_rows():
    rng = np.random.default_rng(0)
    population = rng.normal(size=(300, 100, 1))

    tables = [feature_importance(shap.Explanation(values)) for values in population]

    spread = np.std([table["importance"].iloc[0] for table in tables])
    assert np.mean([table["std_error"].iloc[0] for table in tables]) == pytest.approx(
        spread, rel=0.15
    )


def test_several_outputs_are_sorted_by_sum():
    values = np.stack([VALUES, 10 * VALUES[:, ::-1]], axis=2)  # age: 2 + 40, height: 4 + 20

    table = feature_importance(table_explanation(values, output_names=["no", "yes"]))

    assert list(table.index) == ["age", "height"]
    assert list(table.columns) == [
        ("no", "importance"),
        ("no", "std_error"),
        ("yes", "importance"),
        ("yes", "std_error"),
    ]
    assert table["no"]["importance"].tolist() == [2, 4]
    assert table["yes"]["importance"].tolist() == [40, 20]
    assert table["yes"]["std_error"].tolist() == pytest.approx([0, 10])


def test_selected_output_equals_column_of_all_outputs():
    values = np.random.default_rng(0).normal(size=(6, 2, 3))
    explanation = table_explanation(
        values, output_names=["a", "b", "c"], error_std=np.abs(values) / 3
    )

    alone = feature_importance(explanation[:, :, "b"])

    both = feature_importance(explanation)["b"].loc[alone.index]
    pd.testing.assert_frame_equal(alone, both)


def test_output_axis_of_length_one_without_name():
    table = feature_importance(table_explanation(VALUES[..., np.newaxis], output_names=["yes"]))

    assert list(table.columns) == ["importance", "std_error"]
    assert table["importance"].tolist() == [4, 2]


def test_single_row_has_nan_standard_error():
    explanation = table_explanation(error_std=np.ones((2, 2)))

    picked, sliced = feature_importance(explanation[0]), feature_importance(explanation[:1])

    assert picked["importance"].to_dict() == {"height": 4, "age": 1}
    assert picked["std_error"].isna().all()
    pd.testing.assert_frame_equal(picked, sliced)


def test_single_column_is_one_group():
    table = feature_importance(table_explanation()[:, "age"])

    assert table["importance"].to_dict() == {"age": 2}
    assert table["std_error"].tolist() == pytest.approx([1])


def test_absolute_values_keep_error_std():
    explanation = table_explanation(error_std=np.ones((2, 2)))

    pd.testing.assert_frame_equal(
        feature_importance(explanation.abs), feature_importance(explanation)
    )


def test_changed_values_have_nan_errors():
    explanation = table_explanation(error_std=np.ones((2, 2)))

    table = feature_importance(explanation * 2)

    assert table["importance"].tolist() == [8, 4]
    assert table["std_error"].isna().all()


def test_groups_without_names_are_numbered():
    table = feature_importance(table_explanation(feature_names=None))

    assert list(table.index) == ["x1", "x0"]


def test_nan_importance_is_last():
    values = VALUES.copy()
    values[0, 1] = np.nan

    assert list(feature_importance(table_explanation(values)).index) == ["age", "height"]


def test_base_values_of_shape_n_by_1_are_not_outputs():
    """shap 0.51 takes the feature groups for outputs here."""
    table = feature_importance(table_explanation(base_values=np.zeros((2, 1)), data=None))

    assert table["importance"].to_dict() == {"height": 4, "age": 2}


def test_words_are_summed_per_text_and_averaged_over_texts():
    table = feature_importance(text_explanation())

    # good: |1 + 2| and 0, film: 1 and 5.
    assert table["importance"].to_dict() == {"film": 3, "good": 1.5}
    assert table.loc["film", "std_error"] == pytest.approx(np.sqrt(8 / 2))
    assert table.loc["good", "std_error"] == pytest.approx(np.sqrt(4.5 / 2))


def test_errors_of_words_are_summed():
    errors = [np.array([1.0, 1.0, 2.0]), np.array([4.0])]

    table = feature_importance(text_explanation(error_std=errors))

    assert table.loc["good", "std_error"] == pytest.approx(np.sqrt(4.5 / 2 + 1**2))
    assert table.loc["film", "std_error"] == pytest.approx(np.sqrt(8 / 2 + 3**2))


def test_texts_of_equal_length_equal_table():
    words = ["age", "height"]
    values = np.stack([VALUES, 3 * VALUES], axis=2)
    texts = np.empty(2, dtype=object)
    texts[:] = list(values)
    explanation = shap.Explanation(
        texts,
        base_values=np.zeros((2, 2)),
        data=[np.array(words, dtype=object)] * 2,
        feature_names=[np.array(words, dtype=object)] * 2,
        output_names=["no", "yes"],
    )

    table = feature_importance(table_explanation(values, output_names=["no", "yes"]))

    pd.testing.assert_frame_equal(feature_importance(explanation), table, check_index_type=False)


@pytest.mark.parametrize(
    ("explanation", "message"),
    [
        pytest.param(
            shap.Explanation(np.ones((2, 3, 3)), np.zeros(2), np.ones((2, 3))),
            "Got interactions of shape (2, 3, 3) instead. Call explain with interactions=False.",
            id="interactions",
        ),
        pytest.param(
            shap.Explanation(np.ones((2, 3, 3)), np.zeros(2), np.ones((2, 3)))[0],
            "Got interactions of shape (3, 3) instead. Call explain with interactions=False.",
            id="interactions-of-a-row",
        ),
        pytest.param(
            shap.Explanation(np.ones((2, 4, 4, 1, 3)), np.zeros((2, 3)), np.ones((2, 4, 4, 1))),
            "Got values of shape (2, 4, 4, 1, 3) instead. Plot them with shap.plots.image",
            id="images",
        ),
        pytest.param(
            table_explanation().sum(1),
            "but sum() removed them. Pass the explanation before this operation.",
            id="summed-feature groups",
        ),
        pytest.param(
            table_explanation().argsort,
            "but argsort() removed them. Pass the explanation before this operation.",
            id="sorted",
        ),
        pytest.param(
            shap.Explanation(np.ones(2))[0],
            "must have one value for each feature group. Got a single number.",
            id="number",
        ),
        pytest.param(
            shap.Explanation(np.ones((0, 2))),
            "must have at least one row. Got none.",
            id="no-rows",
        ),
    ],
)
def test_values_without_feature_groups_raise(explanation, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        feature_importance(explanation)

    assert message in str(caught.value)


def test_texts_with_other_numbers_of_words_raise():
    explanation = text_explanation()
    explanation.values[1] = np.array([1.0, 2.0])

    with pytest.raises(ValueError, match=r"Got 2 value\(s\) for 1 word\(s\) in row 1"):
        feature_importance(explanation)


def test_non_explanation_raises_type_error():
    with pytest.raises(TypeError, match="must be a shap.Explanation. Got DataFrame instead"):
        feature_importance(pd.DataFrame(VALUES))
