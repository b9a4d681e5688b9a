"""What KerasClassifier and KerasRegressor share: parameters, ways of fitting, persistence."""

from __future__ import annotations

import numbers
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import cloudpickle
import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from nnkit._compat import with_callbacks
from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit.encoding import encode, make_encoder
from nnkit.estimators.checks import check_predict_arguments
from nnkit.estimators.fitting import Fitting
from nnkit.estimators.parts import MemberData, Seeds
from nnkit.estimators.pickling import dumps, loads, pickled_once
from nnkit.estimators.routing import FIT_ARGUMENTS, PREDICT_ARGUMENTS, routed_to
from nnkit.estimators.transaction import completed, draft_of, shared_copy

if TYPE_CHECKING:
    import keras

__all__ = ["KerasEstimator"]


class KerasEstimator(Fitting):
    """Base of the estimators: the way of the data through fit and predict.

    Its parameters are documented where they are public: `KerasClassifier`, `KerasRegressor`.
    """

    # Arguments of fit that may be requested by metadata routing, beside those it names.
    __metadata_request__fit = dict.fromkeys(FIT_ARGUMENTS)

    def __init__(
        self,
        model: Any = "auto",
        *,
        preset: str = "default",
        loss: Any = None,
        optimizer: Any = "auto",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | str = "auto",
        batch_size: int | str | None = "auto",
        early_stopping: bool | str = "auto",
        validation_split: Any = None,
        n_iter_no_change: int | str = "auto",
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
        device: str | None = None,
        dtype_policy: Any = None,
        engine: str = "auto",
        time_limit: float | None = None,
        background_size: int = 100,
        n_estimators: int | str = "auto",
        verbose: int = 0,
        **routed: Any,
    ) -> None:
        self.model = model
        self.preset = preset
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_split = validation_split
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.encoder = encoder
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.dtype_policy = dtype_policy
        self.engine = engine
        self.time_limit = time_limit
        self.background_size = background_size
        self.n_estimators = n_estimators
        self.verbose = verbose
        self._take_routed(routed, error_type=TypeError)

    # The ways of fitting

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
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The table (n_samples, n_features), or arrays of more axes such as images. Numbers,
            unless ``encoder`` takes something else. A dict holds the inputs of a network by
            name. Sparse rows are made dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target: labels of any kind for a classifier, numbers for a regressor. The default,
            None, is refused.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0; None weighs all the same. Only their ratios
            matter: a batch has the loss Σwl/Σw. Rows of weight 0 are left out.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Rows to validate on, instead of a ``validation_split``; encoded as the training
            rows are.
        groups : array-like of shape (n_samples,), default=None
            Groups whose rows stay together where ``validation_split`` holds rows out.
        **fit_arguments : object
            ``epochs``, ``batch_size``, ``callbacks``, ``class_weight``, ``shuffle``,
            ``validation_split`` and ``verbose`` win over the parameters of that name;
            ``validation_data`` is a tuple of X_val, y_val and optionally sample_weight_val;
            ``initial_epoch`` is the number of the first epoch.

        Returns
        -------
        self : estimator
            Fitted. After an error it is as it was before.

        Raises
        ------
        TypeError
            If an argument is unknown.
        ValueError
            If a parameter, the data, or the builder's model is not what it must be.
        nnkit.exceptions.NonFiniteLossError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            If the fit is interrupted from the keyboard. After the first epoch the estimator is
            fitted, with the best weights so far under ``early_stopping`` and else the last
            ones; before, it is as it was. Networks of an ensemble that have not finished an
            epoch are left out.
        """
        settings = self._settings(fit_arguments)
        validation = _validation_arguments(settings, X_val, y_val, sample_weight_val)
        settings.has_validation_rows = validation is not None
        with draft_of(self) as draft:
            member_data, interrupt = draft._fit(X, y, sample_weight, groups, settings, validation)
        if interrupt is not None:
            raise interrupt
        self._warn_of_fit(settings, member_data)
        return self

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any | None,
        groups: Any | None,
        settings: SimpleNamespace,
        validation: tuple[Any, Any, Any] | None,
    ) -> tuple[list[MemberData], KeyboardInterrupt | None]:
        """Fit, and return what was trained on, and the interrupt that ended it early, if any."""
        self._check(settings)
        resumes = settings.warm_start and self.__sklearn_is_fitted__()
        if not resumes:
            self._begin(settings)
        rows = self._check_rows(X, y, sample_weight, groups, settings, learns=not resumes)
        self._resolve(settings, rows, resumes=resumes)
        _warn_of_unused_scoring(settings)
        n_epochs = max(0, settings.epochs - settings.initial_epoch)
        member_data, interrupt = self._fit_rows(
            rows,
            settings,
            n_epochs=n_epochs,
            validation=validation,
            resumes=resumes,
            keeps_optimizer=bool(settings.warm_start),
        )
        if n_epochs:
            _, later = completed(lambda: self._calibrate(settings, member_data))
            interrupt = interrupt or later
        return member_data, interrupt

    def _partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any | None,
        sample_weight: Any | None,
        fit_arguments: dict[str, Any],
    ) -> Self:
        """Train for one more epoch; see ``partial_fit`` of the estimators."""
        settings = self._settings(fit_arguments)
        if {"epochs", "initial_epoch"} & set(fit_arguments):
            raise TypeError(
                "partial_fit trains for one epoch; it takes neither epochs nor initial_epoch. "
                "Call it repeatedly, or use fit with warm_start=True."
            )
        settings.early_stopping, settings.calibration = False, None
        settings.has_validation_rows = settings.validation_data is not None
        # Nobody knows for how long a training goes on that is made of calls.
        settings.warm_start = True
        if settings.n_estimators == "auto" and not self.__sklearn_is_fitted__():
            settings.n_estimators = 1
        with draft_of(self) as draft:
            interrupt = draft._fit_one_epoch(X, y, classes, sample_weight, settings)
        if interrupt is not None:
            raise interrupt
        return self

    def _fit_one_epoch(
        self,
        X: Any,
        y: Any,
        classes: Any | None,
        sample_weight: Any | None,
        settings: SimpleNamespace,
    ) -> KeyboardInterrupt | None:
        """Train for one more epoch, and return the interrupt that came at its end, if one did."""
        self._check(settings)
        resumes = self.__sklearn_is_fitted__()
        if resumes:
            self._check_announced(classes)
        else:
            self._begin(settings)
        rows = self._check_rows(
            X, y, sample_weight, None, settings, learns=not resumes, classes=classes
        )
        self._resolve(settings, rows, resumes=resumes, is_one_epoch=True)
        earlier = self.histories_ if resumes else None
        validation = _validation_arguments(settings, None, None, None)
        _, interrupt = self._fit_rows(
            rows,
            settings,
            n_epochs=1,
            validation=validation,
            resumes=resumes,
            keeps_optimizer=True,
        )
        if earlier is not None:
            self.histories_ = [
                _joined(*histories) for histories in zip(earlier, self.histories_, strict=True)
            ]
        self.history_ = self.histories_[0]
        self.n_iter_ = len(self.history_.get("loss", []))
        self.best_epoch_ = max(0, self.n_iter_ - 1)
        return interrupt

    def initialize(self, X: Any, y: Any) -> Self:
        """Build the network without training it, so that a pretrained one predicts at once.

        Parameters
        ----------
        X, y : array-like with n_samples rows
            Rows like those of ``fit``, which tell columns, labels and sizes.

        Returns
        -------
        self : estimator
        """
        settings = self._settings({})
        with draft_of(self) as draft:
            draft._initialize(X, y, settings)
        return self

    def _initialize(self, X: Any, y: Any, settings: SimpleNamespace) -> None:
        self._check(settings)
        self._begin(settings)
        rows = self._check_rows(X, y, None, None, settings, learns=True)
        settings.early_stopping, settings.calibration = False, None
        settings.validation_split, settings.has_validation_rows = 0, False
        self._resolve(settings, rows, resumes=False)
        self._fit_rows(
            rows,
            settings,
            n_epochs=0,
            validation=None,
            resumes=False,
            keeps_optimizer=True,
        )

    def _begin(self, settings: SimpleNamespace) -> None:
        """Draw the seeds of a training that begins anew."""
        self._seeds = Seeds.of(settings.random_state)
        self._n_epochs_trained = 0

    def _outputs(self, X: Any, predict_arguments: dict[str, Any]) -> list[list[np.ndarray]]:
        """Return each member's outputs for rows of a table, one array an output."""
        self._check_is_fitted()
        arguments = {**routed_to("predict", self._routed()), **predict_arguments}
        unknown = sorted(set(arguments) - set(PREDICT_ARGUMENTS))
        if unknown:
            raise TypeError(
                f"{type(self).__name__}.predict has no argument {unknown[0]!r}. "
                f"{did_you_mean(unknown[0], PREDICT_ARGUMENTS)}"
            )
        check_predict_arguments(arguments)
        X_encoded = self._encoded(X)
        batch_size = arguments.get("batch_size")
        chunk_rows = None if batch_size in (None, -1, "auto") else int(batch_size)
        return [member.outputs(X_encoded, chunk_rows) for member in self._members]

    def _encoded(self, X: Any) -> Any:
        """Return rows of a table as the network takes them."""
        return encode(self.encoder_, self._check_table(X, reset=False))

    def _as_fitted(self, return_std: bool = False) -> Any:
        """Return a copy that stays as it is while another thread fits this estimator anew.

        Raises
        ------
        ValueError
            If the spread of members is asked of one network.
        """
        self._check_is_fitted()
        fitted = shared_copy(self)
        if return_std and len(fitted._members) == 1:
            raise ValueError(
                "return_std=True needs several networks, whose spread it is, but n_estimators=1. "
                "Fit with n_estimators=5, for example."
            )
        return fitted

    # What scikit-learn and pickle ask

    @property
    def model_(self) -> keras.Model:
        """The trained ``keras.Model``, live; of an ensemble, the first."""
        self._check_is_fitted()
        return self._network.model

    @property
    def models_(self) -> list[keras.Model]:
        """The trained models of all members, live."""
        self._check_is_fitted()
        return [member.model for member in self._members]

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in vars(self)

    def _check_is_fitted(self) -> None:
        """Raise if there is no network yet; a pretrained model has not seen columns or labels."""
        is_builder = isinstance(self.model, (str, type)) or not hasattr(self.model, "get_weights")
        message = None if is_builder else _PRETRAINED_NOT_FITTED
        check_is_fitted(self, msg=message)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        if self.encoder is None or not isinstance(self.model, str):
            tags.input_tags.three_d_array = True
        try:
            encoder = make_encoder(self.encoder, model=self.model)
        except ValueError:
            return tags  # fit says what is wrong with it
        if encoder is not None:
            encoder_tags = get_tags(encoder).input_tags
            tags.input_tags.allow_nan = encoder_tags.allow_nan
            tags.input_tags.string = encoder_tags.string
            tags.input_tags.categorical = encoder_tags.categorical
            tags.input_tags.sparse = encoder_tags.sparse or isinstance(self.encoder, str)
            tags.input_tags.three_d_array = encoder_tags.three_d_array
        return tags

    def __copy__(self) -> Any:
        """Return a copy that shares all it holds, as scikit-learn's callbacks get one."""
        return shared_copy(self)

    def __getstate__(self) -> dict[str, Any]:
        with pickled_once(self):
            state = dict(super().__getstate__())
            if "callbacks_" in state:
                state["callbacks_"] = [_without_model(callback) for callback in state["callbacks_"]]
            if state.get("callbacks") is not None:
                state["callbacks"] = _without_resources(state["callbacks"])
            # cloudpickle takes builders that pickle does not: lambdas, closures, those of notebooks.
            return {"cloudpickled": dumps(state)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(loads(state["cloudpickled"]))


_PRETRAINED_NOT_FITTED = (
    "This %(name)s instance is not fitted yet. Its model has weights, but columns and labels are "
    "learnt from rows: call 'initialize(X, y)' to predict with these weights, or 'fit' to train "
    "them."
)


def _joined(earlier: dict[str, list[float]], now: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return one history after the other; what an epoch did not record is NaN."""
    n_before, n_now = (len(part.get("loss", [])) for part in (earlier, now))
    return {
        name: [
            *earlier.get(name, [float("nan")] * n_before),
            *now.get(name, [float("nan")] * n_now),
        ]
        for name in {**earlier, **now}
    }


def _warn_of_unused_scoring(settings: SimpleNamespace) -> None:
    """Warn if a score is asked for and no rows are held out to compute it on."""
    is_loss = isinstance(settings.scoring, str) and settings.scoring == "loss"
    split = settings.validation_split
    holds_none_out = isinstance(split, numbers.Real) and split == 0
    if is_loss or settings.scoring is None or settings.has_validation_rows or not holds_none_out:
        return
    warnings.warn(
        f"scoring={shown(settings.scoring)} has no effect without rows to validate on. Set "
        "validation_split=0.1 or early_stopping=True, or give X_val and y_val to fit.",
        UserWarning,
        stacklevel=5,
    )


def _validation_arguments(
    settings: SimpleNamespace, X_val: Any, y_val: Any, sample_weight_val: Any
) -> tuple[Any, Any, Any] | None:
    """Return the rows to validate on that were given to fit, in whichever way."""
    if settings.validation_data is not None:
        if X_val is not None:
            raise ValueError("Give either X_val and y_val, or validation_data, not both.")
        data = settings.validation_data
        if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
            raise ValueError(
                "validation_data must be a tuple (X_val, y_val) or (X_val, y_val, "
                f"sample_weight_val). Got {type(data).__name__} instead."
            )
        return (data[0], data[1], data[2] if len(data) == 3 else None)
    if X_val is None and y_val is None and sample_weight_val is not None:
        raise ValueError("sample_weight_val needs X_val and y_val, whose rows it weighs.")
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val belong together. Give both or neither.")
    return None if X_val is None else (X_val, y_val, sample_weight_val)


def _without_resources(callbacks: Any) -> Any:
    """Return the user's callbacks for a pickle; what cannot be pickled is left out and named."""
    if isinstance(callbacks, dict):
        return {key: _without_resources(entry) for key, entry in callbacks.items()}
    if isinstance(callbacks, (list, tuple)):
        return [_without_resources(entry) for entry in callbacks]
    if isinstance(callbacks, type) or callbacks is None:
        return callbacks
    detached = _without_model(callbacks)
    for name, value in vars(callbacks).items():
        if name != "_model" and value is not None and vars(detached)[name] is None:
            warnings.warn(
                f"callbacks: {type(callbacks).__name__}.{name} ({type(value).__name__}) cannot be "
                "pickled, and is None in the copy. Set the callback anew there.",
                UserWarning,
                stacklevel=4,
            )
    return detached


def _without_model(callback: Any) -> Any:
    detached = object.__new__(type(callback))
    vars(detached).update(vars(callback))
    detached._model = None
    for name, value in list(vars(detached).items()):
        try:
            cloudpickle.dumps(value)
        except Exception:  # open files, TensorFlow's writers: each fails in its own way
            setattr(detached, name, None)
    return detached
