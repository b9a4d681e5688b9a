"""Fixtures for the tests of explanations."""

import sys

import pytest


@pytest.fixture
def shap_without_numba(monkeypatch):
    """shap, with the functions that numba would compile for seconds in plain Python."""
    import shap

    for name, module in list(sys.modules.items()):
        if name.startswith("shap."):
            for key, function in list(vars(module).items()):
                # shap compares the functions of shap.links by identity.
                if hasattr(function, "py_func") and function.__module__ != "shap.links":
                    monkeypatch.setattr(module, key, function.py_func)
    return shap
