import pytest

from nnkit.builders.builder_spec import TableFacts, TrainingSettings
from nnkit.builders.tables.presets import PRESETS, preset_settings, training_settings

SMALL, LARGE = TableFacts(1_000, 20), TableFacts(1_000_000, 200)


@pytest.mark.parametrize("preset", PRESETS)
def test_large_tables_have_fewer_epochs_and_larger_batches(preset):
    small, large = (preset_settings("auto", preset, table) for table in (SMALL, LARGE))

    assert large.epochs <= small.epochs
    assert large.n_estimators <= small.n_estimators
    assert large.batch_size > small.batch_size


def test_presets_spend_more_from_fast_to_best():
    settings = [preset_settings("auto", preset, SMALL) for preset in PRESETS]

    assert [one.n_estimators for one in settings] == [1, 5, 10]
    assert [one.epochs for one in settings] == [64, 128, 256]


def test_preset_trains_at_least_sixteen_epochs_of_one_network():
    huge = preset_settings("auto", "fast", TableFacts(100_000_000, 1_000))

    assert (huge.epochs, huge.n_estimators) == (16, 1)


def test_other_network_keeps_its_settings_in_the_ensemble():
    settings = preset_settings("mlp", "default", SMALL)

    assert settings.epochs == training_settings("mlp", SMALL).epochs
    assert (settings.n_estimators, settings.early_stopping) == (5, True)


def test_own_network_has_the_defaults_of_keras():
    assert training_settings(lambda meta: None, SMALL) == TrainingSettings()
