"""The training loop.

- ``engine``: the epochs of a fit with their callbacks.
- ``backends``: the choice between the graph, XLA and ``keras.Model.fit``.
- ``runs``: the rows of a training or a validation, through a compiled program.
- ``program``: training and validation as compiled functions of the state.
- ``step``: one step of training as a function of tensors, of one network or of several.
- ``state``: weights and optimizer variables as tensors.
- ``batches``: rows on the device, dense or sparse, and batches of them.
- ``callbacks``: validation, early stopping, the check of the loss, and progress.
- ``user_functions``: errors of the user's own losses and metrics, with their names.
- ``loss_axes``: the axes of the losses of a row, along which weights are expanded.
"""
