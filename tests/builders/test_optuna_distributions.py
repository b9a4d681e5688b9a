"""Search spaces in searches of scikit-learn and Optuna."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna_integration import OptunaSearchCV
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV

from nnkit import KerasClassifier
from nnkit.builders import search_space
from nnkit.builders.optuna_distributions import optuna_distribution
from nnkit.builders.registry import READY_MADE

optuna.logging.set_verbosity(optuna.logging.WARNING)

TABLES = ("mlp", "realmlp", "realmlp_simplified")


def small(name):
    return KerasClassifier(name, epochs=1, random_state=0)


def small_space(name, library="scikit-learn"):
    """Return the search space without wide networks."""
    space = search_space(name, library)
    units = [[4], [4, 4]]
    space["model__units"] = units if library == "scikit-learn" else CategoricalDistribution(units)
    return space


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (uniform(0.1, 0.4), FloatDistribution(0.1, 0.5)),
        (loguniform(1e-3, 1.0), FloatDistribution(1e-3, 1.0, log=True)),
        (["selu", "mish"], CategoricalDistribution(["selu", "mish"])),
    ],
    ids=["uniform", "loguniform", "choices"],
)
def test_distribution_by_hand(values, expected):
    assert optuna_distribution(values) == expected


@pytest.mark.parametrize("name", sorted(READY_MADE))
def test_every_space_is_one_of_optuna_too(name):
    found, expected = search_space(name, "optuna"), search_space(name)

    assert found.keys() == expected.keys()
    for parameter, values in expected.items():
        if isinstance(values, list):
            choices = [list(c) if isinstance(c, tuple) else c for c in values]
            assert list(found[parameter].choices) == choices
        else:
            assert (found[parameter].low, found[parameter].high) == values.support()


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution:UserWarning")
def test_study_with_a_persistent_storage(tmp_path):
    """The second study reads the parameters that the first one stored."""
    X, y = load_iris(return_X_y=True)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    for _ in range(2):
        study = optuna.create_study(
            storage=storage, study_name="iris", load_if_exists=True, direction="maximize"
        )
        trial = study.ask(small_space("realmlp", "optuna"))
        clf = small("realmlp").set_params(**trial.params).fit(X, y)
        study.tell(trial, clf.score(X, y))

    best = small("realmlp").set_params(**study.best_params)

    assert len(study.trials) == 2
    assert best.fit(X, y).score(X, y) == pytest.approx(study.best_value)


@pytest.mark.filterwarnings("ignore:OptunaSearchCV is experimental")
@pytest.mark.filterwarnings("ignore:`optuna.terminator` module:FutureWarning")
@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution:UserWarning")
def test_optuna_search_cv():
    X, y = load_iris(return_X_y=True)
    search = OptunaSearchCV(
        small("mlp"), small_space("mlp", "optuna"), n_trials=2, cv=2, random_state=0,
        error_score="raise",
    ).fit(X, y)  # fmt: skip

    assert search.best_params_.keys() == search_space("mlp").keys()
    assert 0 <= search.best_score_ <= 1


@pytest.mark.parametrize("name", TABLES)
def test_randomized_search(name):
    X, y = load_iris(return_X_y=True)
    search = RandomizedSearchCV(
        small(name), small_space(name), n_iter=1, cv=2, random_state=0, error_score="raise"
    ).fit(X, y)

    assert search.best_params_.keys() == search_space(name).keys()


def test_halving_search():
    X, y = load_iris(return_X_y=True)
    search = HalvingRandomSearchCV(
        small("mlp"), small_space("mlp"), n_candidates=3, factor=3, resource="epochs",
        min_resources=1, max_resources=3, cv=2, random_state=0, error_score="raise",
    ).fit(X, y)  # fmt: skip

    assert search.n_resources_ == [1, 3]


def test_unknown_library_raises():
    with pytest.raises(ValueError, match="library must be 'scikit-learn' or 'optuna'"):
        search_space("mlp", "hyperopt")
