"""Transfer learning: a pretrained network for images with new last layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnkit._messages import shown
from nnkit._validation import as_count, as_fraction
from nnkit.builders.hidden_and_output_layers import output_layers, widths_of
from nnkit.builders.images.augmentation import augmented
from nnkit.builders.images.convolutions import image_input, with_dropout
from nnkit.builders.optimization import compile_with_schedule

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["transfer"]

# Pixels that networks of keras.applications take, by the beginning of their names. The first match
# counts. "included" is a layer within the network, for pixels from 0 to 255.
_PIXELS_OF_APPLICATIONS = {
    "resnet50v2": "tf", "resnet101v2": "tf", "resnet152v2": "tf", "resnet": "caffe", "vgg": "caffe",
    "mobilenetv2": "tf", "mobilenetv3": "included", "mobilenet_": "tf", "densenet": "torch",
    "inception": "tf", "xception": "tf", "nasnet": "tf", "efficientnet": "included",
    "convnext": "included",
}  # fmt: skip

# Means and standard deviations of the channels of ImageNet, of pixels from 0 to 255 in the order
# blue, green, red, and of pixels from 0 to 1 in the order red, green, blue.
_MEAN_OF_BGR = (103.939, 116.779, 123.68)
_MEAN_OF_RGB = (0.485, 0.456, 0.406)
_SCALE_OF_RGB = (0.229, 0.224, 0.225)


def transfer(
    meta: Meta,
    base: keras.Model,
    *,
    head_units: int | Sequence[int] = (),
    dropout_rate: float = 0.2,
    preprocess: str | Callable[[Any], Any] | None = "auto",
    augment: str | Mapping[str, Any] | None = None,
    n_unfrozen: int = 0,
    learning_rate: float = 0.001,
    weight_decay: float = 0.0,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a copy of a pretrained network with new last layers, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    base : keras.Model
        The pretrained network without its last layers, such as a network of
        ``keras.applications`` with ``include_top=False``, with one input of images and one output.
        It is copied with its weights. Nothing is downloaded.
    head_units : int or sequence of int, default=()
        Units of hidden layers between the base and the last layer, at least 1.
    dropout_rate : float, default=0.2
        Fraction in [0, 1) of the inputs of each new layer that is dropped.
    preprocess : "auto", callable or None, default="auto"
        From encoded images to those of the base. A callable takes and returns a tensor. "auto" is,
        for networks of ``keras.applications`` with their own names, what their
        ``preprocess_input`` computes, of pixels from 0 to 1 (``scaling="range"`` of
        `nnkit.encoding.ImageEncoder`) or from 0 to 255 (``scaling=None``). It changes nothing for
        other networks, as None.
    augment : {"auto", "light", "photos"}, mapping of str to object, or None, default=None
        Random changes of the images in training, as for `cnn2d`.
    n_unfrozen : int, default=0
        Number of layers at the end of the base that are trained, at least 0, of the layers with
        weights. Batch normalisation is not counted, and is never trained.
    learning_rate : float, default=0.001
        Peak of the learning rate, above 0.
    weight_decay : float, default=0.0
        Decay of the trained kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training, over which the learning rate follows
        `nnkit.optimizers.OneCycle`. The estimator passes it. With None, the rate is constant.

    Returns
    -------
    model : keras.Model
        From images to probabilities of classes or to values. The base is the layer "base". Names
        and order of the weights do not depend on ``n_unfrozen``.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the base takes images of another size or other
        channels, has several inputs or outputs, or cannot be copied.

    Notes
    -----
    The base runs in inference mode: its batch normalisation uses and keeps the moving averages
    of the pretraining, and its dropout is off. Outputs with the axes of images or of steps are
    averaged over them.

    Examples
    --------
    >>> import keras
    >>> from nnkit.builders import Meta, transfer
    >>> base = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 3)])
    >>> meta = Meta(X_shape_=(100, 16, 16, 3), target_type_="multiclass", n_output_units_=5)
    >>> model = transfer(meta, base)
    >>> model.output_shape, len(model.trainable_variables), model.get_layer("base") is base
    ((None, 5), 2, False)
    """
    import keras

    _check_base(base)
    widths = widths_of(head_units)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    inputs = image_input(meta)
    _check_images(base, inputs.shape[1:])
    owned = _copied(base)
    _freeze(owned, as_count("n_unfrozen", n_unfrozen, minimum=0))
    x = augmented(inputs, augment)
    x = _preprocessed(x, preprocess, base, meta)
    x = owned(x, training=False)
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D()(x)
    elif len(x.shape) == 3:
        x = keras.layers.GlobalAveragePooling1D()(x)
    for n_units in widths:
        x = with_dropout(x, dropout_rate)
        x = keras.layers.Dense(n_units, activation="relu", kernel_initializer="he_normal")(x)
    model = keras.Model(inputs, output_layers(meta, with_dropout(x, dropout_rate)))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _check_base(base: Any) -> None:
    """Raise if the base is no network from one input to one output."""
    import keras

    if not isinstance(base, keras.Model):
        raise ValueError(
            "base must be a keras.Model, such as keras.applications.MobileNetV2("
            f"include_top=False, weights=path). Got {shown(base)} instead."
        )
    if not base.built:
        raise ValueError("base must be built, with weights. Call it on some images first.")
    if not hasattr(base, "inputs") or base.inputs is None:
        raise ValueError(
            "base must be a functional or sequential model, whose input and output are known. "
            f"Got a {type(base).__name__} instead; wrap it: keras.Model(inputs, base(inputs))."
        )
    if len(base.inputs) != 1 or len(base.outputs) != 1:
        raise ValueError(
            "base must have one input and one output. "
            f"Got {len(base.inputs)} input(s) and {len(base.outputs)} output(s)."
        )


def _check_images(base: Any, shape: Sequence[int]) -> None:
    """Raise if images have another size or other channels than those of the base."""
    wanted = tuple(base.inputs[0].shape[1:])
    is_equal = len(wanted) == len(shape) and all(
        want in (None, came) for want, came in zip(wanted, shape, strict=True)
    )
    if is_equal:
        return
    fixes = []
    if len(wanted) == 3:
        height, width, n_channels = wanted
        if (height, width) != tuple(shape[:2]) and None not in (height, width):
            fixes.append(f"size=({height}, {width})")
        if n_channels in (1, 3) and n_channels != shape[2]:
            fixes.append(f"color_mode={'rgb' if n_channels == 3 else 'grayscale'!r}")
    fix = f" Use encoder=ImageEncoder({', '.join(fixes)})." if fixes else ""
    raise ValueError(
        f"base takes images of shape {wanted}, but the encoded images have the shape "
        f"{tuple(shape)}.{fix}"
    )


def _copied(base: Any) -> Any:
    """Return a copy of the base with its weights, named "base"."""
    import keras

    try:
        owned = keras.models.clone_model(base)
        owned.set_weights(base.get_weights())
    except (TypeError, ValueError, NotImplementedError):
        try:
            owned = copy.deepcopy(base)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"base cannot be copied ({error}). Give its layers get_config and register their "
                "classes by keras.saving.register_keras_serializable."
            ) from error
    owned.name = "base"
    return owned


def _freeze(base: Any, n_unfrozen: int) -> None:
    """Make the last layers of a network trainable, and no other ones."""
    import keras

    layers = [layer for layer in _leaf_layers(base) if layer.weights]
    counted = [layer for layer in layers if not _is_batch_normalization(layer)]
    if n_unfrozen > len(counted):
        raise ValueError(
            f"n_unfrozen must be at most {len(counted)}, the number of layers with weights in the "
            f"base without batch normalisation. Got {n_unfrozen} instead."
        )
    # A container passes on the trainable weights of its layers only if it is trainable itself.
    base.trainable = True
    first = len(counted) - n_unfrozen
    unfrozen = {id(layer) for layer in counted[first:]}
    for layer in _leaf_layers(base):
        if not isinstance(layer, keras.layers.InputLayer):
            layer.trainable = id(layer) in unfrozen


def _leaf_layers(model: Any) -> Iterator[Any]:
    """Yield the layers of a network in their order, with those of nested networks."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaf_layers(layer)
        else:
            yield layer


def _is_batch_normalization(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.BatchNormalization)


def _preprocessed(x: Any, preprocess: Any, base: Any, meta: Meta) -> Any:
    """Return the images that a base takes from encoded images."""
    if callable(preprocess):
        return preprocess(x)
    if preprocess is None:
        return x
    if preprocess != "auto":
        raise ValueError(
            f"preprocess must be 'auto', a function or None. Got {shown(preprocess)} instead."
        )
    name = base.name.lower()
    kinds = [kind for start, kind in _PIXELS_OF_APPLICATIONS.items() if name.startswith(start)]
    if not kinds:
        return x
    scaling = meta.get("image_scaling_", "range")
    if scaling not in ("range", None):
        raise ValueError(
            f"base={base.name!r} has preprocessing of its own, but the images were encoded with "
            f"scaling={scaling!r}. Use ImageEncoder(scaling='range'), or give preprocess."
        )
    return _pixels_of(kinds[0], x, 1.0 if scaling == "range" else 255.0)


def _pixels_of(kind: str, x: Any, top: float) -> Any:
    """Return pixels of one of the kinds of ``keras.applications.imagenet_utils``.

    Parameters
    ----------
    kind : {"tf", "torch", "caffe", "included"}
        From -1 to 1; standardised; centred, in the order blue, green, red; from 0 to 255.
    x : keras tensor
        Pixels from 0 to ``top``.
    top : float
        1 or 255.
    """
    import keras

    rescaling = keras.layers.Rescaling
    if kind == "tf":
        return rescaling(2.0 / top, -1.0, name="preprocess")(x)
    if kind == "included":
        return x if top == 255 else rescaling(255.0 / top, name="preprocess")(x)
    if kind == "torch":
        pairs = list(zip(_MEAN_OF_RGB, _SCALE_OF_RGB, strict=True))
        scales = [1 / (top * scale) for _, scale in pairs]
        offsets = [-mean / scale for mean, scale in pairs]
        return rescaling(scales, offsets, name="preprocess")(x)
    x = keras.ops.flip(x, axis=-1)
    return rescaling(255.0 / top, [-mean for mean in _MEAN_OF_BGR], name="preprocess")(x)
