"""Search spaces as distributions of Optuna."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["optuna_distribution"]


def optuna_distribution(values: Any) -> Any:
    """Return the values of a parameter as a distribution of Optuna.

    Parameters
    ----------
    values : list or frozen distribution of scipy.stats
        A list of choices, ``uniform`` or ``loguniform``.

    Returns
    -------
    distribution : optuna.distributions.BaseDistribution
        A float in the same interval, on a logarithmic scale for ``loguniform``, or a choice.

    Raises
    ------
    ModuleNotFoundError
        If Optuna is not installed.
    """
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "search_space(library='optuna') needs Optuna: pip install optuna.", name="optuna"
        ) from error
    if not isinstance(values, list):
        low, high = (float(end) for end in values.support())
        return FloatDistribution(low, high, log=values.dist.name == "loguniform")
    # A storage of Optuna keeps choices in JSON, which has lists and no tuples.
    choices = [list(choice) if isinstance(choice, tuple) else choice for choice in values]
    with warnings.catch_warnings():
        # Optuna warns of choices that are sequences, which its storages keep nevertheless.
        warnings.filterwarnings("ignore", "Choices for a categorical distribution", UserWarning)
        return CategoricalDistribution(choices)  # type: ignore[arg-type]
