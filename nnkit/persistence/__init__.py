"""Stored state of estimators and encoders: plain parts that any file format can hold.

A plain part is None, a Boolean value, a number, text, bytes, a NumPy array, or a list, tuple or dict
of plain parts. Anything else is a dict with the entry "nnkit", which names how it is restored.

- ``plain_parts``: any value to plain parts, and back.
- ``scalars``: dates, decimals and other single values.
- ``tables``: containers of pandas and polars.
- ``stored_state``: the state of an object, with the format and the version that stored it.
"""
