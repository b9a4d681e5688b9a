"""The way of the data through a fit: checked, split, encoded, trained on, remembered."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import get_scorer
from sklearn.utils import check_random_state

from nnkit._compat import rows_of
from nnkit.builders import Meta, builder_arguments
from nnkit.encoding import background_rows, encode, holdout_rows, make_encoder, split_rows
from nnkit.estimators.checks import check_parameters, check_weights, checked_weights
from nnkit.estimators.parameters import KerasParameters
from nnkit.estimators.routing import (
    PREFIXES,
    builder_hyperparameters,
    resolve_builder,
    routed_to,
)
from nnkit.estimators.tables import check_table, n_samples_of, with_names

if TYPE_CHECKING:
    from nnkit.training import (
        Network,
        Recipe,
        Task,
        TrainingData,
        TrainingPlan,
        TrainingRecord,
    )

__all__ = ["Fitting", "Rows", "Seeds"]


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

    def of_member(self, position: int) -> Seeds:
        """Return the seeds of a member of an ensemble; those of the first are these."""
        if not position:
            return self
        rng = np.random.default_rng([self.build, self.shuffle, position])
        build, shuffle = (int(seed) for seed in rng.integers(2**31 - 1, size=2))
        return replace(self, build=build, shuffle=shuffle)


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

    def weighing(self) -> Rows:
        """Return the rows that weigh anything."""
        if self.sample_weight is None or (self.sample_weight > 0).all():
            return self
        return self.at(np.flatnonzero(self.sample_weight > 0))


_SCIKERAS_HOOKS = {
    "_keras_build_fn": "Give the builder as model=.",
    "feature_encoder": "Give the transformer as encoder=.",
    "target_encoder": "Targets are encoded by nnkit; transform others before, for example with "
    "TransformedTargetRegressor.",
    "scorer": "Override score, or give a scorer to the search.",
}
# Hooks of SciKeras that subclasses may bring, which would have no effect.


class Fitting(CallbackSupportMixin, KerasParameters):
    """Base of the estimators that takes rows through a fit.

    What a classifier and a regressor do each in their own way comes first.
    """

    _network: Network
    _members: list[Network]
    _seeds: Seeds
    _n_epochs_trained: int
    n_features_in_: int
    encoder_: Any
    history_: dict[str, list[float]]
    histories_: list[dict[str, list[float]]]

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

    def _has_other_weights(self, settings: SimpleNamespace) -> bool:  # noqa: ARG002
        """Return whether the weights by target are to be learnt anew as training goes on."""
        return False

    def _weights_of(self, encoded: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """Return the weights of rows by their target; None weighs all the same."""
        return None

    def _check_fits_network(self, encoded: np.ndarray) -> None:
        """Raise if the outputs of the network cannot give this target."""

    def _learn_units(self, training: Rows) -> None:
        """Learn the units of the target from the training rows."""

    def _stratification(self, encoded: np.ndarray) -> tuple[Any, Any]:  # noqa: ARG002
        """Return codes and labels whose shares a hold-out keeps."""
        return None, None

    def _score_arguments(self) -> dict[str, Any]:
        return {}

    # The way of the data

    def _check(self, settings: SimpleNamespace) -> None:
        check_parameters(settings)
        self._check_routed()
        for hook, fix in _SCIKERAS_HOOKS.items():
            if hasattr(type(self), hook):
                raise TypeError(f"{type(self).__name__}.{hook} is a hook of SciKeras. {fix}")
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
        goes_on: SimpleNamespace | None = None,
    ) -> Rows:
        """Return the rows, checked, with the target as numbers."""
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
        settings = learn or goes_on
        if settings is not None and (learn is not None or self._has_other_weights(settings)):
            self._learn_weights(settings, encoded, weight)
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
        if weight is not None:
            check_weights(weight)
        return Rows(X_checked, y_checked, encoded, weight, grouping)

    def _has_own_encoder(self) -> bool:
        return not (self.encoder is None or isinstance(self.encoder, str))

    def _split(self, rows: Rows, settings: SimpleNamespace, seed: int) -> tuple[Rows, Rows | None]:
        split = settings.validation_split
        if split is None and settings.early_stopping:
            split = 0.1
        if split is None:
            return rows.weighing(), None
        if not isinstance(split, (int, float, np.number)):
            # Its positions count all rows, also those that weigh nothing.
            training_rows, validation_rows = split_rows(split, rows.X, rows.y, rows.groups)
            parts = rows.at(training_rows).weighing(), rows.at(validation_rows).weighing()
            if not all(len(part.y) for part in parts):
                raise ValueError(
                    f"validation_split={split!r} yields a part whose rows all have weight zero."
                )
            return parts
        rows = rows.weighing()
        if split > 0:
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
        from nnkit.training.callbacks import make_callbacks
        from nnkit.training.placement import on_device

        held_out: Rows | None
        if validation is not None:
            training = rows.weighing()
            held_out = self._check_rows(*validation, None).weighing()
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
        if not goes_on:
            self._build(X_encoded, training, settings)
        for member in self._members:
            member.keeps_optimizer |= keeps_optimizer
        callbacks = [make_callbacks(settings.callbacks, callback_arguments) for _ in self._members]
        self.callbacks_ = callbacks[0]
        network = self._network
        with on_device(network.device):
            data = self._training_data(training, X_encoded)
            score = None
            if held_out is not None:
                X_validation = encode(self.encoder_, held_out.X)
                data = replace(data, validation=self._training_data(held_out, X_validation))
                score = self._score_of_outputs(settings.scoring, held_out)
            self.histories_ = [{} for _ in self._members]
            self.best_epoch_, self.n_iter_, self.engine_ = 0, 0, "graph"
            if n_epochs:
                plan = self._plan(settings, n_epochs, len(training.y), score)
                callbacks[0] = [*callbacks[0], *self._epoch_tasks(n_epochs, rows)]
                records = self._trained(data, plan, callbacks)
                self.histories_ = [record.history for record in records]
                self.best_epoch_ = records[0].best_epoch
                self.n_iter_ = len(records[0].history.get("loss", []))
                self.engine_ = records[0].engine
            self.history_ = self.histories_[0]
        self._n_epochs_trained += self.n_iter_
        if not goes_on:
            self.background_ = None
            if self.n_background and not sparse.issparse(training.X):
                sample = background_rows(len(training.y), self.n_background, self._seeds.background)
                self.background_ = copy.deepcopy(with_names(self, rows_of(training.X, sample)))

    def _trained(
        self, data: TrainingData, plan: TrainingPlan, callbacks: list[list[Any]]
    ) -> list[TrainingRecord]:
        """Train the members, several side by side, and say what happened to each."""
        from nnkit.training import run_together, train

        trainings = [
            partial(
                train,
                member,
                data,
                replace(
                    plan,
                    callbacks=callbacks[position],
                    seed=self._seeds.of_member(position).shuffle,
                    verbose=0 if position else plan.verbose,
                ),
            )
            for position, member in enumerate(self._members)
        ]
        if len(trainings) == 1:
            return [trainings[0]()]
        before = [member.state for member in self._members]
        try:
            return run_together(trainings)
        except BaseException:
            for member, state in zip(self._members, before, strict=True):
                member.state = state
            raise

    def _build(self, X_encoded: Any, training: Rows, settings: SimpleNamespace) -> None:
        from nnkit.training import Network
        from nnkit.training.rows import take_on_host

        facts = self._facts(X_encoded, training)
        recipe = self._recipe(Meta(**facts), X_encoded, training, settings)
        self._members = [
            Network(
                replace(recipe, seed=self._seeds.of_member(position).build),
                self._task_choices(),
                take_on_host(X_encoded, slice(0, 1)),
                settings.device,
            )
            for position in range(settings.n_members)
        ]
        self._network = self._members[0]
        for name, fact in facts.items():
            if name not in ("feature_names_in_", "n_features_in_"):
                setattr(self, name, fact)

    def _training_data(self, rows: Rows, X_encoded: Any) -> TrainingData:
        from nnkit.training import TrainingData

        network = self._network
        self._check_fits_network(rows.encoded)
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
            # None is Keras' own default.
            wanted = 32 if settings.batch_size is None else int(settings.batch_size)
            batch_size = n_samples if wanted == -1 else wanted
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
            verbose=1 if settings.verbose == "auto" else int(settings.verbose),
            first_epoch=int(settings.initial_epoch) or self._n_epochs_trained,
            time_limit=settings.time_limit,
            n_members=len(self._members),
        )

    def _epoch_tasks(self, n_epochs: int, rows: Rows) -> list[Any]:
        """Return what tells scikit-learn's callbacks of the epochs, if there are any."""
        if not getattr(self, "_skl_callbacks", None):
            return []
        from nnkit.estimators.monitoring import EpochTasks

        context = self._init_callback_context(max_subtasks=n_epochs)
        return [EpochTasks(self, context, with_names(self, rows.X), rows.y)]

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
            "n_outputs_expected_": len(expected),
            "n_output_units_": expected[0] if len(expected) == 1 else expected,
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
