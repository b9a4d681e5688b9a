"""All builders for sequences: outputs, padding, training, searches, copies and stored files."""

import pickle

import keras
import numpy as np
import pytest
import skops.io
from sequence_networks import (
    N_CHANNELS,
    N_STEPS,
    SMALL,
    copy_weights,
    labelled_sequences,
    meta_of,
    padded,
    sequences,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer
from nnkit.builders.builder_spec import TableFacts
from nnkit.builders.sequences.specs import SEQUENCE_BUILDERS
from nnkit.encoding.samples.sequence_encoder import SequenceEncoder
from nnkit.export import TRUSTED_TYPES
from nnkit.optimizers import OneCycle

NAMES = [name for name, spec in SEQUENCE_BUILDERS.items() if not spec.is_autoencoder]


def build(name, meta, **arguments):
    return SEQUENCE_BUILDERS[name].builder(meta, **{**SMALL.get(name, {}), **arguments})


def small(name, estimator=KerasClassifier, **params):
    arguments = {f"model__{key}": value for key, value in SMALL[name].items()}
    fast = {"epochs": 3, "batch_size": 8, "n_estimators": 1, "random_state": 0, "engine": "graph"}
    return estimator(name, **{**arguments, **fast, **params})


def test_all_builders_have_small_arguments():
    assert list(SMALL) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("target_type", "n_units", "activation"),
    [("binary", 1, "sigmoid"), ("multiclass", 3, "softmax"), ("continuous", 1, "linear")],
)
def test_outputs_fit_the_target(name, target_type, n_units, activation):
    model = build(name, meta_of(target_type, n_units))

    assert model.input_shape == (None, N_STEPS, N_CHANNELS)
    assert model.output_shape == (None, n_units)
    assert model.layers[-1].activation is keras.activations.get(activation)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_padding_does_not_change_the_outputs(name, training):
    long = build(name, meta_of(n_steps=N_STEPS + 5, has_padding_=True))
    short = build(name, meta_of(has_padding_=False))
    copy_weights(long, short)
    X = sequences()

    outputs = long(padded(X, N_STEPS + 5), training=training)

    np.testing.assert_allclose(outputs, short(X, training=training), rtol=1e-4, atol=1e-5)
    moved = [v for v in long.non_trainable_variables if "moving" in v.path]
    kept = [v for v in short.non_trainable_variables if "moving" in v.path]
    for one, other in zip(moved, kept, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_a_row_do_not_depend_on_longer_rows(name):
    model = build(name, meta_of(n_steps=N_STEPS + 5, has_padding_=True))
    X = np.concatenate([padded(sequences(4), N_STEPS + 5), sequences(4, N_STEPS + 5, seed=1)])

    outputs = model(X).numpy()

    np.testing.assert_allclose(model(X[:4]), outputs[:4], rtol=1e-4, atol=1e-6)
    assert np.isfinite(model(0 * X)).all()


@pytest.mark.parametrize("name", NAMES)
def test_networks_without_padding_have_plain_layers_only(name):
    kinds = [type(layer) for layer in build(name, meta_of()).layers]

    own = {"SinusoidalPositions"} if name == "transformer_encoder" else set()
    assert {kind.__name__ for kind in kinds if kind.__module__.startswith("nnkit")} == own


@pytest.mark.parametrize("name", NAMES)
def test_rate_follows_one_cycle_and_biases_do_not_decay(name):
    model = build(name, meta_of(), learning_rate=0.01, weight_decay=0.1, n_steps=50)

    schedule = model.optimizer._learning_rate
    assert isinstance(schedule, OneCycle)
    assert schedule.peak == 0.01
    assert model.optimizer.weight_decay == 0.1
    assert model.optimizer.decay_factors["bias"] == 0
    constant = build(name, meta_of(), learning_rate=0.02)
    assert float(constant.optimizer.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_one_axis_raise(name):
    meta = meta_of()
    flat = type(meta)(**{**meta, "X_shape_": (20, 7)})

    with pytest.raises(ValueError, match=r"rows of shape \(n_steps, n_channels\). Got \(7,\)"):
        build(name, flat)


@pytest.mark.parametrize("name", NAMES)
def test_networks_learn_with_engine_graph(name):
    X, y = labelled_sequences()

    clf = small(name, epochs=15, engine="graph", model__learning_rate=0.02).fit(X, y)

    assert clf.score(X, y) > 0.9
    assert isinstance(clf.encoder_, SequenceEncoder)


@pytest.mark.parametrize("name", ["fcn", "resnet1d", "inception_time", "lstm_fcn"])
def test_engine_xla_raises_because_layers_combine_rows(name):
    X, y = labelled_sequences()

    with pytest.raises(ValueError, match="engine='xla' cannot carry layers that combine rows"):
        small(name, engine="xla").fit(X, y)


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_stored_files_predict_alike(name):
    X, y = labelled_sequences()
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
def test_lists_of_unequal_length_are_cross_validated(name):
    X, y = labelled_sequences()
    rows = [row[: 3 + at % 5] for at, row in enumerate(X)]

    fitted = cross_validate(
        small(name, epochs=2), rows, y, cv=2, return_estimator=True, error_score="raise"
    )

    first, _ = fitted["estimator"]
    assert first.predict_proba(rows).shape == (40, 2)
    kinds = {type(layer).__name__ for layer in first.model_.layers}
    assert kinds & {"StepMask"}


@pytest.mark.parametrize("name", ["conv1d_autoencoder", "lstm_autoencoder"])
def test_autoencoders_represent_lists_of_unequal_length(name):
    X = sequences(30)
    rows = [row[: 3 + at % 5] for at, row in enumerate(X)]

    transformer = KerasTransformer(name, model__n_components=3, epochs=2)

    assert transformer.fit(rows).transform(rows[:4]).shape == (4, 3)


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_searched_and_regress(name):
    X = sequences(40)
    target = X[:, :, 0].mean(axis=1)
    search = GridSearchCV(
        small(name, KerasRegressor, epochs=1), {"model__learning_rate": [1e-3]}, cv=2
    )

    search.fit(X, target)

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == (40,)


@pytest.mark.parametrize("name", SEQUENCE_BUILDERS)
def test_search_space_names_parameters_of_the_builder(name):
    spec = SEQUENCE_BUILDERS[name]
    encoder = spec.encoder

    for parameter, values in spec.search_space.items():
        prefix, _, own = parameter.partition("__")
        values = values if isinstance(values, list) else values.rvs(size=3, random_state=0).tolist()
        for value in values:
            if prefix == "encoder":
                clone(encoder).set_params(**{own: value}).fit(sequences())
            else:
                build(name, meta_of(), **{own: value})


@pytest.mark.parametrize("name", SEQUENCE_BUILDERS)
@pytest.mark.parametrize("n_samples", [1, 40, 300, 499, 500, 2_000, 100_000])
def test_training_settings_depend_on_the_number_of_rows(name, n_samples):
    settings = SEQUENCE_BUILDERS[name].training_for(TableFacts(n_samples, 1))

    assert settings.early_stopping is (n_samples >= 500)
    assert settings.n_estimators == (5 if name == "inception_time" else 1)
    n_steps = settings.epochs * n_samples / settings.batch_size
    assert n_samples < 40 or n_steps >= 300
    assert 8 <= settings.batch_size <= 128


def test_larger_sets_have_larger_batches_and_fewer_epochs():
    training_for = SEQUENCE_BUILDERS["fcn"].training_for

    all_settings = [training_for(TableFacts(n, 1)) for n in (50, 200, 800, 4_000, 50_000)]

    sizes = [settings.batch_size for settings in all_settings]
    epochs = [settings.epochs for settings in all_settings]
    assert sizes == sorted(sizes)
    assert epochs == sorted(epochs, reverse=True)
