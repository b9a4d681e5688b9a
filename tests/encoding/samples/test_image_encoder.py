"""`ImageEncoder`: ranges, containers, sizes, channels, files and inverse, and random images."""

import builtins
import inspect
import io
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nnkit.encoding.samples.image_encoder import ImageEncoder
from nnkit.export import TRUSTED_TYPES


@pytest.fixture
def photos():
    """Return six images in colour, of 8 bits."""
    return np.random.default_rng(0).integers(0, 256, size=(6, 5, 4, 3), dtype=np.uint8)


@parametrize_with_checks(
    [ImageEncoder(shape=(1, -1)), ImageEncoder(shape=(1, -1), scaling="standard")]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_documented_defaults_equal_the_signature():
    documented = inspect.getdoc(ImageEncoder)

    for name, parameter in inspect.signature(ImageEncoder).parameters.items():
        default = parameter.default
        written = f'"{default}"' if isinstance(default, str) else default
        line = documented.split(f"\n{name} : ")[1].split("\n    ")
        assert f"default={written}" in "".join(line[:2]), name


@pytest.mark.parametrize(
    ("pixels", "pixel_range"),
    [
        (np.array([False, True]), (0, 1)),
        (np.array([0, 1], dtype=np.uint8), (0, 1)),
        (np.array([0, 16], dtype=np.uint8), (0, 255)),
        (np.array([0, 300], dtype=np.uint16), (0, 65535)),
        (np.array([0, 16], dtype=np.int64), (0, 16)),
        (np.array([0, 254], dtype=np.int64), (0, 255)),
        (np.array([0.0, 0.25]), (0, 1)),
        (np.array([0.5, 16.0]), (0, 16)),
        (np.array([0.0, 127.0]), (0, 127)),
        (np.array([0.0, 128.0]), (0, 255)),
        (np.array([0.0, 40000.0], dtype=np.float32), (0, 65535)),
        (np.array([0.0, 1e6]), (0, 1e6)),
        (np.array([-1.0, 1.0]), (-1, 1)),
        (np.array([-3.0, -3.0]), (-3, -2)),
    ],
)
def test_range_follows_the_documented_table(pixels, pixel_range):
    images = pixels.reshape(1, 1, -1)

    encoder = ImageEncoder().fit(images)

    assert encoder.pixel_range_ == pixel_range
    low, high = pixel_range
    expected = (pixels.astype(float) - low) / (high - low)
    np.testing.assert_allclose(encoder.transform(images).ravel(), expected, rtol=1e-6)


def test_standard_scaling_equals_standard_scaler_by_channel(photos):
    encoder = ImageEncoder(scaling="standard")

    X_encoded = encoder.fit_transform(photos)

    by_channel = StandardScaler().fit_transform(photos.reshape(-1, 3) / 255)
    np.testing.assert_allclose(X_encoded.reshape(-1, 3), by_channel, atol=1e-5)
    assert encoder.mean_.shape == encoder.scale_.shape == (3,)


def test_scaling_none_keeps_pixel_values(photos):
    X_encoded = ImageEncoder(scaling=None).fit_transform(photos)

    np.testing.assert_array_equal(X_encoded, photos)
    assert X_encoded.dtype == np.float32


@pytest.mark.parametrize(
    "changed",
    [
        {"columns": "b"},
        {"size": (3, 2)},
        {"shape": (2, 2)},
        {"color_mode": "rgb"},
        {"scaling": "standard"},
        {"scaling": None},
    ],
)
def test_every_parameter_changes_the_encoding(changed):
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, size=(3, 4, 4), dtype=np.uint8))
    default, X = {}, images
    if "columns" in changed:
        default, X = {"columns": "a"}, pd.DataFrame({"a": images, "b": images[::-1]})
    if "shape" in changed:
        default, X = {"shape": (1, 4)}, rng.random((3, 4))

    expected = ImageEncoder(**default).fit_transform(X)
    X_encoded = ImageEncoder(**{**default, **changed}).fit_transform(X)

    assert X_encoded.shape != expected.shape or not np.allclose(X_encoded, expected)


def test_containers_of_the_same_images_are_encoded_alike(photos):
    expected = ImageEncoder().fit_transform(photos)
    objects = np.empty(len(photos), dtype=object)
    objects[:] = list(photos)
    pictures = [Image.fromarray(photo) for photo in photos]

    for X in (
        list(photos),
        tuple(photos),
        objects,
        objects.reshape(-1, 1),
        pd.Series(list(photos), index=list("abcdef")),
        pd.DataFrame({"photo": list(photos)}),
        pd.DataFrame({"photo": pictures}),
        pictures,
        np.ma.masked_array(photos),
    ):
        np.testing.assert_array_equal(ImageEncoder().fit_transform(X), expected)
    nested = ImageEncoder().fit_transform(photos.tolist())
    np.testing.assert_allclose(nested, expected, atol=1e-6)
    in_polars = pl.DataFrame({"photo": pl.Series(photos.tolist())})
    np.testing.assert_allclose(ImageEncoder().fit_transform(in_polars), expected, atol=1e-6)


def test_grey_images_get_one_channel():
    images = np.zeros((2, 3, 4), dtype=np.uint8)

    assert ImageEncoder().fit_transform(images).shape == (2, 3, 4, 1)
    assert ImageEncoder().fit_transform(images[..., np.newaxis]).shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(
        ImageEncoder().fit(images).transform(images[..., np.newaxis]),
        ImageEncoder().fit_transform(images),
    )


def test_tables_of_pixels_are_reshaped():
    digits = load_digits()
    frame = load_digits(as_frame=True).data

    expected = ImageEncoder().fit_transform(digits.images)

    for table in (digits.data, frame, frame.astype(int), digits.data.tolist(), list(digits.data)):
        X_encoded = ImageEncoder(shape=(8, 8)).fit_transform(table)
        np.testing.assert_array_equal(X_encoded, expected)
    some = ImageEncoder(columns=frame.columns[:16].tolist(), shape=(2, -1)).fit_transform(frame)
    assert some.shape == (1797, 2, 8, 1)
    one = ImageEncoder(columns=frame.columns[20], shape=(1, 1)).fit_transform(frame)
    assert one.shape == (1797, 1, 1, 1)


def test_columns_selects_the_column_of_images(photos):
    frame = pd.DataFrame({"price": range(6), "photo": list(photos)})

    for columns in ("photo", ["photo"]):
        encoder = ImageEncoder(columns=columns).fit(frame)
        np.testing.assert_array_equal(
            encoder.transform(frame), ImageEncoder().fit_transform(photos)
        )
        assert encoder.n_features_in_ == 2
        assert encoder.feature_names_in_.tolist() == ["price", "photo"]


def test_size_resizes_as_pillow_does(photos):
    X_encoded = ImageEncoder(size=(3, 2)).fit_transform(photos)

    for encoded, photo in zip(X_encoded, photos, strict=True):
        image = Image.fromarray(photo).resize((2, 3), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(encoded * 255, np.asarray(image), atol=1)
    assert ImageEncoder(size=7).fit(photos).image_shape_ == (7, 7, 3)


def test_images_of_unequal_size_are_resized(photos):
    images = [photos[0], photos[1][:3], Image.fromarray(photos[2][:, :2])]

    encoder = ImageEncoder(size=(4, 4)).fit(images)

    X_encoded = encoder.transform(images)
    assert X_encoded.shape == (3, 4, 4, 3)
    np.testing.assert_array_equal(encoder.transform(images[1:2]), X_encoded[1:2])


@pytest.mark.parametrize(
    ("mode", "n_channels"),
    [
        ("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4), ("CMYK", 3),
        ("YCbCr", 3), ("HSV", 3), ("I;16", 1), ("F", 1), ("I", 1),
    ],
)  # fmt: skip
def test_modes_of_pillow_have_documented_channels(mode, n_channels):
    ramp = Image.linear_gradient("L").resize((6, 4))
    image = ramp.convert("I").convert(mode) if mode == "I;16" else ramp.convert(mode)

    X_encoded = ImageEncoder().fit_transform([image, image])

    assert X_encoded.shape == (2, 4, 6, n_channels)
    assert 0 <= X_encoded.min() <= X_encoded.max() <= 1


def test_palette_with_a_transparent_entry_has_an_alpha_channel():
    image = Image.linear_gradient("L").resize((6, 4)).convert("P")
    image.info["transparency"] = 0

    assert ImageEncoder().fit([image]).image_shape_ == (4, 6, 4)


def test_files_and_their_bytes_are_read(photos, tmp_path):
    paths = [tmp_path / f"{row}.png" for row in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        Image.fromarray(photo).save(path)
    expected = ImageEncoder().fit_transform(photos)

    for X in (
        paths,
        list(map(str, paths)),
        np.array(list(map(str, paths))),
        pd.DataFrame({"file": list(map(str, paths))}),
        pl.DataFrame({"file": list(map(str, paths))}),
        [path.read_bytes() for path in paths],
    ):
        np.testing.assert_array_equal(ImageEncoder().fit_transform(X), expected)


def test_files_of_16_bits_keep_their_precision(tmp_path):
    pixels = np.array([[0, 1, 256], [40000, 65534, 65535]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")

    encoder = ImageEncoder().fit([tmp_path / "deep.png"])
    X_encoded = encoder.transform([tmp_path / "deep.png"])

    np.testing.assert_allclose(X_encoded[0, :, :, 0], pixels / 65535, rtol=1e-6)
    np.testing.assert_array_equal(encoder.inverse_transform(X_encoded)[0], pixels)


def test_orientation_of_photographs_is_applied(photos, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(photos[0]).save(tmp_path / "phone.png", exif=exif)

    X_encoded = ImageEncoder().fit_transform([tmp_path / "phone.png"])

    np.testing.assert_allclose(X_encoded[0] * 255, np.rot90(photos[0], -1), atol=1e-3)


@pytest.mark.parametrize("color_mode", ["grayscale", "rgb"])
def test_color_mode_converts_as_pillow_does(photos, color_mode):
    alpha = np.full((5, 4, 1), 9, dtype=np.uint8)
    images = [
        photos[0],
        photos[1][..., 0],
        photos[2][..., :1],
        np.concatenate([photos[3], alpha], axis=-1),
        np.concatenate([photos[4][..., :1], alpha], axis=-1),
    ]
    target = {"grayscale": "L", "rgb": "RGB"}[color_mode]

    X_encoded = ImageEncoder(color_mode=color_mode).fit_transform(images)

    for encoded, image in zip(X_encoded, images, strict=True):
        converted = Image.fromarray(image.squeeze()).convert(target)
        expected = np.asarray(converted).reshape(encoded.shape)
        np.testing.assert_allclose(encoded * 255, expected, atol=1)


def test_encoding_in_chunks_equals_one_pass(photos, monkeypatch):
    expected = ImageEncoder(scaling="standard").fit_transform(photos)
    in_list = ImageEncoder(scaling="standard").fit_transform(list(photos))

    monkeypatch.setattr("nnkit.encoding.samples.image_encoder._CHUNK_VALUES", 2 * 60)
    in_chunks = ImageEncoder(scaling="standard").fit_transform(photos)

    np.testing.assert_allclose(in_chunks, expected, atol=1e-6)
    np.testing.assert_array_equal(in_list, expected)


def test_fit_and_transform_leave_the_images_unchanged(photos):
    before = photos.copy()
    photos.flags.writeable = False

    ImageEncoder(size=(2, 2), color_mode="grayscale", scaling="standard").fit_transform(photos)
    ImageEncoder(scaling=None).fit_transform(before.astype(np.float32))

    np.testing.assert_array_equal(photos, before)


@pytest.mark.parametrize("scaling", ["range", "standard", None])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32, np.int64])
def test_inverse_transform_restores_pixels(dtype, scaling):
    images = (np.random.default_rng(0).random((3, 4, 5)) * 256).astype(dtype)
    encoder = ImageEncoder(scaling=scaling).fit(images)

    restored = encoder.inverse_transform(encoder.transform(images))

    assert restored.dtype == (np.float32 if dtype is np.int64 else dtype)
    np.testing.assert_allclose(restored, images, rtol=1e-4, atol=1e-3)
    by_channel = ImageEncoder(scaling=scaling).fit(images[..., np.newaxis])
    assert by_channel.inverse_transform(encoder.transform(images)).shape == (3, 4, 5, 1)


def test_inverse_transform_raises_on_another_shape(photos):
    encoder = ImageEncoder().fit(photos)

    with pytest.raises(ValueError, match=r"X_encoded must have the shape \(n_samples, 5, 4, 3\)"):
        encoder.inverse_transform(np.zeros((2, 5, 4, 1)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": 0}, "size must be an integer of at least 1. Got 0 instead"),
        ({"size": (3,)}, r"size must be \(height, width\). Got \(3,\) instead"),
        ({"size": "small"}, "size must be a sequence of integers.* Got 'small' instead"),
        ({"shape": (4,)}, r"shape must be \(height, width\) or .* Got \(4,\) instead"),
        ({"shape": (-1, -1)}, r"one of them may be -1. Got \(-1, -1\) instead"),
        ({"shape": (2.5, 2)}, r"shape must be .* Got \(2.5, 2\) instead"),
        ({"color_mode": "RGB"}, "color_mode must be 'grayscale', 'rgb' or None. Got 'RGB'"),
        ({"scaling": "robust"}, "scaling must be 'range', 'standard' or None. Got 'robust'"),
        ({"columns": "photo"}, "columns='photo' names columns of a DataFrame, but X is a ndarray"),
    ],
)
def test_fit_raises_on_parameters_out_of_range(photos, changed, message):
    with pytest.raises(ValueError, match=message):
        ImageEncoder(**changed).fit(photos)


def _nan_at(row):
    images = np.zeros((3, 2, 2))
    images[row, 0, 1] = np.nan
    return images


_GREY = np.zeros((2, 2), dtype=np.uint8)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([_GREY, np.zeros((3, 2), np.uint8)],
         r"one size. Image 1 has 3 x 2 pixels, image 0 has 2 x 2. Give size=\(height, width\)"),
        ([_GREY, np.zeros((2, 2, 3), np.uint8)],
         "same channels. Image 1 has 3, image 0 has 1. Give color_mode='rgb' or"),
        ([_GREY, np.zeros((2, 2))],
         "Images must have one dtype.* Image 1 has pixels of the kind 'number', image 0 has 'ui"),
        ([_GREY, None], "Image 1 must be an array of shape .* Got None instead"),
        ([_GREY, np.nan], "Image 1 must be an array of shape .* Got nan instead"),
        ([_GREY, 7], "Image 1 must be an array of shape .* Got 7 instead"),
        ([_GREY, np.zeros(4)], r"Image 1 must be an array .* Got the shape \(4,\)"),
        ([_GREY, np.zeros((0, 2))], r"with at least one pixel. Got the shape \(0, 2\)"),
        ([_GREY, [["a", "b"]]], "Image 1 must be .* of numbers"),
        ([_GREY, "missing.png"], "Image 1 must be an existing file. Got 'missing.png' instead"),
        ([b"no image"], "Image 0 cannot be read: 8 bytes is not an image file"),
        (_nan_at(1), "Pixels must be finite numbers. Image 1 contains NaN. Replace it"),
        (_nan_at(2) + np.inf, "Pixels must be finite numbers. Image 0 contains NaN|infinity"),
        (np.zeros((2, 2, 2), complex), "Complex data not supported"),
        (np.zeros((0, 2, 2)), r"Found array with 0 sample\(s\) \(shape=\(0, 2, 2\)\)"),
        (np.zeros((2, 0, 2)), r"at least one pixel. Got the shape \(0, 2\)"),
        ([], r"Found array with 0 sample\(s\)"),
        (np.zeros((2, 64)), r"Got an array of shape \(2, 64\) instead; .* shape=\(8, 8\)"),
        (np.zeros((2, 60)), r"such as shape=\(height, width\)"),
        (np.zeros(3), "Image 0 must be an array|Got an array with 1 axes"),
        (np.zeros((2, 2, 2, 2, 2)), "Got an array with 5 axes instead"),
        (np.zeros((2, 3, 32, 32)), "channels must be the last axis.* np.moveaxis"),
        ("photo.png", r"Got a single image instead; give it in a list: \[image\]"),
        (Image.new("L", (2, 2)), r"Got a single image instead"),
        (7, "X must be an array of shape .* Got 7 instead"),
        (pd.DataFrame({"a": [1], "b": [2]}), r"X has 2 columns .* Give columns= the name"),
    ],
)  # fmt: skip
def test_fit_raises_on_invalid_images(images, message):
    with pytest.raises(ValueError, match=message):
        ImageEncoder().fit(images)


def test_fit_raises_on_sparse_tables():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        ImageEncoder(shape=(2, 2)).fit(sparse.csr_array(np.eye(4)))


def test_fit_raises_on_unknown_columns_and_other_numbers_of_pixels(photos):
    frame = pd.DataFrame({"photo": list(photos)})

    with pytest.raises(ValueError, match=r"columns must name columns of X.* Got 'image' instead"):
        ImageEncoder(columns="image").fit(frame)
    with pytest.raises(ValueError, match=r"shape=\(2, 2\), which are 4. Got 5 values instead"):
        ImageEncoder(shape=(2, 2)).fit(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="requires images of 1 to 4 channels. Image 0 has 7"):
        ImageEncoder(color_mode="rgb").fit(np.zeros((3, 5, 5, 7)))


def test_fit_raises_on_truncated_files(photos, tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.tile(photos[0], (20, 20, 1))).save(buffer, "jpeg")
    (tmp_path / "cut.jpeg").write_bytes(buffer.getvalue()[:-500])

    with pytest.raises(ValueError, match=r"Image 0 cannot be read: .*cut.jpeg' failed"):
        ImageEncoder().fit_transform([tmp_path / "cut.jpeg"])


def test_transform_raises_on_other_sizes_and_channels_than_in_fit(photos):
    encoder = ImageEncoder().fit(photos)

    for X in (photos[:, :4], list(photos[:, :4])):
        with pytest.raises(ValueError, match="Image 0 has 4 x 4 pixels, the images of fit have 5"):
            encoder.transform(X)
        with pytest.raises(ValueError, match="Image 0 has 1, the images of fit have 3. Give color"):
            encoder.transform([image[..., :1] for image in photos])


def test_transform_warns_of_other_units(photos):
    encoder = ImageEncoder().fit(photos)
    of_fractions = ImageEncoder().fit(photos / 255)

    with pytest.warns(UserWarning, match="from 0.* to 1, but their range in fit was 0 to 255"):
        encoder.transform(photos / 255)
    with pytest.warns(UserWarning, match="but their range in fit was 0 to 1. Give all images in"):
        of_fractions.transform(photos)
    np.testing.assert_array_equal(
        encoder.transform(photos.astype(float)), encoder.transform(photos)
    )


def test_missing_pillow_raises_an_import_error(monkeypatch, photos):
    real_import = builtins.__import__

    def without_pillow(name, *args, **kwargs):
        if name == "PIL" or name.startswith("PIL."):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pillow)

    with pytest.raises(ImportError, match="Reading image files requires Pillow.* pip install"):
        ImageEncoder().fit(["a.png"])
    with pytest.raises(ImportError, match="size= requires Pillow, which is not installed"):
        ImageEncoder(size=3).fit(photos)
    assert ImageEncoder().fit_transform(photos).shape == photos.shape


def test_methods_raise_before_fit(photos):
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(ImageEncoder(), method)(photos)


def test_output_is_aligned_for_tensorflow(photos):
    from nnkit.encoding.rows import is_aligned

    assert is_aligned(ImageEncoder().fit_transform(photos))


def test_tags_and_meta_facts():
    tags = ImageEncoder().__sklearn_tags__()

    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert ImageEncoder(shape=(8, 8)).__sklearn_tags__().input_tags.two_d_array
    assert not tags.input_tags.allow_nan
    assert not tags.target_tags.required
    assert ImageEncoder(scaling=None).meta_facts() == {"image_scaling_": None}


@pytest.mark.parametrize("scaling", ["range", "standard", None])
def test_stored_encoders_are_equal(photos, scaling):
    encoder = ImageEncoder(size=(3, 3), scaling=scaling).fit(photos)
    X_encoded = encoder.transform(photos)

    for restored in (
        pickle.loads(pickle.dumps(encoder)),
        skops.io.loads(skops.io.dumps(encoder), trusted=TRUSTED_TYPES),
    ):
        np.testing.assert_array_equal(restored.transform(photos), X_encoded)
        assert restored.get_params() == encoder.get_params()
    np.testing.assert_array_equal(clone(encoder).fit(photos).transform(photos), X_encoded)


few = settings(max_examples=25, deadline=None)


@st.composite
def batches(draw):
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.bool_, np.float32, np.float64, np.int64]))
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=4, max_side=5))
    if np.dtype(dtype).kind == "f":
        elements = st.floats(-1000, 1000, width=32)
    else:
        elements = st.integers(-1000, 1000) if dtype is np.int64 else None
    return draw(hnp.arrays(dtype, shape, elements=elements))


encoders = st.builds(
    ImageEncoder,
    size=st.sampled_from([None, (3, 2)]),
    scaling=st.sampled_from(["range", "standard", None]),
)


def _is_channels_first(X):
    return X.ndim == 4 and X.shape[1] in (1, 3, 4) and min(X.shape[2:]) > 4


@few
@given(batches(), encoders, st.data())
def test_images_are_encoded_independently(X, encoder, data):
    encoder.set_params(shape=X.shape[1:] if _is_channels_first(X) else None)
    some = data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1))

    X_encoded = encoder.fit(X).transform(X)

    assert X_encoded.dtype == np.float32
    assert X_encoded.shape == (len(X), *encoder.image_shape_)
    assert np.isfinite(X_encoded).all()
    np.testing.assert_array_equal(encoder.transform(X[some]), X_encoded[some])
    np.testing.assert_array_equal(encoder.transform(list(X)), X_encoded)


@few
@given(batches(), encoders)
def test_inverse_of_random_images(X, encoder):
    encoder.set_params(shape=X.shape[1:] if _is_channels_first(X) else None, size=None)
    encoder.fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    assert restored.shape == X.shape
    np.testing.assert_allclose(restored.astype(float), X.astype(float), atol=2e-3)
