"""From what the user gives to a built and compiled ``keras.Model``.

- ``model_spec``: `ModelSpec`, a builder with its arguments, and the model that it builds.
- ``compilation``: the optimizer, loss and metrics of a model.
- ``instantiation``: optimizers, losses, metrics and callbacks from names, classes, instances and
  routed arguments.
- ``keras_arguments``: ranges of arguments that Keras does not check.
- ``keras_names``: suggestions for misspelt names of Keras classes and functions.
- ``heads``: what the outputs of a model mean, and which loss fits them.
- ``metric_kinds``, ``metrics``: which metrics a target has, and what each of them compares.
"""
