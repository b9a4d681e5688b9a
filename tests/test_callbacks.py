import copy
import types

import numpy as np
import optuna
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from nnkit import KerasClassifier, TabularClassifier
from nnkit.callbacks import OptunaPruning

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Threshold(optuna.pruners.BasePruner):
    """Prunes from a step on, and keeps the values that were reported."""

    def __init__(self, first_step):
        self.first_step = first_step

    def prune(self, study, trial):
        return trial.last_step >= self.first_step


def rows(n_samples=60):
    X = np.random.default_rng(0).normal(size=(n_samples, 3))
    return X, (X[:, 0] > 0).astype(int)


def settings(**changes):
    return {"model__units": (4,), "epochs": 5, "random_state": 0, **changes}


def run(objective, first_step=99, direction="minimize"):
    study = optuna.create_study(pruner=Threshold(first_step), direction=direction)
    study.optimize(objective, n_trials=1)
    return study.trials[0]


def test_every_epoch_is_reported():
    def objective(trial):
        clf = KerasClassifier(
            "mlp", validation_split=0.3, callbacks=[OptunaPruning(trial)], **settings()
        ).fit(*rows())
        histories.append(clf.history_["val_loss"])
        return 0.0

    histories = []

    trial = run(objective)

    assert trial.intermediate_values == pytest.approx(dict(enumerate(histories[0])))


def test_pruned_fit_ends_and_leaves_the_estimator_unfitted():
    def objective(trial):
        clf = KerasClassifier("mlp", callbacks=OptunaPruning(trial, "loss"), **settings())
        try:
            clf.fit(*rows())
        finally:
            fits.append(clf)
        return 0.0

    fits = []

    trial = run(objective, first_step=2)

    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [0, 1, 2]
    with pytest.raises(NotFittedError):
        fits[0].predict(rows()[0])


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_reported_values_have_the_direction_of_the_study(direction):
    def objective(trial):
        callbacks = [OptunaPruning(trial, "val_loss")]
        clf = KerasClassifier("mlp", validation_split=0.3, callbacks=callbacks, **settings())
        losses.append(clf.fit(*rows()).history_["val_loss"][0])
        return 0.0

    losses = []

    trial = run(objective, direction=direction)

    sign = 1 if direction == "minimize" else -1
    assert trial.intermediate_values[0] == pytest.approx(sign * losses[0])


def test_scores_keep_their_sign_in_a_study_that_maximises():
    def objective(trial):
        callbacks = [OptunaPruning(trial, "accuracy")]
        KerasClassifier("mlp", metrics=["accuracy"], callbacks=callbacks, **settings()).fit(*rows())
        return 0.0

    assert run(objective, direction="maximize").intermediate_values[0] > 0


def test_networks_and_folds_report_each_epoch_once():
    def objective(trial):
        clf = TabularClassifier(
            preset="fast", n_estimators=2, cv=2, callbacks=[OptunaPruning(trial)], **settings()
        )
        scores.append(cross_val_score(clf, *rows(), cv=2, error_score="raise"))
        return 0.0

    scores = []

    trial = run(objective)

    assert trial.state == optuna.trial.TrialState.COMPLETE
    assert sorted(trial.intermediate_values) == list(range(5))
    assert np.isfinite(scores[0]).all()


def test_copies_share_the_trial():
    trial = types.SimpleNamespace(report=None, should_prune=None)

    assert copy.copy(OptunaPruning(trial)).trial is trial


def test_value_that_is_not_recorded_raises():
    def objective(trial):
        KerasClassifier("mlp", callbacks=[OptunaPruning(trial)], **settings()).fit(*rows())
        return 0.0

    with pytest.raises(ValueError, match=r"monitor='val_loss' is not recorded.*\['loss'\]"):
        run(objective)


def test_other_objects_than_trials_raise():
    with pytest.raises(ValueError, match="trial must be a trial of Optuna. Got 3 instead"):
        OptunaPruning(3)
