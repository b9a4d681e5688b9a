"""Predictions and derivatives of a trained network, compiled.

- ``forward``: outputs for rows, and for masked samples.
- ``dense_stack``: outputs of a stack of dense layers for a few rows, in NumPy.
- ``first_linear``: the first linear layer of a network, and the parts before and after it.
- ``readout``: probabilities or values in their units as functions of tensors.
- ``gradients``: their gradients by the inputs, summed along straight lines.
- ``reach``: which layers stop a gradient, and the part of a network after a layer.
"""
