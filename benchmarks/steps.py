"""What a step costs, and what a fit costs beside its steps."""

import math
import time
from functools import partial

import tensorflow as tf

from benchmarks.candidates import RawKeras, of_mlp, of_nnkit
from benchmarks.figures import Figures, in_rounds
from benchmarks.networks import N_FEATURES, dense, random_table

STEPS_PER_EPOCH, SHORT_STEPS = 32, 2
BATCH_SIZES = (32, 256)
WIDTHS = (16, 64, 256, 512, 1024)
MAX_WIDTH_OF_XLA = 512

GRAPH, XLA, KERAS, MLP = "nnkit, graph", "nnkit, xla", "raw Keras", "scikit-learn MLP"
PRODUCTS = "matrix products alone"

# Rough seconds of a step beside its arithmetic, and operations per second: how long a run has to be.
_STEP_SECONDS = {GRAPH: 1e-4, XLA: 5e-5, KERAS: 2e-3, MLP: 2e-4}
_OPERATIONS_PER_SECOND = 5e10


def section(is_quick):
    """Return the section of the page."""
    steps, starts = Figures(), Figures()
    widths = WIDTHS[1:2] if is_quick else WIDTHS
    settings = [(batch_size, width) for batch_size in BATCH_SIZES for width in widths]
    for batch_size, width in settings:
        X, y = random_table(STEPS_PER_EPOCH * batch_size)
        row = _name(batch_size, width)
        makers = makers_of(batch_size, width)
        for name in {GRAPH, XLA} & set(makers):
            makers[name](epochs=1).fit(X, y)  # compiles
        seconds = 0.1 if is_quick else 0.25
        for _, (name, make) in in_rounds(makers.items(), 1 if is_quick else 3):
            guess = _STEP_SECONDS[name] + operations(batch_size, width) / _OPERATIONS_PER_SECOND
            step, start = step_and_start(make, X, y, batch_size, n_steps=seconds / guess)
            steps.add(row, name, step)
            starts.add(row, name, start)
            steps.add(row, PRODUCTS, products_seconds(batch_size, width, seconds / 2))
    rows = [_name(*setting) for setting in settings]
    columns = dict.fromkeys([GRAPH, XLA, KERAS, MLP], "ms")
    return f"""## A step

Networks 30-width-width-1 on random rows. A step is the difference between a fit of {SHORT_STEPS} steps
and one of many, {STEPS_PER_EPOCH} to the epoch, over the steps between them, so that the start-up cancels.

{steps.table(rows, columns | {PRODUCTS: "ms"}, corner="batch size, width", reference_column=GRAPH)}

How to read: milliseconds per step, and in brackets how many times as long as nnkit's graph. The
last column is the least that TensorFlow takes for the matrix products of such a step, forward and
backward, with nothing else. XLA is timed up to width {MAX_WIDTH_OF_XLA}.

### Around the steps

{starts.table(rows, columns, corner="batch size, width", reference_column=GRAPH)}

How to read: milliseconds that a later fit takes beside its steps: a fit of {SHORT_STEPS} steps, less
{SHORT_STEPS} times the above.
"""


def _name(batch_size, width):
    return f"{batch_size}, {width}"


def makers_of(batch_size, width):
    """Return functions from a number of epochs to an estimator, by name of the candidate."""
    engines = {GRAPH: "graph"} | ({XLA: "xla"} if width <= MAX_WIDTH_OF_XLA else {})
    found = {
        name: partial(of_nnkit, engine=engine, batch_size=batch_size, model__units=width)
        for name, engine in engines.items()
    }
    found[KERAS] = partial(RawKeras, build=partial(dense, width), batch_size=batch_size)
    found[MLP] = partial(of_mlp, units=width, batch_size=batch_size)
    return found


def operations(batch_size, width):
    """Return the multiplications and additions of a step."""
    n_weights = N_FEATURES * width + width**2 + width
    # Forward, and backward to the weights and to the layer's inputs.
    return 3 * 2 * batch_size * n_weights


def step_and_start(make, X, y, batch_size, n_steps):
    """Return the seconds of a step, and those of a fit beside its steps.

    Parameters
    ----------
    make : callable
        From a number of epochs to an estimator.
    X, y : ndarray
        Rows of whole batches.
    batch_size : int
    n_steps : float
        About how many steps the longer of the two fits is to have.
    """
    steps_per_epoch = len(X) // batch_size
    n_epochs = math.ceil(n_steps / steps_per_epoch)
    n_rows = SHORT_STEPS * batch_size
    short = _seconds(lambda: make(epochs=1).fit(X[:n_rows], y[:n_rows]))
    long = _seconds(lambda: make(epochs=n_epochs).fit(X, y))
    step = (long - short) / (n_epochs * steps_per_epoch - SHORT_STEPS)
    return step, short - SHORT_STEPS * step


def products_seconds(batch_size, width, seconds):
    """Return the seconds of a step's matrix products alone, in one TensorFlow program.

    Parameters
    ----------
    batch_size, width : int
    seconds : float
        About how long to run.
    """
    batches = tf.random.normal((8, batch_size, N_FEATURES))
    W1, W2, W3 = (
        tf.random.normal(shape, stddev=shape[0] ** -0.5)
        for shape in ((N_FEATURES, width), (width, width), (width, 1))
    )

    @tf.function
    def run(n_steps):
        used = tf.zeros(())
        for i in tf.range(n_steps):
            x = batches[i % 8]
            h1 = x @ W1
            h2 = h1 @ W2
            g3 = h2 @ W3
            g2 = tf.matmul(g3, W3, transpose_b=True)
            g1 = tf.matmul(g2, W2, transpose_b=True)
            for inputs, gradient in ((x, g1), (h1, g2), (h2, g3)):
                # One number of each product is used, so that none is left out.
                used += tf.matmul(inputs, gradient, transpose_a=True)[0, 0]
        return used

    guess = 5e-5 + operations(batch_size, width) / _OPERATIONS_PER_SECOND
    n_steps = math.ceil(seconds / guess)
    run(tf.constant(1))
    return _seconds(lambda: run(tf.constant(n_steps)).numpy()) / n_steps


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
