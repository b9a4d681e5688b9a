import keras
import pytest

from nnkit.training.specification.instantiation import instantiate, instantiate_all


def find_optimizer(name):
    return type(keras.optimizers.get(name))


def make_optimizer(specification, routed):
    return instantiate(specification, routed, parameter="optimizer", find=find_optimizer)


@pytest.mark.parametrize(
    "specification",
    ["sgd", keras.optimizers.SGD, keras.optimizers.SGD(learning_rate=0.5, momentum=0.0)],
    ids=["name", "class", "instance"],
)
def test_routed_arguments_override_those_of_an_instance(specification):
    made = make_optimizer(specification, {"learning_rate": 0.25, "momentum": 0.5})

    assert isinstance(made, keras.optimizers.SGD)
    assert made.get_config()["learning_rate"] == pytest.approx(0.25)
    assert made.momentum == 0.5


def test_instance_is_copied_with_its_configuration():
    instance = keras.optimizers.SGD(learning_rate=0.5, momentum=0.75)

    made = make_optimizer(instance, {})

    assert made is not instance
    assert made.momentum == 0.75


def test_learning_rate_schedule_is_kept():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)

    made = make_optimizer("adam", {"learning_rate": schedule})

    assert made.get_config()["learning_rate"]["config"]["decay_steps"] == 10


@pytest.mark.parametrize(
    ("specification", "routed", "message"),
    [
        ("adam", {"learning_rat": 1}, "optimizer__learning_rat is not .* Adam. Did you mean opt"),
        (keras.optimizers.SGD(), {"beta_1": 0.9}, "optimizer__beta_1 is not an argument"),
        ("adm", {}, "optimizer must be a name that Keras knows, a class or an instance. Got 'adm'"),
    ],
)
def test_instantiate_raises_on_unknown_names(specification, routed, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(specification, routed)


def collect(specifications, routed):
    return instantiate_all(
        specifications,
        routed,
        parameter="things",
        make=lambda entry, arguments, name: (entry, dict(arguments), name),
    )


def test_single_entry_gets_all_arguments():
    assert collect("a", {"x": 1}) == [("a", {"x": 1}, "things")]


def test_arguments_by_position_override_common_arguments():
    made = collect(["a", "b"], {"x": 1, "1__x": 2, "1__y": 3})

    assert made == [("a", {"x": 1}, "things__0"), ("b", {"x": 2, "y": 3}, "things__1")]


def test_dict_entries_are_routed_by_key_and_none_is_skipped():
    made = collect({"es": "a", "lr": "b"}, {"es__x": 1, "lr": None})

    assert made == [("a", {"x": 1}, "things__es")]


def test_instantiate_all_raises_on_arguments_without_entries():
    with pytest.raises(ValueError, match="things__x is set, but things holds nothing to take it"):
        collect(None, {"x": 1})
