import keras
import pytest

from nnkit import KerasClassifier, KerasTransformer, TabularClassifier
from nnkit.builders.size import check_size, check_widths

MILLION = 1_000_000


@pytest.mark.parametrize(
    "clf",
    [
        TabularClassifier(),
        KerasClassifier("mlp"),
        KerasClassifier("realmlp"),
        KerasClassifier("realmlp_simplified"),
    ],
    ids=["tabular", "mlp", "realmlp", "realmlp_simplified"],
)
def test_fit_raises_on_a_network_that_does_not_fit_into_memory(iris, clf):
    message = r"With units=\(1000000, 1000000\) the network has 1e\+12 weights. To train it takes "

    with pytest.raises(ValueError, match=message + "about 18,627 GB of memory, and this machine"):
        clf.set_params(model__units=(MILLION, MILLION), epochs=1).fit(*iris)


def test_fit_raises_on_an_autoencoder_that_does_not_fit_into_memory(iris):
    with pytest.raises(ValueError, match="the network has 1e"):
        KerasTransformer(model__units=(MILLION, MILLION)).fit(iris[0])


def test_fit_raises_on_an_ensemble_that_does_not_fit_into_memory(iris):
    message = "The network has 4.7e\\+03 weights, and there are 10000000 of them. To train it takes"

    with pytest.raises(ValueError, match=message):
        KerasClassifier("mlp", n_estimators=10 * MILLION, epochs=1).fit(*iris)


def test_fit_raises_if_a_builder_runs_out_of_memory(iris):
    def build():
        raise MemoryError("OOM when allocating tensor")

    with pytest.raises(MemoryError, match="does not fit into memory. Give it fewer units. \\(OOM"):
        KerasClassifier(build, epochs=1).fit(*iris)


def test_check_widths_counts_the_weights_of_all_layers():
    check_widths((3, 4), (100, 10))
    check_size(12 * 100 + 100 * 10, "The network")

    with pytest.raises(ValueError, match="the network has 1e\\+12 weights"):
        check_widths((1000, 1000), (MILLION,))


def test_wide_network_that_fits_into_memory_is_built(iris):
    clf = KerasClassifier("mlp", model__units=(20_000,), epochs=1, random_state=0).fit(*iris)

    assert clf.model_.count_params() == 4 * 20_000 + 20_000 + 20_000 * 3 + 3
    assert isinstance(clf.model_, keras.Model)
