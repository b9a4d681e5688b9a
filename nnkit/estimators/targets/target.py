"""The interface of a target before and after the network: `Target` and `Decoder`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnkit.estimators.rows.training_rows import Rows

if TYPE_CHECKING:
    from nnkit.encoding.targets import ClassLabels
    from nnkit.estimators.parameters.fit_settings import FitSettings
    from nnkit.training.network import Network
    from nnkit.training.specification.heads import Task
    from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["Decoder", "Target"]


class Target(ABC):
    """What a fit learns about the target, and its encoding for the network.

    Instances are not changed. A method that learns returns another instance.
    """

    @staticmethod
    @abstractmethod
    def check(y: Any) -> np.ndarray:
        """Return the target as a validated array, or raise."""

    @classmethod
    @abstractmethod
    def learn(
        cls,
        y: np.ndarray,
        classes: Any,
        *,
        is_standardized: bool,
        quantiles: tuple[float, ...] = (),
    ) -> Self:
        """Return the target that is learnt from all rows of the fit.

        Parameters
        ----------
        y : ndarray of shape (n_samples, ...)
        classes : array-like or None
            All labels, if they were given to ``partial_fit``.
        is_standardized : bool
            Whether the network learns numbers with mean 0 and standard deviation 1.
        quantiles : tuple of float, default=()
            Levels of the quantiles of numbers that the network learns; () is one value.
        """

    @abstractmethod
    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the target as numbers, with one row for each of its rows."""

    @abstractmethod
    def task_choices(self) -> list[list[Task]]:
        """Return the possible tasks of the network.

        Each choice is a list with one task for each output. The first choice is the default.
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return the facts about the target for the builder, which become fitted attributes."""

    @abstractmethod
    def network_targets(self, encoded: np.ndarray, n_outputs: int) -> list[np.ndarray]:
        """Return the target of each output of the network."""

    @abstractmethod
    def decoder(self, output_spec: OutputSpec, temperature: float = 1.0) -> Decoder:
        """Return the decoder of the outputs of a network.

        Parameters
        ----------
        output_spec : OutputSpec
            Outputs of the network.
        temperature : float, default=1.0
            Divisor of the logits of class probabilities.
        """

    def attributes(self) -> dict[str, Any]:
        """Return the fitted attributes that are set before the network is built."""
        return {}

    def check_announced(self, classes: Any) -> None:  # noqa: B027
        """Raise if other classes are given than in the first call of ``partial_fit``."""

    def weighted(
        self,
        class_weight: Any,  # noqa: ARG002
        encoded: np.ndarray,  # noqa: ARG002
        sample_weight: np.ndarray | None,  # noqa: ARG002
        *,
        is_first: bool,  # noqa: ARG002
    ) -> Self:
        """Return the target with the weights of its classes.

        Parameters
        ----------
        class_weight : dict, "balanced", list of these, or None
        encoded : ndarray
            From `encode`.
        sample_weight : ndarray of shape (n_samples,) or None
        is_first : bool
            Whether the fit is new. A resumed fit keeps the learnt weights of classes unless
            ``class_weight`` was changed.
        """
        return self

    def weights_of(self, encoded: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """Return weights of rows (n_samples,) by their target; None for equal weights."""
        return None

    def weights_of_steps(
        self,
        encoded: np.ndarray,  # noqa: ARG002
        axes: tuple[int, ...],  # noqa: ARG002
    ) -> np.ndarray | None:
        """Return weights of steps (n_samples, *axes) by their target; None for equal weights.

        Parameters
        ----------
        encoded : ndarray
        axes : tuple of int
            Axes of the loss of a row.
        """
        return None

    def stratification(self, encoded: np.ndarray) -> tuple[np.ndarray | None, ClassLabels | None]:  # noqa: ARG002
        """Return codes and labels to stratify held-out rows by; (None, None) for no strata."""
        return None, None

    def warning_of_validation(self, training: Rows, held_out: Rows) -> str | None:  # noqa: ARG002
        """Return a warning if the validation target seems to be in other units, else None."""
        return None

    def in_units_of(self, training: Rows, *, is_clipped: bool) -> Self:  # noqa: ARG002
        """Return the target in the units of its training rows.

        Parameters
        ----------
        training : Rows
        is_clipped : bool
            Whether predictions stay in the range of these rows.
        """
        return self

    def widened(self, training: Rows) -> Self:  # noqa: ARG002
        """Return the target with clipping limits that include further training rows."""
        return self

    def units(self) -> tuple[Any, ...] | None:
        """Return scale, location and limits of a standardised target; None for other targets.

        Limits are infinite if predictions are not clipped.
        """
        return None


class Decoder(ABC):
    """Converts the outputs of a network to predictions."""

    def check_targets(self, encoded: np.ndarray) -> None:  # noqa: B027
        """Raise if the outputs of the network cannot represent this target."""

    @abstractmethod
    def check_loss(self, network: Network, encoded: np.ndarray, settings: FitSettings) -> None:
        """Raise or warn if the loss or the last layer of the network does not fit the target."""

    @abstractmethod
    def decide(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return labels or values from the outputs of one network."""

    @abstractmethod
    def predicted(self, outputs: list[list[np.ndarray]]) -> Any:
        """Return probabilities or values: the mean over the networks of an ensemble.

        Parameters
        ----------
        outputs : list of list of ndarray
            Outputs of each network for the same rows.
        """

    @abstractmethod
    def spread(self, outputs: list[list[np.ndarray]]) -> Any:
        """Return the standard deviation over the networks of what `predicted` averages."""

    def score_arguments(self) -> dict[str, Any]:
        """Return the arguments by which a scorer reads outputs, besides `decide`."""
        return {}
