"""Compiled predictions and gradients of a trained network.

- ``forward``: outputs for rows and for masked samples.
- ``dense_stack``: outputs of a stack of dense layers for a few rows, in NumPy.
- ``first_linear``: the first linear layer of a network, and the parts before and after it.
- ``readout``: probabilities, or values in units of the target, as functions of tensors.
- ``gradients``: gradients of a readout by the inputs, summed along straight lines.
- ``reach``: layers that have no gradient, and the part of a network after a layer.
"""
