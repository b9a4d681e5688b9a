import keras
import pytest

from nnkit.training.specification.keras_arguments import check_compile_arguments, check_ranges


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("beta_1", 1.5, "optimizer__beta_1 must be a number of at least 0 and at most 1. Got 1.5"),
        ("clipnorm", 0, "optimizer__clipnorm must be a number of above 0, or None. Got 0"),
        ("weight_decay", float("nan"), "optimizer__weight_decay must be a number of at least 0"),
        ("epsilon", True, "optimizer__epsilon must be a number"),
    ],
)
def test_number_out_of_its_range_raises_with_the_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        check_ranges(keras.optimizers.Adam, {name: value}, parameter="optimizer")


def test_valid_unknown_and_foreign_arguments_pass():
    class Own:
        pass

    check_ranges(keras.optimizers.Adam, {"beta_1": 0.9, "clipnorm": None}, parameter="optimizer")
    check_ranges(keras.optimizers.Adam, {"learning_rate": -1}, parameter="optimizer")
    check_ranges(Own, {"beta_1": 7}, parameter="optimizer")


def test_boolean_arguments_of_compile_raise_on_other_types():
    check_compile_arguments({"jit_compile": "auto", "run_eagerly": True})

    with pytest.raises(ValueError, match="compile__run_eagerly must be True or False. Got 'yes'"):
        check_compile_arguments({"run_eagerly": "yes"})
