"""What was measured, its medians, and Markdown tables of them."""

import math
import statistics
import time
from collections import defaultdict

_PER_UNIT = {"s": 1, "ms": 1e3, "MB": 1, "": 1}


class Figures:
    """Values by row and column of a table, of which the table shows medians."""

    def __init__(self):
        self._values = defaultdict(list)
        self._estimates = set()

    def add(self, row, column, value, is_estimate=False):
        """Take down a value: seconds, or MB, or a plain number."""
        self._values[row, column].append(value)
        if is_estimate:
            self._estimates.add((row, column))

    def time(self, row, *columns, function, n_calls=1):
        """Take down the seconds of each call under all of the columns; return the last result."""
        result = None
        for _ in range(n_calls):
            start = time.perf_counter()
            result = function()
            seconds = time.perf_counter() - start
            for column in columns:
                self.add(row, column, seconds)
        return result

    def median(self, row, column):
        """Return the median of what was taken down, or None."""
        values = self._values.get((row, column))
        return statistics.median(values) if values else None

    def table(self, rows, columns, *, corner="", reference_row=None, reference_column=None):
        """Return a Markdown table.

        Parameters
        ----------
        rows : iterable of str
        columns : dict of str
            The unit of each column: "s", "ms" (of seconds), "MB" or "", which has no ratio.
        corner : str, default=""
            What heads the names of the rows.
        reference_row, reference_column : str or None, default=None
            With what to compare the other rows or columns, as a ratio in brackets.
        """
        titles = [f"{column} ({unit})" if unit else column for column, unit in columns.items()]
        lines = [_line([corner, *titles]), "|---" * (len(titles) + 1) + "|"]
        for row in rows:
            cells = []
            for column, unit in columns.items():
                reference = (reference_row or row, reference_column or column)
                cells.append(self._cell((row, column), unit, reference))
            lines.append(_line([row, *cells]))
        return "\n".join(lines)

    def _cell(self, key, unit, reference):
        value = self.median(*key)
        if value is None:
            return "–"
        mark = "≈ " if key in self._estimates else ""
        text = mark + number(value * _PER_UNIT[unit])
        reference_value = self.median(*reference)
        if unit and key != reference and reference_value is not None:
            text += f" ({number(value / reference_value, n_digits=2)}×)"
        return text


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def number(value, n_digits=3):
    """Return a number with so many significant digits, and never with an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    n_decimals = n_digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, n_decimals):,.{max(0, n_decimals)}f}"


def in_rounds(items, n_rounds):
    """Yield (round, item): all items in each round, and in each round another one first.

    A minute in which the machine is busy with something else then meets all of them.
    """
    items = list(items)
    for number_of_round in range(n_rounds):
        first = number_of_round % len(items)
        for item in items[first:] + items[:first]:
            yield number_of_round, item
