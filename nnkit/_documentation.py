"""The addresses in the API reference that scikit-learn's HTML representation links to."""

__all__ = ["DOC_LINK_TEMPLATE", "ENCODER_LINK_TEMPLATE"]

_API = "https://nnkit.readthedocs.io/en/stable/api/"

DOC_LINK_TEMPLATE = _API + "nnkit.{estimator_name}.html"
"""Address of the page of an estimator, for ``_doc_link_template``."""

ENCODER_LINK_TEMPLATE = _API + "nnkit.encoding.{estimator_name}.html"
"""Address of the page of an encoder."""
