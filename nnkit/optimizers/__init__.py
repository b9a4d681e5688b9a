"""Schedules of learning rates, and Adam with learning rates for groups of weights.

They are Keras objects, which ``keras.Model.compile`` accepts and which are saved with a model.

- ``training_schedule``: the base class of schedules, and their number of steps.
- ``schedules``: schedules of the learning rate, the weight decay and other numbers.
- ``adam``: Adam with a learning rate and a weight decay for each group of weights.

The shapes of the schedules are functions of the progress of a training: ``cosine``, ``coslog``,
``flat_cosine``, ``one_cycle`` and ``step_decay``.
"""

from nnkit._schedule_shapes import cosine, coslog, flat_cosine, one_cycle, step_decay
from nnkit.optimizers.adam import GroupedAdam
from nnkit.optimizers.schedules import (
    Cosine,
    CosLog,
    FlatCosine,
    OneCycle,
    StepDecay,
    WarmUp,
)
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
