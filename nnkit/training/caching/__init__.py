"""Sharing of compiled models between fits.

- ``cache``: the compiled models of this process, by their model specification.
- ``fingerprint``: cache keys by value for builders, arguments, losses and what they refer to.
- ``code_reading``: the globals and modules that Python code reads, from its bytecode.
- ``library_code``: whether code belongs to a library, so that its name identifies it.
- ``initial_weights``: initial weights from a seed, without a build.
"""
