"""Sections of the page about explanations: all coalitions, mixed columns, and other inputs."""

import statistics
import time

import numpy as np
import pandas as pd
import shap
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale

import nnkit
from benchmarks.figures import in_rounds, number

NUMBERS, STRINGS = ["age", "income", "years"], ["town", "work", "channel"]
GOOD, BAD = ["clean", "quiet", "kind", "good"], ["dirty", "loud", "rude", "bad"]
OTHER = ["the", "a", "room", "was", "and", "staff", "food", "near"]


def table(columns, rows):
    """Return a Markdown table of texts."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Timings:
    """Values and times of candidates, by name.

    Parameters
    ----------
    candidates : dict of str to (callable, int)
        A function from a number of rows to values, and the number of rows.
    slow : collection of str, default=()
        The candidates that are timed once, without a first call.
    n_repeats : int, default=5
        The number of rounds for the others.
    """

    def __init__(self, candidates, slow=(), n_repeats=5):
        self.values = {}
        self.n_rows = {name: n_rows for name, (_, n_rows) in candidates.items()}
        self._seconds = {name: [] for name in candidates}
        fast = [name for name in candidates if name not in slow]
        self.first = dict.fromkeys(candidates)
        for name in fast:
            self.first[name] = self._timed(name, *candidates[name])
        for _, name in in_rounds(fast, n_repeats):
            self._seconds[name].append(self._timed(name, *candidates[name]))
        for name in slow:
            self._seconds[name].append(self._timed(name, *candidates[name]))

    def _timed(self, name, run, n_rows):
        start = time.perf_counter()
        values = run(n_rows)
        seconds = time.perf_counter() - start
        self.values[name] = np.asarray(values)
        return seconds

    def per_row(self, name):
        """Return the median number of seconds per explained row."""
        return statistics.median(self._seconds[name]) / self.n_rows[name]

    def ratio(self, name, reference):
        """Return the ratio of the times per row of two candidates, as text."""
        return number(self.per_row(name) / self.per_row(reference), 2)

    def difference(self, name, reference):
        """Return the largest difference between the values of two candidates, on common rows."""
        n_rows = min(self.n_rows[name], self.n_rows[reference])
        return np.abs(self.values[name][:n_rows] - self.values[reference][:n_rows]).max()

    def table(self, reference):
        """Return the table of all candidates, compared with one of them.

        Parameters
        ----------
        reference : str
            The name of the candidate to compare with.
        """
        rows = []
        for name in self.n_rows:
            is_other = name != reference
            times = f" ({self.ratio(name, reference)}×)" if is_other else ""
            first = self.first[name]
            rows.append(
                [
                    name,
                    number(self.per_row(name) * 1e3) + times,
                    "–" if first is None else number(first),
                    str(self.n_rows[name]),
                    f"{self.difference(name, reference):.1e}" if is_other else "",
                ]
            )
        columns = ["", "time per row (ms)", "first call (s)", "rows", "largest difference"]
        return table(columns, rows)


def _mlp(**parameters):
    return nnkit.KerasClassifier(
        "mlp",
        **{
            "model__units": (64, 64),
            "epochs": 30,
            "batch_size": 32,
            "random_state": 0,
            **parameters,
        },
    )


def ten_columns(sizes):
    """Return the section on exact values of ten columns."""
    X, y = load_diabetes(return_X_y=True)
    X = scale(X).astype(np.float32)
    classifier = _mlp(encoder=None, n_estimators=1).fit(X, y > np.median(y))
    order = np.random.default_rng(0).permutation(len(X))
    background, rows = X[order[: sizes.background_size]], X[order[sizes.background_size :]]

    def own(n_rows):
        explained = rows[:n_rows]
        return nnkit.explain(
            classifier, explained, background, method="exact", progress=False
        ).values

    def exact(predict):
        def run(n_rows):
            masker = shap.maskers.Independent(background, max_samples=len(background))
            explainer = shap.explainers.Exact(predict, masker)
            return explainer(rows[:n_rows], silent=True).values

        return run

    by_nnkit, compiled, by_keras = (
        "nnkit, method='exact'",
        "shap Exact, predict_proba",
        "shap Exact, model_.predict",
    )
    timings = Timings(
        {
            by_nnkit: (own, sizes.n_some),
            compiled: (exact(lambda z: classifier.predict_proba(z)[:, 1]), sizes.n_some),
            by_keras: (
                exact(lambda z: classifier.model_.predict(z, verbose=0)[:, 0]),
                sizes.n_least,
            ),
        },
        slow=[by_keras],
        n_repeats=sizes.n_repeats,
    )
    return f"""## All coalitions of ten columns

The explained output is the probability that the target of the scaled diabetes data (10 columns) is
above its median, predicted by the network 10-64-64-1. With {len(background)} background rows, a row needs
{1022 * len(background):,} predictions.

{timings.table(by_nnkit)}

The columns are the time per explained row, with the ratio to nnkit in brackets; the time of the
first call; the number of explained rows; and the largest difference from the values of nnkit.

- The Exact explainer of shap takes {timings.ratio(compiled, by_nnkit)} times as long as nnkit with the compiled predictor, and
  {timings.ratio(by_keras, by_nnkit)} times as long with the predict of Keras. The values agree up to rounding, by
  {timings.difference(compiled, by_nnkit):.1e}.
"""


def mixed_rows(n_samples):
    """Return labels and a table with three columns of numbers, some missing, and three of strings."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(n_samples, 3)), columns=NUMBERS)
    towns, works = ["Bern", "Graz", "Lyon", "Oslo", "Porto"], ["none", "part", "full", "own"]
    for name, known in zip(STRINGS, [towns, works, ["shop", "phone", "web"]], strict=True):
        rows[name] = rng.choice(known, size=n_samples)
    score = rows["age"] * (rows["town"] == "Oslo") + rows["income"] - (rows["work"] == "none")
    y = (score + 0.5 * rng.normal(size=n_samples) > 0).astype(int)
    is_missing = rng.random((n_samples, 3)) < 0.1
    rows[NUMBERS] = rows[NUMBERS].mask(is_missing)
    return rows, y


def mixed_pipeline():
    """Return a pipeline for the table of `mixed_rows`, which ends in a network."""
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    strings = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((numeric, NUMBERS), (strings, STRINGS))
    return make_pipeline(columns, _mlp(encoder=None, n_estimators=1))


def mixed_columns(sizes):
    """Return the section on a pipeline for columns of numbers and strings."""
    X, y = mixed_rows(600)
    pipeline = mixed_pipeline().fit(X, y)
    background, rows = X.iloc[: sizes.background_size], X.iloc[sizes.background_size :]
    dtypes = X.dtypes.to_dict()

    def probability(frame):
        return pipeline.predict_proba(frame)[:, 1]

    def own(n_rows, output="auto"):
        explained = rows.iloc[:n_rows]
        found = nnkit.explain(
            pipeline, explained, background, method="exact", output=output, progress=False
        )
        return found.values

    def kernel(n_rows):
        def predict(z):
            return probability(pd.DataFrame(z, columns=X.columns).astype(dtypes))

        explainer = shap.KernelExplainer(predict, background)
        return explainer.shap_values(rows.iloc[:n_rows], l1_reg=0, silent=True)

    by_nnkit, whole, peer = (
        "nnkit, transformed columns",
        "nnkit, whole rows",
        "shap Kernel, l1_reg=0, a lambda with a DataFrame",
    )
    timings = Timings(
        {
            by_nnkit: (own, sizes.n_rows),
            whole: (lambda n_rows: own(n_rows, probability), sizes.n_some),
            peer: (kernel, sizes.n_some),
        },
        n_repeats=sizes.n_repeats,
    )
    return f"""## Columns of numbers and strings

The table has six raw columns, three of numbers with missing values and three of strings. A
`ColumnTransformer` imputes and scales the numbers and encodes the strings one-hot, for a network.
All coalitions are evaluated, with {len(background)} background rows.

{timings.table(by_nnkit)}

The columns are as above. The first candidate masks the transformed columns, which is the default for
this pipeline. The second masks rows of the raw table and transforms them in the pipeline, since its
output is a callable, `output=lambda rows: pipeline.predict_proba(rows)[:, 1]`. The third does the
same, and evaluates all coalitions of so few columns.

- Masked samples of transformed columns give the same values, up to {timings.difference(whole, by_nnkit):.1e}, in
  {number(timings.per_row(by_nnkit) * 1e3)} ms per row. Whole rows take {timings.ratio(whole, by_nnkit)} times as long, and the Kernel explainer of shap
  {timings.ratio(peer, by_nnkit)} times.
"""


def _convolutional():
    import keras

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def _reviews(n_samples):
    """Return texts of twelve words, and whether they have more positive than negative words."""
    rng = np.random.default_rng(0)
    words = rng.choice([*GOOD, *BAD, *OTHER], size=(n_samples, 12))
    n_good = np.isin(words, GOOD).sum(axis=1)
    n_bad = np.isin(words, BAD).sum(axis=1)
    return [" ".join(text) for text in words], (n_good > n_bad).astype(int)


def other_inputs(sizes):
    """Return the section on interactions, images and texts."""
    X, y = mixed_rows(600)
    pipeline = mixed_pipeline().fit(X, y)
    digits, labels = load_digits(return_X_y=True)
    images = (digits.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
    images_classifier = nnkit.KerasClassifier(_convolutional, epochs=10, random_state=0)
    images_classifier.fit(images, labels)
    texts, is_good = _reviews(600)
    texts_classifier = make_pipeline(TfidfVectorizer(), _mlp()).fit(texts, is_good)
    at = sizes.background_size

    def interactions(n_rows):
        found = nnkit.explain(
            pipeline, X.iloc[at : at + n_rows], X.iloc[:at], interactions=True, progress=False
        )
        return found.values

    def patches(n_rows):
        found = nnkit.explain(
            images_classifier,
            images[at : at + n_rows],
            images[:at],
            feature_groups="patches",
            patch=(2, 2),
            progress=False,
        )
        return found.values

    def words(n_rows):
        found = nnkit.explain(texts_classifier, texts[:n_rows], progress=False)
        return [values.sum() for values in found.values]

    cases = {
        "interactions of 6 raw columns, all coalitions": (interactions, sizes.n_some),
        "images (8, 8, 1), 10 labels, 16 patches, permutations": (patches, sizes.n_some),
        "words of texts of 12 words, tf-idf, permutations": (words, sizes.n_some),
    }
    timings = Timings(cases, n_repeats=sizes.n_repeats)
    rows = [
        [name, number(timings.per_row(name) * 1e3), number(timings.first[name]), str(n_rows)]
        for name, (_, n_rows) in cases.items()
    ]
    return f"""## Interactions, images and words

{table(["", "time per row (ms)", "first call (s)", "rows"], rows)}

The times are those of an explained row, image or text by `nnkit.explain`, with {at} background rows.
The pipeline is that of the section above. The images are digits, for which a small convolutional
network predicts ten probabilities, which are explained together. The texts are transformed by
`TfidfVectorizer` for a network.
"""
