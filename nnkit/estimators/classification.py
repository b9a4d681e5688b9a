"""The steps of a fit that a classifier does in its own way: labels, their weights, probabilities."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from nnkit._messages import shown
from nnkit.encoding import ClassTarget, class_weights, comparable_codes, target_array
from nnkit.estimators.accuracy import accuracy
from nnkit.estimators.kind_of_target import KindOfTarget

if TYPE_CHECKING:
    from nnkit.training import Network, Task

__all__ = ["Classification", "one_or_all"]


# An indicator of fewer rows is not taken for one-hot rows.
_MIN_ROWS_OF_ONE_HOT = 10


class Classification(KindOfTarget):
    """What a classifier makes of a target of labels, and of the network's outputs for it."""

    _network: Network

    def _check_target(self, y: Any) -> np.ndarray:
        y_checked = target_array(y, are_numbers=False)
        if pd.isna(y_checked).any():
            raise ValueError(
                f"y contains NaN in row {int(np.nonzero(pd.isna(y_checked))[0][0])}. "
                "Leave out rows without a label."
            )
        if y_checked.dtype.kind == "f" and not np.isfinite(y_checked).all():
            raise ValueError("y contains infinity. Leave out rows without a label.")
        if y_checked.ndim > 2:
            if not np.isin(y_checked, (0, 1)).all():
                raise ValueError(
                    f"y with {y_checked.ndim} axes must be an indicator of 0 and 1. "
                    "Give labels of steps as an array (n_samples, n_steps)."
                )
        else:
            check_classification_targets(comparable_codes(y_checked))
        return y_checked

    def _learn_target(self, y: np.ndarray, classes: Any) -> None:
        self.temperature_ = 1.0
        kind = "multilabel-indicator" if y.ndim > 2 else _type_of(y)
        self._target = ClassTarget.of(y, kind, classes)
        self.classes_: Any
        self.n_classes_: Any
        if self._target.is_indicator:
            n_labels = y.shape[-1]
            self.classes_, self.n_classes_ = np.arange(n_labels), n_labels
        elif len(self._target.columns) == 1:
            self.classes_ = self._target.columns[0].classes
            self.n_classes_ = len(self.classes_)
        else:
            self.classes_ = [labels.classes for labels in self._target.columns]
            self.n_classes_ = [len(labels) for labels in self.classes_]

    def _encode_target(self, y: np.ndarray) -> np.ndarray:
        return self._target.encode(y)

    def _check_announced(self, classes: Any) -> None:
        if classes is None or isinstance(self.classes_, list):
            return
        if not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} is not the same as in the first call of "
                f"partial_fit, {self.classes_.tolist()}."
            )

    def _learn_weights(
        self, settings: SimpleNamespace, encoded: np.ndarray, sample_weight: np.ndarray | None
    ) -> None:
        self._class_weights: list[np.ndarray] | None = None
        self._class_weight_learnt = settings.class_weight
        if settings.class_weight is None:
            return
        columns = self._target.columns
        table = encoded.reshape(len(encoded), -1).astype(int)
        labels = columns * table.shape[1] if self._target.is_indicator else columns
        wanted = settings.class_weight
        per_column = wanted if isinstance(wanted, list) else [wanted] * len(labels)
        if isinstance(wanted, list) and len(labels) == 1 and not self._target.is_indicator:
            known = labels[0].classes.tolist()
            by_label = dict(zip(known, wanted, strict=False))
            fix = f" Name the labels: {by_label}." if len(known) == len(wanted) else ""
            raise ValueError(
                "class_weight must be 'balanced', a dict of label to weight, or None. "
                f"Got {shown(wanted)} instead.{fix}"
            )
        if len(per_column) != len(labels):
            raise ValueError(
                f"class_weight must be one, or a list with one for each of the {len(labels)} "
                f"columns of y. Got {len(per_column)} instead."
            )
        self._class_weights = [
            class_weights(weight, known, codes, sample_weight)
            for weight, known, codes in zip(per_column, labels, table.T, strict=True)
        ]

    def _has_other_weights(self, settings: SimpleNamespace) -> bool:
        # Unchanged, "balanced" stays what the first rows said.
        return bool(settings.class_weight != self._class_weight_learnt)

    def _weights_of(self, encoded: np.ndarray) -> np.ndarray | None:
        by_label = self._weights_by_label(encoded)
        if by_label is None:
            return None
        weight = by_label.prod(axis=1)
        # A step of no weight does not take the row away, whose other steps may weigh.
        return weight if weight.all() else np.where(weight, weight, by_label.mean(axis=1))

    def _weights_of_steps(self, encoded: np.ndarray, axes: tuple[int, ...]) -> np.ndarray | None:
        by_label = self._weights_by_label(encoded)
        if by_label is None:
            return None
        # (n_samples, n_labels) -> (n_samples, *axes, labels of a step)
        return by_label.reshape(len(encoded), *axes, -1).prod(axis=-1)

    def _weights_by_label(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return the weight of the class of each label (n_samples, n_labels); None without any."""
        if self._class_weights is None:
            return None
        table = encoded.reshape(len(encoded), -1).astype(int)
        weights = [
            by_class[codes] for by_class, codes in zip(self._class_weights, table.T, strict=True)
        ]
        return np.stack(weights, axis=1)

    def _stratification(self, encoded: np.ndarray) -> tuple[Any, Any]:
        if self._target.is_indicator or len(self._target.columns) > 1:
            return None, None
        return encoded[:, 0], self._target.columns[0]

    def _task_choices(self) -> list[list[Task]]:
        from nnkit.training import Task

        target = self._target
        if target.is_indicator:
            choices = [[Task("multilabel", row_shape=target.row_shape)]]
            if len(target.row_shape) == 1:
                # Steps of a sequence with the classes 0 and 1, if the network says so.
                choices.append([Task("classification", 2, row_shape=target.row_shape)])
            return choices
        sizes = [len(labels.classes) for labels in target.columns]
        choices = [[Task("classification", n_classes=size) for size in sizes]]
        if len(sizes) > 1 and target.has_comparable_columns:
            # Steps of a sequence, whose classes are one output (n_samples, n_steps, n_classes).
            n_classes = len(target.classes_of_steps)
            choices.append([Task("classification", n_classes, row_shape=(len(sizes),))])
        return choices

    def _target_facts(self) -> dict[str, Any]:
        return {
            "target_type_": self._target.kind,
            "classes_": self.classes_,
            "n_classes_": self.n_classes_,
        }

    def _network_targets(self, encoded: np.ndarray, n_outputs: int) -> list[np.ndarray]:
        if self._target.is_indicator:
            return [encoded]
        if n_outputs == encoded.shape[1]:
            return list(encoded.T)
        return [self._target.codes_of_steps(encoded)]

    def _check_fits_network(self, encoded: np.ndarray) -> None:
        if self._gives_one_hot:
            _check_one_hot(encoded)

    def _check_loss_and_head(self, encoded: np.ndarray) -> None:
        from nnkit.training.specification.heads import improper_losses

        self._warn_of_one_hot(encoded)
        for name in improper_losses(self._network.compiled_model.model):
            warnings.warn(
                f"loss={name} is least for other outputs than the probabilities of the classes, so "
                "that predict_proba gives no probabilities; predict is not concerned. Use "
                "loss=None for probabilities.",
                UserWarning,
                stacklevel=6,
            )

    def _warn_of_one_hot(self, encoded: np.ndarray) -> None:
        """Warn if an indicator that is learnt label by label looks like one-hot rows."""
        is_by_label = self._target.is_indicator and self._network.output_spec.heads[0].is_multilabel
        if not is_by_label or encoded.ndim != 2 or encoded.shape[1] < 2:
            return
        # A few rows may have one label each by chance.
        if len(encoded) >= _MIN_ROWS_OF_ONE_HOT and (np.sum(encoded, axis=1) == 1).all():
            warnings.warn(
                f"Every row of y has exactly one 1 among {encoded.shape[1]} columns, which are "
                "learnt as labels that do not exclude each other. If y is one-hot, give the "
                "labels instead: y.argmax(axis=1).",
                UserWarning,
                stacklevel=2,
            )

    @property
    def _has_binary_steps(self) -> bool:
        """Whether an indicator holds the classes 0 and 1 of steps, as the outputs say."""
        tasks = self._network.output_spec.tasks
        return self._target.is_indicator and tasks[0].kind == "classification"

    @property
    def _gives_one_hot(self) -> bool:
        """Whether a softmax chooses one label of an indicator for each row or step."""
        is_one_of_many = self._network.output_spec.heads[0].is_one_of_many
        return self._target.is_indicator and is_one_of_many and not self._has_binary_steps

    def _by_column(self, outputs: list[np.ndarray]) -> list[np.ndarray]:
        """Return class probabilities for each column of the target."""
        heads = self._network.output_spec.heads
        found = [head.probabilities(output) for head, output in zip(heads, outputs, strict=True)]
        if self._has_binary_steps:
            return [found[0][..., 1]]
        if not self._target.is_indicator and len(found) < len(self._target.columns):
            return self._target.by_step(found[0])
        return found

    def _probabilities(self, outputs: list[np.ndarray]) -> Any:
        return one_or_all(self._by_column(outputs))

    def _decide(self, outputs: list[np.ndarray]) -> np.ndarray:
        return self._labels(self._by_column(outputs))

    def _labels(self, found: list[np.ndarray]) -> np.ndarray:
        """Return labels from class probabilities for each column of the target."""
        if self._gives_one_hot:
            best = found[0].argmax(axis=-1)
            return np.eye(found[0].shape[-1])[best].astype(self._target.dtype)
        return self._target.decode(found)

    def _score_arguments(self) -> dict[str, Any]:
        return {
            "probabilities": self._probabilities,
            "classes": self.classes_,
            "accuracy": self._accuracy,
        }

    def _accuracy(self, y: Any, predicted: np.ndarray, sample_weight: Any | None = None) -> float:
        task = self._network.output_spec.tasks[0]
        is_of_steps = task.kind == "classification" and bool(task.row_shape)
        return accuracy(y, predicted, sample_weight, is_of_steps=is_of_steps)

    @property
    def _is_one_of_many(self) -> bool:
        """Whether the probabilities of a row sum to 1 in each column of the target."""
        return not self._target.is_indicator or self._gives_one_hot


def one_or_all(arrays: list[np.ndarray]) -> Any:
    """Return the only array, or the list of them: one for each column of the target."""
    return arrays[0] if len(arrays) == 1 else arrays


def _check_one_hot(indicator: np.ndarray) -> None:
    """Raise if any row or step of an indicator has not exactly one label."""
    totals = indicator.sum(axis=-1)
    if (totals != 1).any():
        raise ValueError(
            "The model's last activation is 'softmax', which allows one label a row, but y has "
            f"a row with {int(totals[totals != 1][0])}. Use 'sigmoid' in the last layer."
        )


def _type_of(y: np.ndarray) -> str:
    kind: str = type_of_target(comparable_codes(y), input_name="y")
    # Codes of labels that are 0 and 1 by chance are no indicator.
    is_indicator = kind == "multilabel-indicator" and y.dtype.kind in "OMm"
    return "multiclass-multioutput" if is_indicator else kind
