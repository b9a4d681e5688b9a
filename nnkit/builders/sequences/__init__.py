"""Ready-made networks for sequences.

- ``specs``: their encoders, training settings and search spaces.
"""
