"""The public function explain: values, shapes, parameters and the background."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from functools import cache, partial

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from shapley_definition import shapley_values
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import nnkit
from nnkit.explanation import explain

mpl.use("Agg")

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


class RecordingRegressor(RegressorMixin, BaseEstimator):
    """Predicts a product plus a sum, and records the number of rows of each call."""

    def fit(self, X, y=None):
        self.n_called_ = []
        return self

    def predict(self, X):
        self.n_called_.append(len(X))
        return np.prod(1 + X[:, :3], axis=1) + X.sum(axis=1)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    return X, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


@pytest.fixture(scope="module")
def cancer():
    """Two classes and 30 columns: permutations by default."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X, LinearRegression().fit(X, y)


@pytest.fixture(scope="module")
def passengers():
    """A table with columns of all kinds, and a pipeline with interactions among them."""
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "class": pd.Categorical(rng.choice(["first", "second", "third"], n)),
            "port": pd.Series(rng.choice(["C", "Q", "S"], n), dtype="str"),
            "day": pd.Timestamp("1912-04-10") + pd.to_timedelta(rng.integers(0, 5, n), "D"),
            "deck": pd.Series(rng.choice(["A", "B"], n), dtype=object),
        }
    )
    X.loc[::7, "age"] = np.nan
    X.loc[::5, "port"] = None
    y = (X["age"].fillna(40) > 38) ^ (X["class"] == "first") ^ (X["port"] == "S")
    columns = make_column_transformer(
        (SimpleImputer(add_indicator=True), ["age"]),
        (OneHotEncoder(handle_unknown="ignore"), ["class", "port", "deck"]),
        (FunctionTransformer(lambda days: days.apply(lambda day: day.dt.day)), ["day"]),
        sparse_threshold=0,
    )
    classifier = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5, random_state=0)
    return X, make_pipeline(columns, classifier).fit(X, y)


def test_explain_equals_definition_on_mixed_dtypes(passengers):
    X, pipeline = passengers
    background = X.iloc[40:52]

    explanation = explain(pipeline, X.iloc[:4], background)

    def value(coalition, row):
        masked_samples = background.copy()
        for column in X.columns[list(coalition)]:
            same = pd.concat([row[[column]]] * len(background))
            masked_samples[column] = same[column].set_axis(background.index)
        return pipeline.predict_proba(masked_samples)[:, 1].mean()

    expected = [shapley_values(cache(partial(value, row=X.iloc[[i]])), 5) for i in range(4)]
    np.testing.assert_allclose(explanation.values, expected, atol=1e-12)
    assert np.abs(explanation.values).max() > 0.05
    assert explanation.feature_names == list(X.columns)
    assert explanation.data[1, 2] == X["port"].iloc[1]
    assert explanation.data[1, 3] == X["day"].iloc[1].date().isoformat()


def test_feature_groups_of_mixed_dtypes_sum_to_prediction(passengers):
    X, pipeline = passengers
    groups = {"ticket": ["class", "port"]}

    explanation = explain(pipeline, X.iloc[:3], X.iloc[40:60], feature_groups=groups)

    assert explanation.feature_names == ["ticket", "age", "day", "deck"]
    assert explanation.data[1, 0] == f"class={X['class'].iloc[1]}, port={X['port'].iloc[1]}"
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, pipeline.predict_proba(X.iloc[:3])[:, 1], atol=1e-12)


def test_explanation_shapes_binary(cancer):
    X, classifier = cancer

    explanation = explain(classifier, X.iloc[:4], X)

    assert explanation.values.shape == explanation.error_std.shape == (4, 30)
    assert explanation.base_values.shape == (4,)
    assert explanation.output_names == "1"
    assert explanation.feature_names == list(X.columns)
    np.testing.assert_array_equal(explanation.data, X.iloc[:4].to_numpy())
    assert explanation.compute_time > 0


def test_explanation_shapes_multiclass(iris):
    X, classifier = iris

    explanation = explain(classifier, X.iloc[:5], X)

    assert explanation.values.shape == explanation.error_std.shape == (5, 4, 3)
    assert explanation.base_values.shape == (5, 3)
    assert explanation.output_names == ["0", "1", "2"]
    np.testing.assert_array_equal(explanation[..., 1].values, explanation.values[..., 1])


def test_single_class_of_multiclass_has_no_output_axis(iris):
    X, classifier = iris
    everything = explain(classifier, X.iloc[:5], X)

    explanation = explain(classifier, X.iloc[:5], X, classes=2)

    assert explanation.output_names == "2"
    np.testing.assert_allclose(explanation.values, everything.values[..., 2], atol=1e-15)
    np.testing.assert_allclose(explanation.base_values, everything.base_values[..., 2])


def test_explanation_shapes_regression(diabetes):
    X, regressor = diabetes

    explanation = explain(regressor, X.iloc[:5], X)

    assert explanation.values.shape == (5, 10)
    assert explanation.base_values.shape == (5,)
    assert explanation.output_names is None


def test_explanation_shapes_multioutput_regression():
    X, y = load_diabetes(return_X_y=True)
    regressor = LinearRegression().fit(X, np.column_stack([y, -y]))

    explanation = explain(regressor, X[:5], X)

    assert explanation.values.shape == (5, 10, 2)
    assert explanation.output_names == ["output 0", "output 1"]
    np.testing.assert_allclose(explanation.values[..., 0], -explanation.values[..., 1])


def test_arrays_and_lists_give_equal_values(cancer):
    X, classifier = cancer
    on_array = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        X.to_numpy(), classifier.predict(X)
    )

    of_array = explain(on_array, X.to_numpy()[:3], X.to_numpy())
    of_lists = explain(on_array, X.to_numpy()[:3].tolist(), X.to_numpy().tolist())

    assert of_array.feature_names[:2] == ["x0", "x1"]
    np.testing.assert_array_equal(of_array.values, of_lists.values)


@pytest.mark.parametrize("method", ["exact", "permutation"])
@pytest.mark.parametrize("batch_rows", [1, 13, 1000])
def test_batch_rows_bounds_rows_per_predict_call(method, batch_rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 4))
    regressor = RecordingRegressor().fit(X)

    pairs = {"n_permutations": 1} if method == "permutation" else {}
    explanation = explain(regressor, X, X[:3], method=method, batch_rows=batch_rows, **pairs)

    assert max(regressor.n_called_) <= batch_rows
    n_masked = (2**4 - 2) * 3 if method == "exact" else 2 * 3 * 3
    assert sum(regressor.n_called_) == 5 + 3 + 5 * n_masked
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, regressor.predict(X))


def test_masked_samples_of_many_rows_use_one_predict_call():
    X = np.random.default_rng(0).normal(size=(50, 4))
    regressor = RecordingRegressor().fit(X)

    explain(regressor, X, X[:3], method="permutation", n_permutations=1)

    # The explained rows, the background, all masked samples.
    assert regressor.n_called_ == [50, 3, 50 * 2 * 3 * 3]


def test_random_state_is_reproducible_and_keeps_numpy_global_state(cancer):
    X, classifier = cancer
    np.random.seed(5)
    before = np.random.get_state()[1].copy()

    first = explain(classifier, X.iloc[:3], X, random_state=3)
    second = explain(classifier, X.iloc[:3], X, random_state=3)
    explain(classifier, X.iloc[:1], X, random_state=None)

    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_random_state_accepts_random_state_instance(cancer):
    X, classifier = cancer
    state = np.random.RandomState(0)

    first = explain(classifier, X.iloc[:2], X, random_state=state)
    second = explain(classifier, X.iloc[:2], X, random_state=state)
    again = explain(classifier, X.iloc[:2], X, random_state=np.random.RandomState(0))

    assert (first.values != second.values).any()
    np.testing.assert_array_equal(first.values, again.values)


def test_explain_does_not_modify_inputs(passengers):
    X, pipeline = passengers
    rows, background = X.iloc[:5].copy(), X.iloc[40:].copy()
    groups = {"ticket": ["class", "port"]}

    explain(pipeline, rows, background, feature_groups=groups, max_background=10)

    pd.testing.assert_frame_equal(rows, X.iloc[:5])
    pd.testing.assert_frame_equal(background, X.iloc[40:])
    assert groups == {"ticket": ["class", "port"]}


def test_explanation_data_does_not_share_memory_with_x():
    X, y = load_diabetes(return_X_y=True)

    explanation = explain(LinearRegression().fit(X, y), X[:3], X)

    assert not np.shares_memory(explanation.data, X)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "exact"},
        {"output": "logit"},
        {"output": "raw"},
        {"output": np.asarray},
        {"classes": 0},
        {"feature_groups": {"both": ["alcohol", "hue"]}},
        {"n_permutations": 2},
        {"tol": 0.1},
        {"max_background": 20},
        {"random_state": 1},
    ],
    ids=str,
)
def test_every_parameter_changes_the_result(change):
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X.iloc[:, :12]
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y == 1)
    arguments = {"X": X.iloc[:3], "background": X.iloc[:40]}

    before = explain(classifier, **arguments)
    after = explain(classifier, **(arguments | change))

    is_same_shape = before.values.shape == after.values.shape
    assert not is_same_shape or np.abs(before.values - after.values).max() > 1e-6


def test_method_auto_is_exact_up_to_ten_feature_groups(diabetes, cancer):
    X, regressor = diabetes
    X_wide, classifier = cancer

    assert not explain(regressor, X.iloc[:2], X).error_std.any()
    assert explain(classifier, X_wide.iloc[:2], X_wide).error_std.all()
    assert not explain(regressor, X.iloc[:2], X, tol=0.01).error_std.any()


def test_background_columns_are_reordered_to_x(passengers):
    X, pipeline = passengers

    expected = explain(pipeline, X.iloc[:2], X.iloc[40:50])
    actual = explain(pipeline, X.iloc[:2], X.iloc[40:50][X.columns[::-1]])

    np.testing.assert_array_equal(actual.values, expected.values)


def test_max_background_samples_a_large_background(diabetes):
    X, regressor = diabetes

    everything = explain(regressor, X.iloc[:2], X, max_background=len(X))
    sampled = explain(regressor, X.iloc[:2], X, max_background=7)
    other = explain(regressor, X.iloc[:2], X, max_background=7, random_state=1)

    assert everything.base_values[0] == pytest.approx(regressor.predict(X).mean())
    assert sampled.base_values[0] != everything.base_values[0]
    assert sampled.base_values[0] != other.base_values[0]


def test_background_attribute_of_estimator_is_used(diabetes):
    X, _ = diabetes
    regressor = LinearRegression().fit(X, X["bmi"] * X["age"])
    regressor.background_ = X.iloc[:9]

    kept = explain(regressor, X.iloc[:2])
    given = explain(regressor, X.iloc[:2], X.iloc[:9])

    np.testing.assert_array_equal(kept.values, given.values)


@pytest.mark.parametrize("kept", ["no attribute", None, "pipeline"])
def test_missing_background_samples_x_with_warning(diabetes, kept):
    X, _ = diabetes
    regressor = LinearRegression().fit(X, X["bmi"])
    if kept == "pipeline":
        regressor = make_pipeline(StandardScaler(), LinearRegression()).fit(X, X["bmi"])
        regressor.background_ = X.iloc[:9]
    elif kept is None:
        regressor.background_ = None

    with pytest.warns(UserWarning, match=r"background was not given.*Pass background=X_train"):
        explanation = explain(regressor, X.iloc[:20])

    assert explanation.base_values[0] == pytest.approx(regressor.predict(X.iloc[:20]).mean())


@pytest.mark.parametrize("options", [{}, {"tol": 1e-9}], ids=["background", "tol"])
def test_warnings_point_to_the_call_of_explain(cancer, options):
    X, classifier = cancer
    background = X.iloc[:3] if options else None

    with pytest.warns(UserWarning, match="background was not given|did not reach tol") as record:
        explain(classifier, X.iloc[:3], background, n_permutations=1, **options)

    assert [warning.filename for warning in record] == [__file__]


def test_tol_warning_of_texts_points_to_the_call_of_explain():
    texts = ["not a good film at all", "a bad and cheap film , not good"]
    classifier = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 0])

    with pytest.warns(UserWarning, match=r"2 of 2 row\(s\) did not reach tol") as record:
        explain(classifier, texts, method="permutation", n_permutations=1, tol=1e-12)

    assert [warning.filename for warning in record] == [__file__]


def test_background_attribute_with_other_columns_raises(diabetes):
    X, _ = diabetes
    regressor = LinearRegression().fit(X, X["bmi"])
    regressor.background_ = X.drop(columns="age")

    with pytest.raises(ValueError, match=r"The estimator's background_ lacks .* 'age' of X"):
        explain(regressor, X)


def test_unknown_columns_raise(diabetes):
    X, regressor = diabetes

    with pytest.raises(
        ValueError,
        match="X has the column.s. .'extra'., which the estimator does not know. Use X.list",
    ):
        explain(regressor, X.assign(extra=1), X.assign(extra=1))


def test_missing_shap_raises_import_error_with_install_command(diabetes, monkeypatch):
    X, regressor = diabetes
    monkeypatch.setitem(sys.modules, "shap", None)

    with pytest.raises(ImportError, match=re.escape('pip install "nnkit[shap]"')):
        explain(regressor, X, X)


def test_import_loads_neither_shap_nor_tensorflow():
    program = (
        "import sys, nnkit.explanation; "
        "sys.exit(bool({'shap', 'tensorflow', 'keras'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_docstring_defaults_equal_signature_defaults():
    documented = dict(
        re.findall(r"^    (\w+) : .*default=([^\n]+)$", explain.__doc__, flags=re.MULTILINE)
    )

    defaults = {
        name: repr(parameter.default).replace("'", '"')
        for name, parameter in inspect.signature(explain).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }

    assert documented == defaults


def test_explain_is_exported_from_nnkit():
    assert nnkit.explain is explain


def plot_all(explanation, column):
    """Draw the four plots of shap of an explanation with a single output."""
    import matplotlib.pyplot as plt
    import shap

    shap.plots.waterfall(explanation[0], show=False)
    plt.close("all")
    shap.plots.bar(explanation, show=False)
    plt.close("all")
    shap.plots.bar(explanation[0], show=False)
    plt.close("all")
    shap.plots.beeswarm(explanation, show=False)
    plt.close("all")
    shap.plots.scatter(explanation[:, column], show=False)
    plt.close("all")


# shap 0.51 compares missing numbers of an object array when it suggests the jitter of a scatter.
@pytest.mark.filterwarnings("ignore:invalid value encountered in greater:RuntimeWarning")
@pytest.mark.parametrize("column", ["age", "class", "port", "day", "deck"])
def test_shap_plots_accept_mixed_dtypes(passengers, column):
    X, pipeline = passengers

    plot_all(explain(pipeline, X.iloc[:20], X.iloc[40:50]), column)
