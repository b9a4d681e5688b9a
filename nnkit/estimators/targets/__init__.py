"""The steps of a fit that depend on the target: labels for a classifier, numbers for a regressor.

- ``target``: the interface, `Target` before and `Decoder` after the network.
- ``classification``: labels, the weights of classes, probabilities.
- ``regression``: numbers and their units.
- ``accuracy``: the accuracy of labels of one column, several columns, or steps.
"""
