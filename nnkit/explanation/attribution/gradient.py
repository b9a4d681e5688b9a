"""Gradient attributions: expected gradients, integrated gradients and saliency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.encoding.rows import n_encoded_rows
from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.lines import Lines
from nnkit.explanation.pipelines.outputs import PROBA_MARGIN, log_odds

if TYPE_CHECKING:
    from nnkit.training.prediction.gradients import Derivative, PathSums

__all__ = ["GRADIENT_METHODS", "GradientResult", "gradient_values", "reader_of"]

GRADIENT_METHODS = ("gradient", "integrated_gradients", "saliency")

# The largest number of outputs whose gradients are computed in one call.
_MAX_DIRECTIONS = 8


@dataclass(frozen=True)
class GradientResult:
    """Attributions to the encoded features of rows, with errors and outputs.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_encoded, n_outputs)
        The attributions, float64; (n_samples, n_groups, n_outputs) after summation over feature
        groups.
    errors : ndarray of the same shape
        Their standard errors, or another error estimate of the method.
    base : ndarray of shape (n_outputs,)
        The base value of each output.
    f_X : ndarray of shape (n_samples, n_outputs)
        The outputs of the rows.
    """

    values: np.ndarray
    errors: np.ndarray
    base: np.ndarray
    f_X: np.ndarray  # noqa: N815

    @property
    def residual(self) -> np.ndarray:
        """The sum of the values of a row, plus base, minus its output, (n_samples, n_outputs)."""
        return self.values.sum(axis=1) + self.base - self.f_X


def gradient_values(
    function: NetworkFunction,
    X_encoded: np.ndarray,
    background: np.ndarray,
    *,
    method: str = "gradient",
    output: str = "proba",
    columns: list[int] | None = None,
    layer: str | None = None,
    n_fractions: int | None = None,
    batch_rows: int = 32_768,
    on_rows: Callable[[int], None] | None = None,
    add_up: Callable[[np.ndarray], np.ndarray] | None = None,
) -> GradientResult:
    r"""Return attributions of predictions to encoded features, by gradients.

    Parameters
    ----------
    function : NetworkFunction
        The networks of a fitted estimator.
    X_encoded : ndarray of shape (n_samples, n_encoded)
        The rows to explain, encoded.
    background : ndarray of shape (background_size, n_encoded)
        The background rows, encoded.
    method : {"gradient", "integrated_gradients", "saliency"}, default="gradient"
        Expected gradients over the background; integrated gradients from the mean of the
        background; the absolute gradient at the row.
    output : {"proba", "logit", "predict", "raw"}, default="proba"
        Class probabilities, their log-odds, values in units of the target, or the raw outputs of
        the network, each the mean over members. Log-odds are those of the mean probability,
        clipped as in `nnkit.explain`.
    columns : list of int or None, default=None
        The explained outputs, in this order; None is all.
    layer : str or None, default=None
        Name of the layer to whose outputs, instead of the inputs, predictions are attributed. The
        outputs of the network must depend on the inputs through this layer only.
    n_fractions : int or None, default=None
        Integration points on each line, even and at least 2. None is 8 for "gradient", or more
        for a background of less than 32 rows; and 64 for "integrated_gradients", which adds
        half as many for its error. It does not affect "saliency".
    batch_rows : int, default=32768
        The largest number of points in one call of the network, which may limit it further. It
        does not change the result, apart from rounding.
    on_rows : callable or None, default=None
        Called with the number of rows finished since the last call.
    add_up : callable or None, default=None
        From arrays (n_rows, n_encoded, n_outputs) to sums (n_rows, n_groups, n_outputs), so that
        attributions of encoded features are held for some rows at a time only; None keeps them.

    Returns
    -------
    result : GradientResult
        Attributions to the encoded features of rows; or to the flattened outputs of ``layer``, the
        mean over members.

    Raises
    ------
    ValueError
        If no gradient reaches the inputs, an argument is out of its range, or an output or a
        gradient is not finite.

    Notes
    -----
    With rows x, background rows b and an explained output f:

    - "gradient" is :math:`\phi_i = \mathrm{mean}_b\, (x_i - b_i) \int_0^1
      \partial_i f(b + \alpha (x - b))\, d\alpha` [1]_, the Aumann-Shapley value along straight
      lines. It differs from the Shapley value unless f has at most pairwise products. All
      background rows are used. The fractions α of a line are pairs (α, 1 - α), and one pair is
      exact for quadratic functions. The pairs lie in equal intervals of (0, 1/2). Their position
      in the interval changes between background rows by the golden ratio, so that all lines
      together have a fine grid. Values sum to f(x) - mean_b f(b) up to the integration error.
    - "integrated_gradients" is the same with the mean of the background rows (with ``layer``, of
      its outputs) as the only b [2]_, by Gauss-Legendre quadrature. Values sum to f(x) - f(b),
      and the base is f(b).
    - "saliency" is :math:`|\partial_i f(x)|` [3]_, which does not sum to the output. The base is
      the mean output of the background, and the errors are 0.

    Errors of "gradient" are standard errors. With P > 1 pairs on each line, whose averages
    :math:`h_{bp}` have the standard deviation s_b, they are
    :math:`\sqrt{\sum_b s_b^2 / P} / B`. This is conservative, since pairs in different intervals
    differ more than random ones. With one pair it is the spread between lines,
    :math:`s / \sqrt{B}`, which is far too large, since all background rows are used. It is NaN
    for one pair and one background row. Errors of members are averaged, as if they all had the
    same sign. The error of "integrated_gradients" is the difference to the quadrature with half
    as many nodes. No error includes the choice of the background.

    The gradient is 0 where a regressor clips predictions to the range of the training target,
    and where log-odds are clipped. At points where a layer such as "relu" is not differentiable,
    the derivative is that of TensorFlow.

    References
    ----------
    .. [1] G. Erion, J. D. Janizek, P. Sturmfels, S. M. Lundberg, S.-I. Lee (2021). Improving
       performance of deep learning models with axiomatic attribution priors and expected
       gradients. Nature Machine Intelligence 3, 620-631, equation of expected gradients. There
       background rows and fractions are drawn at random.
    .. [2] M. Sundararajan, A. Taly, Q. Yan (2017). Axiomatic attribution for deep networks.
       ICML, section 3.
    .. [3] K. Simonyan, A. Vedaldi, A. Zisserman (2014). Deep inside convolutional networks.
       ICLR workshop, section 3. There the largest value over the colours of a
       pixel is taken.
    """
    _check(method, n_fractions)
    reader = reader_of(function, output)
    derivatives = reader.derivatives(layer)
    explained = _Explained(derivatives, is_logit=output == "logit")
    f_X = explained.outputs_of(reader(X_encoded))
    f_background = explained.outputs_of(reader(background))
    chosen = list(range(f_X.shape[1])) if columns is None else list(columns)
    lines = Lines(method, len(background), n_fractions)
    starts = _starts(lines, _rows_of(reader, derivatives, background))
    base = explained.at(starts)[0] if lines.from_mean else f_background.mean(axis=0)
    budget = max(1, min(batch_rows, reader.rows_per_call))
    all_values, all_errors = [], []
    for chunk in _chunks(len(X_encoded), max(1, budget // lines.n_points)):
        ends = _rows_of(reader, derivatives, X_encoded[chunk])
        found = [
            explained.attributions(ends, starts, lines, directions, budget)
            for directions in _directions(chosen, f_X.shape[1])
        ]
        values, errors = (np.concatenate(part, axis=-1) for part in zip(*found, strict=True))
        values, errors = values[..., : len(chosen)], errors[..., : len(chosen)]
        all_values.append(values if add_up is None else add_up(values))
        all_errors.append(errors if add_up is None else add_up(errors))
        if on_rows is not None:
            on_rows(chunk.stop - chunk.start)
    result = GradientResult(
        np.concatenate(all_values), np.concatenate(all_errors), base[chosen], f_X[:, chosen]
    )
    _check_finite(result)
    return result


def reader_of(function: NetworkFunction, output: str) -> NetworkFunction:
    """Return the network function whose predictions an output is computed from.

    Parameters
    ----------
    function : NetworkFunction
        The networks of the estimator.
    output : {"proba", "logit", "predict", "raw"}
        As for `gradient_values`.

    Raises
    ------
    ValueError
        If the estimator does not have the output.
    """
    is_classifier = hasattr(function.estimator, "predict_proba")
    allowed = ("proba", "logit", "raw") if is_classifier else ("predict", "raw")
    if output not in allowed:
        raise ValueError(
            f"output must be one of {', '.join(map(repr, allowed))} for the gradients of a "
            f"{type(function.estimator).__name__}. Got {output!r} instead."
        )
    return NetworkFunction(function.estimator, is_raw=output == "raw")


class _Explained:
    """The mean of the outputs of all members, or its log-odds, with gradients.

    Parameters
    ----------
    derivatives : list of Derivative
        The derivatives of each member.
    is_logit : bool
        Whether log-odds are explained.
    """

    def __init__(self, derivatives: list[Derivative], *, is_logit: bool) -> None:
        self._derivatives = derivatives
        self._is_logit = is_logit

    def outputs_of(self, predicted: np.ndarray) -> np.ndarray:
        """Return the explained outputs (n_rows, n_outputs) of predictions."""
        flat = np.asarray(predicted, dtype=np.float64).reshape(len(predicted), -1)
        explained = log_odds(flat) if self._is_logit else flat
        if not np.isfinite(explained).all():
            raise ValueError("The explained output must be finite, but it is NaN or infinite.")
        return explained

    def at(self, rows: list[Any]) -> np.ndarray:
        """Return the explained outputs of rows, given for each member as inputs of the lines."""
        return self.outputs_of(self._read(rows, rows, np.zeros((n_encoded_rows(rows[0]), 1))))

    def _read(self, ends: list[Any], starts: list[Any], fractions: np.ndarray) -> np.ndarray:
        from nnkit.training.prediction.gradients import Paths

        members = zip(self._derivatives, ends, starts, strict=True)
        read = [derivative.read(Paths(end, start, fractions)) for derivative, end, start in members]
        return np.mean(read, axis=0)

    def attributions(
        self,
        ends: list[Any],
        starts: list[Any],
        lines: Lines,
        directions: np.ndarray,
        budget: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values and errors (n_rows, n_encoded, n_directions), the mean over members.

        Parameters
        ----------
        ends, starts : list of arrays, or dicts or lists of them
            The explained rows and the background rows of each member.
        lines : Lines
            The integration points.
        directions : ndarray of shape (n_directions, n_outputs)
            The linear combinations of outputs to differentiate.
        budget : int
            The largest number of points in one call.
        """
        from nnkit.training.prediction.gradients import Paths, PathSums

        n_points = lines.fractions.shape[1]
        n_lines = max(1, budget // (n_points * n_encoded_rows(ends[0])))
        totals: list[Any] = [None] * len(ends)
        for chunk in _chunks(len(lines.fractions), n_lines):
            fractions = lines.fractions[chunk]
            begins = [_map(itemgetter(chunk), start) for start in starts]
            upstream = np.ones((1, directions.shape[1]))
            if self._is_logit:
                upstream = _slope_of_log_odds(self._read(ends, begins, fractions))
            for position, derivative in enumerate(self._derivatives):
                sums = derivative.sums(
                    Paths(ends[position], begins[position], fractions),
                    lines.quadratures,
                    upstream,
                    directions,
                    is_times_difference=lines.method != "saliency",
                )
                before = totals[position]
                totals[position] = sums if before is None else PathSums(*map(np.add, before, sums))
        return self._mean(totals, lines)

    def _mean(self, totals: list[PathSums], lines: Lines) -> tuple[np.ndarray, np.ndarray]:
        if lines.method == "saliency":
            # |mean of gradients| differs from the mean of |gradients|, so average first.
            totals = [totals[0]._replace(sums=np.mean([part.sums for part in totals], axis=0))]
        found = [lines.estimates(sums) for sums in totals]
        values, errors = (np.mean(part, axis=0) for part in zip(*found, strict=True))
        return values, errors


def _slope_of_log_odds(proba: np.ndarray) -> np.ndarray:
    """Return the derivative of log-odds, 1 / (p (1 - p)), and 0 where they are clipped."""
    is_inside = (proba > PROBA_MARGIN) & (proba < 1.0 - PROBA_MARGIN)
    inside = np.where(is_inside, proba, 0.5)
    return np.where(is_inside, 1.0 / (inside * (1.0 - inside)), 0.0)


def _directions(columns: list[int], n_outputs: int) -> Iterator[np.ndarray]:
    """Yield one-hot directions of outputs in blocks of equal size, padded with zeros.

    Blocks of equal size share one compiled function.
    """
    size = min(len(columns), _MAX_DIRECTIONS)
    for start in range(0, len(columns), size):
        directions = np.zeros((size, n_outputs))
        for row, column in enumerate(columns[start : start + size]):
            directions[row, column] = 1.0
        yield directions


def _rows_of(
    reader: NetworkFunction, derivatives: list[Derivative], X_encoded: np.ndarray
) -> list[Any]:
    """Return the end points of lines for each member: encoded rows, or the outputs of a layer."""
    rows = reader.in_shape(X_encoded)
    return [derivative.rows(rows) for derivative in derivatives]


def _starts(lines: Lines, background: list[Any]) -> list[Any]:
    """Return the start points of lines for each member, from its background rows."""
    if lines.from_mean:
        return [_map(lambda part: part.mean(axis=0, keepdims=True), rows) for rows in background]
    if lines.method == "saliency":  # the only point of a line is its end
        return [_map(lambda part: np.zeros_like(part[:1]), rows) for rows in background]
    return background


def _chunks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _map(function: Callable[[np.ndarray], np.ndarray], rows: Any) -> Any:
    """Return rows with a function applied to each array."""
    if isinstance(rows, dict):
        return {name: function(part) for name, part in rows.items()}
    return [function(part) for part in rows] if isinstance(rows, (list, tuple)) else function(rows)


def _check(method: str, n_fractions: int | None) -> None:
    if method not in GRADIENT_METHODS:
        raise ValueError(
            f"method must be one of {', '.join(map(repr, GRADIENT_METHODS))} for gradients. "
            f"Got {method!r} instead."
        )
    if n_fractions is not None and (n_fractions < 2 or n_fractions % 2):
        raise ValueError(
            f"n_fractions must be an even number of at least 2. Got {n_fractions!r} instead."
        )


def _check_finite(result: GradientResult) -> None:
    n_bad = int((~np.isfinite(result.values)).any(axis=(1, 2)).sum())
    if n_bad:
        raise ValueError(
            f"The gradient must be finite. It is NaN or infinite for {n_bad} of the "
            f"{len(result.values)} row(s). Use method='permutation'."
        )
