"""What a classifier and a regressor do each in their own way."""

from __future__ import annotations

from abc import abstractmethod
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.estimators.parameters import KerasParameters
from nnkit.estimators.parts import MemberData, Rows

if TYPE_CHECKING:
    from nnkit.training import Task

__all__ = ["KindOfTarget"]


class KindOfTarget(KerasParameters):
    """Base of the estimators with the steps of a fit that depend on the kind of target."""

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

    @abstractmethod
    def _predicted(self, outputs: list[list[np.ndarray]]) -> Any:
        """Return probabilities or values, from each member's outputs for the same rows."""

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

    def _weights_of_steps(
        self,
        encoded: np.ndarray,  # noqa: ARG002
        axes: tuple[int, ...],  # noqa: ARG002
    ) -> np.ndarray | None:
        """Return the weights (n_samples, *axes) of steps by their target; None as above."""
        return None

    def _check_fits_network(self, encoded: np.ndarray) -> None:
        """Raise if the outputs of the network cannot give this target."""

    def _check_loss_and_head(self, encoded: np.ndarray) -> None:
        """Raise or warn if the loss or the last layer of the network is not for this target."""

    def _warning_of_validation(self, training: Rows, held_out: Rows) -> str | None:  # noqa: ARG002
        """Return what to warn of if the target to validate on seems to be in other units."""
        return None

    def _learn_units(self, training: Rows, settings: SimpleNamespace) -> None:
        """Learn the units of the target from the training rows."""

    def _widen_units(self, training: Rows) -> None:
        """Let the units of the target hold the values of further training rows."""

    def _target_units(self) -> tuple[Any, ...] | None:
        """Return scale, location and limits of a target that is learnt in other units."""
        return None

    def _check_calibration(self, settings: SimpleNamespace, *, has_held_out: bool) -> None:
        """Raise if a calibration has no rows to learn from."""

    def _calibrate(self, settings: SimpleNamespace, member_data: list[MemberData]) -> None:
        """Learn from the rows held out how sure the networks may be."""

    def _stratification(self, encoded: np.ndarray) -> tuple[Any, Any]:  # noqa: ARG002
        """Return codes and labels whose shares a hold-out keeps."""
        return None, None

    def _score_arguments(self) -> dict[str, Any]:
        return {}
