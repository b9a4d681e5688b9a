"""Explanations of a table of 30 columns by nnkit and by shap, with their times and errors."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import shap
import tensorflow as tf

import nnkit
from benchmarks.networks import breast_cancer

N_PERMUTATIONS = (1, 2, 4, 8)
COMPILED, BY_KERAS = "predict_proba", "model_.predict"
N_CALLS_OF_FLOOR = 5


@dataclass(frozen=True)
class Sizes:
    """The numbers of rows and rounds of the measurements.

    Parameters
    ----------
    n_rows, background_size : int
        The numbers of explained rows and background rows.
    n_repeats : int
        The number of rounds in which the fast candidates are timed.
    n_reference : int
        The number of pairs of permutations for each background row in each half of the reference.
    n_some, n_few, n_least : int
        The numbers of rows for slow candidates: those with the compiled predictor, the Permutation
        explainer with the predict of Keras, and the Kernel explainer with the same.
    """

    n_rows: int = 200
    background_size: int = 100
    n_repeats: int = 5
    n_reference: int = 60
    n_some: int = 20
    n_few: int = 5
    n_least: int = 2


class BreastCancerTask:
    """A network for the breast cancer data, the rows to explain, and the background.

    Parameters
    ----------
    sizes : Sizes
        The numbers of rows.
    """

    def __init__(self, sizes):
        X, y = breast_cancer()
        order = np.random.default_rng(0).permutation(len(X))
        test, train = order[: sizes.n_rows], order[sizes.n_rows :]
        self.rows, self.background = X[test], X[train[: sizes.background_size]]
        self.classifier = nnkit.KerasClassifier(
            "mlp",
            model__units=(64, 64),
            n_estimators=1,
            encoder=None,
            epochs=50,
            batch_size=32,
            random_state=0,
        ).fit(X[train], y[train])
        self.accuracy = self.classifier.score(self.rows, y[test])
        model = self.classifier.model_
        self._network_alone = tf.function(
            lambda x: model(x, training=False),
            input_signature=[tf.TensorSpec((None, X.shape[1]), tf.float32)],
        )
        # Compiled here, since `floors` and slow candidates are timed without a first call.
        self._network_alone(tf.constant(self.background))
        self.predictor(BY_KERAS)(self.background)

    def predictor(self, name):
        """Return a function from rows to the probability of label 1."""
        if name == COMPILED:
            return lambda z: self.classifier.predict_proba(z)[:, 1]
        return lambda z: self.classifier.model_.predict(z, verbose=0)[:, 0]

    def floors(self, n_rows):
        """Return the seconds per row of a call of predict_proba and of the network alone.

        Parameters
        ----------
        n_rows : int
            The number of rows in the call.
        """
        rows = np.resize(self.rows, (n_rows, self.rows.shape[1]))
        on_device = tf.constant(rows)
        predicting = _median_seconds(lambda: self.classifier.predict_proba(rows))
        alone = _median_seconds(lambda: self._network_alone(on_device).numpy())
        return np.array([predicting, alone]) / n_rows


class Counting:
    """A predictor that records the number of rows of each call.

    Parameters
    ----------
    predict : callable
        The function that returns the predictions.
    """

    def __init__(self, predict):
        self.predict = predict
        self.sizes = []

    def __call__(self, rows):
        """Return the predictions."""
        self.sizes.append(len(rows))
        return self.predict(rows)


@dataclass
class Candidate:
    """An explanation method with its measured times and values.

    Parameters
    ----------
    name : str
        The name in the table.
    run : callable
        From rows, a seed and a predictor to values (n_rows, n_columns).
    n_rows : int
        The number of rows to explain.
    predictor : callable, str or None
        The explained function; None if the method differentiates the network.
    n_permutations : int or None, default=None
        The argument of nnkit.explain if it estimates values by permutations.
    is_own, is_slow : bool, default=False
        Whether nnkit computes the values, and whether the candidate is timed once, without a
        first call.

    Attributes
    ----------
    first : float or None
        The seconds of the first call.
    seconds : list of float
        The seconds of later calls.
    values : dict of int to ndarray
        The values by seed.
    floor_ratios : list of ndarray of shape (2,)
        The seconds divided by those of the forward rows, see `BreastCancerTask.floors`.
    floors : list of ndarray of shape (2,)
        The results of `BreastCancerTask.floors`.
    forward_rows, call_rows : float and int, or None
        The number of rows predicted for each explained row, and the largest number in one call.
    """

    name: str
    run: Callable[..., np.ndarray]
    n_rows: int
    predictor: Any = None
    n_permutations: int | None = None
    is_own: bool = False
    is_slow: bool = False
    first: float | None = None
    seconds: list[float] = field(default_factory=list)
    values: dict[int, np.ndarray] = field(default_factory=dict)
    floor_ratios: list[np.ndarray] = field(default_factory=list)
    floors: list[np.ndarray] = field(default_factory=list)
    forward_rows: float | None = None
    call_rows: int | None = None

    @property
    def seconds_per_row(self):
        """The median number of seconds per explained row."""
        return statistics.median(self.seconds) / self.n_rows

    def error(self, reference, n_rows=None):
        """Return the relative error on the first rows, the mean over the seeds."""
        at = slice(n_rows or self.n_rows)
        errors = [relative(values[at], reference[at]) for values in self.values.values()]
        return statistics.fmean(errors)

    def time(self, task, seed, is_first=False):
        """Time one explanation, between two measurements of the floors."""
        before = self._floors(task)
        rows = task.rows[: self.n_rows]
        start = time.perf_counter()
        values = self.run(rows, seed, self.predictor)
        seconds = time.perf_counter() - start
        if is_first:
            self.first = seconds
            return
        self.seconds.append(seconds)
        self.values[seed] = values.reshape(rows.shape)
        if before is not None:
            floors = (before + self._floors(task)) / 2
            self.floors.append(floors)
            self.floor_ratios.append(seconds / (self.n_rows * self.forward_rows * floors))

    def _floors(self, task):
        if self.n_permutations is None or self.call_rows is None:
            return None
        return task.floors(self.call_rows)

    def count(self, task, n_rows):
        """Count the rows predicted for an explained row, and those of the largest call."""
        if self.predictor is None:
            return
        counting = Counting(task.predictor(COMPILED))
        self.run(task.rows[:n_rows], 1, counting)
        # nnkit predicts the background once for all explained rows, shap once for each.
        n_once = len(task.background) if self.is_own else 0
        self.forward_rows = (sum(counting.sizes) - n_once) / n_rows
        self.call_rows = max(counting.sizes)


def candidates(task, sizes):
    """Return the candidates, those of nnkit first."""
    background, classifier = task.background, task.classifier
    n_rows = sizes.n_rows

    def own(rows, seed, output, **arguments):
        output = "auto" if output is None else output
        found = nnkit.explain(
            classifier, rows, background, output=output, random_state=seed, progress=False,
            **arguments,
        )  # fmt: skip
        return found.values

    def permutation(rows, seed, predict, max_evals):
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.explainers.Permutation(predict, masker, seed=seed)
        return explainer(rows, max_evals=max_evals, silent=True).values

    def kernel(rows, seed, predict, **arguments):
        np.random.seed(seed)
        return shap.KernelExplainer(predict, background).shap_values(rows, silent=True, **arguments)

    def gradient(rows, seed, _):
        explainer = shap.GradientExplainer(classifier.model_, background)
        return explainer.shap_values(rows, nsamples=200, rseed=seed)

    def deep(rows, _, __):
        return shap.DeepExplainer(classifier.model_, background).shap_values(rows)

    found = [
        Candidate(
            f"nnkit, n_permutations={n}",
            partial(own, method="permutation", n_permutations=n),
            n_rows,
            "auto",
            n_permutations=n,
            is_own=True,
        )
        for n in N_PERMUTATIONS
    ]
    found += [
        Candidate(f"nnkit, method={name!r}", partial(own, method=name), n_rows, is_own=True)
        for name in ("gradient", "integrated_gradients", "deep")
    ]
    explainers = {
        "shap Permutation": partial(permutation, max_evals=500),
        "shap Kernel": kernel,
        "shap Kernel, l1_reg=0": partial(kernel, l1_reg=0),
    }
    for name, run in explainers.items():
        n_slow = sizes.n_few if "Permutation" in name else sizes.n_least
        keras, compiled = task.predictor(BY_KERAS), task.predictor(COMPILED)
        found += [
            Candidate(f"{name}, {BY_KERAS}", run, n_slow, keras, is_slow=True),
            Candidate(f"{name}, {COMPILED}", run, sizes.n_some, compiled),
        ]
    long = partial(permutation, max_evals=5000)
    name = f"shap Permutation, max_evals=5000, {COMPILED}"
    found.append(Candidate(name, long, sizes.n_some, task.predictor(COMPILED)))
    found.append(Candidate("shap Gradient, nsamples=200", gradient, n_rows))
    found.append(Candidate("shap Deep", deep, n_rows))
    return found


def relative(values, reference):
    """Return the norm of the difference divided by the norm of the reference."""
    return np.linalg.norm(values - reference) / np.linalg.norm(reference)


def _median_seconds(function):
    seconds = []
    for _ in range(N_CALLS_OF_FLOOR):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
