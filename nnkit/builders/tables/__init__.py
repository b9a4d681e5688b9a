"""Networks for tables.

- ``specs``: the builders for tables, with their training settings and search spaces.
- ``presets``: settings of TabularClassifier and TabularRegressor, by preset and table size.
- ``mlp``: the multilayer perceptron.
- ``realmlp``: RealMLP, the multilayer perceptron tuned for tables, and its simplified form.
- ``realmlp_initialization``: initial weights of RealMLP from training rows.
- ``tabm``: TabM, several perceptrons that share most weights.
- ``autoencoder``: a network with a bottleneck, which learns its input or a target.
"""
