"""Ready-made networks for images.

- ``specs``: their encoders, training settings and search spaces.
"""
