"""The rows of a fit: tables and weights, checked, and divided into training and validation rows.

- ``tables``: tables of every container, checked and compared with those of ``fit``.
- ``samples``: images, sequences, texts and several inputs, with one object for each row.
- ``inputs``: data that are no table: batches, lists of inputs, rows of unequal length.
- ``batches``: datasets that yield batches, in place of X and y.
- ``weights_and_groups``: sample weights and groups, checked.
- ``training_rows``: seeds of a fit, its rows, and the rows of each network.
- ``validation_rows``: a warning if validation rows are in other units than training rows.
"""
