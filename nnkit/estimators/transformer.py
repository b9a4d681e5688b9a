"""KerasTransformer."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import InputTags, TargetTags, check_array
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from nnkit._messages import shown
from nnkit._suggestions import listed
from nnkit._validation import as_choice, as_flag
from nnkit.builders.registry import spec_of
from nnkit.builders.signature import depends_on_data
from nnkit.encoding.features import encode, make_encoder
from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.fitting import stages
from nnkit.estimators.fitting.fine_tuning import fit_in_phases
from nnkit.estimators.fitting.transaction import completed, draft_of, shared_copy
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.parameters.continuation import (
    changed_parameters,
    check_changes,
    parameters_of_network,
)
from nnkit.estimators.parameters.fit_settings import given_settings
from nnkit.estimators.parameters.parameter_names import routed_parameters, store_arguments
from nnkit.estimators.parameters.routing import resolve_builder, routed_to
from nnkit.estimators.prediction import decoder_of
from nnkit.estimators.regressor import KerasRegressor
from nnkit.estimators.rows.samples import check_samples
from nnkit.estimators.rows.tables import check_table

if TYPE_CHECKING:
    import keras

__all__ = ["KerasTransformer"]

_TASKS = ("auto", "reconstruction", "classification", "regression")


class KerasTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, KerasEstimator):
    """A layer of a Keras network as a scikit-learn transformer.

    The layer is the bottleneck of an autoencoder, which reproduces its columns, or an embedding
    within a network that learns a target.

    Parameters
    ----------
    model : str, callable or keras.Model, default="autoencoder"
        The network, as in `KerasClassifier`. ``"autoencoder"`` for tables, ``"conv_autoencoder"``
        for images, ``"conv1d_autoencoder"`` and ``"lstm_autoencoder"`` for sequences have a
        bottleneck of ``model__n_components`` units.
    layer : str or None, default="representation"
        Name of the layer whose output is the representation; None is the network's output.
    task : {"auto", "reconstruction", "classification", "regression"}, default="auto"
        The target of the network. "reconstruction" is the encoded columns; ``y`` is not used.
        "auto" is "reconstruction" without ``y``, for ``model="autoencoder"``, and for a network
        of your own whose outputs have the shape of the columns and not that of ``y``. Otherwise
        it is "regression" for numbers with fractions and "classification" for other values.
    loss : str, class, keras.losses.Loss, callable, list or dict of these, or None, default=None
        The loss; a list or dict has one for each output of the network. None is the mean squared
        error.
    optimizer : str, class or keras.optimizers.Optimizer, default="auto"
        The optimizer. "auto" is the one that the builder compiles with, and "adam" if it does not
        compile. An instance is copied for each fit. Schedules of `nnkit.optimizers` without a
        number of steps get that of the fit.
    metrics : str, class, keras.metrics.Metric, callable, or list or dict of them, default=None
        Metrics that ``history_`` records beside the loss. They are computed from probabilities or
        values, not from raw outputs.
    callbacks : keras.callbacks.Callback, class, or list or dict of them, default=None
        Callbacks of the training. Instances are copied for each fit; classes are instantiated
        with ``callbacks__*``. They get a live model at each epoch. Callbacks with hooks for
        batches make ``engine="auto"`` train by ``keras.Model.fit``.
    epochs : int or "auto", default="auto"
        Passes over the training rows, at least 1; with ``early_stopping`` the maximum. "auto" is
        100; autoencoders of images and sequences have values of their own.
    batch_size : int, "auto" or None, default="auto"
        Rows of an optimizer step, at least 1. "auto" and None are 32, as in Keras. -1 is all rows.
    early_stopping : bool, default=False
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch.
    validation_split : float, splitter, list or None, default=None
        The rows that are held out: a fraction in [0, 1); a scikit-learn splitter, of which the
        first split is used; or a list with a pair of training and validation rows. None is 0.1
        with ``early_stopping``, else 0. The loss and metrics of held-out rows are ``val_*`` in
        ``history_``.
    n_iter_no_change : int, default=10
        Epochs without improvement after which ``early_stopping`` stops, at least 1.
    tol : float, default=0.0
        Minimum change that counts as an improvement, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        The score on held-out rows. "loss" is the loss, to be minimised. A scikit-learn scorer
        or its name is recorded as ``val_<name>`` and maximised. None is R².
    encoder : "auto", None or transformer, default="auto"
        Transformer of X. "auto" is a ``StandardScaler`` for ``"autoencoder"``, the encoder of the
        network for other ready-made autoencoders, and None for other networks. None is no
        transformer. A transformer is cloned and fitted on the raw rows.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new random order.
    warm_start : bool, default=False
        Whether another ``fit`` resumes training with the weights, optimizer, encoder and labels
        of the last fit, instead of building a new network.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, shuffling, dropout, splits and the background sample. With an
        int, results are reproducible to the bit on the CPU of one machine. None draws new seeds
        in each fit. Global random states are neither read nor changed.
    device : str or None, default=None
        TensorFlow device of training and prediction, such as "/GPU:0" or "cpu". None lets
        TensorFlow choose.
    dtype_policy : str, keras.DTypePolicy or None, default=None
        Keras' dtype policy while the network is built, such as "mixed_bfloat16". None is the
        global policy.
    engine : {"auto", "graph", "xla", "keras"}, default="auto"
        Backend of the training. "graph" is a TensorFlow graph that loops over the batches. "xla"
        is the same graph, XLA-compiled, for long fits of small networks. "keras" is
        ``keras.Model.fit``, which is slower and supports every model. "auto" is "graph" or "xla",
        or "keras" if the model or a callback needs it. Results agree up to rounding.
    time_limit : float or None, default=None
        Seconds from the start of ``fit`` after which no epoch starts. With ``early_stopping`` the
        best weights so far are kept. None is no limit.
    checkpoint : str, Path or None, default=None
        Folder of a checkpoint. A fit whose process was killed goes on from it when it is called
        again with the same parameters and rows, and ends with the same weights. A finished fit
        deletes it. None stores none.
    checkpoint_seconds : float, default=30.0
        Smallest time between two checkpoints of a network, in seconds, at least 0. They are stored
        at the ends of epochs.
    verbose : {0, 1, 2, "auto"}, default=0
        0 shows nothing, 1 and "auto" show a progress bar for fits of more than half a second, 2
        prints a line for each epoch.
    **routed : object
        Arguments by prefix: ``model__units=(32,)``, ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``metrics__threshold=0.3``, ``callbacks__patience=3``
        (of one callback in a list or dict: ``callbacks__0__patience``),
        ``compile__jit_compile=True``, ``fit__epochs=5``, ``predict__batch_size=1000``;
        ``encoder__NAME``, parameters of the encoder of "auto"; ``fine_tune__NAME``, values of
        parameters in a second phase of the training; and arguments of the builder without a
        prefix. They override the configuration of instances. ``set_params`` and searches take
        them too.

    Attributes
    ----------
    estimator_ : KerasClassifier or KerasRegressor
        The fitted estimator that holds the network.
    model_ : keras.Model
        The trained network, live.
    history_ : dict of str to list of float
        Loss, metrics and validation by epoch, under Keras' names.
    encoder_ : transformer or None
        The fitted encoder.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Their names, if the table is a DataFrame with strings as column names.

    See Also
    --------
    nnkit.builders.autoencoder : The default network.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import KerasTransformer
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> embedding = KerasTransformer(model__n_components=3, epochs=5, random_state=0)
    >>> embedding.fit_transform(X).shape
    (150, 3)
    >>> embedding.get_feature_names_out().tolist()
    ['kerastransformer0', 'kerastransformer1', 'kerastransformer2']
    >>> embedding.inverse_transform(embedding.transform(X)).shape
    (150, 4)
    """

    n_features_in_: int
    encoder_: Any
    estimator_: Any
    _built_with: dict[str, Any]

    def __init__(
        self,
        model: Any = "autoencoder",
        *,
        layer: str | None = "representation",
        task: Literal["auto", "reconstruction", "classification", "regression"] = "auto",
        loss: Any = None,
        optimizer: Any = "auto",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        early_stopping: bool = False,
        validation_split: Any = None,
        n_iter_no_change: int = 10,
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        device: str | None = None,
        dtype_policy: Any = None,
        engine: Literal["auto", "graph", "xla", "keras"] = "auto",
        time_limit: float | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 30.0,
        verbose: Literal[0, 1, 2, "auto"] = 0,
        **routed: Any,
    ) -> None:
        store_arguments(self, locals())

    # A transformer has no validation rows of its own.
    def fit(  # type: ignore[override]
        self, X: Any, y: Any | None = None, sample_weight: Any | None = None
    ) -> Self:
        """Build the network and train it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            The table, or arrays of more axes for a network that takes them.
        y : array-like with n_samples rows, default=None
            The target. It is used depending on ``task``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or the network has no layer of that name.
        """
        with draft_of(self) as draft:
            result = draft._fit(X, y, sample_weight)
        if result.interrupt is not None:
            raise result.interrupt
        message = stages.fit_warning(self.estimator_, result, owner=self)
        if message is not None:
            warnings.warn(f"{type(self).__name__}: {message}", ConvergenceWarning, stacklevel=2)
        return self

    def initialize(self, X: Any, y: Any | None = None) -> Self:
        """Build the network without training, to transform by a pretrained one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Rows like those of ``fit``. Columns and sizes are learnt from them.
        y : array-like with n_samples rows, default=None
            The target, as in ``fit``.

        Returns
        -------
        self : estimator
        """
        with draft_of(self) as draft:
            draft._fit(X, y, None, is_trained=False)
        return self

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, is_trained: bool = True
    ) -> stages.FitResult | None:
        """Encode the columns, and fit the estimator that holds the network."""
        self._check_own_parameters()
        resumes = is_trained and self.warm_start and self.__sklearn_is_fitted__()
        X_checked = self._check_table(X, reset=not resumes)
        if not resumes:
            self.encoder_ = self._make_encoder()
            if self.encoder_ is not None:
                with np.errstate(over="ignore", invalid="ignore"):  # `encode` reports it
                    self.encoder_.fit(X_checked, y)
        X_encoded = self._encoded(X_checked)
        task = self._task(X_encoded, y)
        if resumes and self._is_reconstruction and self.task == "auto":
            task = "reconstruction"
        own = parameters_of_network({"encoder": self.encoder}, {"task": task})
        if resumes:
            check_changes(changed_parameters(self._built_with, own))
        from nnkit.training.specification.heads import OutputShapeError

        rows = X_encoded, y, sample_weight
        try:
            result = self._fit_task(task, *rows, resumes=resumes, is_trained=is_trained)
        except OutputShapeError as error:
            if self.task != "auto" or task == "reconstruction":
                raise
            if error.shapes != [X_encoded.shape[1:]]:
                raise ValueError(
                    f"{error} KerasTransformer took y for a target, task={task!r}; to learn the "
                    "columns instead, set task='reconstruction'."
                ) from error
            task = "reconstruction"
            result = self._fit_task(task, *rows, resumes=False, is_trained=is_trained)
            own = parameters_of_network({"encoder": self.encoder}, {"task": task})
        self._built_with = own
        self.history_ = self.estimator_.history_
        self._n_features_out, later = completed(lambda: self._represent(X_encoded[:1]).shape[1])
        if result is None or later is None:
            return result
        return replace(result, interrupt=result.interrupt or later)

    def _check_own_parameters(self) -> None:
        """Raise for a parameter that the estimator of the network does not check."""
        as_choice("task", self.task, _TASKS)
        as_flag("warm_start", self.warm_start)
        if not (self.layer is None or isinstance(self.layer, str)):
            raise ValueError(
                f"layer must be the name of a layer, or None. Got {shown(self.layer)} instead."
            )

    def _fit_task(
        self,
        task: str,
        X_encoded: np.ndarray,
        y: Any,
        sample_weight: Any,
        *,
        resumes: bool,
        is_trained: bool,
    ) -> stages.FitResult | None:
        """Fit the estimator that learns a task, or build its network only."""
        estimator = self._make_estimator(task)
        if resumes:
            estimator = copy.copy(self.estimator_).set_params(**estimator.get_params(deep=False))
        self._is_reconstruction = task == "reconstruction"
        target = X_encoded if self._is_reconstruction else y
        self.estimator_ = estimator
        if not is_trained:
            estimator.initialize(X_encoded, target)
            return None
        given = given_settings(estimator, {})
        with draft_of(estimator) as draft:
            return fit_in_phases(draft, (X_encoded, target, sample_weight, None), given, None, {})

    def _task(self, X_encoded: np.ndarray, y: Any) -> str:
        """Return the task of the network, as far as it is known before the network is built."""
        if isinstance(y, (str, bytes)) or np.isscalar(y):
            raise ValueError("y must have one value for each row. Got a single value instead.")
        if self.task != "auto":
            if y is None and self.task != "reconstruction":
                raise ValueError(f"task={self.task!r} needs a target, but y is None.")
            return self.task
        is_named = isinstance(self.model, str)
        if y is None or (is_named and spec_of(self.model).is_autoencoder):
            return "reconstruction"
        with np.errstate(invalid="ignore"):  # NaN has a message of its own
            is_values = type_of_target(y, input_name="y").startswith("continuous")
        builder = resolve_builder(self.model)
        is_fixed = builder is None or not depends_on_data(builder)
        n_columns = prod(X_encoded.shape[1:])
        if is_fixed and n_columns in _units_for(y, is_values=is_values):
            raise ValueError(
                f"task='auto' cannot tell whether the network gives back its {n_columns} columns "
                "or predicts y, which needs as many outputs. Set task='reconstruction', "
                "'classification' or 'regression'."
            )
        return "regression" if is_values else "classification"

    def _make_estimator(self, task: str) -> Any:
        """Return the estimator that learns, unfitted."""
        own = ("model", "layer", "task", "encoder")
        params = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name.partition("__")[0] not in own or name.startswith("model__")
        }
        cls = KerasClassifier if task == "classification" else KerasRegressor
        estimator = cls(self.model, encoder=None, background_size=0, n_estimators=1, **params)
        facts = getattr(self.encoder_, "meta_facts", None)
        # Facts about the columns to learn are those of a table without an encoder.
        if facts is not None and self._takes_samples:
            estimator._meta_facts = facts()
        return estimator

    def _make_encoder(self) -> Any | None:
        """Return the unfitted encoder: that of the builder, or a scaler of the columns to learn."""
        kind = None
        if isinstance(self.model, str):
            kind = spec_of(self.model).encoder
            kind = "standard" if isinstance(kind, str) else kind
        parameters = routed_to("encoder", routed_parameters(self))
        return make_encoder(self.encoder, kind=kind, parameters=parameters)

    def _check_table(self, X: Any, *, reset: bool) -> Any:
        if reset:
            self._takes_samples = getattr(self._make_encoder(), "takes_samples", False)
        if self._takes_samples:
            return check_samples(self, X, reset=reset)
        if sparse.issparse(X):
            raise TypeError(
                "Sparse input is not supported by KerasTransformer, which gives back dense "
                "columns. Use toarray(), or TruncatedSVD before it."
            )
        goes_to_encoder = not (self.encoder is None or isinstance(self.encoder, str))
        X_checked = check_table(self, X, reset=reset, goes_to_encoder=goes_to_encoder)
        if isinstance(X_checked, dict):
            raise ValueError("KerasTransformer takes one table. Got a dict of inputs instead.")
        return X_checked

    def _encoded(self, X_checked: Any) -> np.ndarray:
        X_encoded = encode(self.encoder_, X_checked)
        # The columns to reconstruct are dense.
        return X_encoded.toarray() if sparse.issparse(X_encoded) else X_encoded

    def transform(self, X: Any) -> np.ndarray:
        """Return the representation of rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            The rows, with the columns of ``fit`` in their order.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_components)
            The output of ``layer``, with its axes behind the first as one.
        """
        check_is_fitted(self)
        fitted = shared_copy(self)  # another thread may fit anew
        X_checked = fitted._check_table(X, reset=False)
        representation = fitted._represent(fitted._encoded(X_checked))
        dtype = getattr(X_checked, "dtype", np.float64)
        return representation.astype(np.float32 if dtype == np.float32 else np.float64)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the columns that belong to a representation, by the decoder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Representations.

        Returns
        -------
        X_original : ndarray of shape (n_samples, ...)
            Columns of the table, through the inverse of the encoder if there is one.

        Raises
        ------
        ValueError
            If the network does not reconstruct its columns, the output depends on more than the
            layer, or the encoder has no inverse.
        """
        check_is_fitted(self)
        return shared_copy(self)._inverse(X)  # another thread may fit anew

    def _inverse(self, X: Any) -> np.ndarray:
        if not self._is_reconstruction or self.layer is None:
            raise ValueError(
                "inverse_transform needs an autoencoder: fit it with task='reconstruction', and "
                "name the layer of the representation."
            )
        if self.encoder_ is not None and not hasattr(self.encoder_, "inverse_transform"):
            raise ValueError(f"encoder={shown(self.encoder_)} has no inverse_transform.")
        self._check_layer()
        network = self.estimator_._network
        shape = network.compiled_model.model.get_layer(self.layer).output.shape
        X_checked = check_array(X, dtype=np.float32, input_name="X")
        if X_checked.shape[1] != self._n_features_out:
            raise ValueError(
                f"X must have {self._n_features_out} columns, the components of layer="
                f"{self.layer!r}. Got {X_checked.shape[1]} instead."
            )
        codes = X_checked.reshape(-1, *shape[1:])
        try:
            (values,) = network.outputs_between(self.layer, None, codes)
        except ValueError as error:
            raise ValueError(
                f"The output of the network does not follow from layer={shown(self.layer)} alone, "
                "so that there is no decoder."
            ) from error
        X_encoded = decoder_of(self.estimator_).decide([values])
        return X_encoded if self.encoder_ is None else self.encoder_.inverse_transform(X_encoded)

    def _represent(self, X_encoded: np.ndarray) -> np.ndarray:
        network = self.estimator_._network
        if self.layer is None:
            outputs = network.outputs(X_encoded)
        else:
            self._check_layer()
            outputs = network.outputs_between(None, self.layer, network.inputs(X_encoded))
        return outputs[0].reshape(len(outputs[0]), -1)

    def _check_layer(self) -> None:
        names = [layer.name for layer in self.estimator_._network.compiled_model.model.layers]
        if self.layer not in names:
            raise ValueError(
                f"layer={shown(self.layer)} is not a layer of the network, which has "
                f"{listed(names)}."
            )

    @property
    def model_(self) -> keras.Model:
        """The trained ``keras.Model``, live."""
        check_is_fitted(self)
        model: keras.Model = self.estimator_.model_
        return model

    @property
    def models_(self) -> list[keras.Model]:
        """The trained ``keras.Model`` in a list, live."""
        return [self.model_]

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags = TargetTags(required=False)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags = InputTags(three_d_array=self.encoder is None)
        return tags


def _units_for(y: Any, *, is_values: bool) -> tuple[int, ...]:
    """Return the possible numbers of output units of a network for a target."""
    target = np.asarray(y)
    if target.ndim > 1 and target.shape[1] > 1:
        return (prod(target.shape[1:]),)
    n_classes = 1 if is_values else len(np.unique(target))
    return (1, 2) if n_classes == 2 else (n_classes,)
