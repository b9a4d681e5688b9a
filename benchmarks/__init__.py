"""nnkit beside its peers, timed: ``python -m benchmarks docs/benchmarks.md``.

- ``networks``: the networks that are trained, and their data.
- ``candidates``: how each library trains the standard network.
- ``figures``: what was measured, its medians, and Markdown tables of them.
- ``standard``, ``steps``, ``images_sequences``, ``parallel``, ``memory``, ``imports``: the sections
  of the page.
- ``tabular``: how good the defaults are on tables, a page of its own, with ``tables`` (the data),
  ``peers`` (other estimators) and ``tabular_page`` (what it says).
- ``profiling``: where the time of a fit goes.

Needs the test extra; skorch is timed too where it and torch are installed.
"""

import os
import warnings

# Before TensorFlow is imported. Its words of greeting are no figures, nor are the warnings of
# Keras about NumPy and of SciKeras about scikit-learn's tags, here and in child processes.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("PYTHONWARNINGS", "ignore")
warnings.filterwarnings("ignore")
