"""All builders for texts: outputs, padding, training, searches, copies and stored files."""

import inspect
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from text_networks import N_STEPS, SEQUENTIAL, SMALL, code_rows, labelled_texts, meta_of

from nnkit import KerasClassifier, KerasRegressor
from nnkit.builders import Meta
from nnkit.builders.builder_spec import TableFacts
from nnkit.builders.texts.specs import TEXT_BUILDERS
from nnkit.encoding import TextEncoder
from nnkit.export import TRUSTED_TYPES
from nnkit.layers import TokenBag
from nnkit.optimizers import OneCycle

NAMES = list(TEXT_BUILDERS)


def build(name, meta, **arguments):
    return TEXT_BUILDERS[name].builder(meta, **{**SMALL[name], **arguments})


def small(name, estimator=KerasClassifier, **params):
    arguments = {f"model__{key}": value for key, value in SMALL[name].items()}
    fast = {"epochs": 3, "batch_size": 8, "random_state": 0, "engine": "graph"}
    return estimator(name, **{**arguments, **fast, **params})


def test_all_builders_have_small_arguments():
    assert list(SMALL) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("target_type", "n_units", "activation"),
    [("binary", 1, "sigmoid"), ("multiclass", 3, "softmax"), ("continuous", 1, "linear")],
)
@pytest.mark.parametrize("linear_skip", [True, False])
def test_outputs_fit_the_target(name, target_type, n_units, activation, linear_skip):
    model = build(name, meta_of(target_type, n_units), linear_skip=linear_skip)

    assert model.input_shape == (None, N_STEPS)
    assert model.output_shape == (None, n_units)
    assert model.layers[-1].activation is keras.activations.get(activation)
    skips = [layer for layer in model.layers if layer.name.startswith("skip_")]
    assert len(skips) == linear_skip


@pytest.mark.parametrize("name", NAMES)
def test_each_output_has_its_own_linear_model(name):
    model = build(name, meta_of("multiclass-multioutput", [3, 2]))

    assert model.output_shape == [(None, 3), (None, 2)]
    assert {"skip_0", "skip_1"} <= {layer.name for layer in model.layers}


@pytest.mark.parametrize("name", NAMES)
def test_padding_does_not_change_the_outputs(name):
    short, long = (build(name, meta_of(n_steps=n)) for n in (N_STEPS, N_STEPS + 5))
    weights = [weight + 0.1 for weight in short.get_weights()]
    for model in (short, long):
        model.set_weights(weights)
    X = code_rows()

    outputs = long(np.pad(X, ((0, 0), (0, 5))))

    np.testing.assert_allclose(outputs, short(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_texts_without_tokens_have_finite_outputs(name):
    model = build(name, meta_of())

    assert np.isfinite(model(0 * code_rows())).all()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_order_of_the_tokens_matters(name):
    model = build(name, meta_of(), linear_skip=False)
    X = code_rows()

    assert np.abs(model(X) - model(X[:, ::-1])).max() > 1e-5


def test_order_of_the_tokens_does_not_matter_in_a_bag():
    model = build("text_bag", meta_of())
    X = code_rows()

    np.testing.assert_allclose(model(X), model(X[:, ::-1]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_rate_follows_one_cycle_and_vectors_do_not_decay(name):
    model = build(name, meta_of(), learning_rate=0.01, weight_decay=0.1, n_steps=50)

    schedule = model.optimizer._learning_rate
    assert isinstance(schedule, OneCycle)
    assert schedule.peak == 0.01
    assert model.optimizer.decay_factors["embedding"] == 0
    constant = build(name, meta_of(), learning_rate=0.02, skip_rate_factor=3.0)
    assert float(constant.optimizer.learning_rate) == pytest.approx(0.02)
    assert constant.optimizer.learning_rate_factors == {"skip_": 3.0}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("facts", [{"X_shape_": (20, 7, 2), "n_codes_": 9}, {"X_shape_": (20, 7)}])
def test_rows_that_are_not_codes_raise(name, facts):
    meta = Meta(target_type_="binary", n_output_units_=1, **facts)

    with pytest.raises(
        ValueError, match=r"rows of codes of shape \(n_steps,\).* Use nnkit.encoding.TextE"
    ):
        build(name, meta)


@pytest.mark.parametrize(
    ("name", "argument", "value", "message"),
    [
        *((name, "token_dropout_rate", 1.0, r"fraction in \[0, 1\). Got 1.0") for name in NAMES),
        *((name, "dropout_rate", -0.1, r"fraction in \[0, 1\). Got -0.1") for name in NAMES),
        *((name, "embedding_units", 0, "integer of at least 1. Got 0") for name in NAMES),
        *((name, "linear_skip", 1, "must be True or False. Got 1") for name in NAMES),
        *((name, "skip_rate_factor", -1, r"number in \[0, inf\). Got -1") for name in NAMES),
        ("text_bag", "units", (0,), r"units\[0\] must be an integer of at least 1"),
        ("text_cnn", "n_filters", 0, "n_filters must be an integer of at least 1"),
        ("text_cnn", "kernel_sizes", (), "kernel_sizes must have at least one entry"),
        ("text_cnn", "kernel_sizes", 0, r"kernel_sizes\[0\] must be an integer of at least 1"),
        ("text_cnn", "embedding_dropout_rate", 1.0, "embedding_dropout_rate must be a fraction"),
        ("text_lstm", "units", 0, "units must be an integer of at least 1"),
        ("text_transformer", "n_heads", 3, "embedding_units must be a multiple of n_heads. Got 8"),
    ],
)
def test_invalid_arguments_raise(name, argument, value, message):
    with pytest.raises(ValueError, match=message):
        build(name, meta_of(), **{argument: value})


@pytest.mark.parametrize("name", NAMES)
def test_documented_defaults_equal_the_signature(name):
    builder = TEXT_BUILDERS[name].builder
    documented = inspect.getdoc(builder)

    for argument, parameter in inspect.signature(builder).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            line = documented.split(f"\n{argument} : ")[1].split("\n")[0]
            assert line.endswith(f"default={parameter.default}"), argument


@pytest.mark.parametrize("name", NAMES)
def test_networks_learn_with_engine_graph(name):
    X, y = labelled_texts()

    clf = small(name, epochs=15, engine="graph", model__learning_rate=0.02).fit(X, y)

    assert clf.score(X, y) > 0.9
    assert isinstance(clf.encoder_, TextEncoder)


def test_bag_learns_with_engine_xla():
    X, y = labelled_texts()

    clf = small("text_bag", epochs=15, engine="xla", model__learning_rate=0.02).fit(X, y)

    assert clf.score(X, y) > 0.9


def test_recurrent_network_learns_with_engine_xla():
    X, y = labelled_texts()

    clf = small("text_lstm", epochs=2, engine="xla").fit(X, y)

    assert clf.engine_ == "xla"


@pytest.mark.parametrize("name", sorted(set(SEQUENTIAL) - {"text_lstm"}))
def test_engine_xla_raises_because_layers_combine_rows(name):
    X, y = labelled_texts()

    with pytest.raises(ValueError, match="engine='xla' cannot carry layers that combine rows"):
        small(name, engine="xla").fit(X, y)


@pytest.mark.parametrize("name", NAMES)
def test_token_weights_are_inverse_document_frequencies_of_the_training_rows(name):
    X, y = labelled_texts()

    clf = small(name, epochs=1).fit(X, y)

    (bag, *_) = (layer for layer in clf.model_.layers if isinstance(layer, TokenBag))
    weights = bag.token_weights.numpy()
    assert weights[:2].tolist() == [0, 0]
    assert (np.diff(weights[2:]) >= 0).all()  # codes are by descending document frequency
    n_texts = sum(clf.encoder_.vocabulary_[0] in text.split() for text in X)
    assert weights[2] == pytest.approx(1 + np.log((1 + len(X)) / (1 + n_texts)))


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_stored_files_predict_alike(name):
    X, y = labelled_texts()
    pipeline = make_pipeline(FunctionTransformer(), small(name)).fit(X, y)
    y_proba = pipeline.predict_proba(X)

    copies = [
        pickle.loads(pickle.dumps(pipeline)),
        skops.io.loads(skops.io.dumps(pipeline), trusted=TRUSTED_TYPES),
        clone(pipeline).fit(X, y),
    ]

    for copy in copies:
        np.testing.assert_allclose(copy.predict_proba(X), y_proba, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_searched_and_regress(name):
    X, y = labelled_texts(40)
    target = (y == "good") + 0.1
    search = GridSearchCV(
        small(name, KerasRegressor, epochs=1), {"model__learning_rate": [1e-3]}, cv=2
    )

    search.fit(pd.DataFrame({"review": X}), target)

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(pd.Series(X, name="review")).shape == (40,)


@pytest.mark.parametrize("name", ["text_bag", "text_cnn"])
def test_networks_predict_several_targets_and_in_ensembles(name):
    X, y = labelled_texts(40)
    labels, values = np.stack([y, y[::-1]], axis=1), np.stack([y == "good"] * 2, axis=1) + 0.1

    assert small(name, epochs=1, n_estimators=2).fit(X, labels).predict(X).shape == (40, 2)
    assert small(name, KerasRegressor, epochs=1).fit(X, values).predict(X).shape == (40, 2)


@pytest.mark.parametrize("name", NAMES)
def test_search_space_names_parameters_of_builder_and_encoder(name):
    spec = TEXT_BUILDERS[name]

    for parameter, values in spec.search_space.items():
        prefix, _, own = parameter.partition("__")
        values = values if isinstance(values, list) else values.rvs(size=2, random_state=0).tolist()
        for value in values:
            if prefix == "encoder":
                clone(spec.encoder).set_params(**{own: value}).fit(labelled_texts()[0])
            else:
                build(name, meta_of(), **{own: value})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_samples", [1, 40, 299, 300, 2_000, 100_000])
def test_training_settings_depend_on_the_number_of_rows(name, n_samples):
    settings = TEXT_BUILDERS[name].training_for(TableFacts(n_samples, 1))

    assert settings.early_stopping is (n_samples >= (10_000 if name == "text_bag" else 300))
    assert settings.n_iter_no_change is None
    n_steps = settings.epochs * n_samples / settings.batch_size
    assert n_samples < 300 or n_steps >= 300
    assert 16 <= settings.batch_size <= 128
