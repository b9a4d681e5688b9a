"""Building, compiling, training and prediction of Keras models.

No other subpackage compiles or fits Keras models.

- ``specification``: building and compiling a ``keras.Model`` from the user's parameters.
- ``caching``: sharing of compiled models between fits.
- ``copying``: copies of Keras objects, so that a fit does not change the caller's objects.
- ``loop``: the training loop.
- ``parallel``: training of many networks at once.
- ``prediction``: compiled predictions and gradients of a trained network.
- ``compiled_model``: a compiled model without weights, shared by all fits of a specification.
- ``network``: a trained network: prediction, pickling, further training.
- ``placement``: the device of a network.
"""

from nnkit.training.caching.cache import clear_compiled_cache
from nnkit.training.parallel.batched_training import batched_training

__all__ = ["batched_training", "clear_compiled_cache"]
