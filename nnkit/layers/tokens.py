"""Layers for rows of codes of tokens, which are padded with code 0: vectors, masks and dropout."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from nnkit._validation import as_choice, as_count, as_fraction
from nnkit.layers.initialization import find_initializer

__all__ = ["TokenBag", "TokenDropout", "TokenEmbedding", "TokenMask"]

PADDING, UNKNOWN = 0, 1
# Below this norm, a bag has no tokens with a weight.
_TINY = 1e-12


@keras.saving.register_keras_serializable(package="nnkit")
class TokenMask(keras.layers.Layer):
    """The mask of tokens: 1 for a token of a text, 0 for padding.

    **Shape**

    - Input: (n_batch, n_steps), codes as integers or floats
    - Output: (n_batch, n_steps, 1)

    Parameters
    ----------
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import TokenMask
    >>> TokenMask()(np.array([[5, 1, 0]])).numpy().tolist()
    [[[1.0], [1.0], [0.0]]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True
    # The inputs are codes, which have no gradient.
    is_lookup = True

    def __init__(self, **kwargs: Any) -> None:
        # Without autocast=False, mixed precision would round codes above 2,048 to float16.
        super().__init__(autocast=False, **kwargs)

    def call(self, codes: Any) -> Any:
        """Return the mask in the compute dtype."""
        return ops.cast(ops.not_equal(codes, PADDING), self.compute_dtype)[:, :, None]

    def compute_output_spec(self, codes: Any) -> Any:
        """Return the shape and dtype of the mask."""
        return keras.KerasTensor((*codes.shape, 1), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="nnkit")
class TokenDropout(keras.layers.Layer):
    """Dropout of tokens: in training, some codes are replaced by padding or the unknown token.

    **Shape**

    - Input: (n_batch, n_steps), codes as integers or floats
    - Output: (n_batch, n_steps), of the same dtype

    Parameters
    ----------
    rate : float
        Fraction in [0, 1) of the tokens that are replaced, drawn independently in each step of
        training.
    replacement : {"padding", "unknown"}, default="padding"
        What replaces a token: padding (code 0), which layers with a mask leave out, or the unknown
        token (code 1), whose vector is trained in this way. Padding is never replaced.
    seed : int or None, default=None
        Seed of the draws. None draws a seed when the layer is created.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    References
    ----------
    M. Iyyer, V. Manjunatha, J. Boyd-Graber, H. Daumé III, "Deep Unordered Composition Rivals
    Syntactic Methods for Text Classification", ACL 2015, section 3.1 (word dropout).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import TokenDropout
    >>> TokenDropout(0.3)(np.array([[5, 1, 0]])).numpy().tolist()
    [[5, 1, 0]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True
    # The inputs are codes, which have no gradient.
    is_lookup = True

    def __init__(
        self,
        rate: float,
        replacement: str = "padding",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.rate = as_fraction("rate", rate)
        self.replacement = as_choice("replacement", replacement, ("padding", "unknown"))
        self.seed = seed
        if self.rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, codes: Any, training: bool = False) -> Any:
        """Return the codes. In training, replace some of them."""
        if not training or self.rate == 0:
            return codes
        draws = keras.random.uniform(ops.shape(codes), dtype="float32", seed=self.seed_generator)
        is_replaced = ops.logical_and(draws < self.rate, ops.not_equal(codes, PADDING))
        code = PADDING if self.replacement == "padding" else UNKNOWN
        return ops.where(is_replaced, ops.cast(code, codes.dtype), codes)

    def compute_output_spec(self, codes: Any, training: bool = False) -> Any:  # noqa: ARG002
        """Return the shape and dtype of the input."""
        return keras.KerasTensor(codes.shape, dtype=codes.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "replacement": self.replacement,
            "seed": self.seed,
        }


class _TokenVectors(keras.layers.Layer):
    """A table with a learnt vector for each code."""

    # The output of a row depends on this row only.
    is_rowwise = True
    # The inputs are positions in a table, which have no gradient.
    is_lookup = True

    def __init__(
        self,
        n_codes: int,
        units: int,
        initializer: Any = "uniform",
        regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.n_codes = as_count("n_codes", n_codes, minimum=2)
        self.units = as_count("units", units)
        self.initializer = find_initializer(initializer)
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, input_shape: Any) -> None:  # noqa: ARG002
        """Create the table of vectors."""
        self.table = self.add_weight(
            shape=(self.n_codes, self.units),
            initializer=self.initializer,
            regularizer=self.regularizer,
            name="embedding",
        )
        self.built = True

    def _vectors(self, codes: Any) -> Any:
        """Look codes up: (n_batch, n_steps) -> (n_batch, n_steps, units)."""
        table = ops.cast(self.table, self.compute_dtype)
        # The reshape does not change the table, but makes its gradient dense. If a gradient is
        # sparse, Keras' Adam squares the contributions to a row before they are summed (3.15).
        return ops.take(ops.reshape(table, table.shape), self._known(codes), axis=0)

    def _known(self, codes: Any) -> Any:
        """Return codes as int32. Values that are not a code are treated as the unknown token."""
        codes = ops.cast(codes, "int32")
        is_known = ops.logical_and(codes >= 0, codes < self.n_codes)
        return ops.where(is_known, codes, UNKNOWN)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "n_codes": self.n_codes,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


@keras.saving.register_keras_serializable(package="nnkit")
class TokenEmbedding(_TokenVectors):
    """Learnt vectors of tokens. The vector of padding is 0.

    **Shape**

    - Input: (n_batch, n_steps), codes as integers or floats
    - Output: (n_batch, n_steps, units)

    Parameters
    ----------
    n_codes : int
        Number of codes, at least 2: 0 is padding, 1 is the unknown token. Values that are not a
        code are treated as the unknown token.
    units : int
        Length of the vectors, at least 1.
    initializer : str or keras.initializers.Initializer, default="uniform"
        Initializer of the vectors. "uniform" is U(-0.05, 0.05).
    regularizer : str or keras.regularizers.Regularizer or None, default=None
        Penalty of the vectors.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    table : keras.Variable of shape (n_codes, units)
        The vectors. That of code 0 has no effect.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import TokenEmbedding
    >>> TokenEmbedding(n_codes=7, units=3)(np.array([[5, 1, 0, 0]])).shape
    TensorShape([1, 4, 3])
    """

    def call(self, codes: Any) -> Any:
        """Return the vectors."""
        mask = ops.cast(ops.not_equal(codes, PADDING), self.compute_dtype)
        return self._vectors(codes) * mask[:, :, None]

    def compute_output_spec(self, codes: Any) -> Any:
        """Return the shape and dtype of the vectors."""
        return keras.KerasTensor((*codes.shape, self.units), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="nnkit")
class TokenBag(_TokenVectors):
    r"""Weighted mean of the vectors of the tokens of a text, without their order.

    **Shape**

    - Input: (n_batch, n_steps), codes as integers or floats
    - Output: (n_batch, units)

    Parameters
    ----------
    n_codes : int
        Number of codes, at least 2: 0 is padding, 1 is the unknown token. Values that are not a
        code are treated as the unknown token.
    units : int
        Length of the vectors, at least 1.
    initializer : str or keras.initializers.Initializer, default="uniform"
        Initializer of the vectors. "uniform" is U(-0.05, 0.05).
    regularizer : str or keras.regularizers.Regularizer or None, default=None
        Penalty of the vectors.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    table : keras.Variable of shape (n_codes, units)
        The vectors. That of code 0 has no effect.
    token_weights : keras.Variable of shape (n_codes,)
        Weight of each code, at least 0 and initially 1. They are not trained. Ready-made networks
        assign the inverse document frequencies of the training rows.

    Notes
    -----
    With the codes :math:`c_i` of the tokens, their weights :math:`w` and their vectors :math:`v`,

    .. math::

        y = \frac{\sum_i w_{c_i} v_{c_i}}{\sqrt{\sum_i w_{c_i}^2}}, \qquad
        i \in \{i : c_i \ne 0\}.

    For a text in which each token occurs once and the inverse document frequencies as weights, this
    is the product of the row of scikit-learn's ``TfidfVectorizer`` and the table of vectors. A text
    without tokens has the value 0.

    References
    ----------
    A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of Tricks for Efficient Text
    Classification", EACL 2017, section 2, with weights of the tokens as an addition.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import TokenBag
    >>> bag = TokenBag(n_codes=7, units=1, initializer="ones")
    >>> bag(np.array([[5, 2, 3, 4], [6, 0, 0, 0]])).numpy().tolist()
    [[2.0], [1.0]]
    """

    def build(self, input_shape: Any) -> None:
        """Create the table of vectors, and the weights of the codes."""
        super().build(input_shape)
        self.token_weights = self.add_weight(
            shape=(self.n_codes,), initializer="ones", trainable=False, name="token_weights"
        )

    def call(self, codes: Any) -> Any:
        """Return the weighted means."""
        weights = ops.cast(self.token_weights, self.compute_dtype)
        mask = ops.cast(ops.not_equal(codes, PADDING), self.compute_dtype)
        own = ops.take(weights, self._known(codes), axis=0) * mask  # (n_batch, n_steps)
        norm = ops.sqrt(ops.sum(ops.square(own), axis=1, keepdims=True))
        own = own / ops.maximum(norm, _TINY)
        # [y = sum_i w_i v_i / |w|]: (n_batch, n_steps, units) -> (n_batch, units)
        return ops.sum(self._vectors(codes) * own[:, :, None], axis=1)

    def compute_output_spec(self, codes: Any) -> Any:
        """Return the shape and dtype of the means."""
        return keras.KerasTensor((codes.shape[0], self.units), dtype=self.compute_dtype)
