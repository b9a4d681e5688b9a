"""Which fits share a compiled model.

- ``cache``: the compiled models of this process, by the specification they were built from.
- ``fingerprint``: keys by value for builders, arguments, losses and all that they refer to.
- ``code_reading``: the names that Python code reads outside itself, from its bytecode.
- ``library_code``: whether code belongs to a library, and so is identified by its name.
- ``initial_weights``: initial weights from a seed, without a build.
"""
