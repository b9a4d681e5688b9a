"""The only place that compiles or fits Keras models.

- ``specification``: from what the user gives to a built and compiled ``keras.Model``.
- ``caching``: which fits share a compiled model.
- ``copying``: copies of Keras objects, so that a fit changes nothing that the caller owns.
- ``loop``: the training loop.
- ``parallel``: many fits at once.
- ``prediction``: predictions and derivatives of a trained network, compiled.
- ``compiled_model``: a model without its weights, which all fits of one specification share.
- ``network``: a trained network that pickles, predicts, and can be trained further.
- ``placement``: the device of a network.
"""

from nnkit.training.caching.cache import clear_compiled_cache
from nnkit.training.loop.engine import TrainingData, TrainingPlan, TrainingRecord, train
from nnkit.training.loop.loss_axes import axes_of_losses
from nnkit.training.network import Network
from nnkit.training.parallel.batched_training import batched_training, run_together
from nnkit.training.placement import on_device
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.heads import Head, OutputShapeError, Task
from nnkit.training.specification.model_spec import ModelSpec

__all__ = [
    "Compilation",
    "Head",
    "ModelSpec",
    "Network",
    "OutputShapeError",
    "Task",
    "TrainingData",
    "TrainingPlan",
    "TrainingRecord",
    "axes_of_losses",
    "batched_training",
    "clear_compiled_cache",
    "on_device",
    "run_together",
    "train",
]
