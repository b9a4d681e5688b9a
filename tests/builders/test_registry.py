import inspect

import pytest
from sklearn.base import clone

import nnkit
from nnkit.builders.builder_spec import TrainingSettings
from nnkit.builders.registry import (
    READY_MADE,
    find_builder,
    initializer_of,
    search_space,
    spec_of,
)
from nnkit.builders.texts.specs import TEXT_BUILDERS


def test_registry_has_every_public_builder():
    # The pretrained network of `transfer` is an argument without a default.
    public = set(nnkit.builders.__all__) - {"Meta", "search_space", "transfer"}

    assert set(READY_MADE) == public
    assert all(spec.builder is getattr(nnkit.builders, name) for name, spec in READY_MADE.items())


@pytest.mark.parametrize("name", sorted(READY_MADE))
def test_builder_takes_meta(name):
    assert "meta" in inspect.signature(find_builder(name)).parameters


def test_defaults_of_training_are_those_of_keras():
    assert TrainingSettings() == TrainingSettings(
        optimizer="adam", epochs=100, batch_size=32, early_stopping=False
    )
    assert spec_of("mlp").training == TrainingSettings()


def test_only_autoencoders_reconstruct_and_only_that_of_tables_standardises():
    found = {name for name, spec in READY_MADE.items() if spec.is_autoencoder}
    standard = {
        name
        for name, spec in READY_MADE.items()
        if isinstance(spec.encoder, str) and spec.encoder == "standard"
    }

    assert found == {
        "autoencoder",
        "conv1d_autoencoder",
        "conv_autoencoder",
        "lstm_autoencoder",
    }
    assert standard == {"autoencoder"}


@pytest.mark.parametrize("name", sorted(READY_MADE))
def test_search_space_names_parameters_of_an_estimator(name):
    is_autoencoder = spec_of(name).is_autoencoder
    cls = nnkit.KerasTransformer if is_autoencoder else nnkit.KerasClassifier
    estimator = cls(name)

    for parameter, values in search_space(name).items():
        value = values[0] if isinstance(values, list) else values.rvs(random_state=0)
        estimator.set_params(**{parameter: value})

    assert clone(estimator).get_params().keys() >= search_space(name).keys()


def test_unknown_builder_raises_with_the_nearest_name():
    with pytest.raises(ValueError, match="model='relmlp' is not a ready-made builder.*'realmlp'"):
        spec_of("relmlp")


def test_networks_that_are_initialised_from_rows():
    builders = {name: find_builder(name) for name in READY_MADE}

    found = {name for name, builder in builders.items() if initializer_of(builder)}

    assert found == {"realmlp", "tabm", *TEXT_BUILDERS}
    assert initializer_of(lambda meta: None) is None
