"""Sources of rows that are not tables in memory.

- ``block_table``: tables that are read in blocks, such as folders of Parquet files.
- ``sources``: what they are read from: Arrow, Dask, arrays on disk.
- ``summary``: the pass over a table from which an encoder learns.
- ``encoded_rows``: encoded rows on disk, from which a training reads windows of blocks.
- ``predictions``: predictions for tables in blocks.
- ``batch_source``: datasets of Keras, TensorFlow and PyTorch, and iterators, which yield batches.
"""

from nnkit.datasets.block_table import BlockTable
from nnkit.datasets.predictions import predict_blocks, predict_to_parquet

__all__ = ["BlockTable", "predict_blocks", "predict_to_parquet"]
