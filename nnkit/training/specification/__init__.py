"""Building and compiling a ``keras.Model`` from the user's parameters.

- ``model_spec``: `ModelSpec`, a builder with its arguments, and the model that it builds.
- ``compilation``: the optimizer, loss and metrics of a model.
- ``instantiation``: optimizers, losses, metrics and callbacks from names, classes, instances and
  routed arguments.
- ``keras_arguments``: ranges of arguments that Keras does not check.
- ``keras_names``: suggestions for misspelt names of Keras classes and functions.
- ``heads``: the interpretation of a model's outputs, and the loss that fits them.
- ``output_spec``: `OutputSpec`, the tasks and the interpretation of a model's outputs.
- ``metric_kinds``: the metrics that are defined for a target, and the form of their arguments.
- ``metrics``: the conversion of targets and outputs to the form that a metric needs.
"""
