"""The only place that compiles or fits a network.

- ``seeding``: what a build draws at random, reproducible and without a trace.
- ``placement``: the device that a network lives on.
- ``building``: from a builder and its arguments to a built ``keras.Model``.
- ``instantiation``: optimizers, losses, metrics and callbacks from names, classes,
  instances and routed arguments.
- ``keras_arguments``: ranges of arguments that Keras does not check.
- ``keras_names``: the names that Keras knows, near a misspelt one.
- ``heads``: what the outputs of a model mean, and which loss fits them.
- ``compilation``: a model and its optimizer, loss and metrics, made ready to train.
- ``architecture``: a network without its numbers, which all fits of one recipe share.
- ``library_code``: which code is a library's own, and so known by its name alone.
- ``code_reading``: what Python code reaches outside itself, read from its bytecode.
- ``fingerprint``: keys by value for builders, arguments, losses and all that they hold.
- ``cache``: the architectures that this process has compiled, by what they were made from.
- ``initial_weights``: the initial weights of a network, drawn again without a build.
- ``state``: the numbers that change in training, and how they lie in a model's variables.
- ``metric_kinds``, ``metrics``: which metrics a target has, and what each of them compares.
- ``step``: one step of training as a function of tensors, of one network or of many.
- ``specifications``: what compiled functions take.
- ``program``: training and validation as compiled functions of the state.
- ``first_linear``: the first linear layer of a network, with what is before and behind it.
- ``forward``: the forward pass, of rows or of hybrids of rows, as such a function.
- ``readout``: probabilities or values in their units as functions of tensors.
- ``gradients``: gradients of them by the inputs, summed along straight lines.
- ``reach``: which layers a gradient cannot pass, and the network behind a layer.
- ``paths``: which way a training takes; the one place that chooses.
- ``runs``: a training's or a validation's rows on their way through a program.
- ``many``: many fits at once, in threads or as one vectorised program.
- ``callbacks``: validation, early stopping, the guard against NaN, and progress.
- ``callback_copies``: the user's callbacks for each network, with files of their own.
- ``engine``: the fit loop.
- ``rows``: rows on the device, dense or sparse, and batches of them.
- ``user_functions``: losses and metrics of the user's own that a network cannot take, by name.
- ``loss_axes``: the axes of the losses of a row, along which weights are expanded.
- ``network``: a trained network that pickles, predicts, and can be trained further.
"""

from nnkit.training.building import Recipe
from nnkit.training.cache import clear_programs
from nnkit.training.compilation import Compilation
from nnkit.training.engine import TrainingData, TrainingPlan, TrainingRecord, train
from nnkit.training.heads import Head, OutputShapeError, Task
from nnkit.training.loss_axes import axes_of_losses
from nnkit.training.many.context import batched_training, run_together
from nnkit.training.network import Network
from nnkit.training.placement import on_device

__all__ = [
    "Compilation",
    "Head",
    "Network",
    "OutputShapeError",
    "Recipe",
    "Task",
    "TrainingData",
    "TrainingPlan",
    "TrainingRecord",
    "axes_of_losses",
    "batched_training",
    "clear_programs",
    "on_device",
    "run_together",
    "train",
]
