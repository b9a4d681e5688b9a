"""What the estimators share, above all the way of the data through ``fit``."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
from scipy import sparse
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.metrics import get_scorer
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from nnkit._compat import rows_of
from nnkit.builders import Meta, builder_arguments
from nnkit.encoding import background_rows, encode, holdout_rows, make_encoder, split_rows
from nnkit.estimators.checks import check_parameters, check_weights, checked_weights
from nnkit.estimators.parameters import KerasParameters
from nnkit.estimators.routing import (
    FIT_ARGUMENTS,
    PREFIXES,
    builder_hyperparameters,
    resolve_builder,
    routed_to,
)
from nnkit.estimators.tables import check_table, n_samples_of, with_names
from nnkit.estimators.transaction import all_or_nothing

if TYPE_CHECKING:
    import keras

    from nnkit.training import Network, Recipe, Task, TrainingData, TrainingPlan

__all__ = ["KerasEstimator", "Rows"]


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
    groups: np.ndarray | None = None

    def at(self, positions: np.ndarray) -> Rows:
        """Return the rows at these positions."""
        return Rows(
            rows_of(self.X, positions),
            self.y[positions],
            self.encoded[positions],
            None if self.sample_weight is None else self.sample_weight[positions],
            None if self.groups is None else self.groups[positions],
        )


class KerasEstimator(CallbackSupportMixin, KerasParameters):
    """Base of the estimators: the way of the data through fit and predict.

    Its parameters are documented where they are public: `KerasClassifier`, `KerasRegressor`.
    """

    # Arguments of fit that may be requested by metadata routing, beside those it names.
    __metadata_request__fit = dict.fromkeys(FIT_ARGUMENTS)

    _network: Network
    _seeds: Seeds
    n_features_in_: int
    encoder_: Any
    history_: dict[str, list[float]]

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
        validation_split: Any = None,
        n_iter_no_change: int = 10,
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.dtype_policy = dtype_policy
        self.engine = engine
        self.time_limit = time_limit
        self.n_background = n_background
        self.verbose = verbose
        self._take_routed(routed, error_type=TypeError)

    # What the two estimators do each in their own way

    @abstractmethod
    def _check_target(self, y: Any) -> np.ndarray:
        """Return the target as an array."""

    @abstractmethod
    def _learn_target(self, y: np.ndarray, classes: Any) -> None:
        """Learn the labels, or the shape of the values."""

    @abstractmethod
    def _encode_target(self, y: np.ndarray) -> np.ndarray:
        """Return the target as numbers, with one row for each of its rows."""

    @abstractmethod
    def _task_choices(self) -> list[list[Task]]:
        """Return what the outputs of the network may be to learn."""

    @abstractmethod
    def _target_facts(self) -> dict[str, Any]:
        """Return what a builder is told about the target, which become attributes too."""

    @abstractmethod
    def _network_targets(self, encoded: np.ndarray, n_outputs: int) -> list[np.ndarray]:
        """Return what each output of the network learns."""

    @abstractmethod
    def _decide(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return predictions from the network's outputs."""

    def _learn_weights(
        self, settings: SimpleNamespace, encoded: np.ndarray, sample_weight: np.ndarray | None
    ) -> None:
        """Learn what the target says about the weights of rows."""

    def _weights_of(self, encoded: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """Return the weights of rows by their target; None weighs all the same."""
        return None

    def _learn_units(self, training: Rows) -> None:
        """Learn the units of the target from the training rows."""

    def _stratification(self, encoded: np.ndarray) -> tuple[Any, Any]:  # noqa: ARG002
        """Return codes and labels whose shares a hold-out keeps."""
        return None, None

    def _score_arguments(self) -> dict[str, Any]:
        return {}

    # The ways of fitting

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any | None = None,
        *,
        X_val: Any | None = None,
        y_val: Any | None = None,
        sample_weight_val: Any | None = None,
        groups: Any | None = None,
        **fit_arguments: Any,
    ) -> KerasEstimator:
        """Build the network and train it.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The table (n_samples, n_features), or arrays of more axes such as images. Numbers,
            unless ``encoder`` takes something else. A dict holds the inputs of a network by
            name. Sparse rows are made dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target: labels of any kind for a classifier, numbers for a regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0; None weighs all the same. Only their ratios
            matter: a batch has the loss Σwl/Σw. Rows of weight 0 are left out.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Rows to validate on, instead of a ``validation_split``; encoded as the training
            rows are.
        groups : array-like of shape (n_samples,), default=None
            Groups for a splitter given as ``validation_split``.
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
        """
        settings = self._settings(fit_arguments)
        validation = _validation_arguments(settings, X_val, y_val, sample_weight_val)
        with all_or_nothing(self):
            self._check(settings)
            goes_on = settings.warm_start and self.__sklearn_is_fitted__()
            if goes_on and self._network.keeps_optimizer:
                rows = self._check_rows(X, y, sample_weight, groups)
            else:
                self._seeds = Seeds.of(settings.random_state)
                rows = self._check_rows(X, y, sample_weight, groups, learn=settings)
                self._n_epochs_trained = 0
                goes_on = False
            self._fit_rows(
                rows,
                settings,
                n_epochs=max(0, settings.epochs - settings.initial_epoch),
                validation=validation,
                goes_on=goes_on,
                keeps_optimizer=bool(settings.warm_start),
            )
        return self

    @with_callbacks
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any | None = None,
        sample_weight: Any | None = None,
        **fit_arguments: Any,
    ) -> KerasEstimator:
        """Train for one more epoch, on these rows.

        The first call builds the network; later calls keep weights and optimizer, also after
        pickling. Columns are encoded and the target is put into units as the first call
        learnt it.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target.
        classes : array-like of shape (n_classes,), or list of them, default=None
            All labels that will come, of a classifier; needed in the first call if its rows
            do not have them all.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        **fit_arguments : object
            As in ``fit``, but for ``epochs`` and ``initial_epoch``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the rows do not go with those of earlier calls.
        """
        settings = self._settings(fit_arguments)
        if {"epochs", "initial_epoch"} & set(fit_arguments):
            raise TypeError(
                "partial_fit trains for one epoch; it takes neither epochs nor initial_epoch. "
                "Call it repeatedly, or use fit with warm_start=True."
            )
        settings.early_stopping = False
        with all_or_nothing(self):
            self._check(settings)
            goes_on = self.__sklearn_is_fitted__() and self._network.keeps_optimizer
            if goes_on:
                self._check_announced(classes)
                rows = self._check_rows(X, y, sample_weight, None)
            else:
                self._seeds = Seeds.of(settings.random_state)
                rows = self._check_rows(X, y, sample_weight, None, learn=settings, classes=classes)
                self._n_epochs_trained = 0
            earlier = self.history_ if goes_on else {}
            validation = _validation_arguments(settings, None, None, None)
            self._fit_rows(
                rows,
                settings,
                n_epochs=1,
                validation=validation,
                goes_on=goes_on,
                keeps_optimizer=True,
            )
            self.history_ = {
                name: [*earlier.get(name, []), *values] for name, values in self.history_.items()
            }
            self.n_iter_ = self._n_epochs_trained
            self.best_epoch_ = self._n_epochs_trained - 1
        return self

    def initialize(self, X: Any, y: Any) -> KerasEstimator:
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
        with all_or_nothing(self):
            self._check(settings)
            self._seeds = Seeds.of(settings.random_state)
            rows = self._check_rows(X, y, None, None, learn=settings)
            self._n_epochs_trained = 0
            settings.validation_split, settings.early_stopping = None, False
            self._fit_rows(
                rows,
                settings,
                n_epochs=0,
                validation=None,
                goes_on=False,
                keeps_optimizer=True,
            )
        return self

    # The way of the data

    def _check(self, settings: SimpleNamespace) -> None:
        check_parameters(settings)
        self._check_routed()
        if isinstance(settings.scoring, str) and settings.scoring != "loss":
            get_scorer(settings.scoring)

    def _check_announced(self, classes: Any) -> None:
        """Raise if other classes are announced than in the first call."""

    def _check_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any | None,
        groups: Any | None,
        *,
        learn: SimpleNamespace | None = None,
        classes: Any = None,
    ) -> Rows:
        """Return the rows that weigh anything, checked, with the target as numbers."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, "
                "but the target y is None."
            )
        X_checked = check_table(
            self, X, reset=learn is not None, goes_to_encoder=self._has_own_encoder()
        )
        y_checked = self._check_target(y)
        n_samples = n_samples_of(X_checked)
        if len(y_checked) != n_samples:
            raise ValueError(
                f"y must have one value for each row of X. "
                f"Got {len(y_checked)} values and {n_samples} rows instead."
            )
        weight = None if sample_weight is None else checked_weights(sample_weight, n_samples)
        if learn is not None:
            self._learn_target(y_checked, classes)
        encoded = self._encode_target(y_checked)
        if learn is not None:
            self._learn_weights(learn, encoded, weight)
        by_target = self._weights_of(encoded)
        if by_target is not None:
            weight = by_target if weight is None else weight * by_target
        grouping = None
        if groups is not None:
            grouping = np.asarray(groups)
            if grouping.shape != (n_samples,):
                raise ValueError(
                    f"groups must have the shape ({n_samples},). Got {grouping.shape} instead."
                )
        rows = Rows(X_checked, y_checked, encoded, weight, grouping)
        if weight is None:
            return rows
        check_weights(weight)
        return rows if (weight > 0).all() else rows.at(np.flatnonzero(weight > 0))

    def _has_own_encoder(self) -> bool:
        return not (self.encoder is None or isinstance(self.encoder, str))

    def _split(self, rows: Rows, settings: SimpleNamespace, seed: int) -> tuple[Rows, Rows | None]:
        split = settings.validation_split
        if split is None and settings.early_stopping:
            split = 0.1
        if split is None:
            return rows, None
        if not isinstance(split, (int, float, np.number)):
            training_rows, validation_rows = split_rows(split, rows.X, rows.y, rows.groups)
        elif split > 0:
            training_rows, validation_rows = holdout_rows(
                len(rows.y), float(split), seed, *self._stratification(rows.encoded)
            )
        else:
            return rows, None
        return rows.at(training_rows), rows.at(validation_rows)

    def _fit_rows(
        self,
        rows: Rows,
        settings: SimpleNamespace,
        *,
        n_epochs: int,
        validation: tuple[Any, Any, Any] | None,
        goes_on: bool,
        keeps_optimizer: bool,
    ) -> None:
        """Encode, build unless training goes on, train, and remember."""
        from nnkit.training import train
        from nnkit.training.callbacks import make_callbacks
        from nnkit.training.placement import on_device

        held_out: Rows | None
        if validation is not None:
            training, held_out = rows, self._check_rows(*validation, None)
        else:
            training, held_out = self._split(rows, settings, self._seeds.split)
        if not goes_on:
            self._learn_units(training)
            self.encoder_ = make_encoder(
                self.encoder,
                is_ready_made=isinstance(self.model, str),
                is_sparse=sparse.issparse(training.X),
            )
            if self.encoder_ is not None:
                self.encoder_.fit(training.X, training.y)
        X_encoded = encode(self.encoder_, training.X)
        routed = {**self._routed(), "callbacks": settings.callbacks}
        callback_arguments = routed_to("callbacks", routed) | routed_to("fit__callbacks", routed)
        callbacks = make_callbacks(settings.callbacks, callback_arguments)
        if not goes_on:
            self._build(X_encoded, training, settings, keeps_optimizer)
        self.callbacks_ = callbacks
        network = self._network
        with on_device(network.device):
            model = network.model
            data = self._training_data(training, X_encoded)
            score = None
            if held_out is not None:
                X_validation = encode(self.encoder_, held_out.X)
                data = replace(data, validation=self._training_data(held_out, X_validation))
                score = self._score_of_outputs(settings.scoring, held_out)
            self.history_, self.best_epoch_, self.n_iter_, self.engine_ = {}, 0, 0, "compiled"
            if n_epochs:
                plan = self._plan(settings, n_epochs, len(training.y), score)
                tasks = self._epoch_tasks(n_epochs, rows)
                plan = replace(plan, callbacks=[*callbacks, *tasks])
                record = train(model, data, plan, network.programs)
                self.history_ = record.history
                self.best_epoch_ = record.best_epoch
                self.n_iter_ = len(record.history.get("loss", []))
                self.engine_ = record.engine
        self._n_epochs_trained += self.n_iter_
        if not goes_on:
            self.background_ = None
            if self.n_background and not sparse.issparse(training.X):
                sample = background_rows(len(training.y), self.n_background, self._seeds.background)
                self.background_ = copy.deepcopy(with_names(self, rows_of(training.X, sample)))

    def _build(
        self, X_encoded: Any, training: Rows, settings: SimpleNamespace, keeps_optimizer: bool
    ) -> None:
        from nnkit.training import Network
        from nnkit.training.rows import take_on_host

        facts = self._facts(X_encoded, training)
        recipe = self._recipe(Meta(**facts), X_encoded, training, settings)
        self._network = Network(
            recipe,
            self._task_choices(),
            take_on_host(X_encoded, slice(0, 1)),
            settings.device,
            keeps_optimizer=keeps_optimizer,
        )
        for name, fact in facts.items():
            if name not in ("feature_names_in_", "n_features_in_"):
                setattr(self, name, fact)

    def _training_data(self, rows: Rows, X_encoded: Any) -> TrainingData:
        from nnkit.training import TrainingData

        network = self._network
        targets = self._network_targets(rows.encoded, len(network.compiled.tasks))
        weight = rows.sample_weight
        return TrainingData(
            network.inputs(X_encoded),
            network.targets(targets),
            None if weight is None else weight.astype(network.target_dtype),
        )

    def _plan(
        self, settings: SimpleNamespace, n_epochs: int, n_samples: int, score: Any
    ) -> TrainingPlan:
        from nnkit.training import TrainingPlan

        if settings.batch_size == "auto":
            batch_size = min(200, n_samples)
        else:
            batch_size = n_samples if settings.batch_size == -1 else int(settings.batch_size)
        return TrainingPlan(
            epochs=n_epochs,
            batch_size=batch_size,
            shuffle=bool(settings.shuffle),
            seed=self._seeds.shuffle,
            stops_early=bool(settings.early_stopping),
            n_iter_no_change=settings.n_iter_no_change,
            tol=settings.tol,
            score=score,
            engine=settings.engine,
            verbose=int(settings.verbose),
            first_epoch=self._n_epochs_trained + int(settings.initial_epoch),
            time_limit=settings.time_limit,
        )

    def _epoch_tasks(self, n_epochs: int, rows: Rows) -> list[Any]:
        """Return what tells scikit-learn's callbacks of the epochs, if there are any."""
        if not getattr(self, "_skl_callbacks", None):
            return []
        from nnkit.estimators.monitoring import EpochTasks

        context = self._init_callback_context(max_subtasks=n_epochs)
        return [EpochTasks(self, context, rows.X, rows.y)]

    def _facts(self, X_encoded: Any, rows: Rows) -> dict[str, Any]:
        shapes: Any
        if isinstance(X_encoded, dict):
            shapes = {name: part.shape for name, part in X_encoded.items()}
            dtypes: Any = {name: part.dtype for name, part in X_encoded.items()}
        elif isinstance(X_encoded, list):
            shapes, dtypes = [part.shape for part in X_encoded], [part.dtype for part in X_encoded]
        else:
            shapes, dtypes = X_encoded.shape, X_encoded.dtype
        expected = [task.n_units_expected for task in self._task_choices()[0]]
        return {
            "n_features_in_": self.n_features_in_,
            "feature_names_in_": getattr(self, "feature_names_in_", None),
            "X_shape_": shapes,
            "X_dtype_": dtypes,
            "y_dtype_": rows.y.dtype,
            "y_ndim_": rows.y.ndim,
            "n_outputs_": 1 if rows.y.ndim == 1 else rows.y.shape[-1],
            "n_outputs_expected_": expected[0] if len(expected) == 1 else expected,
            **self._target_facts(),
        }

    def _recipe(self, meta: Meta, X: Any, training: Rows, settings: SimpleNamespace) -> Recipe:
        from nnkit.training import Compilation, Recipe

        routed = self._routed()
        compilation = Compilation(
            self.optimizer,
            self.loss,
            self.metrics,
            {prefix: routed_to(prefix, routed) for prefix in PREFIXES},
        )
        seed, policy = self._seeds.build, settings.dtype_policy
        builder = resolve_builder(self.model)
        if builder is None:
            import keras

            if not isinstance(self.model, keras.Model):
                raise ValueError(
                    "model must be a function that returns a keras.Model, a keras.Model, or the "
                    f"name of a ready-made builder. Got {self.model!r} instead."
                )
            # A copy of its own, which goes into pickles: the user may train theirs further.
            own = copy.deepcopy(self.model)
            return Recipe(own, {}, compilation, seed=seed, dtype_policy=policy)
        n_outputs = len(self._task_choices()[0])
        targets = self._network_targets(training.encoded, n_outputs)
        offered = {
            "meta": meta,
            "compile_kwargs": None,
            "params": self.get_params(),
            "X": X,
            "y": targets[0] if n_outputs == 1 else targets,
        }
        arguments = builder_arguments(builder, builder_hyperparameters(routed), offered)
        wants_compile_kwargs = "compile_kwargs" in arguments
        arguments.pop("compile_kwargs", None)
        return Recipe(
            builder,
            arguments,
            compilation,
            wants_compile_kwargs,
            seed,
            policy,
            is_rebuildable=not {"X", "y"} & set(arguments),
        )

    def _score_of_outputs(
        self, scoring: Any, validation: Rows
    ) -> tuple[str, Callable[[list[np.ndarray]], float]] | None:
        if isinstance(scoring, str) and scoring == "loss":
            return None
        from nnkit.estimators.monitoring import scorer_of_outputs, scoring_name

        score = scorer_of_outputs(
            scoring,
            validation.X,
            validation.y,
            validation.sample_weight,
            self._decide,
            **self._score_arguments(),
        )
        return scoring_name(scoring), score

    def _outputs(self, X: Any, predict_arguments: dict[str, Any]) -> list[np.ndarray]:
        """Return the network's outputs for rows of a table, one array for each."""
        check_is_fitted(self)
        arguments = {**routed_to("predict", self._routed()), **predict_arguments}
        unknown = sorted(set(arguments) - {"batch_size"})
        if unknown:
            raise TypeError(
                f"{type(self).__name__}.predict has no argument {unknown[0]!r}. "
                "It takes batch_size."
            )
        X_checked = check_table(self, X, reset=False, goes_to_encoder=self._has_own_encoder())
        X_encoded = encode(self.encoder_, X_checked)
        batch_size = arguments.get("batch_size")
        chunk_rows = None if batch_size in (None, -1, "auto") else int(batch_size)
        return self._network.outputs(X_encoded, chunk_rows)

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
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        if self.encoder is None or not isinstance(self.model, str):
            tags.input_tags.three_d_array = True
        if self._has_own_encoder():
            encoder_tags = get_tags(self.encoder).input_tags
            tags.input_tags.allow_nan = encoder_tags.allow_nan
            tags.input_tags.string = encoder_tags.string
            tags.input_tags.categorical = encoder_tags.categorical
            tags.input_tags.sparse = encoder_tags.sparse
            tags.input_tags.three_d_array = encoder_tags.three_d_array
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "callbacks_" in state:
            state["callbacks_"] = [_without_model(callback) for callback in state["callbacks_"]]
        # cloudpickle takes builders that pickle does not: lambdas, closures, notebook functions.
        return {"cloudpickled": cloudpickle.dumps(state)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(cloudpickle.loads(state["cloudpickled"]))


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
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val belong together. Give both or neither.")
    return None if X_val is None else (X_val, y_val, sample_weight_val)


def _without_model(callback: Any) -> Any:
    detached = object.__new__(type(callback))
    vars(detached).update(vars(callback))
    detached._model = None
    return detached
