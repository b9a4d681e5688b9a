"""Stored states of estimators.

- ``estimator_state``: the attributes of an estimator as plain parts, and back.
- ``import_paths``: functions and classes that a file can refer to by name.
- ``pickling``: pickles of what has no plain parts: functions without an import path, Keras objects.
"""
