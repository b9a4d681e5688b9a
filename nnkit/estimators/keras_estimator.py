"""What KerasClassifier and KerasRegressor share, above all the way of data through ``fit``."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from nnkit._compat import rows_of
from nnkit.builders import Meta, builder_arguments
from nnkit.encoding import (
    ClassLabels,
    background_rows,
    encode,
    holdout_rows,
    make_encoder,
)
from nnkit.estimators.checks import (
    check_encoded,
    check_finite,
    check_parameters,
    check_weights,
    name_bad_column,
)
from nnkit.estimators.routing import (
    PREFIXES,
    builder_defaults,
    builder_hyperparameters,
    resolve_builder,
    routed_to,
    unknown_name,
)

if TYPE_CHECKING:
    import keras

    from nnkit.training import Head, Recipe, Task, TrainedNetwork

__all__ = ["KerasEstimator"]


@dataclass(frozen=True)
class Seeds:
    """The seeds of a fit, one for each thing that is drawn."""

    build: int
    shuffle: int
    split: int
    background: int

    @classmethod
    def of(cls, random_state: Any) -> Seeds:
        """Return the seeds that a scikit-learn ``random_state`` gives."""
        # None means new entropy: NumPy's global state is the caller's.
        rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
        return cls(*(int(seed) for seed in rng.randint(2**31 - 1, size=4)))


@dataclass(frozen=True)
class Rows:
    """The rows that a fit learns from: table, target as it came, encoded target, weights."""

    X: Any
    y: np.ndarray
    encoded: np.ndarray
    sample_weight: np.ndarray | None

    def at(self, positions: np.ndarray) -> Rows:
        """Return the rows at these positions."""
        return Rows(
            rows_of(self.X, positions),
            self.y[positions],
            self.encoded[positions],
            None if self.sample_weight is None else self.sample_weight[positions],
        )


@contextmanager
def _all_or_nothing(estimator: Any) -> Iterator[None]:
    """Put an estimator back as it was if anything fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class KerasEstimator(BaseEstimator):
    """Base of the estimators: parameters, and the way of the data through fit and predict.

    Its parameters are documented where they are public: `KerasClassifier`, `KerasRegressor`.
    """

    _network: TrainedNetwork
    _head: Head
    n_features_in_: int
    encoder_: Any

    def __init__(
        self,
        model: Any = "mlp",
        *,
        loss: Any = None,
        optimizer: Any = "adam",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int = 100,
        batch_size: int | str = "auto",
        early_stopping: bool = False,
        validation_split: float | None = None,
        n_iter_no_change: int = 10,
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        random_state: Any = None,
        device: str | None = None,
        engine: str = "auto",
        n_background: int = 100,
        verbose: int = 0,
        **routed: Any,
    ) -> None:
        self.model = model
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
        self.random_state = random_state
        self.device = device
        self.engine = engine
        self.n_background = n_background
        self.verbose = verbose
        self._take_routed(routed, error_type=TypeError)

    # Parameters

    def _routed(self) -> dict[str, Any]:
        """Return the parameters outside the signature, which are attributes like the others."""
        own = set(self._get_param_names())
        return {
            name: value
            for name, value in vars(self).items()
            if name not in own and not name.startswith("_") and not name.endswith("_")
        }

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
        params = {**super().get_params(deep=deep), **self._routed()}
        return {**builder_defaults(self.model), **params} if deep else params

    def set_params(self, **params: Any) -> KerasEstimator:
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
            If a name is unknown; the message names the nearest right one.
        """
        own = set(self._get_param_names())
        for name in [name for name in params if name in own]:
            setattr(self, name, params.pop(name))
        for name in list(params):
            prefix, _, rest = name.partition("__")
            # A Keras callback has a set_params too, of another kind.
            is_nested = rest and prefix in own and prefix not in PREFIXES
            if is_nested and hasattr(getattr(self, prefix), "set_params"):
                getattr(self, prefix).set_params(**{rest: params.pop(name)})
        self._take_routed(params, error_type=ValueError)
        return self

    def _take_routed(self, routed: dict[str, Any], error_type: type[Exception]) -> None:
        for name, value in routed.items():
            reason = unknown_name(name, self._get_param_names(), self.model)
            # The contract checks set every name in the signature, **routed's own included.
            if reason is not None and name != "routed":
                raise error_type(f"{type(self).__name__}: {reason}")
            setattr(self, name, value)

    def _check_routed(self) -> None:
        for name in self._routed():
            reason = unknown_name(name, self._get_param_names(), self.model)
            if reason is not None:
                raise ValueError(f"{type(self).__name__}: {reason}")

    # What the two estimators do each in their own way

    @abstractmethod
    def _check_target(self, y: Any) -> np.ndarray:
        """Return the target as a one-dimensional array."""

    @abstractmethod
    def _learn_target(
        self, y: np.ndarray, sample_weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Learn labels or units; return the target as numbers, and the weights of the rows."""

    @abstractmethod
    def _task(self) -> Task:
        """Return what is to be learnt."""

    @abstractmethod
    def _target_facts(self) -> dict[str, Any]:
        """Return what a builder is told about the target, which become attributes too."""

    @abstractmethod
    def _decide(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions from the model's outputs."""

    def _labels(self) -> ClassLabels | None:
        return None

    def _score_arguments(self) -> dict[str, Any]:
        return {}

    def _learn_units(self, training: Rows) -> None:
        """Learn the units of the target from the training rows."""

    def _in_units(self, encoded: np.ndarray) -> np.ndarray:
        """Return the target in the units that the network learns."""
        return encoded

    # The way of the data

    def fit(self, X: Any, y: Any, sample_weight: Any | None = None) -> KerasEstimator:
        """Build the network and train it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The table. Numbers, unless ``encoder`` takes something else.
        y : array-like of shape (n_samples,)
            The target: labels of any kind for a classifier, numbers for a regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0; None weighs all the same. Only their ratios
            matter: a batch has the loss Σwl/Σw. Rows of weight 0 are left out.

        Returns
        -------
        self : estimator
            Fitted. After an error it is as it was before.

        Raises
        ------
        ValueError
            If a parameter, the data, or the builder's model is not what it must be.
        nnkit.exceptions.NonFiniteLossError
            If the loss becomes NaN or infinite.
        """
        with _all_or_nothing(self):
            self._fit(X, y, sample_weight)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any | None) -> None:
        from nnkit.training import (
            TrainedNetwork,
            TrainingData,
            TrainingPlan,
            compile_model,
            on_device,
            train,
        )
        from nnkit.training.building import model_dtype
        from nnkit.training.callbacks import make_callbacks
        from nnkit.training.compilation import output_dtype

        check_parameters(self)
        self._check_routed()
        seeds = Seeds.of(self.random_state)
        rows = self._check_rows(X, y, sample_weight)
        training, validation = self._split(rows, seeds.split)
        self.encoder_ = make_encoder(self.encoder, is_ready_made=isinstance(self.model, str))
        if self.encoder_ is not None:
            self.encoder_.fit(training.X, training.y)
        X_encoded = encode(self.encoder_, training.X)
        check_encoded(X_encoded)
        self._learn_units(training)
        facts = self._facts(X_encoded, rows)
        recipe = self._recipe(
            Meta(**facts), X_encoded, self._in_units(training.encoded), seeds.build
        )
        callbacks = make_callbacks(self.callbacks, routed_to("callbacks", self._routed()))
        with on_device(self.device):
            model = recipe.build(X_encoded)
            head, as_codes = compile_model(
                model, recipe.compilation, self._task(), X_encoded.shape[1:]
            )
            input_dtype, target_dtype = model_dtype(model), output_dtype(model)

            def to_arrays(part: Rows, X_part: np.ndarray) -> Any:
                weight = part.sample_weight
                targets = self._in_units(part.encoded)
                return (
                    X_part.astype(input_dtype, copy=False),
                    head.targets(targets, as_codes=as_codes, dtype=target_dtype),
                    None if weight is None else weight.astype(target_dtype),
                )

            self._head = head
            held_out = None
            score = None
            if validation is not None:
                X_validation = encode(self.encoder_, validation.X)
                held_out = to_arrays(validation, X_validation)
                score = self._score_of_outputs(validation)
            X_training, y_training, weight_training = to_arrays(training, X_encoded)
            record = train(
                model,
                TrainingData(X_training, y_training, weight_training, held_out),
                TrainingPlan(
                    epochs=self.epochs,
                    batch_size=self._n_batch_rows(len(X_encoded)),
                    shuffle=bool(self.shuffle),
                    seed=seeds.shuffle,
                    callbacks=callbacks,
                    stops_early=bool(self.early_stopping),
                    n_iter_no_change=self.n_iter_no_change,
                    tol=self.tol,
                    score=score,
                    engine=self.engine,  # type: ignore[arg-type]
                    verbose=int(self.verbose),
                ),
            )
        self._network = TrainedNetwork(model, recipe, X_encoded.shape[1:], self.device)
        for name, fact in facts.items():
            if name not in ("feature_names_in_", "n_features_in_"):
                setattr(self, name, fact)
        self.history_ = record.history
        self.best_epoch_ = record.best_epoch
        self.n_iter_ = len(record.history.get("loss", []))
        self.engine_ = record.engine
        self.callbacks_ = callbacks
        self.background_ = None
        if self.n_background:
            sample = background_rows(len(training.y), self.n_background, seeds.background)
            self.background_ = copy.deepcopy(self._with_names(rows_of(training.X, sample)))

    def _check_rows(self, X: Any, y: Any, sample_weight: Any | None) -> Rows:
        """Return the rows that weigh anything, checked, with the target as numbers."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, "
                "but the target y is None."
            )
        X_checked = self._check_table(X, reset=True)
        y_checked = self._check_target(y)
        n_samples = X_checked.shape[0] if hasattr(X_checked, "shape") else len(X_checked)
        if len(y_checked) != n_samples:
            raise ValueError(
                f"y must have one value for each row of X. "
                f"Got {len(y_checked)} values and {n_samples} rows instead."
            )
        weight = None
        if sample_weight is not None:
            weight = np.asarray(sample_weight, dtype=np.float64)
            if weight.shape != (n_samples,):
                raise ValueError(
                    f"sample_weight must have the shape ({n_samples},), one weight for each row. "
                    f"Got the shape {weight.shape} instead."
                )
            if not np.isfinite(weight).all():
                raise ValueError("sample_weight must be finite. Got NaN or inf instead.")
            check_weights(weight)
        encoded, weight = self._learn_target(y_checked, weight)
        rows = Rows(X_checked, y_checked, encoded, weight)
        if weight is None:
            return rows
        check_weights(weight)
        return rows if (weight > 0).all() else rows.at(np.flatnonzero(weight > 0))

    def _check_table(self, X: Any, *, reset: bool) -> Any:
        if not (self.encoder is None or isinstance(self.encoder, str)):
            # The encoder knows what it takes; here only the columns are compared.
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X if hasattr(X, "shape") else np.asarray(X)
        try:
            X_checked = validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite=False
            )
        except (TypeError, ValueError) as error:
            better = name_bad_column(X, error)
            if better is None:
                raise
            raise better from error
        check_finite(X_checked, getattr(self, "feature_names_in_", None))
        return X_checked

    def _with_names(self, X: Any) -> Any:
        """Return checked rows as a DataFrame again if the table came with column names."""
        names = getattr(self, "feature_names_in_", None)
        if names is None or hasattr(X, "columns"):
            return X
        import pandas as pd

        return pd.DataFrame(X, columns=names)

    def _split(self, rows: Rows, seed: int) -> tuple[Rows, Rows | None]:
        fraction = self.validation_split
        if fraction is None and self.early_stopping:
            fraction = 0.1
        if not fraction:
            return rows, None
        labels = self._labels()
        training_rows, validation_rows = holdout_rows(
            len(rows.y), fraction, seed, None if labels is None else rows.encoded, labels
        )
        return rows.at(training_rows), rows.at(validation_rows)

    def _facts(self, X_encoded: np.ndarray, rows: Rows) -> dict[str, Any]:
        return {
            "n_features_in_": self.n_features_in_,
            "feature_names_in_": getattr(self, "feature_names_in_", None),
            "X_shape_": X_encoded.shape,
            "X_dtype_": X_encoded.dtype,
            "y_dtype_": rows.y.dtype,
            "y_ndim_": rows.y.ndim,
            "n_outputs_": 1,
            "n_outputs_expected_": self._task().n_units_expected,
            **self._target_facts(),
        }

    def _recipe(self, meta: Meta, X: np.ndarray, y: np.ndarray, seed: int) -> Recipe:
        from nnkit.training import Compilation, Recipe

        routed = self._routed()
        compilation = Compilation(
            self.optimizer,
            self.loss,
            self.metrics,
            {prefix: routed_to(prefix, routed) for prefix in PREFIXES},
        )
        builder = resolve_builder(self.model)
        if builder is None:
            import keras

            if not isinstance(self.model, keras.Model):
                raise ValueError(
                    "model must be a function that returns a keras.Model, a keras.Model, or the "
                    f"name of a ready-made builder. Got {self.model!r} instead."
                )
            # A copy of its own, which goes into pickles: the user may train theirs further.
            return Recipe(copy.deepcopy(self.model), {}, compilation, seed=seed)
        offered = {
            "meta": meta,
            "compile_kwargs": None,
            "params": self.get_params(),
            "X": X,
            "y": y,
        }
        arguments = builder_arguments(builder, builder_hyperparameters(routed), offered)
        wants_compile_kwargs = "compile_kwargs" in arguments
        arguments.pop("compile_kwargs", None)
        return Recipe(builder, arguments, compilation, wants_compile_kwargs, seed)

    def _n_batch_rows(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_samples)
        return n_samples if self.batch_size == -1 else int(self.batch_size)

    def _score_of_outputs(
        self, validation: Rows
    ) -> tuple[str, Callable[[np.ndarray], float]] | None:
        if isinstance(self.scoring, str) and self.scoring == "loss":
            return None
        from nnkit.estimators.monitoring import scorer_of_outputs, scoring_name

        score = scorer_of_outputs(
            self.scoring,
            validation.X,
            validation.y,
            validation.sample_weight,
            self._decide,
            **self._score_arguments(),
        )
        return scoring_name(self.scoring), score

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the model's outputs (n_samples, n_units) for rows of a table."""
        check_is_fitted(self)
        X_checked = self._check_table(X, reset=False)
        return self._network.outputs(encode(self.encoder_, X_checked))

    # What scikit-learn and pickle ask

    @property
    def model_(self) -> keras.Model:
        """The trained ``keras.Model``, live."""
        check_is_fitted(self)
        return self._network.model

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if not (self.encoder is None or isinstance(self.encoder, str)):
            encoder_tags = get_tags(self.encoder).input_tags
            tags.input_tags.allow_nan = encoder_tags.allow_nan
            tags.input_tags.string = encoder_tags.string
            tags.input_tags.categorical = encoder_tags.categorical
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "callbacks_" in state:
            state["callbacks_"] = [_without_model(callback) for callback in state["callbacks_"]]
        # cloudpickle takes builders that pickle does not: lambdas, closures, notebook functions.
        return {"cloudpickled": cloudpickle.dumps(state)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(cloudpickle.loads(state["cloudpickled"]))


def _without_model(callback: Any) -> Any:
    detached = object.__new__(type(callback))
    vars(detached).update(vars(callback))
    detached._model = None
    return detached
