"""The base class of the estimators: parameters, fit, persistence."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags

from nnkit._compat import with_callbacks
from nnkit._documentation import DOC_LINK_TEMPLATE
from nnkit.estimators.fitting import stages
from nnkit.estimators.fitting.fine_tuning import fit_in_phases
from nnkit.estimators.fitting.row_preparation import encoder_of, validation_arguments
from nnkit.estimators.fitting.transaction import draft_of, shared_copy
from nnkit.estimators.parameters.cloning import cloned
from nnkit.estimators.parameters.fit_settings import given_settings
from nnkit.estimators.parameters.parameter_names import (
    deep_parameters,
    parameter_names,
    routed_parameters,
    set_parameters,
)
from nnkit.estimators.persistence.estimator_state import (
    attributes_without_code,
    state_without_code,
)
from nnkit.estimators.persistence.pickling import pickled, stored_once
from nnkit.estimators.prediction import check_fitted
from nnkit.estimators.targets.target import Target

if TYPE_CHECKING:
    import keras

    from nnkit.estimators.rows.training_rows import Seeds
    from nnkit.training.network import Network

__all__ = ["KerasEstimator"]

_BUILT_ON_ACCESS = ("model_", "models_")


class KerasEstimator(BaseEstimator):
    """Base class of the estimators: parameters, fit and persistence.

    A subclass stores the arguments of its constructor by ``store_arguments`` and names the class of
    its target. The stages of a fit are functions in ``nnkit.estimators.fitting``.
    """

    # Link of the "?" and of the tooltips in scikit-learn's HTML representation.
    _doc_link_module = "nnkit"
    _doc_link_template = DOC_LINK_TEMPLATE
    # Class of the target, which encodes y and makes the decoder of outputs.
    _target_type: ClassVar[type[Target]]
    # Names of parameters outside the signature that were given to the constructor or set_params.
    _routed_names: frozenset[str] = frozenset()

    model: Any
    loss: Any
    optimizer: Any
    metrics: Any
    callbacks: Any
    epochs: Any
    batch_size: Any
    early_stopping: Any
    validation_split: Any
    n_iter_no_change: Any
    tol: float
    scoring: Any
    encoder: Any
    shuffle: bool
    warm_start: bool
    random_state: Any
    device: str | None
    dtype_policy: Any
    engine: str
    time_limit: float | None
    # Files of earlier versions lack these two.
    checkpoint: Any = None
    checkpoint_seconds: float = 30.0
    verbose: Any

    # Set by fit
    n_features_in_: int
    encoder_: Any
    resolved_params_: dict[str, Any]
    X_shape_: Any
    background_: Any
    callbacks_: list[Any]
    history_: dict[str, list[float]]
    histories_: list[dict[str, list[float]]]
    best_epoch_: int
    n_iter_: int
    engine_: str
    # Of TabularClassifier
    temperature_: float
    _target: Target
    _seeds: Seeds
    _members: list[Network]
    _network: Network
    _schedule_owner: str | None
    _n_epochs_trained: int
    _is_stopped_early: bool
    _built_with: dict[str, Any]
    _takes_raw: bool
    # Whether the encoder takes one object for each row. Files of earlier versions lack it.
    _takes_samples: bool = False
    # Errors of held-out rows for prediction intervals and sets of classes. Files of earlier versions lack them.
    _held_out_errors: np.ndarray | None = None
    # Facts for the builder from an encoder that is not part of the estimator.
    _meta_facts: Mapping[str, Any] = MappingProxyType({})
    # The estimator that a draft is a copy of, and scikit-learn's callbacks.
    _drafted_from: KerasEstimator

    # Parameters

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the names in the signature; with ``**kwargs``, those of the base class too."""
        return list(parameter_names(cls))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the parameters of an encoder, and the defaults of the builder's
            own arguments as ``model__name``.

        Returns
        -------
        params : dict
            Values by name, routed parameters included.
        """
        params = {**super().get_params(deep=deep), **routed_parameters(self)}
        return deep_parameters(self, params) if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also routed ones that were never set before.

        Parameters
        ----------
        **params : object
            Values by name, such as ``epochs=5``, ``optimizer__learning_rate=0.01``,
            ``model__units=(32,)``, or an argument of the builder.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If a name is unknown. The message suggests the nearest valid one.
        """
        set_parameters(self, params)
        return self

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted estimator with copies of the parameters."""
        return cloned(self)

    # Fits

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any | None = None,
        *,
        X_val: Any | None = None,
        y_val: Any | None = None,
        sample_weight_val: Any | None = None,
        groups: Any | None = None,
        **fit_arguments: Any,
    ) -> Self:
        """Build the network and train it.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix, dict or dataset, with n_samples rows
            The table (n_samples, n_features), or arrays of more axes such as images. Values are
            numbers unless ``encoder`` takes other values. A dict has the inputs of a network by
            name (in a cross-validation, a `nnkit.encoding.InputDict`). Sparse rows are converted
            to dense rows batch by batch. A ``keras.utils.PyDataset``, ``tf.data.Dataset`` or
            iterator yields batches (x, y) or (x, y, sample_weight): each epoch reads a new pass
            over a dataset, and an iterator is read once.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target: labels of any kind for a classifier, numbers for a regressor. It is
            required unless X is a dataset.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_steps), default=None
            Weights of the rows, or of the steps of sequences, at least 0; None is equal weights.
            Only their ratios matter: the loss of a batch is Σwl/Σw. Rows of weight 0 are left out.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Validation rows, instead of held-out rows. They are encoded like the training rows.
            ``X_val`` can be a dataset.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. Held-out fractions, folds and splitters for groups hold out whole
            groups. Without held-out rows they have no effect.
        **fit_arguments : object
            ``epochs``, ``batch_size``, ``callbacks``, ``class_weight``, ``shuffle``,
            ``validation_split`` and ``verbose`` override the parameters of that name
            (``class_weight`` is for classifiers only);
            ``validation_data`` is a tuple of X_val, y_val and optionally sample_weight_val;
            ``initial_epoch`` is the number of the first epoch: ``epochs - initial_epoch`` epochs
            are trained.

        Returns
        -------
        self : estimator
            Fitted. After an error it is unchanged.

        Raises
        ------
        TypeError
            If an argument is unknown, or a subclass has a hook of SciKeras.
        ValueError
            If a parameter, the data, or the builder's model is invalid.
        nnkit.exceptions.NonFiniteLossError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            If the fit is interrupted from the keyboard. After the first epoch the estimator is
            fitted, with the best weights so far under ``early_stopping``, else the last ones.
            Before, it is unchanged. Networks of an ensemble without a finished epoch are left
            out.
        """
        given = given_settings(self, fit_arguments)
        validation = validation_arguments(given, X_val, y_val, sample_weight_val)
        given = replace(given, has_validation_rows=validation is not None)
        with draft_of(self) as draft:
            rows = (X, y, sample_weight, groups)
            result = fit_in_phases(draft, rows, given, validation, fit_arguments)
        if result.interrupt is not None:
            raise result.interrupt
        # The warning is last: if warnings are errors, the estimator is fitted nevertheless.
        message = stages.fit_warning(self, result)
        if message is not None:
            warnings.warn(f"{type(self).__name__}: {message}", ConvergenceWarning, stacklevel=3)
        return self

    def initialize(self, X: Any, y: Any) -> Self:
        """Build the network without training, to predict with a pretrained one.

        Parameters
        ----------
        X, y : array-like with n_samples rows
            Rows like those of ``fit``. Columns, labels and sizes are learnt from them.

        Returns
        -------
        self : estimator
        """
        given = given_settings(self, {})
        with draft_of(self) as draft:
            stages.initialize(draft, X, y, given)
        return self

    @property
    def model_(self) -> keras.Model:
        """The trained ``keras.Model``, which holds the weights; of an ensemble, the first."""
        check_fitted(self)
        return self._members[0].model

    @property
    def models_(self) -> list[keras.Model]:
        """The trained ``keras.Model`` of each network, which holds its weights."""
        check_fitted(self)
        return [member.model for member in self._members]

    # The protocols of scikit-learn and pickle

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in vars(self)

    def __dir__(self) -> list[str]:
        # scikit-learn's __dir__ reads every attribute, and the live models would be built.
        names = [name for name in object.__dir__(self) if name not in _BUILT_ON_ACCESS]
        available = [name for name in names if hasattr(self, name)]
        return [*available, *_BUILT_ON_ACCESS] if self.__sklearn_is_fitted__() else available

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        if self.encoder is None or not isinstance(self.model, str):
            tags.input_tags.three_d_array = True
        try:
            encoder = encoder_of(self)
        except ValueError:
            return tags  # fit reports the error
        if encoder is not None:
            encoder_tags = get_tags(encoder).input_tags
            tags.input_tags.allow_nan = encoder_tags.allow_nan
            tags.input_tags.string = encoder_tags.string
            tags.input_tags.categorical = encoder_tags.categorical
            tags.input_tags.sparse = encoder_tags.sparse or isinstance(self.encoder, str)
            tags.input_tags.three_d_array = encoder_tags.three_d_array
        return tags

    def __copy__(self) -> Any:
        """Return a copy that shares all attributes, for scikit-learn's callbacks."""
        return shared_copy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes as plain parts, for files without code such as those of skops."""
        with stored_once(self):
            return state_without_code(type(self), self._attributes_to_store())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(attributes_without_code(type(self), state))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return the state for pickle and copy, which hold any builder; see `pickled`."""
        with stored_once(self):
            return pickled(self, self._attributes_to_store())

    def _attributes_to_store(self) -> dict[str, Any]:
        """Return the attributes, callbacks without their models and open files."""
        attributes = dict(vars(self))
        if "callbacks_" in attributes:
            attributes["callbacks_"] = [
                _picklable_copy(callback) for callback in attributes["callbacks_"]
            ]
        if attributes.get("callbacks") is not None:
            attributes["callbacks"] = _without_resources(attributes["callbacks"])
        return attributes


def _without_resources(callbacks: Any, stacklevel: int = 4) -> Any:
    """Return copies of the user's callbacks for a pickle.

    Attributes that cannot be pickled become None, with a warning.
    """
    if isinstance(callbacks, dict):
        return {key: _without_resources(entry, stacklevel + 2) for key, entry in callbacks.items()}
    if isinstance(callbacks, (list, tuple)):
        entries = [_without_resources(entry, stacklevel + 2) for entry in callbacks]
        return tuple(entries) if isinstance(callbacks, tuple) else entries
    if isinstance(callbacks, type) or not hasattr(callbacks, "on_epoch_end"):
        return callbacks
    detached = _picklable_copy(callbacks)
    for name, value in vars(callbacks).items():
        if name != "_model" and value is not None and vars(detached)[name] is None:
            warnings.warn(
                f"callbacks: {type(callbacks).__name__}.{name} ({type(value).__name__}) cannot be "
                "pickled, and is None in the copy. Set the callback anew there.",
                UserWarning,
                stacklevel=stacklevel,
            )
    return detached


def _picklable_copy(callback: Any) -> Any:
    """Return a copy of a callback without its model and without what cannot be pickled."""
    detached = object.__new__(type(callback))
    vars(detached).update(vars(callback))
    detached._model = None
    for name, value in list(vars(detached).items()):
        try:
            cloudpickle.dumps(value)
        except Exception:  # open files and TensorFlow's writers raise errors of many classes
            setattr(detached, name, None)
    return detached
