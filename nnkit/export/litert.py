"""`to_litert`: the network of a fitted estimator as a LiteRT (TensorFlow Lite) file."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from nnkit._validation import as_choice
from nnkit.encoding import TabularEncoder
from nnkit.estimators import KerasTransformer
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.prediction import check_fitted, encoded_rows
from nnkit.export.precision import check_precision

__all__ = ["to_litert"]

_NOT_OF_LITERT = (
    "The network has {}, which LiteRT does not have. Give recurrent layers unroll=True, or use "
    "nnkit.export.to_onnx."
)
# Largest difference of the outputs on the representative rows without a warning.
_LARGEST_DIFFERENCE = 0.05


def to_litert(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    quantize: Literal["int8", "int8_weights"] | None = None,
    X: Any | None = None,
) -> Path:
    """Write the network of a fitted estimator to a LiteRT file, for phones and small devices.

    The file has the network alone: encoded rows in, outputs of the network out. Encode rows with
    ``estimator.encoder_.transform(X)``. For whole pipelines there is `nnkit.export.to_onnx`.

    Parameters
    ----------
    estimator : KerasClassifier, KerasRegressor, TabularClassifier or TabularRegressor
        Fitted, with one network.
    path : str or path
        File to write, which ends with ".tflite".
    quantize : {"int8", "int8_weights"} or None, default=None
        None keeps 32-bit floats. "int8_weights" stores the weights as 8-bit integers, a quarter of the
        size, and computes in floats. "int8" also computes in integers, for devices without floats;
        it is less exact, and the ranges of values are those of representative rows.
    X : DataFrame or array, default=None
        Representative raw rows for "int8", of a network with one input. None uses the rows in ``background_``.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If the estimator is a pipeline or a transformer.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If the estimator has several networks, there are no representative rows, or a layer has no
        counterpart in LiteRT. The file is not written.

    Warns
    -----
    UserWarning
        If an "int8" network differs from the estimator by more than 0.05 on representative rows.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import KerasClassifier
    >>> from nnkit.export import to_litert
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = KerasClassifier(epochs=2).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = to_litert(clf, f"{folder}/iris.tflite")
    ...     path.stat().st_size > 1000
    True
    """
    as_choice("quantize", quantize, ("int8", "int8_weights", None))
    target = Path(path)
    if target.suffix != ".tflite":
        raise ValueError(f"path must end with '.tflite'. Got {str(path)!r} instead.")
    if not isinstance(estimator, KerasEstimator) or isinstance(estimator, KerasTransformer):
        raise TypeError(
            "to_litert takes a classifier or a regressor of nnkit. Got "
            f"{type(estimator).__name__} instead. Of a pipeline, give the last step, "
            "pipeline[-1], or use nnkit.export.to_onnx for the whole."
        )
    check_fitted(estimator)
    if len(estimator._members) > 1:
        raise ValueError(
            f"The estimator has {len(estimator._members)} networks, but a LiteRT file has one. Fit "
            "with n_estimators=1, or use nnkit.export.to_onnx."
        )
    network = estimator._network
    check_precision(network.compiled_model.model, ("float32",), "LiteRT")
    rows = _representative_rows(estimator, X) if quantize == "int8" else None
    options: dict[str, Any] = {}
    if quantize is not None:
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if rows is not None:
        options["representative_dataset"] = lambda: _one_by_one(rows)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras 3.15 on NumPy 2.4: `__array__` without the copy keyword, inside Keras.
        warnings.simplefilter("ignore", DeprecationWarning)
        written = Path(folder) / "network.tflite"
        try:
            network.model_to_export().export(
                str(written), format="litert", verbose=False, **options
            )
        except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
            if "Flex" in str(error):
                raise ValueError(_NOT_OF_LITERT.format("operators of TensorFlow")) from error
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"Keras cannot export the network to LiteRT: {reason}") from error
        _check_operators(written)
        difference = 0.0 if rows is None else _difference(written, network, rows)
        shutil.move(written, target)
    if difference > _LARGEST_DIFFERENCE:
        warnings.warn(
            f"The network in 8-bit integers differs from the estimator by up to {difference:.2g} on the "
            "representative rows. Use quantize='int8_weights', which computes in floats.",
            UserWarning,
            stacklevel=2,
        )
    return target


def _representative_rows(estimator: Any, X: Any) -> np.ndarray:
    """Return encoded rows from which the ranges of integers are learnt."""
    encoder = estimator.encoder_
    if isinstance(encoder, TabularEncoder) and encoder.cardinalities_:
        names = encoder.get_feature_names_out()[-len(encoder.cardinalities_) :].tolist()
        raise ValueError(
            f"The columns {names} are encoded as codes, which 8-bit integers of one range cannot "
            "represent beside numbers. Use quantize='int8_weights', or an encoder with a larger "
            "max_one_hot."
        )
    raw = getattr(estimator, "background_", None) if X is None else X
    if raw is None or not len(raw):
        raise ValueError(
            "quantize='int8' needs representative rows: give X, or fit with background_size=100."
        )
    rows = estimator._network.inputs(encoded_rows(estimator, raw))
    if not isinstance(rows, np.ndarray):
        raise ValueError(
            "quantize='int8' takes networks with one input. Use quantize='int8_weights'."
        )
    return rows


def _check_operators(path: Path) -> None:
    """Raise if a file has operators of TensorFlow, which LiteRT's interpreter does not have."""
    names = {name.decode() for name in re.findall(rb"Flex([A-Za-z0-9]+)", path.read_bytes())}
    names -= {"Delegate"}
    if names:
        raise ValueError(_NOT_OF_LITERT.format(f"the TensorFlow operators {sorted(names)}"))


def _one_by_one(rows: np.ndarray) -> Iterator[list[np.ndarray]]:
    for position in range(len(rows)):
        yield [rows[position : position + 1]]


def _difference(path: Path, network: Any, rows: np.ndarray) -> float:
    """Return the largest difference of the outputs of a file and of a network."""
    with warnings.catch_warnings():
        # TensorFlow 2.21 recommends another package for its interpreter.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    run = interpreter.get_signature_runner()
    (name,) = run.get_input_details()
    found = run(**{name: rows})
    expected = network.outputs(rows)
    # The names of the outputs end in their positions.
    ordered = sorted(found, key=lambda output: (len(output), output))
    return max(
        float(np.abs(found[name] - output).max())
        for name, output in zip(ordered, expected, strict=True)
    )
