"""Rows in which some columns come from the background.

- ``input_layout``: a table, an array of more axes or several inputs as one flat table, and back.
- ``row_pools``: X and the background checked against each other, and pools of their rows.
- ``background``: the background rows.
- ``feature_groups``, ``regions``: which columns, or pixels and steps, are exchanged together.
- ``masked_samples``: rows mixed of explained and background rows, and the predictions for them.
"""
