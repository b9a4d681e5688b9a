"""Random changes of images: hand-worked values, equivalence with SciPy, seeds and execution."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from nnkit.layers import RandomAffine, RandomCutout

IMAGES = np.random.default_rng(0).random((40, 7, 6, 2)).astype(np.float32)

LAYERS = {
    "shift": lambda **k: RandomAffine(shift=2, **k),
    "rotation": lambda **k: RandomAffine(rotation=30, **k),
    "zoom": lambda **k: RandomAffine(zoom=0.3, **k),
    "horizontal flip": lambda **k: RandomAffine(flip="horizontal", **k),
    "vertical flip": lambda **k: RandomAffine(flip="vertical", **k),
    "cutout": lambda **k: RandomCutout(size=3, **k),
}


@pytest.fixture(params=LAYERS)
def make(request):
    """Return the constructor of a layer."""
    return LAYERS[request.param]


def draw(monkeypatch, values):
    """Replace the draws of all images by given ones."""
    drawn = np.asarray(values, np.float32)
    monkeypatch.setattr(
        keras.random, "uniform", lambda shape, **k: tf.broadcast_to(drawn, (shape[0], len(drawn)))
    )


def test_inference_is_the_identity(make):
    np.testing.assert_array_equal(make()(IMAGES), IMAGES)


def test_training_changes_images_independently_and_anew(make):
    same = np.repeat(IMAGES[:1], 40, axis=0)
    layer = make(seed=0)

    first, second = layer(same, training=True).numpy(), layer(same, training=True).numpy()

    assert first.shape == same.shape
    assert len(np.unique(first, axis=0)) > 1
    assert np.any(first != second)


def test_equal_seeds_give_equal_changes(make):
    first, second = (make(seed=3)(IMAGES, training=True).numpy() for _ in range(2))

    np.testing.assert_array_equal(first, second)
    assert np.any(make(seed=4)(IMAGES, training=True).numpy() != first)


def test_shifts_move_whole_pixels_within_the_range():
    layer = RandomAffine(shift=2, fill_mode="constant", seed=0)

    shifted = layer(IMAGES, training=True).numpy()

    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = {
        (row, column): padded[:, row : row + 7, column : column + 6]
        for row in range(5)
        for column in range(5)
    }
    found = [
        [shift for shift, window in windows.items() if np.allclose(window[i], image, atol=1e-5)]
        for i, image in enumerate(shifted)
    ]
    assert all(len(shifts) == 1 for shifts in found)
    assert {row for ((row, _),) in found} == {column for ((_, column),) in found} == set(range(5))


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", (1,)), ("vertical", (0,))])
def test_flips_mirror_about_half_of_the_images(flip, axes):
    flipped = RandomAffine(flip=flip, seed=0)(IMAGES, training=True).numpy()

    is_mirrored = [
        np.allclose(image, np.flip(before, axes), atol=1e-5)
        for image, before in zip(flipped, IMAGES, strict=True)
    ]
    is_same = np.isclose(flipped, IMAGES, atol=1e-5).all(axis=(1, 2, 3))
    assert np.array_equal(is_same, ~np.array(is_mirrored))
    assert 8 <= sum(is_mirrored) <= 32


def test_flip_both_mirrors_each_axis_on_its_own():
    flipped = RandomAffine(flip="both", seed=0)(IMAGES, training=True).numpy()

    found = {
        axes
        for image, before in zip(flipped, IMAGES, strict=True)
        for axes in ((), (0,), (1,), (0, 1))
        if np.allclose(image, np.flip(before, axes), atol=1e-5)
    }
    assert found == {(), (0,), (1,), (0, 1)}


@pytest.mark.parametrize(
    "draws",
    [
        [0.5, 0.5, 0.0, 0.5, 0.9, 0.9],  # rotation by -20 degrees
        [0.5, 0.5, 0.5, 0.9, 0.9, 0.9],  # zoom by 1.16
        [0.9, 0.1, 0.8, 0.2, 0.1, 0.9],  # all of them, with a reflection
    ],
)
def test_changes_equal_the_documented_formula_in_scipy(monkeypatch, draws):
    image = ndimage.gaussian_filter(np.random.default_rng(1).random((15, 14)), 2)
    layer = RandomAffine(shift=2, rotation=20, zoom=0.2, flip="horizontal", fill_mode="constant")
    draw(monkeypatch, draws)

    changed = layer(image[np.newaxis, ..., np.newaxis].astype(np.float32), training=True)

    # [p_in = c + S R^-1 (p - c - t) / z], with rows before columns as SciPy has them.
    t = np.floor(np.array([draws[1], draws[0]]) * 5) - 2
    angle, z = np.radians((2 * draws[2] - 1) * 20), 1 + (2 * draws[3] - 1) * 0.2
    inverse = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / z
    matrix = np.diag([1.0, np.sign(draws[4] - 0.5)]) @ inverse
    center = (np.array(image.shape) - 1) / 2
    expected = ndimage.affine_transform(
        image, matrix, center - matrix @ (center + t), order=1, mode="constant"
    )
    inside = (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(changed[0, ..., 0].numpy()[inside], expected[inside], atol=1e-4)


def test_fill_mode_sets_the_pixels_beyond_the_edges(monkeypatch):
    row = np.array([1.0, 2.0, 3.0, 4.0], np.float32).reshape(1, 1, 4, 1)
    draw(monkeypatch, [0.99, 0.5, 0.5, 0.5, 0.9, 0.9])  # shift by 1 to the right

    found = {
        mode: RandomAffine(shift=1, fill_mode=mode)(row, training=True).numpy().ravel().tolist()
        for mode in ("nearest", "constant", "reflect", "wrap")
    }

    # Rows are shifted by 0: floor(0.5 * 3) - 1.
    assert found == {
        "nearest": [1, 1, 2, 3],
        "constant": [0, 1, 2, 3],
        "reflect": [1, 1, 2, 3],
        "wrap": [4, 1, 2, 3],
    }


@pytest.mark.parametrize(
    ("draws", "rows", "columns"),
    [
        ([0.5, 0.5], slice(2, 5), slice(2, 5)),  # centre at row 3, column 3
        ([0.0, 0.99], slice(0, 2), slice(4, 6)),  # centre in a corner
    ],
)
def test_cutout_replaces_a_square_by_0(monkeypatch, draws, rows, columns):
    draw(monkeypatch, draws)
    expected = np.ones((2, 7, 6, 2), np.float32)
    expected[:, rows, columns] = 0

    cut = RandomCutout(size=3)(np.ones((2, 7, 6, 2), np.float32), training=True)

    np.testing.assert_array_equal(cut, expected)


def test_cutout_of_even_size_covers_as_many_pixels():
    cut = RandomCutout(size=2, seed=0)(np.ones((300, 9, 9, 1), np.float32), training=True).numpy()

    n_cut = np.sum(cut == 0, axis=(1, 2, 3))
    assert set(n_cut) == {1, 2, 4}


def test_layer_from_config_and_from_a_file_is_equal(make, tmp_path):
    layer = make(seed=5)
    inputs = keras.Input(IMAGES.shape[1:])
    model = keras.Model(inputs, layer(inputs))

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    assert loaded.layers[1].get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(IMAGES), IMAGES)
    assert model.output_shape == (None, *IMAGES.shape[1:])
    assert layer.compute_output_shape((None, 7, 6, 2)) == (None, 7, 6, 2)


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16", "mixed_float16"])
def test_dtype_policy_is_kept(make, dtype):
    layer = make(dtype=dtype)

    changed = layer(IMAGES, training=True)

    assert str(changed.dtype.name) == dtype.removeprefix("mixed_")


def test_graph_gives_the_same_changes_as_eager_execution(make):
    eager = make(seed=6)(IMAGES, training=True)

    layer = make(seed=6)
    layer.build(IMAGES.shape)
    in_graph = tf.function(lambda x: layer(x, training=True))(tf.constant(IMAGES))

    np.testing.assert_allclose(in_graph, eager, atol=1e-5)


def test_cutout_runs_in_xla():
    layer = RandomCutout(size=3, seed=0)
    layer.build(IMAGES.shape)

    cut = tf.function(lambda x: layer(x, training=True), jit_compile=True)(tf.constant(IMAGES))

    assert np.any(cut.numpy() == 0)


def test_layer_trains_by_keras_fit():
    model = keras.Sequential(
        [
            keras.Input(IMAGES.shape[1:]),
            RandomAffine(shift=1, rotation=5, zoom=0.1, flip="horizontal"),
            RandomCutout(2),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")

    history = model.fit(IMAGES, IMAGES.mean(axis=(1, 2, 3)), epochs=2, verbose=0)

    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    ("make_wrong", "message"),
    [
        (lambda: RandomAffine(shift=-1), "shift must be an integer of at least 0. Got -1"),
        (lambda: RandomAffine(shift=0.5), "shift must be an integer of at least 0. Got 0.5"),
        (lambda: RandomAffine(rotation=200), r"rotation must be a number in \[0, 180\]. Got 200"),
        (lambda: RandomAffine(zoom=1), r"zoom must be a number in \[0, 1\). Got 1 instead"),
        (lambda: RandomAffine(flip="left"), "flip must be 'horizontal', .* Got 'left' instead"),
        (lambda: RandomAffine(fill_mode="zero"), "fill_mode must be 'nearest', .* Got 'zero'"),
        (lambda: RandomCutout(0), "size must be an integer of at least 1. Got 0 instead"),
        (lambda: RandomCutout(2)(np.ones((3, 4))), r"must have the shape \(n_batch, height, wid"),
    ],
)
def test_wrong_arguments_raise(make_wrong, message):
    with pytest.raises(ValueError, match=message):
        make_wrong()
