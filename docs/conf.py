"""Sphinx configuration: numpydoc, and sphinx-gallery for ``examples/``. Builds offline."""

import os
import re
import shutil
import warnings
from pathlib import Path

# Set before autodoc or an example imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import nnkit

HERE = Path(__file__).parent

project = "nnkit"
author = "The nnkit developers"
copyright = f"2026, {author}"
version = release = nnkit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "py:obj"
add_module_names = False
autodoc_typehints = "none"  # the docstrings describe the types
autosummary_generate = True
numpydoc_xref_param_type = False
numpydoc_show_class_members = False  # the template lists the methods

# sphinx-gallery reads its header from the folder of the examples and runs the examples in it. A
# copy of the folder holds the header and the files that the examples write.
EXAMPLES = HERE / "_build" / "examples"
shutil.rmtree(EXAMPLES, ignore_errors=True)
EXAMPLES.mkdir(parents=True)
for source in [HERE / "_templates" / "GALLERY_HEADER.rst", *HERE.parent.glob("examples/plot_*.py")]:
    shutil.copy(source, EXAMPLES)
sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "plot_gallery": True,
    "show_signature": False,
    "write_computation_times": False,
}
# Deprecation warnings of other packages must not appear in the output of the examples.
for category in (DeprecationWarning, PendingDeprecationWarning):
    warnings.filterwarnings("ignore", category=category)

html_theme = "pydata_sphinx_theme"
html_title = f"nnkit {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages without subpages have no navigation to show in the left sidebar.
html_sidebars = {
    page: []
    for page in (
        "index",
        "tables",
        "user_guide",
        "explaining",
        "performance",
        "scikeras",
        "storing",
    )
}


def quote_learnt_names(*event):
    """Quote names such as ``n_classes_`` in types, which docutils would read as hyperlinks."""
    lines = event[-1]
    for number, line in enumerate(lines):
        head, colon, described_type = line.partition(" : ")
        if colon and not line.startswith(" "):
            quoted = re.sub(r"(?<![\w`])(\w+_)(?![\w`])", r"``\1``", described_type)
            lines[number] = head + colon + quoted


def setup(app):
    # Before numpydoc, which has the priority 500.
    app.connect("autodoc-process-docstring", quote_learnt_names, priority=400)
