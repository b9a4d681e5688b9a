"""The address of the API reference, which scikit-learn's HTML representation links to."""

__all__ = ["DOC_LINK_TEMPLATE"]

DOC_LINK_TEMPLATE = "https://nnkit.readthedocs.io/en/stable/api/nnkit.{estimator_name}.html"
"""Address of the page of an estimator, for ``_doc_link_template``."""
