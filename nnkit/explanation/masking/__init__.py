"""Masked samples: rows in which the columns of some feature groups come from the background.

- ``input_layout``: conversion of tables, arrays and several inputs to one flat table, and back.
- ``row_pools``: validation of X and the background, and masked samples of their rows.
- ``background``: choice of the background rows.
- ``feature_groups``: feature groups of the columns of a table.
- ``regions``: feature groups of images and sequences.
- ``masked_samples``: masked samples of explained and background rows, and their predictions.
"""
