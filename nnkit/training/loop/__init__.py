"""The training loop.

- ``plan``: the data, the settings and the record of one training.
- ``engine``: epochs and callbacks of one training.
- ``backends``: choice between a TensorFlow graph, XLA and ``keras.Model.fit``.
- ``thresholds``: the thresholds of that choice, which depend on the machine.
- ``keras_fit``: training by ``keras.Model.fit``.
- ``runs``: epochs and validations through a compiled program.
- ``program``: training and validation as compiled functions of the state.
- ``step``: one training step as a function of tensors, for one network or several.
- ``state``: weights and optimizer variables as tensors.
- ``batches``: dense or sparse rows on the device, and batches of them.
- ``callbacks``: validation, early stopping, checks of the loss, and progress.
- ``user_functions``: error messages for custom losses and metrics.
- ``loss_axes``: the axes of the losses of a row, along which sample weights are expanded.
"""
