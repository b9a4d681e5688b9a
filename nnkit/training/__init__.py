"""The only place that compiles or fits a network.

- ``seeding``: what a build draws at random, reproducible and without a trace.
- ``placement``: the device that a network lives on.
- ``building``: from a builder and its arguments to a built ``keras.Model``.
- ``instantiation``: optimizers, losses, metrics and callbacks from names, classes,
  instances and routed arguments.
- ``heads``: what the outputs of a model mean, and which loss fits them.
- ``compilation``: a model and its optimizer, loss and metrics, made ready to train.
- ``program``: an epoch as one compiled call, and a compiled forward pass.
- ``callbacks``: validation, early stopping, the guard against NaN, and progress.
- ``engine``: the fit loop, and the choice between the compiled program and Keras' own fit.
- ``rows``: rows on the device, dense or sparse, and batches of them.
- ``network``: a trained network that pickles, predicts, and can be trained further.
"""

from nnkit.training.building import Recipe
from nnkit.training.compilation import Compilation
from nnkit.training.engine import TrainingData, TrainingPlan, train
from nnkit.training.heads import Head, Task
from nnkit.training.network import Network
from nnkit.training.placement import on_device

__all__ = [
    "Compilation",
    "Head",
    "Network",
    "Recipe",
    "Task",
    "TrainingData",
    "TrainingPlan",
    "on_device",
    "train",
]
