"""
A pipeline that answers without Python's networks
=================================================

A pipeline of raw columns is trained, stored as one ONNX file, and loaded by a process that has
neither TensorFlow nor nnkit. The process answers with the same probabilities, and faster.
"""

# %%
# Train
# -----
# The table has numbers with gaps, text and dates. ``TabularClassifier`` takes them as they are.

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import pandas as pd

from nnkit import TabularClassifier
from nnkit.export import onnx_inputs, to_onnx

rng = np.random.default_rng(0)
n_rows = 1_000
X = pd.DataFrame(
    {
        "age": rng.normal(45, 12, n_rows).round(),
        "income": rng.lognormal(10, 0.4, n_rows),
        "city": rng.choice(["Oslo", "Paris", "Rome", "Vienna"], n_rows),
        "since": pd.Timestamp("2020-01-01")
        + pd.to_timedelta(rng.integers(1_500, size=n_rows), "D"),
        "calls": rng.poisson(2, n_rows),
    }
)
X.loc[rng.random(n_rows) < 0.1, "income"] = np.nan
y = np.where(X["calls"] + (X["city"] == "Rome") + rng.normal(size=n_rows) > 3, "leaves", "stays")
clf = TabularClassifier(epochs=20, random_state=0).fit(X, y)

# %%
# Store
# -----
# The file has the encoder, the five networks of the ensemble, their mean and the calibration. Each
# column is an input.

folder = Path(tempfile.mkdtemp())
model = to_onnx(clf, X)
onnx.save(model, folder / "churn.onnx")
for entry in model.graph.input:
    kind = onnx.TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower()
    print(f"{entry.name:8} {kind}")
print(f"{(folder / 'churn.onnx').stat().st_size / 1e6:.2f} MB")

# %%
# Serve
# -----
# The service reads a request in JSON, as it would from a web server. Missing numbers are NaN and
# missing texts are empty; dates are microseconds since 1970. It imports NumPy and onnxruntime only.

service = folder / "service.py"
service.write_text(
    """
import json
import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
DTYPES = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(string)": object,
}
request = json.loads(sys.argv[2])
inputs = {
    entry.name: np.array([[request[entry.name]]], dtype=DTYPES[entry.type])
    for entry in session.get_inputs()
}
label, proba = session.run(None, inputs)
print(json.dumps({"label": label[0], "probabilities": proba[0].tolist()}))
assert "tensorflow" not in sys.modules and "nnkit" not in sys.modules
"""
)
request = (
    '{"age": 51.0, "income": NaN, "city": "Rome", "calls": 4, '
    f'"since": {pd.Timestamp("2023-02-01").value // 1_000}}}'
)
answer = subprocess.run(
    [sys.executable, service, folder / "churn.onnx", request],
    check=True,
    capture_output=True,
    text=True,
)
print(answer.stdout)

# %%
# The same answer in Python
# -------------------------

row = pd.DataFrame(
    {
        "age": [51.0],
        "income": [np.nan],
        "city": ["Rome"],
        "since": [pd.Timestamp("2023-02-01")],
        "calls": [4],
    }
)
print(clf.predict(row), clf.predict_proba(row))

# %%
# How long a request takes
# ------------------------
# The median of 50 calls for one row and for 100 rows.

session = onnxruntime.InferenceSession(folder / "churn.onnx")


def median_milliseconds(function):
    """Return the median duration of 50 calls."""
    durations = []
    for _ in range(50):
        begin = time.perf_counter()
        function()
        durations.append(1e3 * (time.perf_counter() - begin))
    return float(np.median(durations))


sizes = [1, 100]
python, runtime = [], []
for size in sizes:
    rows = X.head(size)
    feed = onnx_inputs(model, rows)
    python.append(median_milliseconds(lambda rows=rows: clf.predict_proba(rows)))
    runtime.append(median_milliseconds(lambda feed=feed: session.run(None, feed)))

fig, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
positions = np.arange(len(sizes))
for offset, values, name in ((-0.2, python, "Python"), (0.2, runtime, "onnxruntime")):
    bars = ax.barh(positions + offset, values, height=0.38, label=name)
    ax.bar_label(bars, fmt="%.2f ms", padding=3)
ax.set_yticks(positions, [f"{size} row{'s' if size > 1 else ''}" for size in sizes])
ax.invert_yaxis()
ax.set_xlabel("milliseconds per request")
ax.set_xlim(0, 1.25 * max(*python, *runtime))
ax.legend(loc="lower right")
ax.set_title("A request to the ensemble of five networks")
plt.show()
