"""The public function, which checks, hands over and makes the ``shap.Explanation``."""

from __future__ import annotations

import time
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from nnkit.explanation.exact import exact_values
from nnkit.explanation.game import Game
from nnkit.explanation.outputs import choose_output
from nnkit.explanation.permutation import MAX_ROUNDS, permutation_values
from nnkit.explanation.players import choose_players, displayed_data
from nnkit.explanation.tables import align_background, check_table

if TYPE_CHECKING:
    import shap

__all__ = ["explain"]

METHODS = ("auto", "exact", "permutation")
MAX_EXACT_PLAYERS = 16
MAX_AUTO_EXACT_PLAYERS = 10


def explain(
    estimator: Any,
    X: Any,
    background: Any = None,
    *,
    method: str = "auto",
    output: Any = "auto",
    classes: Any = None,
    players: Any = "input",
    n_permutations: int = 1,
    tol: float | None = None,
    max_background: int = 100,
    random_state: Any = 0,
    batch_rows: int = 32768,
) -> shap.Explanation:
    """Explain predictions by Shapley values of the columns of X.

    Works with any fitted scikit-learn classifier, regressor or pipeline, through its public
    methods only. Columns may hold anything that the estimator takes: numbers, strings,
    categories, dates, missing values.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier, regressor or pipeline.
    X : DataFrame or array-like of shape (n_samples, n_features)
        The rows to explain, as the estimator takes them.
    background : DataFrame or array-like of shape (n_background, n_features), default=None
        Rows that stand for "not knowing" a column, usually training rows, with the columns of X.
        None takes the rows that the estimator keeps in ``background_``, as nnkit's do, and
        where there are none (or the estimator is a pipeline, whose last step saw other columns)
        a sample of X, with a warning.
    method : {"auto", "exact", "permutation"}, default="auto"
        "exact" goes through all coalitions, of at most 16 players. "permutation" estimates from
        random orders of the players. "auto" is "exact" for up to 10 players, else "permutation".
    output : {"auto", "proba", "logit", "raw"} or callable, default="auto"
        What is explained. "auto" is ``predict`` for a regressor and ``predict_proba`` for a
        classifier (``decision_function`` where it has no probabilities). "proba" insists on
        probabilities. "logit" is the log-odds log(p / (1 - p)) of each class' probability p,
        clipped to [eps, 1 - eps] with the float32 eps of 1.2e-7. "raw" is ``decision_function``,
        or ``predict`` for a regressor. A callable takes a table like X and returns an array of
        shape (n,) or (n, n_outputs).
    classes : label or list of labels, default=None
        The classes of a classifier to explain. None is ``classes_[1]`` for two classes, else
        all.
    players : "input" or dict of str to list of columns, default="input"
        "input" gives each column a value of its own. A dict names groups of columns that get one
        value together; columns in no group keep their own, after the groups. The columns of an
        array are named by position, or "x0", "x1", …
    n_permutations : int, default=1
        Pairs of permutations that "permutation" draws for each background row, in each round.
        It has no part in the result of "exact".
    tol : float, default=None
        Standard error to reach, as a fraction of ``|f(x) - base|`` (the largest over the
        outputs). A row whose largest standard error is above draws another round of
        permutations, up to 64 rounds. Exact values, also those that "auto" chose, meet
        any ``tol``. None draws one round.
    max_background : int, default=100
        A larger background is sampled down to this many rows.
    random_state : int, RandomState instance or None, default=0
        Seeds the permutations and the sample of the background. None differs from call to call.
    batch_rows : int, default=32768
        The largest number of rows in one call of the estimator. It bounds the memory and does
        not change the result, apart from rounding.

    Returns
    -------
    explanation : shap.Explanation
        With a single output ``values`` of shape (n_samples, n_players) and ``base_values`` of
        shape (n_samples,); with several, (n_samples, n_players, n_outputs) and
        (n_samples, n_outputs), and class labels as ``output_names``. ``data`` holds the
        values of X (dates and groups as text), ``error_std`` the standard error of each value
        (zeros for exact ones) and ``compute_time`` the seconds taken.

    Raises
    ------
    ImportError
        If shap is not installed.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter is out of its range, X or the background is not a table with rows, their
        columns differ, a class, column or output does not exist, or an output is not finite.

    Warns
    -----
    UserWarning
        If X itself had to serve as background, or rows did not reach ``tol``.

    Notes
    -----
    The worth of a coalition S of players is the mean prediction where its columns come from the
    explained row x and the others from the rows b of the background,
    ``v(S) = mean_b f(x_S, b_rest)``, the marginal ("interventional") game. A Shapley value [1]_
    is the mean of ``v(S + j) - v(S)`` over all orders in which players may join [2]_ [3]_.
    The values of a row sum to ``f(x) - base`` with ``base = mean_b f(b)``, for both methods.

    "permutation" gives each background row a random permutation of its own and walks from b to x
    along it and along its reverse [4]_; the means of the two walks' contributions are the pair
    contributions. A pair is exact for a function with interactions of at most two players. With M
    players and B background rows a round costs ``2 (M - 1) B n_permutations`` predictions for
    each row. The permutations are the same for all rows, so that the result of a row does not
    depend on the rows explained with it, rounding apart.

    With one pair for each background row the standard error comes from the spread of all pair
    contributions, ``std / sqrt(B)``. It is conservative, because it includes the spread between
    background rows, which are all used and no source of error; so it is for functions close to
    additive ones in particular. From two pairs on it comes from the spread ``s_b`` of the R pairs
    of each background row, ``sqrt(sum_b s_b**2 / R) / B``. It is NaN for one pair and one
    background row. It says nothing of the choice of the background.

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
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(
            f"method must be one of {', '.join(map(repr, METHODS))}. Got {method!r} instead."
        )
    for name, count in (
        ("n_permutations", n_permutations),
        ("max_background", max_background),
        ("batch_rows", batch_rows),
    ):
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name} must be a positive integer. Got {count!r} instead.")
    if tol is not None and (not isinstance(tol, Real) or isinstance(tol, bool) or not tol > 0):
        raise ValueError(f"tol must be None or a number above 0. Got {tol!r} instead.")
    seed = _seed(random_state)
    check_is_fitted(estimator)
    X_checked = check_table(X, "X")
    chosen_players = choose_players(players, X_checked)
    is_exact = _is_exact(method, len(chosen_players), n_permutations, tol)
    chosen_output = choose_output(estimator, output, classes)
    explanation_class = _explanation_class()

    start = time.perf_counter()
    background_aligned = _choose_background(
        estimator, X_checked, background, int(max_background), seed
    )
    game = Game(chosen_output, X_checked, background_aligned, chosen_players, int(batch_rows))
    if is_exact:
        values = exact_values(game)
        errors = np.zeros_like(values)
    else:
        values, errors, is_missed = permutation_values(game, int(n_permutations), tol, seed)
        if is_missed.any():
            warnings.warn(
                f"{int(is_missed.sum())} of {len(is_missed)} row(s) did not reach tol={tol} in "
                f"{MAX_ROUNDS} rounds of permutations; error_std holds what they reached. "
                "Raise tol or n_permutations.",
                UserWarning,
                stacklevel=2,
            )
    base_values = np.tile(game.base, (game.n_samples, 1))
    output_names: Any = chosen_output.names(game.n_outputs)
    if game.n_outputs == 1:
        values, errors, base_values = values[..., 0], errors[..., 0], base_values[:, 0]
        output_names = None if output_names is None else output_names[0]
    return explanation_class(
        values=values,
        base_values=base_values,
        data=displayed_data(X_checked, chosen_players),
        feature_names=chosen_players.names,
        output_names=output_names,
        error_std=errors,
        compute_time=time.perf_counter() - start,
    )


def _explanation_class() -> Any:
    """Return ``shap.Explanation``, or say how to install it."""
    try:
        import shap
    except ImportError as error:
        raise ImportError(
            'explain returns a shap.Explanation. Install shap with `pip install "nnkit[shap]"`.'
        ) from error
    return shap.Explanation


def _seed(random_state: Any) -> int:
    """Return a seed, without a draw from any global random state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint64))
    if (
        isinstance(random_state, int | np.integer)
        and not isinstance(random_state, bool)
        and random_state >= 0
    ):
        return int(random_state)
    raise ValueError(
        "random_state must be None, an integer of at least 0 or a numpy RandomState. "
        f"Got {random_state!r} instead."
    )


def _is_exact(method: str, n_players: int, n_permutations: int, tol: float | None) -> bool:
    """Return whether all coalitions are gone through, after a check of what was asked."""
    if method != "exact":
        return method == "auto" and n_players <= MAX_AUTO_EXACT_PLAYERS
    if tol is not None or n_permutations != 1:
        raise ValueError(
            "tol and n_permutations have no effect on method='exact'. "
            "Leave them out, or use method='permutation'."
        )
    if n_players > MAX_EXACT_PLAYERS:
        raise ValueError(
            f"method='exact' takes at most {MAX_EXACT_PLAYERS} players, since it goes through "
            f"2**n_players coalitions. Got {n_players} players. Use method='permutation', or "
            "group columns with players=."
        )
    return True


def _choose_background(
    estimator: Any, X: Any, background: Any, max_background: int, seed: int
) -> Any:
    """Return at most ``max_background`` background rows, with the columns of X."""
    name = "background"
    if background is None:
        kept = None if isinstance(estimator, Pipeline) else getattr(estimator, "background_", None)
        if kept is None:
            warnings.warn(
                "No background was given, so that a sample of X is used, and values are relative "
                "to the rows being explained. Pass background=X_train.",
                UserWarning,
                stacklevel=3,
            )
            kept = X
        else:
            name = "The estimator's background_"
        background = kept
    aligned = align_background(background, X, name)
    if len(aligned) <= max_background:
        return aligned
    # Round 0 of the seed: permutations take the rounds from 1 on.
    rng = np.random.default_rng([seed, 0])
    sampled = np.sort(rng.choice(len(aligned), max_background, replace=False))
    return aligned[sampled] if isinstance(aligned, np.ndarray) else aligned.iloc[sampled]
