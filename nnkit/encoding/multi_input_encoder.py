"""`MultiInputEncoder`: one DataFrame, or data by name, to the inputs of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from nnkit._documentation import ENCODER_LINK_TEMPLATE
from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit.encoding.containers import as_table, is_dataframe
from nnkit.encoding.rows import n_samples_of
from nnkit.encoding.tabular import TabularEncoder
from nnkit.persistence.plain_state import PlainStateMixin

__all__ = ["MultiInputEncoder", "check_encoders", "columns_of_input"]

# Encoders are objects of scikit-learn, which keep their own states.


class MultiInputEncoder(PlainStateMixin, TransformerMixin, BaseEstimator):
    """Encode one table, or data by name, as the inputs of a network.

    Parameters
    ----------
    encoders : dict of str to list, transformer or tuple
        The encoder of each input, by the name of the input.

        - A list of column names is encoded by `TabularEncoder`.
        - A transformer with a parameter ``columns`` or ``column``, such as `ImageEncoder` and
          `TextEncoder`, selects its columns itself. If the parameter is None, it gets the column
          with the name of the input.
        - A tuple (transformer, list of column names) is for other transformers, as in
          ``sklearn.compose.ColumnTransformer``.

        If X is a dict, each encoder gets the data under the name of its input.

    Attributes
    ----------
    encoders_ : dict of str to transformer
        The fitted encoders.
    n_features_in_ : int
        Number of columns of the table, or number of parts of the dict.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of a DataFrame or of the parts of a dict.

    Examples
    --------
    >>> import pandas as pd
    >>> from nnkit.encoding import MultiInputEncoder
    >>> X = pd.DataFrame({"age": [20.0, 30.0, 40.0], "city": ["Rome", "Oslo", "Rome"]})
    >>> encoder = MultiInputEncoder({"numbers": ["age"], "place": ["city"]})
    >>> {name: part.shape for name, part in encoder.fit_transform(X).items()}
    {'numbers': (3, 1), 'place': (3, 1)}
    """

    _doc_link_module = "nnkit"
    _doc_link_template = ENCODER_LINK_TEMPLATE
    # X has parts of any kind, which the estimators do not convert to numbers.
    takes_samples = True

    encoders_: dict[str, Any]
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(self, encoders: Mapping[str, Any]) -> None:
        self.encoders = encoders

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with those of the encoders as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the encoders and their parameters.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=False)
        if not deep or not isinstance(self.encoders, Mapping):
            return params
        for name, entry in self.encoders.items():
            encoder = entry[0] if isinstance(entry, tuple) else entry
            params[name] = encoder
            if hasattr(encoder, "get_params"):
                own = encoder.get_params(deep=True)
                params.update({f"{name}__{key}": value for key, value in own.items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of an encoder by ``name__parameter``.

        Parameters
        ----------
        **params : object

        Returns
        -------
        self : MultiInputEncoder
        """
        if "encoders" in params:
            self.encoders = params.pop("encoders")
        replaced = {name: value for name, value in params.items() if name in self.encoders}
        if replaced:
            self.encoders = {
                name: _with_encoder(entry, replaced[name]) if name in replaced else entry
                for name, entry in self.encoders.items()
            }
        super().set_params(**{name: params[name] for name in params if name not in replaced})
        return self

    def fit(self, X: Any, y: Any = None) -> MultiInputEncoder:
        """Fit the encoder of each input.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features), or dict of data with n_samples rows
            The table, or the data of each input.
        y : array-like with n_samples rows, default=None
            The target, for encoders that use it.

        Returns
        -------
        self : MultiInputEncoder

        Raises
        ------
        ValueError
            If a column or part is missing, or an encoder refuses its data. The message names the
            input.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> dict[str, Any]:  # noqa: ARG002
        """Fit the encoders, and return the inputs of the same rows.

        Parameters
        ----------
        X : DataFrame or dict
            As in ``fit``.
        y : array-like with n_samples rows, default=None
            The target, for encoders that use it.
        **fit_params : object
            Ignored.

        Returns
        -------
        inputs : dict of str to ndarray
            As from ``transform``.
        """
        return self._fit(X, y)

    def transform(self, X: Any) -> dict[str, Any]:
        """Return the inputs of a network by name.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features), or dict of data with n_samples rows
            The table, or the data of each input, as in ``fit``.

        Returns
        -------
        inputs : dict of str to ndarray
            An array with n_samples rows for each input.

        Raises
        ------
        ValueError
            If columns differ from those of ``fit``, or an encoder refuses its data.
        """
        check_is_fitted(self)
        X_parts = _parts_of(X)
        names = list(X_parts.columns if is_dataframe(X_parts) else X_parts)
        missing = [name for name in self.feature_names_in_ if name not in names]
        if missing:
            raise ValueError(
                f"X lacks {missing[0]!r}. In fit it had {self.feature_names_in_.tolist()}."
            )
        return {
            name: _encoded(name, encoder, _data_of(name, self.encoders[name], X_parts))
            for name, encoder in self.encoders_.items()
        }

    def _fit(self, X: Any, y: Any) -> dict[str, Any]:
        check_encoders(self.encoders, "encoders")
        X_parts = _parts_of(X)
        names = list(X_parts.columns if is_dataframe(X_parts) else X_parts)
        fitted, inputs = {}, {}
        for name, entry in self.encoders.items():
            encoder = _encoder_of(entry)
            inputs[name] = _encoded(name, encoder, _data_of(name, entry, X_parts), y, fits=True)
            fitted[name] = encoder
        self.encoders_ = fitted
        self.n_features_in_ = len(names)
        self.feature_names_in_ = np.array(names, dtype=object)
        return inputs

    def meta_facts(self) -> dict[str, Any]:
        """Return the facts about the encoded rows that builders receive in ``meta``.

        Returns
        -------
        facts : dict
            ``inputs_`` has the facts of each input by its name.
        """
        return {
            "inputs_": {
                name: encoder.meta_facts() if hasattr(encoder, "meta_facts") else {}
                for name, encoder in self.encoders_.items()
            }
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.two_d_array = False
        return tags


def check_encoders(encoders: Any, name: str) -> None:
    """Raise a ValueError if a parameter is no dict of encoders and lists of columns.

    Parameters
    ----------
    encoders : object
        Value of the parameter.
    name : str
        Name of the parameter.
    """
    if not isinstance(encoders, Mapping) or not encoders:
        raise ValueError(
            f"{name} must be a dict of encoders or lists of columns by the names of the inputs. "
            f"Got {shown(encoders)} instead."
        )
    for key, entry in encoders.items():
        is_pair = isinstance(entry, tuple) and len(entry) == 2
        encoder = entry[0] if is_pair else entry
        is_transformer = hasattr(encoder, "fit") and hasattr(encoder, "transform")
        is_encoder = is_transformer and not isinstance(encoder, type)
        if not isinstance(key, str) or not (is_encoder or isinstance(entry, (list, str))):
            raise ValueError(
                f"{name}[{key!r}] must be a list of columns, a transformer, or a tuple "
                f"(transformer, columns). Got {shown(entry)} instead."
            )


def _with_encoder(entry: Any, encoder: Any) -> Any:
    """Return an entry of ``encoders`` with another encoder."""
    return (encoder, entry[1]) if isinstance(entry, tuple) else encoder


def _encoder_of(entry: Any) -> Any:
    """Return the unfitted encoder of an input."""
    if isinstance(entry, (list, str)):
        return TabularEncoder()
    return clone(entry[0] if isinstance(entry, tuple) else entry)


def _parts_of(X: Any) -> Any:
    """Return X as a DataFrame or a dict of data with equal numbers of rows."""
    X_table = as_table(X)
    if is_dataframe(X_table):
        return X_table
    if not isinstance(X_table, Mapping) or sparse.issparse(X_table):
        raise ValueError(
            "X must be a DataFrame, whose columns the encoders name, or a dict of data by the "
            f"names of the inputs. Got {type(X).__name__} instead."
        )
    lengths = {name: n_samples_of(part) for name, part in X_table.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The inputs of X must have the same number of rows. Got {lengths}.")
    return X_table


def _data_of(name: str, entry: Any, X_parts: Any) -> Any:
    """Return the data of one input."""
    if not is_dataframe(X_parts):
        if name not in X_parts:
            raise ValueError(
                f"X lacks the input {name!r}. {did_you_mean(name, list(map(str, X_parts)))}"
            )
        return X_parts[name]
    columns = columns_of_input(name, entry, list(X_parts.columns))
    if columns is None:
        return X_parts
    unknown = [column for column in columns if column not in X_parts.columns]
    if unknown:
        hint = did_you_mean(str(unknown[0]), list(map(str, X_parts.columns)))
        raise ValueError(
            f"encoders[{name!r}] names the column {unknown[0]!r}, which X lacks. {hint}"
        )
    return X_parts[columns]


def columns_of_input(name: str, entry: Any, available: list[Any]) -> list[Any] | None:
    """Return the columns that an encoder gets; None for a whole DataFrame."""
    if isinstance(entry, (list, str)):
        return [entry] if isinstance(entry, str) else list(entry)
    if isinstance(entry, tuple):
        return [entry[1]] if isinstance(entry[1], str) else list(entry[1])
    for parameter in ("columns", "column"):
        chosen = getattr(entry, parameter, None)
        if chosen is not None:
            return [chosen] if isinstance(chosen, str) else list(chosen)
    if name in available:
        return [name]
    return None


def _encoded(name: str, encoder: Any, data: Any, y: Any = None, *, fits: bool = False) -> Any:
    """Return the encoded rows of one input; its name is added to errors."""
    try:
        found = encoder.fit_transform(data, y) if fits else encoder.transform(data)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Input {name!r}: {error}") from error
    return found.toarray() if sparse.issparse(found) else found
