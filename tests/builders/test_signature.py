from functools import partial

import pytest

from nnkit.builders.signature import accepted_arguments, builder_arguments, tunable_defaults


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
    arguments = builder_arguments(build, {"units": 2}, {"meta": "facts", "X": 1, "params": {}})

    assert arguments == {"meta": "facts", "units": 2}


def test_function_with_kwargs_receives_meta_params_and_compile_kwargs():
    arguments = builder_arguments(
        lambda **kwargs: kwargs, {"units": 2}, {"meta": 0, "compile_kwargs": 1, "params": 2, "X": 3}
    )

    assert arguments == {"units": 2, "meta": 0, "compile_kwargs": 1, "params": 2}


def test_class_with_kwargs_receives_only_hyperparameters():
    class Network:
        def __init__(self, units, **kwargs):
            pass

    assert builder_arguments(Network, {"units": 2, "name": "n"}, {"meta": 0}) == {
        "units": 2,
        "name": "n",
    }


def test_builder_arguments_raises_on_an_argument_without_value():
    with pytest.raises(ValueError, match="builder <lambda> needs the argument 'units'. Set model_"):
        builder_arguments(lambda units: units, {}, {"meta": 0})
