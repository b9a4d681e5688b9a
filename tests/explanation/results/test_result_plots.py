"""The plots of shap show the names and values of explanations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from nnkit import KerasClassifier, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import and the plots of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

pytest.importorskip("matplotlib")
shap = pytest.importorskip("shap")


@pytest.fixture
def pyplot():
    """matplotlib's pyplot, without figures before and after."""
    from matplotlib import pyplot

    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


def explained_binary():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X.iloc[:, :5]
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    return explain(tree, X.head(12), X, max_background=20)


def explained_classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = LogisticRegression(max_iter=1000).fit(X, names[y])
    return explain(model, X.iloc[::12], X, max_background=20)


def explained_estimates():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    return explain(model, X.head(12), X, output="logit", max_background=20)


def explained_regression():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X.iloc[:, :4]
    return explain(LinearRegression().fit(X, y), X.head(12), X, max_background=20)


def table_of_flats():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "area": rng.uniform(20, 100, 60).round(),
            "district": rng.choice(["centre", "harbour", "north"], 60),
            "balcony": pd.Categorical(rng.choice(["with balcony", "without"], 60)),
            "floor": rng.integers(6, size=60),
        }
    )
    y = 10 * X["area"] + 200 * (X["district"] == "centre") + 50 * (X["balcony"] == "without")
    y += 20 * X["floor"]
    encoder = OneHotEncoder(sparse_output=False)
    columns = make_column_transformer((encoder, ["district", "balcony"]), remainder="passthrough")
    return X, make_pipeline(columns, LinearRegression()).fit(X, y)


def explained_strings():
    X, model = table_of_flats()
    return explain(model, X.head(30), X, max_background=20)


def explained_groups():
    X, model = table_of_flats()
    groups = {"building": ["area", "balcony"]}
    return explain(model, X.head(12), X, feature_groups=groups, max_background=20)


# Plots do not modify explanations, so that each is computed once.
TABLES = {
    "binary": cache(explained_binary),
    "class": cache(lambda: explained_classes()[:, :, "virginica"]),
    "estimates": cache(explained_estimates),
    "regression": cache(explained_regression),
    "strings": cache(explained_strings),
    "groups": cache(explained_groups),
}
every_table = pytest.mark.parametrize(
    "make", [pytest.param(make, id=name) for name, make in TABLES.items()]
)
numeric_tables = pytest.mark.parametrize(
    "make",
    [pytest.param(TABLES[name], id=name) for name in TABLES if name not in ("strings", "groups")],
)


def tick_labels(axes):
    """Return the texts at the y axis, from the top."""
    positions = axes.get_yticks()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    order = np.argsort(positions, kind="stable")
    upward = [labels[i] for i in order]
    downward = upward if axes.yaxis_inverted() else upward[::-1]
    # Bars write each label twice, one over the other.
    pairs = zip(downward[::2], downward[1::2], strict=False)
    return downward[::2] if all(first == second for first, second in pairs) else downward


def by_importance(explanation):
    """Return the feature groups, the most important first."""
    order = np.argsort(-np.abs(explanation.values).mean(axis=0), kind="stable")
    return [explanation.feature_names[feature_group] for feature_group in order]


def texts_of(figure):
    """Return all texts of a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def shown_value(value):
    """Return a value as the plots of a single row show it."""
    return value if isinstance(value, str) else f"{value:.4g}".rstrip("0").rstrip(".")


@every_table
def test_bar_plot_is_sorted_by_importance(make, pyplot):
    explanation = make()
    n_shown = min(len(explanation.feature_names), 6)

    axes = shap.plots.bar(explanation, max_display=n_shown + 1, show=False)

    expected = by_importance(explanation)[:n_shown]
    assert [name for name in tick_labels(axes) if name in expected][:n_shown] == expected
    largest = np.abs(explanation.values).mean(axis=0).max()
    assert max(bar.get_width() for bar in axes.patches) >= largest * (1 - 1e-9)


@every_table
def test_bar_plot_of_row_has_its_values(make, pyplot):
    explanation = make()

    shap.plots.bar(explanation[3], show=False)

    top = int(np.argmax(np.abs(explanation.values[3])))
    shown = " ".join(texts_of(pyplot.gcf()))
    assert explanation.feature_names[top] in shown
    assert shown_value(explanation.data[3][top])[:4] in shown.replace("−", "-")


@every_table
def test_beeswarm_has_one_dot_per_row(make, pyplot):
    explanation = make()

    axes = shap.plots.beeswarm(explanation, max_display=30, show=False)

    assert tick_labels(axes) == by_importance(explanation)
    n_dots = sum(len(dots.get_offsets()) for dots in axes.collections)
    assert n_dots == explanation.values.size


@every_table
def test_waterfall_goes_from_base_to_prediction(make, pyplot):
    explanation = make()
    row = explanation[0]
    prediction = row.base_values + row.values.sum()

    shap.plots.waterfall(row, show=False)

    shown = " ".join(texts_of(pyplot.gcf())).replace("−", "-")
    top = int(np.argmax(np.abs(row.values)))
    assert f"{shown_value(row.data[top])[:4]}" in shown
    assert explanation.feature_names[top] in shown
    for number in (prediction, row.base_values):
        assert f"{number:.3f}".rstrip("0").rstrip(".") in shown


@every_table
def test_heatmap_has_one_column_per_row(make, pyplot):
    explanation = make()

    axes = shap.plots.heatmap(explanation, max_display=30, show=False)

    assert tick_labels(axes)[1:] == by_importance(explanation)
    assert axes.images[0].get_array().shape == explanation.values.T.shape


@numeric_tables
def test_scatter_of_numeric_column(make, pyplot):
    explanation = make()
    name = explanation.feature_names[1]

    shap.plots.scatter(explanation[:, name], hist=False, show=False)

    axes = pyplot.gcf().axes[0]
    dots = np.vstack([dots.get_offsets() for dots in axes.collections])
    assert axes.get_xlabel() == name
    assert sorted(dots[:, 1]) == pytest.approx(sorted(explanation.values[:, 1]))
    assert set(dots[:, 0].round(6)) <= set(explanation.data[:, 1].round(6))


def test_scatter_of_string_column(pyplot):
    explanation = explained_strings()

    shap.plots.scatter(
        explanation[:, "district"], color=explanation[:, "balcony"], hist=False, show=False
    )

    axes, colours = pyplot.gcf().axes
    places = {label.get_text() for label in axes.get_xticklabels()}
    assert places == set(explanation.data[:, 1])
    assert {label.get_text() for label in colours.get_yticklabels()} == {"with balcony", "without"}


@numeric_tables
def test_violin_plot_of_numeric_columns(make, pyplot):
    explanation = make()

    shap.plots.violin(explanation, max_display=2, show=False)

    assert tick_labels(pyplot.gcf().axes[0]) == by_importance(explanation)[:2]


@every_table
def test_force_plot_has_base_and_largest_column(make, pyplot):
    explanation = make()
    row = explanation[0]

    figure = shap.plots.force(row, matplotlib=True, show=False)

    top = int(np.argmax(np.abs(row.values)))
    value = row.data[top]
    shown = texts_of(figure)
    assert "base value" in shown
    expected = f"{explanation.feature_names[top]} = {value}"
    assert any(text.startswith(expected[:20]) for text in shown)


@every_table
def test_decision_plot_has_one_line_per_row(make, pyplot):
    explanation = make()
    n_groups = len(explanation.feature_names)

    shap.plots.decision(
        explanation.base_values[0],
        explanation.values,
        explanation.data,
        feature_names=explanation.feature_names,
        feature_display_range=slice(None, None, -1),
        show=False,
    )

    axes = pyplot.gcf().axes[0]
    assert tick_labels(axes) == by_importance(explanation)
    lines = [line for line in axes.lines if len(line.get_xdata()) == n_groups + 1]
    ends = sorted(line.get_xdata()[-1] for line in lines)
    predictions = explanation.base_values + explanation.values.sum(axis=1)
    assert ends == pytest.approx(sorted(predictions))


@every_table
def test_bar_plot_of_several_explanations(make, pyplot):
    explanation = make()

    axes = shap.plots.bar({"first": explanation[:6], "last": explanation[6:]}, show=False)

    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.split(" ")[0].lower() for text in legend] == ["first", "last"]


def convolutional(meta):
    import keras

    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


@pytest.fixture(scope="module")
def digits():
    """Images of 8 x 8 pixels, and a network that reads four digits."""
    images, labels = load_digits(n_class=4, return_X_y=True)
    images = images.reshape(-1, 8, 8, 1)[:200] / 16
    labels = np.array(["zero", "one", "two", "three"])[labels[:200]]
    network = KerasClassifier(convolutional, epochs=2, batch_size=32, random_state=0)
    return images, network.fit(images, labels)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"feature_groups": "patches", "patch": (4, 4)}, id="patches"),
        pytest.param({"feature_groups": np.arange(64).reshape(8, 8) // 16}, id="regions"),  # strips
        pytest.param({"feature_groups": "elements", "method": "permutation"}, id="elements"),
        pytest.param({"method": "gradient"}, id="gradient"),
    ],
)
@pytest.mark.parametrize(
    ("classes", "names"),
    [
        pytest.param(None, ["one", "three", "two", "zero"], id="all-classes"),
        pytest.param(["three", "one"], ["three", "one"], id="two-classes"),
        pytest.param("two", [""], id="one-class"),
    ],
)
def test_image_plot_shows_values_of_each_class(arguments, classes, names, digits, pyplot):
    images, network = digits
    explanation = explain(network, images[:3], classes=classes, max_background=10, **arguments)

    shap.plots.image(explanation, show=False)

    with_images = [axes for axes in pyplot.gcf().axes if axes.images]
    grids = [axes for axes in with_images if axes.images[0].get_array().shape[:2] == (8, 8)]
    assert len(grids) == 3 * (1 + len(names))
    assert [axes.get_title() for axes in grids[1 : 1 + len(names)]] == names
    shown = np.asarray(grids[1].images[-1].get_array()).reshape(8, 8)
    of_first = explanation.values[0, ..., 0, 0] if len(names) > 1 else explanation.values[0, ..., 0]
    assert shown == pytest.approx(of_first)


TEXTS = ["a good film", "a very bad film indeed", "good music but <i>bad</i>"]


def explained_texts(classes):
    texts = ["good film", "very good music", "bad film", "bad plot", "neither of them"]
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    model.fit(texts, ["praise", "praise", "blame", "blame", "other"])
    return explain(model, TEXTS, classes=classes)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        pytest.param("praise", [], id="one-class"),
        pytest.param(None, ["praise", "blame", "other"], id="all-classes"),
    ],
)
def test_text_plot_shows_all_words(classes, names):
    explanation = explained_texts(classes)

    html = shap.plots.text(explanation, display=False)

    for word in ("good", "very", "indeed", "music", *names):
        assert word in html
    assert "<i>bad</i>" not in html


def test_bar_plot_of_text_has_its_words(pyplot):
    explanation = explained_texts("praise")

    axes = shap.plots.bar(explanation[1], show_data=False, show=False)

    words = TEXTS[1].split()
    order = np.argsort(-np.abs(explanation[1].values), kind="stable")
    assert tick_labels(axes)[: len(words)] == [words[i] for i in order]


def test_waterfall_of_text_has_its_words(pyplot):
    explanation = explained_texts("praise")

    shap.plots.waterfall(explanation[0], show=False)

    shown = " ".join(texts_of(pyplot.gcf()))
    assert all(word in shown for word in TEXTS[0].split())
