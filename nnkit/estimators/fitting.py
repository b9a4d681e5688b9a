"""The way of the data through a fit: checked, split, encoded, trained on, remembered."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning

from nnkit._compat import rows_of
from nnkit.builders import TableFacts
from nnkit.encoding import (
    TabularEncoder,
    background_rows,
    columns_of,
    encode,
    encode_first,
    make_encoder,
    rows_at,
    warn_of_columns_without_effect,
)
from nnkit.encoding.weights import product_of_weights
from nnkit.estimators.building import Building
from nnkit.estimators.checks import (
    check_parameters,
    check_predict_arguments,
    check_weights,
    checked_groups,
    checked_weights,
)
from nnkit.estimators.continuation import (
    changed_parameters,
    check_changes,
    parameters_of_network,
)
from nnkit.estimators.convergence import FitOutcome, warning_of_fit
from nnkit.estimators.defaults import resolve
from nnkit.estimators.inputs import check_is_table, check_same_length
from nnkit.estimators.parts import FoldIndices, MemberData, Rows, fold_indices_of
from nnkit.estimators.routing import builder_hyperparameters, routed_to
from nnkit.estimators.tables import check_table, n_samples_of, to_picklable, with_names
from nnkit.estimators.validation_rows import warning_of_columns

if TYPE_CHECKING:
    from nnkit.training import TrainingData, TrainingPlan, TrainingRecord

__all__ = ["Fitting"]


_SCIKERAS_HOOKS = {
    "_keras_build_fn": "Give the builder as model=.",
    "feature_encoder": "Give the transformer as encoder=.",
    "target_encoder": "Targets are encoded by nnkit; transform others before, for example with "
    "TransformedTargetRegressor.",
    "scorer": "Override score, or give a scorer to the search.",
}
# Hooks of SciKeras that subclasses may bring, which would have no effect.


class Fitting(CallbackSupportMixin, Building):
    """Base of the estimators that takes rows through a fit."""

    _built_with: dict[str, Any]
    _changed: list[str]
    _n_epochs_trained: int
    _takes_raw: bool
    history_: dict[str, list[float]]
    histories_: list[dict[str, list[float]]]
    best_epoch_: int
    X_shape_: Any
    resolved_params_: dict[str, Any]
    # The transformer around the network, which warns in its own name.
    _owner: Any = None

    def _check(self, settings: SimpleNamespace) -> None:
        check_parameters(settings)
        self._check_routed()
        check_predict_arguments(routed_to("predict", self._routed()))
        for hook, fix in _SCIKERAS_HOOKS.items():
            if hasattr(type(self), hook):
                raise TypeError(f"{type(self).__name__}.{hook} is a hook of SciKeras. {fix}")

    def _resolve(
        self, settings: SimpleNamespace, rows: Rows, *, resumes: bool, is_one_epoch: bool = False
    ) -> None:
        """Choose what the user left to nnkit; a training that goes on keeps what it had."""
        n_samples = len(rows.y)
        if rows.sample_weight is not None:
            n_samples = int(np.sum(rows.sample_weight > 0))
        table = TableFacts(n_samples, self.n_features_in_, is_classifier(self))
        self._changed = changed_parameters(self._built_with, self._of_network()) if resumes else []
        if resumes:
            self._check_resumes(settings)
        resolved = resolve(settings, table, builder_hyperparameters(self._routed()))
        # An epoch in between is no word on how later fits go on.
        if not (resumes and is_one_epoch):
            self.resolved_params_ = resolved

    def _check_resumes(self, settings: SimpleNamespace) -> None:
        """Raise if a training cannot go on; it goes on with as many networks as there are."""
        if settings.n_estimators == "auto":
            settings.n_estimators = len(self._members)
        if settings.n_estimators != len(self._members):
            raise ValueError(
                f"n_estimators={settings.n_estimators}, but {len(self._members)} network(s) are to be "
                "trained further. Set n_estimators back, or fit anew with warm_start=False. (An "
                "interrupted fit keeps the networks that have finished an epoch.)"
            )
        check_changes(self._changed)
        has_other_optimizer = any(name.startswith("optimizer") for name in self._changed)
        if self._schedule_owner == "optimizer" and not has_other_optimizer:
            raise ValueError(
                "The training cannot go on: its learning rate followed a schedule, which has come "
                "to its end. Train by partial_fit from the beginning, or with warm_start=True "
                "already in the first fit; or give an optimizer without a schedule."
            )

    def _of_network(self) -> dict[str, Any]:
        return parameters_of_network(self.get_params(deep=False), self._routed())

    def _check_announced(self, classes: Any) -> None:
        """Raise if other classes are announced than in the first call."""

    def _check_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any | None,
        groups: Any | None,
        settings: SimpleNamespace | None = None,
        *,
        learns: bool = False,
        classes: Any = None,
    ) -> Rows:
        """Return the rows, checked, with the target as numbers.

        Without settings they are rows to validate on. Who ``learns`` takes columns, labels and
        weights of classes from them; a training that goes on has them.
        """
        check_is_table(X)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, "
                "but the target y is None."
            )
        X_checked = self._check_table(X, reset=learns)
        if 0 in getattr(y, "shape", ())[1:]:
            raise ValueError(f"y has 0 columns (shape={y.shape}). Give it at least one.")
        y_checked = self._check_target(y)
        n_samples = n_samples_of(X_checked)
        check_same_length(X, n_samples, len(y_checked))
        weight = given = None
        if sample_weight is not None:
            given = checked_weights(sample_weight, y_checked.shape)
            # A row whose steps have weights of their own weighs their mean.
            weight = product_of_weights(given.reshape(n_samples, -1).mean(axis=1))
        if learns:
            self._learn_target(y_checked, classes)
        encoded = self._encode_target(y_checked)
        if settings is not None and (learns or self._has_other_weights(settings)):
            self._learn_weights(settings, encoded, weight)
        by_target = self._weights_of(encoded)
        if by_target is not None:
            weight = by_target if weight is None else product_of_weights(weight, by_target)
        if weight is not None:
            check_weights(weight)
            weight = product_of_weights(weight)
        grouping = None if groups is None else checked_groups(groups, n_samples)
        return Rows(X_checked, y_checked, encoded, weight, grouping, given)

    def _check_table(self, X: Any, *, reset: bool) -> Any:
        """Return the table, checked by the encoder if that takes more than numbers."""
        is_own = not (self.encoder is None or isinstance(self.encoder, str))
        if reset:
            self._takes_raw = not is_own and isinstance(self._new_encoder(X), TabularEncoder)
        is_raw = self._takes_raw
        if reset and is_raw and isinstance(X, Mapping) and not sparse.issparse(X):
            raise ValueError(
                f"X is a dict of inputs, but model={self.model!r} takes one table. Give a "
                "function that builds a network with these inputs."
            )
        return check_table(self, X, reset=reset, goes_to_encoder=is_own or is_raw, is_raw=is_raw)

    def _new_encoder(self, X: Any) -> Any | None:
        return make_encoder(self.encoder, model=self.model, is_sparse=sparse.issparse(X))

    def _fit_rows(
        self,
        rows: Rows,
        settings: SimpleNamespace,
        *,
        n_epochs: int,
        validation: tuple[Any, Any, Any] | None,
        resumes: bool,
        keeps_optimizer: bool,
    ) -> tuple[list[MemberData], KeyboardInterrupt | None]:
        """Encode, build unless training goes on, train, and remember.

        Returns
        -------
        member_data : list of MemberData
            What the networks trained and validated on; one for all, or in turn.
        interrupt : KeyboardInterrupt or None
            What ended the training early; the estimator is fitted nevertheless.
        """
        from nnkit.training.placement import on_device

        rows, shared, held_out, parts = self._divided(rows, settings, validation)
        if resumes:
            self._widen_units(shared)
            warn_of_columns_without_effect(self.encoder_, shared.X)
            X_encoded = encode(self.encoder_, shared.X)
            # The networks of before predict in other threads, and are those after an error.
            self._members = [member.successor() for member in self._members]
            self._network = self._members[0]
            if self._schedule_owner is not None or self._changed:
                self._build_again(X_encoded, shared, settings, self._changed)
        else:
            self._learn_units(shared, settings)
            self.encoder_ = self._new_encoder(shared.X)
            X_encoded = encode_first(self.encoder_, shared.X, shared.y)
            n_steps = self._n_steps(settings, parts, n_epochs, len(shared.y))
            self._build(X_encoded, shared, settings, n_steps)
            self._check_loss_and_head(shared.encoded)
        self._built_with = self._of_network()
        self._check_calibration(settings, has_held_out=held_out is not None or len(parts) > 1)
        for member in self._members:
            member.keeps_optimizer |= keeps_optimizer
        if not resumes:
            self._keep_background(shared)
        with on_device(self._network.device):
            member_data = self._member_data(shared, X_encoded, held_out, parts)
            return self._train_members(rows, member_data, settings, n_epochs, resumes=resumes)

    def _divided(
        self, rows: Rows, settings: SimpleNamespace, validation: tuple[Any, Any, Any] | None
    ) -> tuple[Rows, Rows, Rows | None, list[FoldIndices]]:
        """Return what a fit does with its rows.

        Returns
        -------
        rows : Rows
            Those that weigh anything.
        shared : Rows
            Those that encoder and units are learnt from, which ``parts`` count.
        held_out : Rows or None
            Those that all networks validate on.
        parts : list of FoldIndices
            One for each network; a single one if they all share it.
        """
        if validation is not None:
            rows, validated = (
                rows.with_nonzero_weight(),
                self._rows_to_validate(rows, *validation).with_nonzero_weight(),
            )
            return rows, rows, validated, [FoldIndices()]
        stratification = self._stratification(rows.encoded)
        rows, parts = fold_indices_of(rows, settings, self._seeds.split, *stratification)
        if not settings.shuffle:
            parts = [part.in_order() for part in parts]
        if len(parts) > 1:
            # Networks that hold out a part each have all that is not theirs alone from all rows.
            return rows, rows, None, parts
        (part,) = parts
        held_out = None if part.validation is None else rows.at(part.validation)
        return rows, rows.at(part.training), held_out, parts

    def _rows_to_validate(self, rows: Rows, X_val: Any, y_val: Any, weight_val: Any) -> Rows:
        """Return rows to validate on, checked, and compared with those to train on."""
        try:
            validated = self._check_rows(X_val, y_val, weight_val, None)
        except ValueError as error:
            raise ValueError(f"X_val, y_val: {error}") from error
        names = getattr(self, "feature_names_in_", None)
        for message in (
            warning_of_columns(rows.X, validated.X, names),
            self._warning_of_validation(rows, validated),
        ):
            if message is not None:
                warnings.warn(message, UserWarning, stacklevel=7)
        return validated

    def _train_members(
        self,
        rows: Rows,
        member_data: list[MemberData],
        settings: SimpleNamespace,
        n_epochs: int,
        *,
        resumes: bool,
    ) -> tuple[list[MemberData], KeyboardInterrupt | None]:
        """Train, if for any epochs, and remember what happened."""
        from nnkit.training.copying.callback_copies import with_own_paths
        from nnkit.training.loop.callbacks import make_callbacks

        routed = {**self._routed(), "callbacks": settings.callbacks}
        arguments = routed_to("callbacks", routed) | routed_to("fit__callbacks", routed)
        callbacks = [
            with_own_paths(make_callbacks(settings.callbacks, arguments), position)
            for position in range(len(self._members))
        ]
        self.callbacks_ = callbacks[0]
        self.histories_ = [{} for _ in self._members]
        self.best_epoch_, self.n_iter_, self.engine_ = 0, 0, "graph"
        interrupt = None
        if n_epochs:
            # Those of scikit-learn refer to the estimator, and are none of callbacks_.
            heard = [[*callbacks[0], *self._epoch_tasks(n_epochs, rows)], *callbacks[1:]]
            records, interrupt = self._trained(member_data, settings, n_epochs, heard)
            kept = list(range(len(records)))
            if not resumes:
                # An interrupt leaves networks that have learnt nothing.
                kept = [i for i, record in enumerate(records) if record is not None]
                self._members = [self._members[i] for i in kept]
                self._network, self.callbacks_ = self._members[0], callbacks[kept[0]]
            member_data = member_data if len(member_data) == 1 else [member_data[i] for i in kept]
            self._remember([records[i] for i in kept], n_epochs, interrupt)
        self.history_ = self.histories_[0]
        return member_data, interrupt

    def _remember(
        self,
        records: list[TrainingRecord | None],
        n_epochs: int,
        interrupt: KeyboardInterrupt | None,
    ) -> None:
        """Keep what happened to each network; None stands for one that was not reached."""
        first = next(record for record in records if record is not None)
        self.histories_ = [{} if record is None else record.history for record in records]
        self.best_epoch_, self.engine_ = first.best_epoch, first.engine
        self.n_iter_ = len(self.histories_[0].get("loss", []))
        self._n_epochs_trained += self.n_iter_ + first.n_restored
        if interrupt is not None:
            interrupt.add_note(
                f"The training was interrupted after {len(first.history.get('loss', []))} of "
                f"{n_epochs} epochs. The estimator is fitted, with the weights that it had reached."
            )

    def _warn_of_fit(self, settings: SimpleNamespace, member_data: list[MemberData]) -> None:
        """Warn if the first network has learnt no more than a constant prediction knows.

        The fit has succeeded by then, also where warnings are errors.
        """
        owner = self if self._owner is None else self._owner
        is_encoded = owner.encoder_ is not None
        n_planned = settings.epochs - settings.initial_epoch
        outcome = FitOutcome(
            self._network,
            member_data[0].data,
            self.history_.get("loss", []),
            self.best_epoch_,
            _n_rows_of_batch(settings, member_data[0].n_samples),
            is_stopped=bool(settings.early_stopping) and self.n_iter_ < n_planned,
            is_encoded=is_encoded,
            column_names=None if is_encoded else getattr(owner, "feature_names_in_", None),
            n_numeric=columns_of(self.encoder_, self.X_shape_).get("n_numeric_"),
        )
        message = warning_of_fit(outcome)
        ends_at = _end_of(settings)
        is_first = self._n_epochs_trained == self.n_iter_ == 1 < n_planned
        if is_first and ends_at is not None and time.monotonic() >= ends_at:
            message = (
                f"time_limit={settings.time_limit:g} was up after the first of {n_planned} epochs, "
                "so that the network has hardly learnt. Raise time_limit."
            )
        if self._owner is not None:
            self._owner._fit_warning = message
        elif message is not None:
            warnings.warn(f"{type(self).__name__}: {message}", ConvergenceWarning, stacklevel=4)

    def _keep_background(self, shared: Rows) -> None:
        """Keep some training rows for explanations."""
        self.background_ = None
        if self.background_size and not sparse.issparse(shared.X):
            sample = background_rows(len(shared.y), self.background_size, self._seeds.background)
            rows = with_names(self, rows_of(shared.X, sample))
            self.background_ = copy.deepcopy(to_picklable(rows))

    def _member_data(
        self, shared: Rows, X_encoded: Any, held_out: Rows | None, parts: list[FoldIndices]
    ) -> list[MemberData]:
        """Return the rows of each network; a single entry if all networks have the same."""
        if len(parts) == 1:
            validation = None
            if held_out is not None:
                validation = self._training_data(held_out, encode(self.encoder_, held_out.X))
            data = self._training_data(shared, X_encoded)
            return [MemberData(replace(data, validation=validation), held_out, len(shared.y))]
        member_data = []
        for part in parts:
            data, validation = (
                self._training_data(shared.without_table().at(at), rows_at(X_encoded, at))
                for at in (part.training, part.validation)
            )
            held_out, n_training = shared.at(part.validation), part.n_training(len(shared.y))
            member_data.append(
                MemberData(replace(data, validation=validation), held_out, n_training)
            )
        return member_data

    def _trained(
        self,
        member_data: list[MemberData],
        settings: SimpleNamespace,
        n_epochs: int,
        callbacks: list[list[Any]],
    ) -> tuple[list[TrainingRecord | None], KeyboardInterrupt | None]:
        """Train the members, several side by side, and say what happened to each.

        Returns
        -------
        records : list of TrainingRecord or None
            None for a network that an interrupt did not let learn anything; one has.
        interrupt : KeyboardInterrupt or None
        """
        from nnkit.training import run_together, train
        from nnkit.training.loop.callbacks import ProgressBar

        trainings, verbose = [], 1 if settings.verbose == "auto" else int(settings.verbose)
        bar = ProgressBar(n_epochs, verbose, len(self._members)) if verbose else None
        for position, member in enumerate(self._members):
            own_data = member_data[position % len(member_data)]
            score = None
            if own_data.held_out is not None:
                score = self._score_of_outputs(settings.scoring, own_data.held_out)
            plan = self._plan(settings, n_epochs, own_data, score)
            of_member = replace(
                plan,
                callbacks=callbacks[position],
                seed=self._seeds.of_member(position).shuffle,
                position=position,
                bar=bar,
            )
            trainings.append(partial(train, member, own_data.data, of_member))
        if len(trainings) == 1:
            record = trainings[0]()
            return [record], record.interrupt
        records, interrupt = run_together(trainings, are_at_once=settings.time_limit is not None)
        if interrupt is not None and not any(records):
            raise interrupt
        return records, interrupt

    def _training_data(self, rows: Rows, X_encoded: Any) -> TrainingData:
        from nnkit.training import TrainingData, axes_of_losses
        from nnkit.training.loop.user_functions import check_own_losses

        network = self._network
        self._check_fits_network(rows.encoded)
        targets = self._network_targets(rows.encoded, len(network.output_spec.tasks))
        inputs, compared = network.inputs(X_encoded), network.targets(targets)
        weight = rows.sample_weight
        check_own_losses(network, inputs, compared, is_weighted=weight is not None)
        if weight is not None and len(weight):
            weight = self._expanded_weight(rows, axes_of_losses(network, inputs, compared))
        return TrainingData(
            inputs,
            compared,
            None if weight is None else weight.astype(network.target_dtype),
            units=self._target_units(),
        )

    def _expanded_weight(self, rows: Rows, axes: tuple[int, ...]) -> np.ndarray:
        """Return the weights of rows, or of their steps if each step has a loss of its own."""
        assert rows.sample_weight is not None
        given = np.ones(len(rows.y)) if rows.given_weight is None else rows.given_weight
        if given.ndim > 1 and given.shape[1:] != axes:
            raise ValueError(
                f"sample_weight has the shape {given.shape}, but the loss of the network has the axes {axes} for each row. Give one weight "
                "for each row, or a network with an output for each step."
            )
        shape = (len(rows.sample_weight), *axes)
        by_target = self._weights_of_steps(rows.encoded, axes)
        given = given.reshape(given.shape + (1,) * (len(shape) - given.ndim))
        factors = [given] if by_target is None else [given, by_target]
        return np.broadcast_to(product_of_weights(*factors), shape)

    def _n_steps(
        self, settings: SimpleNamespace, parts: list[FoldIndices], n_epochs: int, n_samples: int
    ) -> int | None:
        """Return the optimizer steps of the training; None if it may go on later."""
        if settings.warm_start or not n_epochs:
            return None
        sizes = [part.n_training(n_samples) for part in parts]
        return n_epochs * math.ceil(max(sizes) / _n_rows_of_batch(settings, max(sizes)))

    def _plan(
        self, settings: SimpleNamespace, n_epochs: int, own_data: MemberData, score: Any
    ) -> TrainingPlan:
        from nnkit.training import TrainingPlan

        return TrainingPlan(
            epochs=n_epochs,
            batch_size=_n_rows_of_batch(settings, own_data.n_samples),
            shuffle=bool(settings.shuffle),
            seed=self._seeds.shuffle,
            stops_early=bool(settings.early_stopping),
            n_iter_no_change=settings.n_iter_no_change,
            tol=settings.tol,
            score=score,
            engine=settings.engine,
            verbose=1 if settings.verbose == "auto" else int(settings.verbose),
            first_epoch=int(settings.initial_epoch) or self._n_epochs_trained,
            ends_at=_end_of(settings),
            n_estimators=len(self._members),
        )

    def _epoch_tasks(self, n_epochs: int, rows: Rows) -> list[Any]:
        """Return what tells scikit-learn's callbacks of the epochs, if there are any."""
        if not getattr(self, "_skl_callbacks", None):
            return []
        from nnkit.estimators.monitoring import EpochTasks

        original = vars(self).get("_drafted_from", self)
        context = original._init_callback_context(max_subtasks=n_epochs)
        return [EpochTasks(original, self, context, with_names(self, rows.X), rows.y)]

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


def _end_of(settings: SimpleNamespace) -> float | None:
    """Return the time on the monotonic clock after which no epoch begins."""
    return None if settings.time_limit is None else settings.started_at + settings.time_limit


def _n_rows_of_batch(settings: SimpleNamespace, n_samples: int) -> int:
    # None is Keras' own default.
    wanted = 32 if settings.batch_size is None else int(settings.batch_size)
    return n_samples if wanted == -1 else wanted
