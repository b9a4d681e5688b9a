import keras
import pytest

from nnkit.training.specification.keras_names import hint_of_class, hint_of_name


@pytest.mark.parametrize(
    ("module", "name", "suggestion"),
    [
        (keras.losses, "mean_squard_error", "mean_squared_error"),
        (keras.losses, "squared_error", "mean_squared_error"),
        (keras.metrics, "roc_auc", "AUC"),
        (keras.metrics, "rmse", "RootMeanSquaredError"),
        (keras.optimizers, "adm", "adam"),
    ],
)
def test_misspelt_name_has_a_suggestion_that_keras_knows(module, name, suggestion):
    assert hint_of_name(module, name) == f" Did you mean {suggestion!r}?"
    assert module.get(suggestion) is not None


def test_cross_entropy_of_other_libraries_is_the_default_loss():
    assert "Leave loss=None" in hint_of_name(keras.losses, "log_loss")


def test_hint_is_empty_without_a_similar_name():
    assert hint_of_name(keras.losses, "xyzxyzxyz") == ""
    assert hint_of_class(keras.callbacks, 3) == ""


def test_class_of_callbacks_is_suggested_in_place_of_its_name():
    assert hint_of_class(keras.callbacks, "EarlyStoping") == (
        " Did you mean keras.callbacks.EarlyStopping?"
    )
