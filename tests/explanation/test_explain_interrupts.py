"""KeyboardInterrupt during an explanation."""

import numpy as np
import pytest

from nnkit import KerasRegressor, explain
from nnkit.explanation.results import progress as progress_module


@pytest.fixture(scope="module")
def regressor():
    X = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
    return KerasRegressor("mlp", epochs=1, random_state=0).fit(X, X[:, 0]), X


def interrupting(n_calls):
    """A function of rows that is interrupted at a call."""
    calls = []

    def output(rows):
        calls.append(len(rows))
        if len(calls) >= n_calls:
            raise KeyboardInterrupt
        return np.asarray(rows)[:, 0]

    return output


@pytest.mark.parametrize("n_calls", [1, 2, 4])
def test_keyboard_interrupt_propagates_and_closes_progress_bar(
    monkeypatch, capsys, regressor, n_calls
):
    monkeypatch.setattr(progress_module, "DELAY", 0.0)
    estimator, X = regressor
    numpy_before = np.random.get_state()[1].copy()

    with pytest.raises(KeyboardInterrupt):
        explain(estimator, X[:5], X, output=interrupting(n_calls), batch_rows=50)

    assert not progress_module._bar_class()._instances
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    capsys.readouterr()
    assert explain(estimator, X[:2]).values.shape == (2, 12)


def test_fit_works_after_interrupted_deep_explanation(monkeypatch, regressor):
    import shap

    estimator, X = regressor

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(shap.DeepExplainer, "shap_values", interrupted)
    with pytest.raises(KeyboardInterrupt):
        explain(estimator, X[:2], method="deep")

    again = KerasRegressor("mlp", units=5, epochs=1, random_state=1, engine="keras").fit(X, X[:, 0])
    assert np.isfinite(again.predict(X)).all()
