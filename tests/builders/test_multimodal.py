"""The network with one branch for each input."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier, KerasRegressor, explain
from nnkit.builders import Meta, multimodal
from nnkit.encoding import ImageEncoder, InputDict, SequenceEncoder, TextEncoder
from nnkit.export import TRUSTED_TYPES

RNG = np.random.default_rng(0)
N = 48
Y = np.arange(N) % 2
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(size=N) + Y,
        "city": RNG.choice([f"town {k}" for k in range(12)], N),
        "photo": list(RNG.integers(0, 100, (N, 6, 6)) + 100 * Y[:, None, None]),
        "curve": [RNG.normal(size=4 + k % 3) + label for k, label in enumerate(Y)],
        "review": [
            f"{'good' if label else 'bad'} film number {k % 4}" for k, label in enumerate(Y)
        ],
    }
)
ENCODER = {
    "numbers": ["age", "city"],
    "photo": ImageEncoder(columns=["photo"]),
    "curve": SequenceEncoder(columns=["curve"]),
    "review": TextEncoder(column="review"),
}


def classifier(**params):
    settings = {"encoder": ENCODER, "epochs": 6, "model__filters": (4,), "random_state": 0}
    return KerasClassifier("multimodal", **{**settings, **params})


def test_branches_follow_from_the_encoders():
    clf = classifier(epochs=15).fit(TABLE, Y)

    assert sorted(clf.X_shape_) == ["curve", "numbers", "photo", "review"]
    names = [layer.name for layer in clf.model_.layers]
    assert any("conv2d" in name for name in names)
    assert any("conv1d" in name for name in names)
    assert any("token_embedding" in name for name in names)
    assert clf.score(TABLE, Y) > 0.9


def test_without_encoders_branches_follow_from_the_shapes():
    meta = Meta(
        X_shape_={"a": (9, 3), "b": (9, 7, 2), "c": (9, 8, 8, 1)},
        target_type_="continuous",
        n_output_units_=1,
    )

    model = multimodal(meta)

    shapes = {name: tensor.shape[1:] for name, tensor in model.input.items()}
    assert shapes == {"a": (3,), "b": (7, 2), "c": (8, 8, 1)}
    assert model.output_shape == (None, 1)


def test_several_inputs_are_cross_validated_in_a_pipeline_and_a_grid():
    pipeline = make_pipeline(FunctionTransformer(), classifier(epochs=2))
    grid = {"kerasclassifier__model__branch_units": [4, 8]}

    assert cross_val_score(clone(pipeline), TABLE, Y, cv=2).shape == (2,)
    search = GridSearchCV(pipeline, grid, cv=2).fit(TABLE, Y)
    assert search.predict(TABLE[:3]).shape == (3,)


@pytest.mark.parametrize(
    "copied",
    [
        lambda estimator: pickle.loads(pickle.dumps(estimator)),
        lambda estimator: skops.io.loads(skops.io.dumps(estimator), trusted=TRUSTED_TYPES),
    ],
    ids=["pickle", "skops"],
)
def test_stored_network_predicts_the_same(copied):
    clf = classifier(epochs=1).fit(TABLE, Y)

    again = copied(clf)

    np.testing.assert_allclose(again.predict_proba(TABLE), clf.predict_proba(TABLE), rtol=1e-5)


def test_dict_of_arrays_is_regressed():
    X = InputDict({"left": RNG.normal(size=(N, 3)), "right": RNG.normal(size=(N, 5, 2))})

    reg = KerasRegressor("multimodal", epochs=2, model__filters=(4,), random_state=0).fit(X, Y)

    assert cross_val_score(reg, X, Y, cv=2).shape == (2,)


def test_columns_of_all_inputs_are_explained():
    clf = classifier(encoder={"numbers": ["age"], "place": ["city"]}, epochs=2)
    clf.fit(TABLE[["age", "city"]], Y)

    explanation = explain(clf, TABLE[["age", "city"]].head(2), progress=False)

    assert explanation.values.shape == (2, 2)


def test_one_table_raises():
    with pytest.raises(ValueError, match="'multimodal' takes several inputs by name"):
        KerasClassifier("multimodal").fit(RNG.normal(size=(N, 3)), Y)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"branch_units": 0}, "branch_units"),
        ({"filters": ()}, "filters"),
        ({"dropout_rate": 1.0}, "dropout_rate"),
        ({"token_units": 0}, "token_units"),
    ],
)
def test_bad_argument_raises(argument, message):
    meta = Meta(X_shape_={"a": (9, 3)}, target_type_="continuous", n_output_units_=1)

    with pytest.raises(ValueError, match=message):
        multimodal(meta, **argument)
