"""Settings for ``pytest docs --doctest-glob="*.rst"``, which runs the examples in these pages."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

collect_ignore = ["conf.py", "_build", "_templates", "api", "auto_examples"]
