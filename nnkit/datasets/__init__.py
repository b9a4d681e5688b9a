"""Sources of training rows that are not tables in memory.

- ``batch_source``: datasets of Keras, TensorFlow and PyTorch, and iterators, which yield batches.
"""
