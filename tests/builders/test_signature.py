from functools import partial

import pytest

from nnkit.builders.signature import (
    accepted_arguments,
    builder_arguments,
    injected_arguments,
    tunable_defaults,
)


def build(meta, units=8, *, rate=0.5):
    return meta, units, rate


class Builder:
    def __call__(self, meta, units=8):
        return meta, units

    def method(self, meta, depth=2):
        return meta, depth


@pytest.mark.parametrize(
    ("builder", "names"),
    [
        (build, ["units", "rate"]),
        (partial(build, units=3), ["units", "rate"]),
        (Builder(), ["units"]),
        (Builder().method, ["depth"]),
        (lambda width: width, ["width"]),
    ],
    ids=["function", "partial", "callable object", "bound method", "lambda"],
)
def test_accepted_arguments_of_any_callable(builder, names):
    assert accepted_arguments(builder) == names


def test_tunable_defaults_are_those_of_the_signature():
    assert tunable_defaults(build) == {"units": 8, "rate": 0.5}
    assert tunable_defaults(partial(build, units=3)) == {"units": 3, "rate": 0.5}


def test_builder_receives_injected_arguments_of_its_signature():
    assert injected_arguments(build) == ["meta"]
    assert injected_arguments(lambda n_steps, X, units: units) == ["X", "n_steps"]


def test_function_with_kwargs_receives_meta_params_and_compile_kwargs():
    assert injected_arguments(lambda **kwargs: kwargs) == ["meta", "compile_kwargs", "params"]


def test_class_with_kwargs_receives_only_hyperparameters():
    class Network:
        def __init__(self, units, **kwargs):
            pass

    assert injected_arguments(Network) == []


def test_builder_arguments_are_injected_ones_and_hyperparameters():
    arguments = builder_arguments(build, {"units": 2}, {"meta": "facts"})

    assert arguments == {"meta": "facts", "units": 2}


def test_builder_arguments_raises_on_an_argument_without_value():
    with pytest.raises(ValueError, match="builder <lambda> needs the argument 'units'. Set model_"):
        builder_arguments(lambda units: units, {}, {"meta": 0})
