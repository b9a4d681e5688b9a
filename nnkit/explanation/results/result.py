"""The returned ``shap.Explanation``, with metadata and a summary for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import shap

from nnkit.explanation.results.feature_importance import (
    GroupValues,
    feature_importance,
    is_changed,
    is_one_row,
    values_by_group,
)

__all__ = ["Explanation"]

MAX_GROUPS_SHOWN = 10
MAX_OUTPUTS_SHOWN = 5
MAX_NAME_LENGTH = 50
BAR_LENGTH = 20

# Colours for light and dark backgrounds. Those of signed values are those of shap.
NEGATIVE, POSITIVE, UNSIGNED = "#008bfb", "#ff0051", "#7c8da5"


class _Nameless(shap.Explanation):
    """An explanation that hides its output name, so that shap can copy it."""

    output_names = None


# Values below this fraction of the largest value are rounding errors, and are shown as 0.
_ROUNDING = 1e-12


class Explanation(shap.Explanation):
    """A ``shap.Explanation`` with the method, the background and the explained output.

    All plots of shap accept it. Its text and its display in a notebook are a summary. The
    attributes below are kept when rows, feature groups or outputs are selected, by reductions
    such as ``abs.mean(0)``, by ``copy`` and by ``pickle``. All other attributes are those of
    ``shap.Explanation``. ``hstack`` and ``sum(grouping=...)`` return a ``shap.Explanation``.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_groups) or (n_samples, n_groups, n_outputs)
        The values, or any other value that ``shap.Explanation`` accepts.
    method : str, default=None
        The method that computed the values, such as "exact" or "permutation".
    background : str, default=None
        The source of the background, such as "100 rows kept by the estimator".
    background_size : int, default=None
        The number of background rows.
    output : str, default=None
        The explained output, such as "probability".
    **arrays : dict
        Passed to ``shap.Explanation``: base_values, data, feature_names, output_names,
        error_std, compute_time and so on.

    Attributes
    ----------
    method, background, background_size, output
        As above; None if unknown.
    compute_time : float or None
        Seconds taken for all values, including those that were not selected afterwards.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.explanation.results.result import Explanation
    >>> explanation = Explanation(
    ...     np.array([[0.5, -0.25], [0.5, 0.25]]),
    ...     base_values=np.array([0.25, 0.25]),
    ...     feature_names=["age", "height"],
    ...     method="exact",
    ...     output="probability",
    ... )
    >>> explanation[:1].method
    'exact'
    >>> print(explanation)
    Explanation of 2 rows
      output      probability
      groups      2
      method      exact
      base value  0.25
    <BLANKLINE>
    Importance: mean of |value| over 2 rows, ± standard error
      age     0.5 ± 0   ####################
      height  0.25 ± 0  ##########
    """

    def __init__(
        self,
        values: Any,
        *,
        method: str | None = None,
        background: str | None = None,
        background_size: int | None = None,
        output: str | None = None,
        **arrays: Any,
    ) -> None:
        super().__init__(values, **arrays)
        self.method = method
        self.background = background
        self.background_size = background_size
        self.output = output

    def __copy__(self) -> Explanation:
        # shap returns a shap.Explanation here, which all slicing and arithmetic starts from.
        plain = self._named_copy() if self._has_only_a_name() else super().__copy__()
        copied = type(self).__new__(type(self))
        copied.__dict__.update(vars(self) | vars(plain))
        copied.compute_time = self.compute_time
        return copied

    def __getitem__(self, item: Any) -> Explanation:
        """Select rows, feature groups or outputs, as in ``shap.Explanation``.

        Parameters
        ----------
        item : int, str, slice, array, ``...`` or tuple of these
            Names select feature groups and outputs. ``explanation[..., "name"]`` selects an
            output.
        """
        # shap looks up a name after "..." in the axis of its position in the tuple, so "..." is
        # replaced by slices.
        if isinstance(item, tuple) and sum(part is Ellipsis for part in item) == 1:
            at = [part is Ellipsis for part in item].index(True)
            n_left_out = len(self.shape) - (len(item) - 1)
            item = (*item[:at], *[slice(None)] * n_left_out, *item[at + 1 :])
        picked: Explanation = super().__getitem__(item)
        return picked

    def _has_only_a_name(self) -> bool:
        """Return whether shap 0.51 cannot copy it: one axis and a single output name."""
        return isinstance(self.output_names, str) and len(self.shape) == 1

    def _named_copy(self) -> shap.Explanation:
        """Return a copy that is made without the output name, which is set afterwards."""
        nameless = _Nameless.__new__(_Nameless)
        nameless.__dict__.update(vars(self))
        plain = nameless.__copy__()
        plain.output_names = self.output_names
        return plain

    def __repr__(self) -> str:
        found = _found(self)
        return _as_text(_title(self, found), _facts(self, found), _largest(self, found))

    def _repr_html_(self) -> str:
        found = _found(self)
        return _as_html(_title(self, found), _facts(self, found), _largest(self, found))


@dataclass(frozen=True)
class _Line:
    """One line of the summary, for one feature group.

    Parameters
    ----------
    name : str
        The name of the feature group.
    numbers : list of str
        The formatted number of each output.
    fraction : float
        The length of the bar, in [0, 1].
    colour : str
        The colour of the bar in HTML.
    """

    name: str
    numbers: list[str]
    fraction: float
    colour: str


@dataclass(frozen=True)
class _Largest:
    """The feature groups with the largest importances or values.

    Parameters
    ----------
    heading : str
        The heading of the table.
    outputs : list of str
        The names of the outputs, in the header row; empty for one output.
    lines : list of _Line
        One line per feature group.
    n_more : int
        The number of feature groups that are not shown.
    """

    heading: str
    outputs: list[str]
    lines: list[_Line]
    n_more: int


def _found(explanation: Explanation) -> GroupValues | None:
    """Return the values by feature group, None for texts, images and interactions."""
    try:
        return values_by_group(explanation)
    except ValueError:
        return None


def _title(explanation: Explanation, found: GroupValues | None) -> str:
    """Return the title of the summary, with the number of rows."""
    if any(item.name not in ("__getitem__", "abs") for item in explanation.op_history):
        return "Explanation"
    if found is not None:
        n_rows = len(found.values)
    else:
        n_rows = 1 if is_one_row(explanation) else explanation.shape[0]
    return f"Explanation of {n_rows} row{'' if n_rows == 1 else 's'}"


def _facts(explanation: Explanation, found: GroupValues | None) -> list[tuple[str, str]]:
    """Return names and texts of the known properties of an explanation."""
    names = explanation.output_names
    if isinstance(names, list | tuple | np.ndarray) and found is not None:
        names = None if found.outputs == [""] else found.outputs
    output = [] if explanation.output is None else [str(explanation.output)]
    labels = []
    if isinstance(names, list | tuple | np.ndarray):
        labels = [_short(name) for name in names]
        more = ", …" if len(labels) > MAX_OUTPUTS_SHOWN else ""
        output.append(f"{len(labels)} ({', '.join(labels[:MAX_OUTPUTS_SHOWN])}{more})")
    elif names is not None:
        output.append(_short(names))
    operations = [item.name for item in explanation.op_history if item.name != "__getitem__"]
    facts = [
        ("output", ": ".join(output)),
        ("groups", "" if found is None else str(len(found.feature_groups))),
        ("values", f"of shape {explanation.shape}".replace("None", "?") if found is None else ""),
        ("method", "" if explanation.method is None else str(explanation.method)),
        ("background", _background(explanation)),
        ("base value", "" if operations else _base(explanation.base_values, len(labels))),
        ("changed by", ", ".join(name.strip("_") for name in operations)),
        ("time", _duration(explanation.compute_time)),
        ("plots", _plots(explanation, found)),
    ]
    return [(name, value) for name, value in facts if value]


def _plots(explanation: Explanation, found: GroupValues | None) -> str:
    """Return how to select one of several outputs, which most plots of shap need."""
    if found is None or len(found.outputs) < 2 or np.ndim(explanation.values) < 2:
        return ""
    name = found.outputs[0]
    return f"select one output first, explanation[..., {name!r}]"


def _background(explanation: Explanation) -> str:
    """Return the source of the background, with its number of rows."""
    background_size = explanation.background_size
    source = "" if explanation.background is None else str(explanation.background)
    if background_size is None or str(background_size) in source:
        return source
    return f"{source} ({background_size} rows)" if source else f"{background_size} rows"


def _base(base_values: Any, n_labels: int) -> str:
    """Return the base value of each output, as a range if it differs between rows."""
    if base_values is None or np.size(base_values) == 0:
        return ""
    base = np.asarray(base_values, dtype=np.float64)
    is_by_output = base.shape[-1:] == (n_labels,) and n_labels <= MAX_OUTPUTS_SHOWN
    by_output = base.reshape(-1, n_labels if is_by_output else 1)
    ranges = [
        _number(low) if _number(low) == _number(high) else f"{_number(low)} to {_number(high)}"
        for low, high in zip(by_output.min(axis=0), by_output.max(axis=0), strict=True)
    ]
    return ", ".join(ranges)


def _largest(explanation: Explanation, found: GroupValues | None) -> _Largest | None:
    """Return the largest importances, or the largest values of a single row; None if unknown."""
    if found is not None and len(found.values) == 1:
        numbers = found.values[0]  # (1, n_groups, n_outputs) -> (n_groups, n_outputs)
        errors = np.full_like(numbers, np.nan) if found.errors is None else found.errors[0]
        heading = "Largest numbers" if is_changed(explanation) else "Largest values"
        return _table(heading, found.outputs, found.feature_groups, numbers, errors, True)
    try:
        table = feature_importance(explanation)
    except ValueError:  # images, interactions
        return None
    heading = f"Importance: mean of |value| over {len(explanation.values)} rows"
    is_single = table.columns.nlevels == 1
    outputs = [""] if is_single else list(table.columns.get_level_values(0)[::2])
    numbers, errors = table.to_numpy()[:, 0::2], table.to_numpy()[:, 1::2]
    return _table(heading, outputs, list(table.index), numbers, errors, False)


def _table(
    heading: str,
    outputs: list[str],
    feature_groups: list[str],
    numbers: np.ndarray,
    errors: np.ndarray,
    is_signed: bool,
) -> _Largest:
    """Return the lines of the table, from arrays of shape (n_groups, n_outputs)."""
    sizes = np.abs(numbers).sum(axis=1)
    order = np.argsort(-sizes, kind="stable")[:MAX_GROUPS_SHOWN]
    is_usable = np.isfinite(sizes)
    top = sizes[is_usable].max(initial=0.0)
    numbers, errors = (
        np.where(np.abs(part) < _ROUNDING * top, 0, part) for part in (numbers, errors)
    )
    n_shown = min(len(outputs), MAX_OUTPUTS_SHOWN)
    lines = [
        _Line(
            name=_short(feature_groups[feature_group]),
            numbers=[
                _with_error(numbers[feature_group, output], errors[feature_group, output])
                for output in range(n_shown)
            ],
            fraction=float(sizes[feature_group] / top)
            if is_usable[feature_group] and top > 0
            else 0.0,
            colour=_colour(numbers[feature_group]) if is_signed else UNSIGNED,
        )
        for feature_group in order
    ]
    if np.isfinite(errors).any():
        heading += ", ± standard error"
    if len(outputs) > n_shown:
        heading += f"; {n_shown} of {len(outputs)} outputs"
    names = [_short(name) for name in outputs[:n_shown]] if len(outputs) > 1 else []
    return _Largest(heading, names, lines, len(feature_groups) - len(order))


def _colour(numbers: np.ndarray) -> str:
    """Return the colour for the numbers of a feature group, by sign if there is one output."""
    if len(numbers) > 1:
        return UNSIGNED
    return NEGATIVE if numbers[0] < 0 else POSITIVE


def _as_text(title: str, facts: list[tuple[str, str]], largest: _Largest | None) -> str:
    """Return the summary as aligned lines."""
    width = max((len(name) for name, _ in facts), default=0)
    lines = [title, *(f"  {name:<{width}}  {value}" for name, value in facts)]
    if largest is None:
        return "\n".join(lines)
    table = [[line.name, *line.numbers, _bar(line)] for line in largest.lines]
    if largest.outputs:
        table = [["", *largest.outputs, ""], *table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines += ["", largest.heading]
    for row in table:
        padded = [f"{text:<{size}}" for text, size in zip(row, widths, strict=True)]
        lines.append(("  " + "  ".join(padded)).rstrip())
    if largest.n_more:
        lines.append(f"  and {largest.n_more} more")
    return "\n".join(lines)


def _bar(line: _Line) -> str:
    """Return the bar of a feature group as text."""
    return "#" * round(BAR_LENGTH * line.fraction)


def _as_html(title: str, facts: list[tuple[str, str]], largest: _Largest | None) -> str:
    """Return the summary as HTML, in the text colour of the page."""
    cell = "padding:1px 12px 1px 0;text-align:left;vertical-align:top;border:none"
    number = f"{cell};font-variant-numeric:tabular-nums;white-space:nowrap"
    table = "border-collapse:collapse;border:none;margin:4px 0 8px 0"
    lines = [
        '<div style="font-size:13px;line-height:1.5">',
        f'<div style="font-weight:600">{escape(title)}</div>',
        f'<table style="{table}">',
        *(
            f'<tr style="background:none"><td style="{cell};opacity:0.7">{escape(name)}</td>'
            f'<td style="{cell}">{escape(value)}</td></tr>'
            for name, value in facts
        ),
        "</table>",
    ]
    if largest is not None:
        lines += [f"<div>{escape(largest.heading)}</div>", f'<table style="{table}">']
        if largest.outputs:
            names = "".join(
                f'<th style="{cell};font-weight:600">{escape(name)}</th>'
                for name in ["", *largest.outputs, ""]
            )
            lines.append(f'<tr style="background:none">{names}</tr>')
        for line in largest.lines:
            numbers = "".join(f'<td style="{number}">{escape(text)}</td>' for text in line.numbers)
            lines.append(
                f'<tr style="background:none"><td style="{cell}">{escape(line.name)}</td>{numbers}'
                f'<td style="{cell};width:160px;vertical-align:middle"><div style="height:10px;'
                f'width:{160 * line.fraction:.0f}px;background:{line.colour}"></div></td></tr>'
            )
        lines.append("</table>")
        if largest.n_more:
            lines.append(f'<div style="opacity:0.7">and {largest.n_more} more</div>')
    return "\n".join([*lines, "</div>"])


def _short(name: Any) -> str:
    """Return a name on one line, cut to the maximum length."""
    text = " ".join(str(name).split())
    return text if len(text) <= MAX_NAME_LENGTH else text[: MAX_NAME_LENGTH - 1] + "…"


def _number(number: float) -> str:
    """Return a number with three significant digits, or all digits before the decimal point."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e9 else f"{number:.3g}"


def _with_error(number: float, error: float) -> str:
    """Return a number with its standard error, if it is known."""
    if np.isnan(error):
        return _number(number)
    shown = f"{error:,.0f}" if 1000 <= error < 1e9 else f"{error:.2g}"
    return f"{_number(number)} ± {shown}"


def _duration(seconds: float | None) -> str:
    """Return seconds as text."""
    if seconds is None:
        return ""
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes:,} min {left} s"
