"""How long stored estimators take to load and to predict, in Python and in onnxruntime."""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import skops.io as sio
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from benchmarks.figures import Figures, in_rounds
from nnkit import TabularClassifier
from nnkit.export import onnx_inputs, to_onnx

N_ROWS, N_NUMBERS = 2_000, 9
LEVELS = (2, 3, 5, 20)
ROWS = {"1 row": 1, "100 rows": 100, "10,000 rows": 10_000}


def mixed_table(n_rows):
    """Return 14 columns: nine numbers, three of them with gaps, four texts and a date."""
    rng = np.random.default_rng(0)
    columns = {f"number {i}": rng.normal(size=n_rows) for i in range(N_NUMBERS)}
    for i in range(3):
        columns[f"number {i}"][rng.random(n_rows) < 0.1] = np.nan
    for n_levels in LEVELS:
        columns[f"text of {n_levels}"] = rng.choice([f"level {i}" for i in range(n_levels)], n_rows)
    columns["date"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        rng.integers(900, size=n_rows), "D"
    )
    y = columns["number 5"] + (columns["text of 2"] == "level 0") + rng.normal(size=n_rows) > 0.5
    return pd.DataFrame(columns), y.astype(int)


def section(is_quick):
    """Return the section of the page."""
    X, y = mixed_table(N_ROWS // 10 if is_quick else N_ROWS)
    clf = TabularClassifier(epochs=2 if is_quick else 10, random_state=0).fit(X, y)
    trees = make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(), make_column_selector(dtype_include=[str, object])),
            ("passthrough", make_column_selector(dtype_include=np.number)),
        ),
        HistGradientBoostingClassifier(random_state=0),
    ).fit(X, y)
    model = to_onnx(clf, X)
    quantized = to_onnx(clf, X, quantize="int8")
    predicting = time_predictions(clf, trees, model, quantized, X, 1 if is_quick else 5)
    loading = time_loading(clf, model, X, 1 if is_quick else 3)
    sizes = Figures()
    for name, n_bytes in {
        "pickle": len(pickle.dumps(clf)),
        "skops": len(sio.dumps(clf)),
        "ONNX": model.ByteSize(),
        "ONNX, int8": quantized.ByteSize(),
    }.items():
        sizes.add(name, "size", n_bytes / 1e6)
    proba = clf.predict_proba(X)
    differences = [np.abs(run(m, X) - proba).max() for m in (model, quantized)]
    return f"""## Serving

The default ensemble (five networks) on {X.shape[1]} columns: nine numbers, three of them with gaps,
four texts of 2 to 20 levels, and a date. The trees are scikit-learn's
`HistGradientBoostingClassifier` behind an `OrdinalEncoder`, without the date.

{predicting.table(["nnkit, DataFrame", "nnkit in onnxruntime", "nnkit in onnxruntime, int8", "trees, DataFrame"], dict.fromkeys(ROWS, "ms"), reference_row="nnkit, DataFrame")}

{loading.table(["pickle, nnkit", "ONNX, onnxruntime"], {"process": "s"})}

{sizes.table(["pickle", "skops", "ONNX", "ONNX, int8"], {"size": "MB"})}

How to read: milliseconds of a call of `predict_proba` or `session.run`; seconds of a process that
starts, loads the file and predicts one row; megabytes of the file. The probabilities of ONNX differ
from Python's by at most {differences[0]:.1e}, with weights of 8 bits by at most {differences[1]:.3f}.
"""


def run(model, X):
    """Return the probabilities of an ONNX model."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["probabilities"], onnx_inputs(model, X))[0]


def time_predictions(clf, trees, model, quantized, X, n_rounds):
    """Time predictions of one row, and of more."""
    figures = Figures()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(m.SerializeToString(), options)
        for name, m in (("", model), (", int8", quantized))
    }
    rows = {name: X.sample(n, replace=True, random_state=0) for name, n in ROWS.items()}
    feeds = {name: onnx_inputs(model, table) for name, table in rows.items()}
    for _, (name, table) in in_rounds(list(rows.items()), n_rounds):
        n_calls = 100 if len(table) == 1 else 10
        for estimator, label in ((clf, "nnkit, DataFrame"), (trees, "trees, DataFrame")):
            figures.time(
                label,
                name,
                function=lambda e=estimator, t=table: e.predict_proba(t),
                n_calls=n_calls,
            )
        for suffix, session in sessions.items():
            figures.time(
                f"nnkit in onnxruntime{suffix}",
                name,
                function=lambda s=session, n=name: s.run(["probabilities"], feeds[n]),
                n_calls=n_calls,
            )
    return figures


def time_loading(clf, model, X, n_rounds):
    """Time processes that load a file and predict one row."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "clf.pickle").write_bytes(pickle.dumps(clf))
        onnx.save(model, path / "clf.onnx")
        (path / "row.pickle").write_bytes(pickle.dumps((X[:1], onnx_inputs(model, X[:1]))))
        load = f"import pickle; X, feed = pickle.load(open(r'{path / 'row.pickle'}', 'rb'))\n"
        codes = {
            "pickle, nnkit": f"pickle.load(open(r'{path / 'clf.pickle'}', 'rb')).predict_proba(X)",
            "ONNX, onnxruntime": "import onnxruntime\n"
            f"onnxruntime.InferenceSession(r'{path / 'clf.onnx'}').run(None, feed)",
        }
        for _, (name, code) in in_rounds(list(codes.items()), n_rounds):
            figures.time(
                name,
                "process",
                function=lambda code=code: subprocess.run(
                    [sys.executable, "-c", load + code], check=True, capture_output=True
                ),
            )
    return figures
