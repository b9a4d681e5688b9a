"""Optimizer pieces: schedules, and what differs from weight to weight.

They are Keras objects, which ``keras.Model.compile`` takes and which are saved with a model.

- ``training_schedule``: what all schedules share, and optimizers that are told how long they last.
- ``schedules``: learning rates, weight decays and other numbers that change as training goes on.
- ``shapes``: from the progress of a training to what the peak of a schedule is multiplied by.
- ``adam``: Adam with a learning rate and a weight decay for each group of weights.
"""

from nnkit.optimizers.adam import GroupedAdam
from nnkit.optimizers.schedules import (
    Cosine,
    CosLog,
    FlatCosine,
    OneCycle,
    StepDecay,
    WarmUp,
)
from nnkit.optimizers.shapes import cosine, coslog, flat_cosine, one_cycle, step_decay
from nnkit.optimizers.training_schedule import TrainingSchedule, with_n_steps

__all__ = [
    "CosLog",
    "Cosine",
    "FlatCosine",
    "GroupedAdam",
    "OneCycle",
    "StepDecay",
    "TrainingSchedule",
    "WarmUp",
    "cosine",
    "coslog",
    "flat_cosine",
    "one_cycle",
    "step_decay",
    "with_n_steps",
]
