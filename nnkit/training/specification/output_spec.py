"""Tasks, interpretation and names of the outputs of a compiled model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from nnkit.training.specification.heads import Head, Task

__all__ = ["OutputSpec"]


@dataclass(frozen=True)
class OutputSpec:
    """Tasks, interpretation and names of a compiled model's outputs.

    Parameters
    ----------
    tasks : list of Task
        Task of each output.
    heads : list of Head
        Interpretation of each output.
    as_codes : list of bool
        Whether the loss of each output takes integer codes of classes.
    structure : object
        Structure of the outputs, with a 0 in place of each output.
    names : list of str
        Names of the outputs, in flat order.
    """

    tasks: list[Task]
    heads: list[Head]
    as_codes: list[bool]
    structure: Any
    names: list[str] = field(default_factory=list)

    def targets(self, encoded: Sequence[np.ndarray], dtype: str) -> Any:
        """Return encoded targets in the form that the losses compare.

        Parameters
        ----------
        encoded : sequence of ndarray
            One array for each output.
        dtype : str
            Dtype of the outputs.
        """
        arrays = [
            head.targets(part, as_codes=codes, dtype=dtype)
            for head, codes, part in zip(self.heads, self.as_codes, encoded, strict=True)
        ]
        return keras.tree.pack_sequence_as(self.structure, arrays)
