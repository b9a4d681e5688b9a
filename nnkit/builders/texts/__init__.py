"""Ready-made networks for texts.

- ``specs``: their encoders, training settings and search spaces.
"""
