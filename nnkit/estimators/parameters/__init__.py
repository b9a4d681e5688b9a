"""Parameters of the estimators: their names, their values, and the settings of one fit.

- ``parameter_names``: parameters in the signature and by prefix; ``get_params``, ``clone``.
- ``routing``: parameters by prefix, such as ``model__units``, and their receivers.
- ``unknown_names``: messages for unknown names, with suggestions.
- ``cloning``: copies of parameters for ``sklearn.base.clone``.
- ``parameter_checks``: one clear error for a value that is out of range.
- ``fit_settings``: the settings of a fit, as given and with every "auto" resolved.
- ``continuation``: parameters that were changed before a training is resumed.
"""
