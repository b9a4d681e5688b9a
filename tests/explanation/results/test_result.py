"""The explanation: its metadata, its summary, and the plots of shap."""

from __future__ import annotations

import copy
import pickle
from html.parser import HTMLParser

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import and the plots of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

shap = pytest.importorskip("shap")

from nnkit.explanation.results.result import Explanation  # noqa: E402

MADE = {
    "method": "permutation",
    "background": "100 rows kept by the estimator",
    "background_size": 100,
    "output": "probability",
    "compute_time": 1.25,
}
GROUP_NAMES = ["age", "<b>&", "height"]


def random_explanation(*shape, n_outputs=None, data=None, **arrays):
    """Return values of a shape, with outputs in a last axis."""
    rng = np.random.default_rng(0)
    outputs = () if n_outputs is None else (n_outputs,)
    values = rng.normal(size=shape + outputs)
    given = {
        "base_values": np.tile(rng.normal(size=(1, *outputs)), (shape[0],) + (1,) * len(outputs)),
        "data": rng.normal(size=shape) if data is None else data,
        "output_names": None if n_outputs is None else [f"kind {i}" for i in range(n_outputs)],
        "error_std": np.abs(values) / 10,
    }
    if n_outputs is None:
        given["base_values"] = given["base_values"].reshape(-1)[: shape[0]]
    return Explanation(values, **given | arrays, **MADE)


def binary():
    return random_explanation(12, 3, feature_names=GROUP_NAMES, output_names="yes")


def multiclass():
    return random_explanation(12, 3, n_outputs=4, feature_names=GROUP_NAMES)


def strings():
    data = np.array([["a", "b", "c"]] * 12, dtype=object)
    return random_explanation(12, 3, feature_names=GROUP_NAMES, data=data)


def interactions(n_outputs=None):
    return random_explanation(
        12, 3, 3, n_outputs=n_outputs, feature_names=GROUP_NAMES, data=np.ones((12, 3))
    )


def images(n_outputs=None):
    return random_explanation(2, 4, 4, 1, n_outputs=n_outputs)


def texts(n_outputs=None):
    outputs = () if n_outputs is None else (n_outputs,)
    words = [np.array(["good", "<i>"], dtype=object), np.array(["film"] * 3, dtype=object)]
    values = np.empty(2, dtype=object)
    values[:] = [np.ones((2, *outputs)), np.ones((3, *outputs))]
    names = None if n_outputs is None else [f"kind {i}" for i in range(n_outputs)]
    base_values = np.zeros((2, *outputs))
    return Explanation(
        values, base_values=base_values, data=words, feature_names=words, output_names=names, **MADE
    )


KINDS = {
    "binary": binary,
    "nameless": lambda: Explanation(np.ones((12, 3)), **MADE),
    "multiclass": multiclass,
    "strings": strings,
    "interactions": interactions,
    "interactions of classes": lambda: interactions(4),
    "images": images,
    "images of classes": lambda: images(4),
    "texts": texts,
    "texts of classes": lambda: texts(4),
    "no rows": lambda: Explanation(np.ones((0, 3)), data=np.ones((0, 3)), **MADE),
    "not a number": lambda: Explanation(np.full((12, 3), np.nan), **MADE),
}
CHANGES = {
    "all": lambda explanation: explanation,
    "row": lambda explanation: explanation[0],
    "rows": lambda explanation: explanation[:1],
    "last": lambda explanation: explanation[..., 0],
    "column": lambda explanation: explanation[:, 0],
    "single value": lambda explanation: explanation[0, 0],
    "row of last": lambda explanation: explanation[..., 0][0],
    "mean": lambda explanation: explanation.abs.mean(0),
    "sum of feature groups": lambda explanation: explanation.sum(1),
    "sum": lambda explanation: explanation.sum(),
    "arithmetic": lambda explanation: (explanation + 1) * 2,
    "order": lambda explanation: explanation.argsort,
    "sample": lambda explanation: explanation.sample(2),
    "percentile": lambda explanation: explanation.percentile(50, 0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda explanation: pickle.loads(pickle.dumps(explanation)),
}
# shap itself raises: no arithmetic of strings or words, no rows to pick.
IMPOSSIBLE = {
    "nameless": ["percentile"],
    "not a number": ["percentile"],
    "strings": ["arithmetic", "percentile"],
    "texts": ["sum of feature groups", "sum", "arithmetic", "order"],
    "texts of classes": ["sum of feature groups", "sum", "arithmetic", "order"],
    "no rows": [
        "row",
        "single value",
        "row of last",
        "mean",
        "sum of feature groups",
        "percentile",
    ],
}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(kind, change, id=f"{kind}-{change}".replace(" ", "_"))
        for kind in KINDS
        for change in CHANGES
        if change not in IMPOSSIBLE.get(kind, [])
    ],
)
def test_derived_explanations_keep_metadata_and_summary(kind, change):
    changed = CHANGES[change](KINDS[kind]())

    kept = {name: getattr(changed, name) for name in MADE}
    assert type(changed) is Explanation
    assert kept == MADE
    assert "permutation" in repr(changed)
    assert "permutation" in changed._repr_html_()


def test_copy_has_separate_arrays():
    explanation = binary()

    copied = copy.copy(explanation)
    copied.values = copied.values * 0

    assert copied.values.max() == 0
    assert explanation.values.max() > 0


def test_pickle_keeps_arrays_and_names():
    explanation = multiclass()

    back = pickle.loads(pickle.dumps(explanation))

    for name in ("values", "base_values", "data", "error_std"):
        np.testing.assert_array_equal(getattr(back, name), getattr(explanation, name))
    assert back.feature_names == explanation.feature_names
    assert back.output_names == explanation.output_names


def test_single_row_with_output_name_can_be_sliced():
    """shap 0.51 cannot copy values with one axis and one output name."""
    row = binary()[0]

    assert row["age"].values == row.values[0]
    assert row[1:].feature_names == GROUP_NAMES[1:]
    assert row.abs.output_names == "yes"


def test_slices_equal_shap_explanation():
    explanation = multiclass()
    plain = shap.Explanation(
        explanation.values,
        base_values=explanation.base_values,
        data=explanation.data,
        feature_names=GROUP_NAMES,
        output_names=[f"kind {i}" for i in range(4)],
    )

    for pick in (np.s_[0], np.s_[2:4, :, 1], np.s_[:, "age"], np.s_[:, :, "kind 2"]):
        own, theirs = explanation[pick], plain[pick]
        np.testing.assert_array_equal(own.values, theirs.values)
        np.testing.assert_array_equal(own.base_values, theirs.base_values)
        np.testing.assert_array_equal(own.data, theirs.data)
        assert own.feature_names == theirs.feature_names
        assert own.output_names == theirs.output_names


@pytest.fixture
def pyplot():
    """pyplot, whose figures are closed after the test."""
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(binary, id="binary"),
        pytest.param(lambda: multiclass()[:, :, 2], id="class"),
        pytest.param(lambda: multiclass()[:, :, "kind 1"], id="class-by-name"),
        pytest.param(strings, id="strings"),
    ],
)
@pytest.mark.parametrize(
    "plot",
    [
        pytest.param(lambda e: shap.plots.bar(e, show=False), id="bar"),
        pytest.param(lambda e: shap.plots.bar(e[0], show=False), id="bar-of-row"),
        pytest.param(lambda e: shap.plots.bar(e.abs.mean(0), show=False), id="bar-of-mean"),
        pytest.param(lambda e: shap.plots.beeswarm(e, show=False), id="beeswarm"),
        pytest.param(lambda e: shap.plots.waterfall(e[0], show=False), id="waterfall"),
        pytest.param(lambda e: shap.plots.heatmap(e, show=False), id="heatmap"),
        pytest.param(lambda e: shap.plots.scatter(e[:, "age"], show=False), id="scatter"),
    ],
)
def test_shap_plots_accept_explanation(make, plot, pyplot):
    plot(make())

    assert pyplot.get_fignums()


@pytest.mark.parametrize("n_outputs", [pytest.param(None, id="one"), pytest.param(2, id="two")])
def test_shap_image_plot_accepts_explanation(n_outputs, pyplot):
    shap.plots.image(images(n_outputs), show=False)

    assert pyplot.get_fignums()


def small(**arrays):
    return Explanation(
        np.array([[0.5, -0.25, 0.0], [0.5, 0.75, 0.0]]),
        **{"base_values": np.array([0.25, 0.25]), "feature_names": GROUP_NAMES} | arrays,
        **MADE,
    )


def test_repr_of_table():
    errors = np.array([[0.1, 0.0, 0.0]] * 2)

    assert str(small(error_std=errors, output_names="yes")) == (
        "Explanation of 2 rows\n"
        "  output      probability: yes\n"
        "  groups      3\n"
        "  method      permutation\n"
        "  background  100 rows kept by the estimator\n"
        "  base value  0.25\n"
        "  time        1.2 s\n"
        "\n"
        "Importance: mean of |value| over 2 rows, ± standard error\n"
        "  age     0.5 ± 0.1   ####################\n"
        "  <b>&    0.5 ± 0.25  ####################\n"
        "  height  0 ± 0"
    )


def test_repr_of_single_row():
    errors = np.array([[0.1, 0.05, 0.0]] * 2)

    assert repr(small(error_std=errors)[0]).partition("\n\n")[2] == (
        "Largest values, ± standard error\n"
        "  age     0.5 ± 0.1     ####################\n"
        "  <b>&    -0.25 ± 0.05  ##########\n"
        "  height  0 ± 0"
    )


def test_repr_of_several_outputs():
    values = np.stack([np.ones((2, 3)), 2 * np.ones((2, 3))], axis=2)
    base_values = np.array([[0.25, 0.5], [0.25, 0.75]])

    text = repr(small_of(values, base_values))

    assert "  output      probability: 2 (no, yes)\n" in text
    assert "  base value  0.25, 0.5 to 0.75\n" in text
    assert text.endswith(
        "          no     yes\n"
        "  age     1 ± 0  2 ± 0  ####################\n"
        "  <b>&    1 ± 0  2 ± 0  ####################\n"
        "  height  1 ± 0  2 ± 0  ####################"
    )


def small_of(values, base_values):
    return Explanation(
        values,
        base_values=base_values,
        feature_names=GROUP_NAMES,
        data=np.ones((2, 3)),
        output_names=["no", "yes"],
        **MADE,
    )


def test_repr_of_changed_values_has_no_errors():
    text = repr(small(error_std=np.ones((2, 3))).abs.mean(0))

    assert "changed by  abs, mean" in text
    assert "Largest numbers\n  age     0.5  ####" in text
    assert "base value" not in text


def test_repr_lists_largest_groups_and_first_outputs():
    explanation = random_explanation(5, 14, n_outputs=7)

    text = repr(explanation)

    assert text.endswith("and 4 more")
    assert "5 of 7 outputs" in text
    assert "7 (kind 0, kind 1, kind 2, kind 3, kind 4, …)" in text


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param({"background": "given", "background_size": 7}, "given (7 rows)", id="both"),
        pytest.param(
            {"background": "7 rows given", "background_size": 7}, "7 rows given", id="once"
        ),
        pytest.param({"background_size": 7}, "7 rows", id="number"),
        pytest.param({"background": "given"}, "given", id="text"),
    ],
)
def test_repr_shows_background_with_number_of_rows(made, expected):
    text = repr(Explanation(np.ones((2, 3)), **made))

    assert f"  background  {expected}\n" in text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0.0123, "0.012 s", id="short"),
        pytest.param(125.2, "2 min 5 s", id="long"),
        pytest.param(119.9, "2 min 0 s", id="rounded-up"),
    ],
)
def test_repr_shows_time(seconds, expected):
    assert f"  time    {expected}\n" in repr(Explanation(np.ones((2, 3)), compute_time=seconds))


def test_repr_shortens_long_names():
    explanation = small(feature_names=["a\nb", "c" * 200, "d"])

    lines = repr(explanation).splitlines()

    assert max(map(len, lines)) < 100
    assert any(line.startswith("  a b  ") for line in lines)


class Tags(HTMLParser):
    """A parser that collects tags, styles and text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.styles = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.styles.append(dict(attributes).get("style", ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_escapes_names():
    dangerous = "<script>&\"'"
    explanation = Explanation(
        np.ones((2, 2, 2)),
        base_values=np.ones((2, 2)),
        data=np.ones((2, 2)),
        feature_names=["<b>&", dangerous],
        output_names=["<i>", "</td>"],
        method="<method>",
        background="<background>",
        output="<output>",
    )

    page = explanation._repr_html_()

    parsed = Tags(page)  # asserts that all tags close in order
    assert parsed.open == []
    assert "&lt;b&gt;&amp;" in page
    assert "<script" not in page
    assert {"<b>&", dangerous, "<i>", "</td>", "<method>"} <= set(parsed.text)


def test_html_bar_lengths_are_proportional_to_importance():
    styles = Tags(small()._repr_html_()).styles

    bars = [style for style in styles if style.startswith("height:10px")]
    assert [style.partition("width:")[2].partition("px")[0] for style in bars] == [
        "160",
        "160",
        "0",
    ]


def test_html_bars_of_row_have_colours_by_sign():
    styles = Tags(small()[0]._repr_html_()).styles

    bars = [style for style in styles if style.startswith("height:10px")]
    assert "#ff0051" in bars[0]
    assert "#008bfb" in bars[1]


def test_repr_shows_rounding_errors_as_zero():
    values = np.array([[0.5, 3e-17], [-0.25, -3e-17]])

    text = str(Explanation(values, feature_names=["age", "unused"]))

    assert [line.split()[:2] for line in text.splitlines()[-2:]] == [
        ["age", "0.375"],
        ["unused", "0"],
    ]
