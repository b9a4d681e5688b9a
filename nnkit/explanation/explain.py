"""The public function ``explain``, which returns a ``shap.Explanation``."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nnkit.explanation.attribution.dispatch import of_predicted, values_of_task
from nnkit.explanation.attribution.permutation import MAX_ROUNDS
from nnkit.explanation.attribution.text import are_texts, explain_words, texts_like
from nnkit.explanation.explanation_task import make_explanation_task
from nnkit.explanation.options import ExplainOptions, seed_of
from nnkit.explanation.pipelines.outputs import Output, choose_output
from nnkit.explanation.pipelines.steps import DecomposedPipeline
from nnkit.explanation.results.progress import ExplanationProgress

if TYPE_CHECKING:
    from nnkit.explanation.results.result import Explanation

__all__ = ["explain"]


def explain(
    estimator: Any,
    X: Any,
    background: Any = None,
    *,
    method: str = "auto",
    output: Any = "auto",
    classes: Any = None,
    feature_groups: Any = "input",
    patch: tuple[int, int] | None = None,
    n_permutations: int | str = "auto",
    tol: float | None = None,
    interactions: bool = False,
    layer: str | None = None,
    max_background: int = 100,
    random_state: Any = 0,
    batch_rows: int = 32768,
    progress: bool = True,
) -> Explanation:
    """Explain predictions by Shapley values of the columns of X.

    The estimator is any fitted scikit-learn classifier, regressor or pipeline. Columns may hold
    any values that it accepts: numbers, strings, categories, dates, missing values. If the last
    step is an nnkit estimator and the steps before it transform each column separately, masked
    samples are made and predicted inside the compiled network, which takes milliseconds per row.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier, regressor or pipeline, or a search over them. A subclass that
        overrides a prediction method is called as a whole.
    X : DataFrame, array-like of shape (n_samples, ...), dict of these, or texts
        The rows to explain, in the form in which the estimator takes them: a table, images or
        sequences, the inputs of a network by name, or a list, array or Series of texts. A polars
        table is converted to pandas.
    background : DataFrame, array-like or dict, default=None
        Rows that represent a missing column, usually training rows, of the same type as X. None
        takes the rows in ``background_`` of the estimator, which nnkit estimators have, or of the
        last step of a pipeline whose other steps transform each column separately. Without
        these, a sample of X is used, with a warning. ``explanation.background`` states the
        source. Texts have no background.
    method : str, default="auto"
        One of

        - "auto": "exact" for up to 10 feature groups if all coalitions of a row cost an nnkit
          network at most 5e9 floating-point operations, else "permutation". An ensemble of
          default networks exceeds this cost from 8 feature groups on.
        - "exact": Shapley values, by all coalitions of at most 16 feature groups.
        - "permutation": Shapley values, estimated from random orders of the feature groups.
        - "gradient": expected gradients [5]_, which are not Shapley values. This method and those
          below need an nnkit estimator as the last step.
        - "integrated_gradients": integrated gradients [6]_ from the mean of the background rows.
        - "saliency": the absolute gradient at the row [7]_, which does not sum to the prediction.
        - "deep": shap's DeepExplainer [3]_, an approximation for networks whose layers it
          supports. Do not train other networks in the process while it runs.
    output : {"auto", "proba", "logit", "raw"} or callable, default="auto"
        The explained output. "auto" is ``predict`` for a regressor and ``predict_proba`` for a
        classifier (``decision_function`` if it has no probabilities). "proba" requires
        probabilities. "logit" is the log-odds log(p / (1 - p)) of the probability p of each
        class, clipped to [eps, 1 - eps] with the float32 eps of 1.2e-7. "raw" is
        ``decision_function``, the outputs of the network for an nnkit classifier, or ``predict``
        for a regressor. A callable takes rows like X and returns an array of shape (n,) or
        (n, n_outputs).
    classes : label, list of labels or "predicted", default=None
        The classes of a classifier to explain. None is ``classes_[1]`` for two classes, all
        classes for up to 10, and "predicted" for more. "predicted" explains each row for its
        predicted class only, which gives one output; ``output`` of the result states this.
        ``list(estimator.classes_)`` selects all classes. The labels of a multilabel classifier
        and the targets of a regressor are all explained by default.
    feature_groups : str, dict of str to list of columns, or ndarray of int, default="input"
        The units that get one value each:

        - "input": each column of a table; each timestep of sequences (n, timesteps, features);
          each patch of images (n, height, width, channels); of a dict, each column of a
          two-dimensional input and each larger input as a whole; each word of a text.
        - a dict: named groups of columns that get one value together. The other columns follow
          as groups of one column. The columns of an array are named by position, or "x0", "x1",
          …; those of a dict "name[0]", "name[1]", …, or all together by the name of their input.
        - "transformed": each input column of the last step of a pipeline, or each encoded
          feature of an nnkit estimator.
        - "timesteps" or "features" of sequences, "patches" of images, "elements" of either.
        - an integer array of the shape of a row, or of the pixels of an image: positions with
          the same number form one feature group.
    patch : tuple of two int, default=None
        Height and width of the patches. None gives at most 8 patches on a side.
    n_permutations : int or str, default="auto"
        The number of pairs of permutations for each background row in each round of
        "permutation". "auto" draws about 100 pairs in total: one for each of 100 background
        rows. It does not affect "exact".
    tol : float, default=None
        The standard error to reach, as a fraction of ``|f(x) - base|`` (the largest over the
        outputs). Rows with a larger standard error draw further rounds of permutations, up to
        64. Exact values meet any ``tol``. None draws one round.
    interactions : bool, default=False
        Whether to compute Shapley interaction values of all pairs of feature groups, by all
        coalitions of at most 12 feature groups. Each row of the matrix of a sample sums to the
        Shapley value.
    layer : str, default=None
        The name of the layer, such as an embedding, to whose outputs the gradient methods
        attribute. None is the inputs of the network.
    max_background : int, default=100
        The largest number of background rows. A larger background is sampled.
    random_state : int, RandomState instance or None, default=0
        Seed of the permutations and of the sample of the background. None gives another result
        in each call.
    batch_rows : int, default=32768
        The largest number of rows in one call of the estimator. It bounds the memory and does
        not change the result, apart from rounding.
    progress : bool, default=True
        Whether to show a progress bar on stderr after two seconds.

    Returns
    -------
    explanation : shap.Explanation
        With a single output ``values`` of shape (n_samples, n_groups) and ``base_values`` of
        shape (n_samples,); with several, (n_samples, n_groups, n_outputs) and
        (n_samples, n_outputs), and class labels as ``output_names``. For patches, elements and
        regions ``values`` has the shape of X, and the value of a feature group is distributed
        evenly over its elements. Interactions have two axes of feature groups. Texts have one
        array each. ``data`` holds the values of X (dates and groups as text, the mean of
        timesteps and features), ``error_std`` the standard error of each value (zeros for exact
        values) and ``compute_time`` the seconds taken. ``method``, ``background``,
        ``background_size`` and ``output`` state how the values were computed.

    Raises
    ------
    ImportError
        If shap is not installed.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter is out of its range, X or the background does not fit the estimator, their
        columns differ, a class, column or output does not exist, the network does not support
        the method, or an output is not finite.

    Warns
    -----
    UserWarning
        If a sample of X is used as background, or rows did not reach ``tol``.

    Notes
    -----
    The value of a coalition S of feature groups is the mean prediction of masked samples, which
    take the columns of S from the explained row x and the others from a background row b,
    ``v(S) = mean_b f(x_S, b_rest)``. This is the marginal ("interventional") value function. The
    Shapley value [1]_ of a feature group j (the player j of the cooperative game v) is the mean
    of ``v(S + j) - v(S)`` over all orders of the feature groups [2]_ [3]_. With "exact" and
    "permutation" the values of a row sum to ``f(x) - base`` with ``base = mean_b f(b)``. Words
    of a text that are not in the coalition are removed from it.

    "permutation" draws a random permutation for each background row and replaces the feature
    groups of b by those of x in this order and in the reverse order [4]_. The mean of the two
    contributions of a feature group is its pair contribution, which is exact for a function with
    interactions of at most two feature groups. With M feature groups and B background rows a
    round costs ``2 (M - 1) B n_permutations`` predictions for each row. All rows share the
    permutations, so that the result of a row does not depend on the other rows, apart from
    rounding.

    With one pair for each background row the standard error is ``std / sqrt(B)`` of all pair
    contributions. It is conservative, because it includes the spread between background rows,
    which are not sampled; most so for nearly additive functions. With R > 1 pairs for each
    background row, whose spread is ``s_b``, it is ``sqrt(sum_b s_b**2 / R) / B``. It is NaN for
    one pair and one background row. It does not include the choice of the background.

    Preprocessing T acts column by column if ``T(x_S, b_rest)`` takes each column from ``T(x)`` or
    ``T(b)``. The types of the fitted steps, or probes of them, must imply this, and it is
    verified on masked samples of the given rows. The coalitions then have the same values in
    transformed columns as in columns of X. Otherwise masked samples of X are transformed and
    predicted, each column in its own dtype.

    An interaction value of two feature groups is half of their Shapley interaction index [8]_.
    The diagonal holds the rest of the Shapley value.

    References
    ----------
    .. [1] L. S. Shapley (1953). A value for n-person games. Contributions to the Theory of
       Games II, 307-317.
    .. [2] E. Štrumbelj, I. Kononenko (2014). Explaining prediction models and individual
       predictions with feature contributions. Knowledge and Information Systems 41, 647-665,
       algorithm 1.
    .. [3] S. M. Lundberg, S.-I. Lee (2017). A unified approach to interpreting model
       predictions. Advances in Neural Information Processing Systems 30.
    .. [4] R. Mitchell, J. Cooper, E. Frank, G. Holmes (2022). Sampling permutations for Shapley
       value estimation. Journal of Machine Learning Research 23(43), 1-46, section 2.3
       (antithetic sampling).
    .. [5] G. Erion, J. D. Janizek, P. Sturmfels, S. M. Lundberg, S.-I. Lee (2021). Improving
       performance of deep learning models with axiomatic attribution priors and expected
       gradients. Nature Machine Intelligence 3, 620-631.
    .. [6] M. Sundararajan, A. Taly, Q. Yan (2017). Axiomatic attribution for deep networks.
       ICML 2017, section 3.
    .. [7] K. Simonyan, A. Vedaldi, A. Zisserman (2014). Deep inside convolutional networks:
       visualising image classification models and saliency maps. ICLR workshop, section 3.
    .. [8] M. Grabisch, M. Roubens (1999). An axiomatic approach to the concept of interaction
       among players in cooperative games. International Journal of Game Theory 28, 547-565.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from nnkit import explain
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> classifier = LogisticRegression(max_iter=1000).fit(X, y)
    >>> explanation = explain(classifier, X.iloc[:5], background=X)
    >>> explanation.values.shape  # rows, columns, classes
    (5, 4, 3)
    >>> total = explanation.values.sum(axis=1) + explanation.base_values
    >>> bool(abs(total - classifier.predict_proba(X.iloc[:5])).max() < 1e-9)
    True
    >>> explain(classifier, X.iloc[:5], X, classes=2, output="logit").values.shape
    (5, 4)
    """
    options = ExplainOptions(
        method,
        feature_groups,
        patch,
        n_permutations,
        tol,
        interactions,
        layer,
        max_background,
        batch_rows,
        seed_of(random_state),
    )
    _check_estimator(estimator, progress)
    _check_shap()
    pipeline = DecomposedPipeline.of(estimator)
    chosen = choose_output(pipeline, output, classes)
    if are_texts(X):
        _check_texts(feature_groups, background)
        return _explain_texts(pipeline, X, chosen, options, progress)
    return _explain_rows(pipeline, X, background, chosen, options, progress)


def _explain_rows(
    pipeline: DecomposedPipeline,
    X: Any,
    background: Any,
    output: Output,
    options: ExplainOptions,
    progress: bool,
) -> Explanation:
    """Return the explanation of the rows of a table, of an array or of several inputs."""
    from nnkit.explanation.results.assembly import explanation_of_rows

    start = time.perf_counter()
    task = make_explanation_task(pipeline, X, background, output, options)
    n_rows = task.masked_samples.n_samples
    if task.background.is_sample_of_x:
        _check_some_rows(n_rows)
        warnings.warn(
            "background was not given, so a sample of X is used, and values are relative to the "
            "explained rows. Pass background=X_train.",
            UserWarning,
            stacklevel=3,
        )
    with ExplanationProgress(n_rows, progress) as bar:
        task, of_rows = values_of_task(task, output, options, bar.update)
    _warn_of_missed([of_rows.n_missed], options.tol, n_rows)
    return explanation_of_rows(task, of_rows, output, time.perf_counter() - start)


def _explain_texts(
    pipeline: DecomposedPipeline,
    X: Any,
    output: Output,
    options: ExplainOptions,
    progress: bool,
) -> Explanation:
    """Return the explanation of texts, with a value for each word."""
    from nnkit.explanation.results.assembly import explanation_of_texts

    start = time.perf_counter()
    with ExplanationProgress(len(X), progress) as bar:
        words, found = explain_words(
            lambda texts: output.predictions(pipeline, texts_like(X, texts)),
            list(X),
            options,
            bar.update,
        )
    predicted = output.predicted_columns(pipeline, X)
    if predicted is not None:
        found = [of_predicted(part, predicted[[row]]) for row, part in enumerate(found)]
    _warn_of_missed([of_text.n_missed for of_text in found], options.tol, len(found))
    return explanation_of_texts(words, found, output, time.perf_counter() - start)


def _check_estimator(estimator: Any, progress: Any) -> None:
    """Raise if ``estimator`` is not a fitted estimator, or ``progress`` is not a bool."""
    if not isinstance(progress, bool | np.bool_):
        raise ValueError(f"progress must be True or False. Got {progress!r} instead.")
    if not hasattr(estimator, "__sklearn_tags__"):
        raise ValueError(
            "estimator must be a fitted scikit-learn estimator. "
            f"Got {type(estimator).__name__} instead. Fit a Keras model as KerasClassifier(model) "
            "or KerasRegressor(model). Pass a function as output."
        )
    check_is_fitted(estimator)


def _check_some_rows(n_rows: int) -> None:
    """Raise if the background would be the only explained row."""
    if n_rows == 1:
        raise ValueError(
            "X has one row, which cannot be its own background: all values would be 0. "
            "Pass background=X_train."
        )


def _check_texts(feature_groups: Any, background: Any) -> None:
    """Raise if texts are given with a background or with feature groups other than words."""
    if not isinstance(feature_groups, str) or feature_groups not in ("input", "words"):
        raise ValueError(
            "feature_groups must be 'input' or 'words' if X holds texts. "
            f"Got {feature_groups!r} instead."
        )
    if background is not None:
        raise ValueError(
            "background must be None if X holds texts, whose masked words are removed. "
            "Leave it out."
        )


def _warn_of_missed(n_missed: list[int], tol: float | None, n_rows: int) -> None:
    """Warn if rows did not reach the tolerance, at the line that calls ``explain``."""
    if not sum(n_missed):
        return
    warnings.warn(
        f"{sum(n_missed)} of {n_rows} row(s) did not reach tol={tol} in "
        f"{MAX_ROUNDS} rounds of permutations; error_std holds the standard errors reached. "
        "Raise tol or n_permutations.",
        UserWarning,
        stacklevel=4,
    )


def _check_shap() -> None:
    """Raise with the install command if shap is not installed."""
    try:
        import shap  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'explain returns a shap.Explanation. Install shap with `pip install "nnkit[shap]"`.'
        ) from error
