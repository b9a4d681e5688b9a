"""Targets of labels: classes, their weights, and probabilities from the outputs of a network."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from nnkit.encoding.target_values import comparable_codes, target_array
from nnkit.encoding.targets import ClassLabels, ClassTarget
from nnkit.encoding.temperature import temperature_scaled
from nnkit.estimators.targets.accuracy import accuracy
from nnkit.estimators.targets.class_weighting import ClassWeights
from nnkit.estimators.targets.target import Decoder, Target

if TYPE_CHECKING:
    from nnkit.estimators.parameters.fit_settings import FitSettings
    from nnkit.training.network import Network
    from nnkit.training.specification.heads import Task
    from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["ClassDecoder", "ClassificationTarget"]


# Fewer rows of an indicator can have one label each by chance.
_MIN_ROWS_OF_ONE_HOT = 10


@dataclass(frozen=True)
class ClassificationTarget(Target):
    """A target of labels.

    Parameters
    ----------
    classes : ClassTarget
        The classes of each column.
    weights : ClassWeights
    """

    classes: ClassTarget
    weights: ClassWeights = field(default_factory=ClassWeights)

    @staticmethod
    def check(y: Any) -> np.ndarray:
        """Return the labels as an array; see `Target.check`."""
        y_checked = target_array(y, are_numbers=False)
        if y_checked.dtype.kind in "biuU":
            return y_checked
        if pd.isna(y_checked).any():
            raise ValueError(
                f"y contains NaN in row {int(np.nonzero(pd.isna(y_checked))[0][0])}. "
                "Leave out rows without a label."
            )
        if y_checked.dtype.kind == "f" and not np.isfinite(y_checked).all():
            raise ValueError("y contains infinity. Leave out rows without a label.")
        if y_checked.ndim > 2 and y_checked.dtype.kind == "f":
            is_whole = y_checked == np.round(y_checked)
            if not is_whole.all():
                raise ValueError(
                    "y of a classifier must have labels. Got the continuous value "
                    f"{float(y_checked[~is_whole][0]):.4g}. Use KerasRegressor."
                )
        return y_checked

    @classmethod
    def learn(
        cls,
        y: np.ndarray,
        classes: Any,
        *,
        is_standardized: bool,  # noqa: ARG003
        quantiles: tuple[float, ...] = (),  # noqa: ARG003
    ) -> Self:
        """Return the target with the labels that occur, or that were given as ``classes``."""
        kind = _type_of(y)
        found = ClassTarget.of(y, kind, classes)
        if not found.has_shared_classes and (
            max(len(labels.classes) for labels in found.columns) > len(y) / 2
        ):
            check_classification_targets(comparable_codes(y))  # warns of nearly as many classes
        return cls(found)

    def attributes(self) -> dict[str, Any]:
        """Return ``classes_`` and ``n_classes_``."""
        columns = [labels.classes for labels in self.classes.columns]
        if self.classes.is_indicator:
            n_labels = self.classes.row_shape[-1]
            return {"classes_": np.arange(n_labels), "n_classes_": n_labels}
        if len(columns) == 1:
            return {"classes_": columns[0], "n_classes_": len(columns[0])}
        return {"classes_": columns, "n_classes_": [len(labels) for labels in columns]}

    def check_announced(self, classes: Any) -> None:
        """Raise if other classes are given than in the first call of ``partial_fit``."""
        known = self.attributes()["classes_"]
        if classes is None or isinstance(known, list):
            return
        if not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} is not the same as in the first call of "
                f"partial_fit, {known.tolist()}."
            )

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return codes of classes (n_samples, n_columns) or (n_samples, ...), or the indicator."""
        return self.classes.encode(y)

    def weighted(
        self,
        class_weight: Any,
        encoded: np.ndarray,
        sample_weight: np.ndarray | None,
        *,
        is_first: bool,
    ) -> Self:
        """Return the target with weights of its classes; see `Target.weighted`."""
        if not is_first and class_weight == self.weights.class_weight:
            return self
        weights = ClassWeights.learn(class_weight, self.classes, encoded, sample_weight)
        return replace(self, weights=weights)

    def weights_of(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return weights of rows (n_samples,) by class; None for equal weights."""
        return self.weights.of_rows(encoded)

    def weights_of_steps(self, encoded: np.ndarray, axes: tuple[int, ...]) -> np.ndarray | None:
        """Return weights of steps (n_samples, *axes) by class; None for equal weights."""
        return self.weights.of_steps(encoded, axes)

    def stratification(self, encoded: np.ndarray) -> tuple[np.ndarray | None, ClassLabels | None]:
        """Return codes and labels of a target (n_samples,); other targets have no strata."""
        is_several = self.classes.has_shared_classes or len(self.classes.columns) > 1
        if self.classes.is_indicator or is_several:
            return None, None
        return encoded[:, 0], self.classes.columns[0]

    def task_choices(self) -> list[list[Task]]:
        """Return the tasks that the outputs of a network can have; see `Target.task_choices`."""
        from nnkit.training.specification.heads import Task

        classes = self.classes
        if classes.is_indicator:
            choices = [[Task("multilabel", row_shape=classes.row_shape)]]
            # Steps or pixels with the classes 0 and 1, if the network has such outputs.
            choices.append([Task("classification", 2, row_shape=classes.row_shape)])
            return choices
        if classes.has_shared_classes:
            n_classes = len(classes.columns[0].classes)
            return [[Task("classification", n_classes, row_shape=classes.row_shape)]]
        sizes = [len(labels.classes) for labels in classes.columns]
        choices = [[Task("classification", n_classes=size) for size in sizes]]
        if len(sizes) > 1 and classes.has_comparable_columns:
            # Steps of a sequence, whose classes are one output (n_samples, n_steps, n_classes).
            n_classes = len(classes.classes_of_steps)
            choices.append([Task("classification", n_classes, row_shape=(len(sizes),))])
        return choices

    def facts(self) -> dict[str, Any]:
        """Return ``target_type_``, ``classes_`` and ``n_classes_``."""
        return {"target_type_": self.classes.kind, **self.attributes()}

    def network_targets(self, encoded: np.ndarray, n_outputs: int) -> list[np.ndarray]:
        """Return the codes of classes for each output of the network."""
        if self.classes.is_indicator or self.classes.has_shared_classes:
            return [encoded]
        if n_outputs == encoded.shape[1]:
            return list(encoded.T)
        return [self.classes.codes_of_steps(encoded)]

    def decoder(self, output_spec: OutputSpec, temperature: float = 1.0) -> ClassDecoder:
        """Return the decoder of the outputs of a network; see `Target.decoder`."""
        return ClassDecoder(self.classes, output_spec, temperature)


@dataclass(frozen=True)
class ClassDecoder(Decoder):
    """From the outputs of a network to class probabilities and labels.

    Parameters
    ----------
    classes : ClassTarget
    output_spec : OutputSpec
        Of the network.
    temperature : float
        Divisor of the logits.
    """

    classes: ClassTarget
    output_spec: OutputSpec
    temperature: float = 1.0

    @property
    def has_binary_steps(self) -> bool:
        """Whether an indicator holds the classes 0 and 1 of steps, by the network's outputs."""
        return self.classes.is_indicator and self.output_spec.tasks[0].kind == "classification"

    @property
    def gives_one_hot(self) -> bool:
        """Whether a softmax selects one label of an indicator for each row or step."""
        is_one_of_many = self.output_spec.heads[0].is_one_of_many
        return self.classes.is_indicator and is_one_of_many and not self.has_binary_steps

    @property
    def is_one_of_many(self) -> bool:
        """Whether the probabilities of a row sum to 1 in each column of the target."""
        return not self.classes.is_indicator or self.gives_one_hot

    def check_targets(self, encoded: np.ndarray) -> None:
        """Raise if a softmax is to give rows with several labels or none."""
        if not self.gives_one_hot:
            return
        totals = encoded.sum(axis=-1)
        if (totals != 1).any():
            raise ValueError(
                "The model's last activation is 'softmax', which allows one label a row, but y has "
                f"a row with {int(totals[totals != 1][0])}. Use 'sigmoid' in the last layer."
            )

    def check_loss(self, network: Network, encoded: np.ndarray, settings: FitSettings) -> None:  # noqa: ARG002
        """Warn if the loss gives no probabilities, or if the indicator looks like one-hot rows."""
        from nnkit.training.specification.heads import improper_losses

        self._warn_of_one_hot(encoded)
        for name in improper_losses(network.compiled_model.model):
            warnings.warn(
                f"loss={name} is least for other outputs than the probabilities of the classes, so "
                "that predict_proba gives no probabilities; predict is not concerned. Use "
                "loss=None for probabilities.",
                UserWarning,
                stacklevel=6,
            )

    def _warn_of_one_hot(self, encoded: np.ndarray) -> None:
        is_by_label = self.classes.is_indicator and self.output_spec.heads[0].is_multilabel
        if not is_by_label or encoded.ndim != 2 or encoded.shape[1] < 2:
            return
        if len(encoded) >= _MIN_ROWS_OF_ONE_HOT and (np.sum(encoded, axis=1) == 1).all():
            warnings.warn(
                f"Every row of y has exactly one 1 among {encoded.shape[1]} columns, which are "
                "learnt as labels that do not exclude each other. If y is one-hot, give the "
                "labels instead: y.argmax(axis=1).",
                UserWarning,
                stacklevel=2,
            )

    def by_column(self, outputs: list[np.ndarray]) -> list[np.ndarray]:
        """Return uncalibrated class probabilities for each column of the target."""
        heads = self.output_spec.heads
        found = [head.probabilities(output) for head, output in zip(heads, outputs, strict=True)]
        if self.has_binary_steps:
            return [found[0][..., 1]]
        if not self.classes.is_indicator and len(found) < len(self.classes.columns):
            return self.classes.by_step(found[0])
        return found

    def probabilities(self, outputs: list[np.ndarray]) -> Any:
        """Return uncalibrated probabilities: an array, or a list with one for each column."""
        return _one_or_all(self.by_column(outputs))

    def predicted(self, outputs: list[list[np.ndarray]]) -> Any:
        """Return the mean of the networks' calibrated probabilities."""
        return _one_or_all(self._mean(outputs))

    def spread(self, outputs: list[list[np.ndarray]]) -> Any:
        """Return the standard deviation of the networks' calibrated probabilities."""
        by_member = self._by_member(outputs)
        return _one_or_all([np.std(parts, axis=0) for parts in zip(*by_member, strict=True)])

    def predicted_labels(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        """Return the labels that are most probable in the mean over the networks."""
        return self._labels(self._mean(outputs))

    def decide(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return labels from the outputs of one network."""
        return self._labels(self.by_column(outputs))

    def score_arguments(self) -> dict[str, Any]:
        """Return the functions by which a scorer reads outputs, and the classes."""
        return {
            "probabilities": self.probabilities,
            "classes": ClassificationTarget(self.classes).attributes()["classes_"],
            "accuracy": self.accuracy,
        }

    def accuracy(self, y: Any, predicted: np.ndarray, sample_weight: Any | None = None) -> float:
        """Return the accuracy of labels; steps of a sequence and pixels count one by one."""
        task = self.output_spec.tasks[0]
        is_of_steps = task.kind == "classification" and bool(task.row_shape)
        is_of_steps = is_of_steps or len(self.classes.row_shape) > 1
        return accuracy(
            y,
            predicted,
            sample_weight,
            is_of_steps=is_of_steps,
            n_label_axes=1 if self.gives_one_hot else 0,
        )

    def _mean(self, outputs: list[list[np.ndarray]]) -> list[np.ndarray]:
        by_member = self._by_member(outputs)
        if len(by_member) == 1:
            return by_member[0]
        return [np.mean(parts, axis=0) for parts in zip(*by_member, strict=True)]

    def _by_member(self, outputs: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        """Return each network's calibrated probabilities for each column of the target."""
        found = [self.by_column(member) for member in outputs]
        if self.temperature == 1.0:
            return found
        return [
            [
                temperature_scaled(proba, self.temperature, is_one_of_many=self.is_one_of_many)
                for proba in member
            ]
            for member in found
        ]

    def _labels(self, found: list[np.ndarray]) -> np.ndarray:
        """Return labels from class probabilities for each column of the target."""
        if self.gives_one_hot:
            best = found[0].argmax(axis=-1)
            return np.eye(found[0].shape[-1])[best].astype(self.classes.dtype)
        return self.classes.decode(found)


def _one_or_all(arrays: list[np.ndarray]) -> Any:
    """Return the only array, or a list with one for each column of the target."""
    return arrays[0] if len(arrays) == 1 else arrays


def _type_of(y: np.ndarray) -> str:
    if y.ndim == 1 and y.dtype.kind in "biuU":
        return "multiclass"
    if y.ndim > 2:
        is_mask = y.dtype.kind in "biuf" and np.isin(y, (0, 1)).all()
        return "multilabel-indicator" if is_mask else "multiclass-multioutput"
    codes = comparable_codes(y)
    kind: str = type_of_target(codes, input_name="y")
    if kind.startswith(("continuous", "unknown")):
        check_classification_targets(codes)  # raises
    # Labels of other classes whose codes happen to be 0 and 1 are no indicator.
    is_indicator = kind == "multilabel-indicator" and y.dtype.kind in "OMm"
    return "multiclass-multioutput" if is_indicator else kind
