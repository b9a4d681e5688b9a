"""The public function, which checks, hands over and makes the ``shap.Explanation``."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nnkit.explanation.attribution.permutation import MAX_ROUNDS
from nnkit.explanation.attribution.text import are_texts, explain_words, texts_like
from nnkit.explanation.attribution.values import of_predicted, values_of_task
from nnkit.explanation.explanation_task import make_explanation_task
from nnkit.explanation.options import ExplainOptions, seed_of
from nnkit.explanation.pipelines.outputs import Output, choose_output
from nnkit.explanation.pipelines.steps import unwrapped
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

    Takes any fitted scikit-learn classifier, regressor or pipeline. Columns may hold anything
    that the estimator takes: numbers, strings, categories, dates, missing values. Where the last
    step is one of nnkit's, and the steps before it act column by column, masked samples of rows are made
    and predicted in its compiled programs, which takes milliseconds a row.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier, regressor or pipeline, or a search over them. One of a class that
        predicts in a way of its own is explained as it predicts.
    X : DataFrame, array-like of shape (n_samples, ...), dict of these, or texts
        The rows to explain, as the estimator takes them: a table, images or sequences, the inputs
        of a network by name, or a list, array or Series of texts. A table of polars is explained
        as one of pandas.
    background : DataFrame, array-like or dict, default=None
        Rows that stand for "not knowing" a column, usually training rows, of the kind of X.
        None takes the rows that the estimator keeps in ``background_``, as nnkit's do, also as
        the last step of a pipeline whose other steps act column by column. Where there are none,
        a sample of X, with a warning. ``explanation.background`` says which. Texts have none.
    method : str, default="auto"
        One of

        - "auto": "exact" for up to 10 feature groups, as long as all coalitions of a row take a network
          of nnkit's no more than 5e9 floating-point operations (which an ensemble of the default
          passes at 8 feature groups), else "permutation".
        - "exact": Shapley values, by all coalitions of at most 16 feature groups.
        - "permutation": Shapley values, estimated from random orders of the feature groups.
        - "gradient": expected gradients [5]_, which are not Shapley values; networks of nnkit's
          only, as are all below.
        - "integrated_gradients": integrated gradients [6]_ from the mean of the background rows.
        - "saliency": the absolute derivative at the row itself [7]_, which adds up to nothing.
        - "deep": shap's DeepExplainer [3]_, an approximation for networks of the layers it knows.
          Nothing else should train in the process while it runs.
    output : {"auto", "proba", "logit", "raw"} or callable, default="auto"
        What is explained. "auto" is ``predict`` for a regressor and ``predict_proba`` for a
        classifier (``decision_function`` where it has no probabilities). "proba" insists on
        probabilities. "logit" is the log-odds log(p / (1 - p)) of each class' probability p,
        clipped to [eps, 1 - eps] with the float32 eps of 1.2e-7. "raw" is ``decision_function``,
        the outputs of the network of one of nnkit's classifiers, or ``predict`` for a regressor.
        A callable takes rows like X and returns an array of shape (n,) or (n, n_outputs).
    classes : label, list of labels or "predicted", default=None
        The classes of a classifier to explain. None is ``classes_[1]`` for two classes, all of
        them up to 10 classes, and "predicted" for more. "predicted" explains for each row only the
        class that the estimator predicts for it, so that there is one output; ``output`` of the
        result says so. ``list(estimator.classes_)`` asks for all. Several labels that a row may
        have at once, and the columns of a regression, are all explained, however many there are.
    feature_groups : str, dict of str to list of columns, or ndarray of int, default="input"
        Who gets a value of their own:

        - "input": each column of a table; each timestep of sequences (n, timesteps, features);
          each patch of images (n, height, width, channels); each column, or larger part, of a
          dict; each word of a text.
        - a dict: named groups of columns that get one value together; columns in no group keep
          their own, after the groups. The columns of an array are named by position, or "x0",
          "x1", …; those of a dict "name[0]", "name[1]", …, or all by the name of their input.
        - "transformed": each column that the last step of a pipeline takes, or that the network of
          one of nnkit's estimators sees.
        - "timesteps", "features" of sequences, "patches" of images, "elements" of either.
        - an array of the shape of a row, or of an image's pixels: regions with the same number
          are one feature group.
    patch : tuple of two int, default=None
        Height and width of the patches. None gives at most 8 patches on a side.
    n_permutations : int or str, default="auto"
        Pairs of permutations that "permutation" draws for each background row, in each round.
        "auto" draws about 100 pairs over all of them: one for each of 100 background rows. It has
        no part in the result of "exact".
    tol : float, default=None
        Standard error to reach, as a fraction of ``|f(x) - base|`` (the largest over the
        outputs). A row whose largest standard error is above draws another round of
        permutations, up to 64 rounds. Exact values, also those that "auto" chose, meet
        any ``tol``. None draws one round.
    interactions : bool, default=False
        Whether to give Shapley interaction values of all pairs of feature groups, by all coalitions of at
        most 12 feature groups. Each row of feature groups sums to the Shapley value.
    layer : str, default=None
        The layer of the network to whose outputs the gradient methods attribute, such as an
        embedding; None is the network's inputs.
    max_background : int, default=100
        A larger background is sampled down to this many rows.
    random_state : int, RandomState instance or None, default=0
        Seeds the permutations and the sample of the background. None differs from call to call.
    batch_rows : int, default=32768
        The largest number of rows in one call of the estimator. It bounds the memory and does
        not change the result, apart from rounding.
    progress : bool, default=True
        Whether to show rows done and time left, once it has taken two seconds.

    Returns
    -------
    explanation : shap.Explanation
        With a single output ``values`` of shape (n_samples, n_groups) and ``base_values`` of
        shape (n_samples,); with several, (n_samples, n_groups, n_outputs) and
        (n_samples, n_outputs), and class labels as ``output_names``. Of patches, cells and regions
        ``values`` has the shape of X, where the value of a feature group is shared out evenly among its
        cells; of interactions there are two axes of feature groups; of texts, an array for each text.
        ``data`` holds the values of X (dates and groups as text; of timesteps and features their
        mean), ``error_std`` the standard error of each value (zeros for exact ones),
        ``compute_time`` the seconds taken; ``method``, ``background``, ``background_size`` and
        ``output`` say how the values came about.

    Raises
    ------
    ImportError
        If shap is not installed.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter is out of its range, X or the background is not what the estimator takes,
        their columns differ, a class, column or output does not exist, the network cannot have the
        method, or an output is not finite.

    Warns
    -----
    UserWarning
        If X itself had to serve as background, or rows did not reach ``tol``.

    Notes
    -----
    The value of a coalition S of feature groups is the mean prediction where its columns come from the
    explained row x and the others from the rows b of the background,
    ``v(S) = mean_b f(x_S, b_rest)``, the marginal ("interventional") game. A Shapley value [1]_
    is the mean of ``v(S + j) - v(S)`` over all orders in which feature groups may join [2]_ [3]_.
    The values of a row sum to ``f(x) - base`` with ``base = mean_b f(b)``, for both methods.
    Words of a text that are not in the coalition are left out of it.

    "permutation" gives each background row a random permutation of its own and walks from b to x
    along it and along its reverse [4]_; the means of the two walks' contributions are the pair
    contributions. A pair is exact for a function with interactions of at most two feature groups. With M
    feature groups and B background rows a round costs ``2 (M - 1) B n_permutations`` predictions for
    each row. The permutations are the same for all rows, so that the result of a row does not
    depend on the rows explained with it, rounding apart.

    With one pair for each background row the standard error comes from the spread of all pair
    contributions, ``std / sqrt(B)``. It is conservative, because it includes the spread between
    background rows, which are all used and no source of error; so it is for functions close to
    additive ones in particular. From two pairs on it comes from the spread ``s_b`` of the R pairs
    of each background row, ``sqrt(sum_b s_b**2 / R) / B``. It is NaN for one pair and one
    background row. It says nothing of the choice of the background.

    Preprocessing T acts column by column if ``T(x_S, b_rest)`` mixes the columns of ``T(x)`` and
    ``T(b)``. The fitted steps must say so, and masked samples of the rows at hand must agree; then all
    coalitions have the same value in transformed columns, and so the values are the same.
    Otherwise whole rows of X are mixed, transformed and predicted, each column in its own dtype.

    The interaction of two feature groups is half the Shapley interaction index [8]_ for each of them;
    on the diagonal is what remains of the Shapley value.

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
    from nnkit.explanation.results.assembly import explanation_of_rows

    start = time.perf_counter()
    estimator = unwrapped(estimator)
    chosen = choose_output(estimator, output, classes)
    if are_texts(X):
        _check_texts(feature_groups, background)
        return _explain_texts(estimator, X, chosen, options, progress)
    task = make_explanation_task(estimator, X, background, chosen, options)
    if task.background.is_sample_of_x:
        _check_some_rows(task.masked_samples.n_samples)
        warnings.warn(
            "No background was given, so that a sample of X is used, and values are relative to "
            "the rows being explained. Pass background=X_train.",
            UserWarning,
            stacklevel=2,
        )
    with ExplanationProgress(task.masked_samples.n_samples, progress) as bar:
        task, of_rows = values_of_task(task, chosen, options, bar.update)
    _warn_of_missed([of_rows.n_missed], tol, task.masked_samples.n_samples)
    return explanation_of_rows(task, of_rows, chosen, time.perf_counter() - start)


def _explain_texts(
    estimator: Any,
    X: Any,
    output: Output,
    options: ExplainOptions,
    progress: bool,
) -> Explanation:
    """Return the explanation of texts by their words."""
    from nnkit.explanation.results.assembly import explanation_of_texts

    start = time.perf_counter()
    with ExplanationProgress(len(X), progress) as bar:
        words, found = explain_words(
            lambda texts: output.predictions(estimator, texts_like(X, texts)),
            list(X),
            options,
            bar.update,
        )
    predicted = output.predicted_columns(estimator, X)
    if predicted is not None:
        found = [of_predicted(part, predicted[[row]]) for row, part in enumerate(found)]
    _warn_of_missed([of_text.n_missed for of_text in found], options.tol, stacklevel=4)
    return explanation_of_texts(words, found, output, time.perf_counter() - start)


def _check_estimator(estimator: Any, progress: Any) -> None:
    """Raise if the estimator is none, or not fitted, or ``progress`` is not what it must be."""
    if not isinstance(progress, bool | np.bool_):
        raise ValueError(f"progress must be True or False. Got {progress!r} instead.")
    if not hasattr(estimator, "__sklearn_tags__"):
        raise ValueError(
            "estimator must be a fitted estimator of scikit-learn's kind. "
            f"Got {type(estimator).__name__} instead. Fit a Keras model as KerasClassifier(model) "
            "or KerasRegressor(model); a function goes to output=."
        )
    check_is_fitted(estimator)


def _check_some_rows(n_rows: int) -> None:
    """Raise if a single row would be compared with itself."""
    if n_rows == 1:
        raise ValueError(
            "X has one row, which cannot be its own background: all values would be 0. "
            "Pass background=X_train."
        )


def _check_texts(feature_groups: Any, background: Any) -> None:
    """Raise if something is asked of texts that they do not have."""
    if not isinstance(feature_groups, str) or feature_groups not in ("input", "words"):
        raise ValueError(
            f"feature_groups of texts are their words: 'input' or 'words'. Got {feature_groups!r} instead."
        )
    if background is not None:
        raise ValueError(
            "background has no part in the words of texts, which are left out. Leave it out, too."
        )


def _warn_of_missed(
    n_missed: list[int], tol: float | None, n_rows: int | None = None, stacklevel: int = 3
) -> None:
    """Warn if rows did not reach the tolerance."""
    if not sum(n_missed):
        return
    warnings.warn(
        f"{sum(n_missed)} of {n_rows or len(n_missed)} row(s) did not reach tol={tol} in "
        f"{MAX_ROUNDS} rounds of permutations; error_std holds what they reached. "
        "Raise tol or n_permutations.",
        UserWarning,
        stacklevel=stacklevel,
    )


def _check_shap() -> None:
    """Say how to install shap if it is not there."""
    try:
        import shap  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'explain returns a shap.Explanation. Install shap with `pip install "nnkit[shap]"`.'
        ) from error
