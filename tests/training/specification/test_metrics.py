"""Metrics in the history equal those of scikit-learn on predict and predict_proba."""

import keras
import numpy as np
import pytest
from networks import head
from scipy.special import logit
from sklearn import metrics as sk
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor
from nnkit.training.copying.copies import copy_of
from nnkit.training.specification.metric_kinds import metric_of_name

K = keras.metrics
N_TRAIN = 100


def unfitted(target, metrics, **params):
    """Return an estimator that keeps its initial weights, and its rows."""
    rng = np.random.default_rng(0)
    iris = load_iris()
    X, y = scale(iris.data), iris.target
    n_units, activation = {
        "one logit": (1, "linear"),
        "one sigmoid": (1, "sigmoid"),
        "two units": (2, "softmax"),
        "two logits": (2, "linear"),
        "classes logits": (3, "linear"),
        "classes softmax": (3, "softmax"),
        "labels logits": (3, "linear"),
        "labels sigmoid": (3, "sigmoid"),
        "values": (1, "linear"),
        "rows of values": (2, "linear"),
    }[target]
    if target in ("one logit", "one sigmoid", "two units", "two logits"):
        y = (y == 1).astype(int)
    elif target.startswith("labels"):
        y = np.abs(X[:, :3]) > 0.6
        y[:2] = [[1, 1, 1], [0, 0, 0]]
        y = y.astype(int)
    elif target == "values":
        y = 50.0 + 3.0 * iris.data[:, 3]
    elif target == "rows of values":
        y = 5.0 + np.abs(iris.data[:, 2:])
    order = rng.permutation(150)
    cls = KerasRegressor if "values" in target else KerasClassifier
    estimator = cls(
        lambda: head(n_units, activation),
        metrics=metrics,
        epochs=1,
        random_state=0,
        optimizer=keras.optimizers.SGD(0.0),
        encoder=None,
        **params,
    )
    return estimator, X[order], y[order]


def both(estimator, X, y):
    """Return training and validation metrics of one epoch with a learning rate of 0."""
    estimator.fit(X[:N_TRAIN], y[:N_TRAIN], X_val=X[N_TRAIN:], y_val=y[N_TRAIN:])
    history = {name: values[0] for name, values in estimator.history_.items()}
    for rows, prefix in ((slice(N_TRAIN), ""), (slice(N_TRAIN, None), "val_")):
        found = {
            name.removeprefix("val_"): value
            for name, value in history.items()
            if name.startswith("val_") == bool(prefix) and not name.endswith("loss")
        }
        yield X[rows], y[rows], found


BINARY = ["one logit", "one sigmoid", "two units", "two logits"]
CLASSES = ["classes logits", "classes softmax"]
LABELS = ["labels logits", "labels sigmoid"]


def counts(y, d):
    return sk.confusion_matrix(np.ravel(y), np.ravel(d)).ravel()


def iou(y, d, labels):
    return sk.jaccard_score(np.ravel(y), np.ravel(d), labels=labels, average="macro")


def at_least(y, p, of, fixed, level):
    """Return the best value of one rate where another is at least a level, at 200 thresholds."""
    eps = keras.config.epsilon()
    thresholds = np.array([-eps, *((np.arange(198) + 1) / 199), 1 + eps])
    rates = []
    for t in thresholds:
        tn, fp, fn, tp = sk.confusion_matrix(np.ravel(y), np.ravel(p) > t, labels=[0, 1]).ravel()
        by_name = {
            "recall": tp / (tp + fn), "precision": tp / (tp + fp) if tp + fp else 0.0,
            "specificity": tn / (tn + fp),
        }  # fmt: skip
        rates.append((by_name[of], by_name[fixed]))
    return max((value for value, other in rates if other >= level), default=0.0)


# name or metric, value from (labels, probabilities of the second class, predictions), tolerance
OF_TWO = [
    ("accuracy", lambda y, p, d: sk.accuracy_score(y, d)),
    (K.Accuracy(), lambda y, p, d: sk.accuracy_score(y, d)),
    ("binary_accuracy", lambda y, p, d: sk.accuracy_score(y, d)),
    ("CategoricalAccuracy", lambda y, p, d: sk.accuracy_score(y, d)),
    (K.SparseCategoricalAccuracy, lambda y, p, d: sk.accuracy_score(y, d)),
    (K.TopKCategoricalAccuracy(1), lambda y, p, d: sk.accuracy_score(y, d)),
    (K.SparseTopKCategoricalAccuracy(1), lambda y, p, d: sk.accuracy_score(y, d)),
    (K.binary_accuracy, lambda y, p, d: sk.accuracy_score(y, d)),
    ("Precision", lambda y, p, d: sk.precision_score(y, d, zero_division=0)),
    ("Recall", lambda y, p, d: sk.recall_score(y, d)),
    (K.Precision(class_id=0), lambda y, p, d: sk.precision_score(y, d, pos_label=0)),
    ("f1_score", lambda y, p, d: sk.f1_score(y, d)),
    (K.F1Score("macro"), lambda y, p, d: sk.f1_score(y, d, average="macro")),
    (K.F1Score(threshold=0.4), lambda y, p, d: sk.f1_score(y, p > 0.4)),
    (K.FBetaScore(beta=2.0), lambda y, p, d: sk.fbeta_score(y, d, beta=2.0)),
    ("TruePositives", lambda y, p, d: counts(y, d)[3]),
    ("TrueNegatives", lambda y, p, d: counts(y, d)[0]),
    ("FalsePositives", lambda y, p, d: counts(y, d)[1]),
    ("FalseNegatives", lambda y, p, d: counts(y, d)[2]),
    (K.AUC(2000), lambda y, p, d: sk.roc_auc_score(y, p)),
    ("BinaryCrossentropy", lambda y, p, d: sk.log_loss(y, p)),
    ("crossentropy", lambda y, p, d: sk.log_loss(y, p)),
    (K.SparseCategoricalCrossentropy(), lambda y, p, d: sk.log_loss(y, p)),
    (K.CategoricalCrossentropy(), lambda y, p, d: sk.log_loss(y, p)),
    ("kl_divergence", lambda y, p, d: sk.log_loss(y, p)),
    ("mse", lambda y, p, d: sk.brier_score_loss(y, p)),
    ("mae", lambda y, p, d: sk.mean_absolute_error(y, p)),
    (K.RootMeanSquaredError(), lambda y, p, d: np.sqrt(sk.brier_score_loss(y, p))),
    (K.MeanSquaredLogarithmicError(), lambda y, p, d: sk.mean_squared_log_error(y, p)),
    (K.LogCoshError(), lambda y, p, d: np.log(np.cosh(y - p)).mean()),
    (K.R2Score(), lambda y, p, d: sk.r2_score(y, p)),
    (
        K.CosineSimilarity(),
        lambda y, p, d: (np.where(y, p, 1 - p) / np.sqrt(p**2 + (1 - p) ** 2)).mean(),
    ),
    (K.BinaryIoU(), lambda y, p, d: iou(y, d, [0, 1])),
    ("MeanIoU", lambda y, p, d: iou(y, d, [0, 1])),
    (K.IoU(2, [1]), lambda y, p, d: iou(y, d, [1])),
    (K.OneHotIoU(2, [1]), lambda y, p, d: iou(y, d, [1])),
    ("OneHotMeanIoU", lambda y, p, d: iou(y, d, [0, 1])),
    (K.PrecisionAtRecall(0.6), lambda y, p, d: at_least(y, p, "precision", "recall", 0.6)),
    (K.RecallAtPrecision(0.2), lambda y, p, d: at_least(y, p, "recall", "precision", 0.2)),
    (
        K.SensitivityAtSpecificity(0.5),
        lambda y, p, d: at_least(y, p, "recall", "specificity", 0.5),
    ),
    (
        K.SpecificityAtSensitivity(0.5),
        lambda y, p, d: at_least(y, p, "specificity", "recall", 0.5),
    ),
]  # fmt: skip

OF_LOGITS = [
    ("hinge", lambda y, z: sk.hinge_loss(y, z)),
    ("squared_hinge", lambda y, z: (np.maximum(0, 1 - (2 * y - 1) * z) ** 2).mean()),
    (K.BinaryCrossentropy(from_logits=True), lambda y, z: sk.log_loss(y, 1 / (1 + np.exp(-z)))),
    (
        K.CategoricalCrossentropy(from_logits=True),
        lambda y, z: sk.log_loss(y, 1 / (1 + np.exp(-z))),
    ),
    (K.AUC(2000, from_logits=True), lambda y, z: sk.roc_auc_score(y, z)),
]

OF_SEVERAL = [
    ("accuracy", lambda y, t, p, d: sk.accuracy_score(y, d)),
    (K.Accuracy(), lambda y, t, p, d: sk.accuracy_score(y, d)),
    ("CategoricalAccuracy", lambda y, t, p, d: sk.accuracy_score(y, d)),
    ("SparseCategoricalAccuracy", lambda y, t, p, d: sk.accuracy_score(y, d)),
    (K.categorical_accuracy, lambda y, t, p, d: sk.accuracy_score(y, d)),
    (K.TopKCategoricalAccuracy(2), lambda y, t, p, d: sk.top_k_accuracy_score(y, p, k=2)),
    (K.SparseTopKCategoricalAccuracy(2), lambda y, t, p, d: sk.top_k_accuracy_score(y, p, k=2)),
    ("Precision", lambda y, t, p, d: sk.precision_score(t, p > 0.5, average="micro")),
    ("Recall", lambda y, t, p, d: sk.recall_score(t, p > 0.5, average="micro")),
    (K.Recall(class_id=2, top_k=1), lambda y, t, p, d: sk.recall_score(t[:, 2], d == 2)),
    (K.F1Score("macro"), lambda y, t, p, d: sk.f1_score(y, d, average="macro")),
    (K.F1Score("weighted"), lambda y, t, p, d: sk.f1_score(y, d, average="weighted")),
    (K.FBetaScore("micro", 2.0), lambda y, t, p, d: sk.accuracy_score(y, d)),
    ("TruePositives", lambda y, t, p, d: counts(t, p > 0.5)[3]),
    ("TrueNegatives", lambda y, t, p, d: counts(t, p > 0.5)[0]),
    ("FalsePositives", lambda y, t, p, d: counts(t, p > 0.5)[1]),
    ("FalseNegatives", lambda y, t, p, d: counts(t, p > 0.5)[2]),
    (K.AUC(2000), lambda y, t, p, d: sk.roc_auc_score(t, p, average="micro")),
    (K.AUC(2000, multi_label=True), lambda y, t, p, d: sk.roc_auc_score(t, p, average="macro")),
    ("crossentropy", lambda y, t, p, d: sk.log_loss(y, p)),
    ("CategoricalCrossentropy", lambda y, t, p, d: sk.log_loss(y, p)),
    (K.SparseCategoricalCrossentropy(), lambda y, t, p, d: sk.log_loss(y, p)),
    ("kl_divergence", lambda y, t, p, d: sk.log_loss(y, p)),
    ("mse", lambda y, t, p, d: sk.brier_score_loss(y, p, scale_by_half=False) / 3),
    ("mae", lambda y, t, p, d: sk.mean_absolute_error(t, p)),
    (K.RootMeanSquaredError(), lambda y, t, p, d: np.sqrt(((t - p) ** 2).mean())),
    (K.LogCoshError(), lambda y, t, p, d: np.log(np.cosh(t - p)).mean()),
    (K.R2Score(), lambda y, t, p, d: sk.r2_score(t, p)),
    (
        K.CosineSimilarity(),
        lambda y, t, p, d: ((t * p).sum(1) / np.linalg.norm(p, axis=1)).mean(),
    ),
    ("MeanIoU", lambda y, t, p, d: iou(y, d, [0, 1, 2])),
    (K.IoU(3, [1, 2]), lambda y, t, p, d: iou(y, d, [1, 2])),
    (K.OneHotIoU(3, [0]), lambda y, t, p, d: iou(y, d, [0])),
    ("OneHotMeanIoU", lambda y, t, p, d: iou(y, d, [0, 1, 2])),
    (K.PrecisionAtRecall(0.3), lambda y, t, p, d: at_least(t, p, "precision", "recall", 0.3)),
    (K.RecallAtPrecision(0.2), lambda y, t, p, d: at_least(t, p, "recall", "precision", 0.2)),
    (
        K.SensitivityAtSpecificity(0.5),
        lambda y, t, p, d: at_least(t, p, "recall", "specificity", 0.5),
    ),
    (
        K.SpecificityAtSensitivity(0.5),
        lambda y, t, p, d: at_least(t, p, "specificity", "recall", 0.5),
    ),
]  # fmt: skip

OF_LABELS = [
    ("accuracy", lambda y, p, d: sk.accuracy_score(y, d)),
    ("binary_accuracy", lambda y, p, d: 1 - sk.hamming_loss(y, d)),
    (K.Accuracy(), lambda y, p, d: 1 - sk.hamming_loss(y, d)),
    ("Precision", lambda y, p, d: sk.precision_score(y, d, average="micro")),
    ("Recall", lambda y, p, d: sk.recall_score(y, d, average="micro")),
    (K.F1Score("macro"), lambda y, p, d: sk.f1_score(y, d, average="macro")),
    (K.F1Score("micro", threshold=0.4), lambda y, p, d: sk.f1_score(y, p > 0.4, average="micro")),
    (K.FBetaScore("macro", 2.0), lambda y, p, d: sk.fbeta_score(y, d, beta=2, average="macro")),
    ("TruePositives", lambda y, p, d: counts(y, d)[3]),
    (K.AUC(2000), lambda y, p, d: sk.roc_auc_score(y, p, average="micro")),
    ("BinaryCrossentropy", lambda y, p, d: sk.log_loss(y.ravel(), p.ravel())),
    ("mse", lambda y, p, d: sk.mean_squared_error(y, p)),
    (K.RootMeanSquaredError(), lambda y, p, d: np.sqrt(((y - p) ** 2).mean())),
    (K.R2Score(), lambda y, p, d: sk.r2_score(y, p)),
    (K.BinaryIoU(), lambda y, p, d: iou(y, d, [0, 1])),
    ("MeanIoU", lambda y, p, d: iou(y, d, [0, 1])),
]

OF_VALUES = [
    ("mse", sk.mean_squared_error),
    ("mae", sk.mean_absolute_error),
    (K.MeanAbsoluteError, sk.mean_absolute_error),
    ("mape", lambda y, v: 100 * sk.mean_absolute_percentage_error(y, v)),
    (
        "msle",
        lambda y, v: ((np.log1p(np.maximum(y, 1e-7)) - np.log1p(np.maximum(v, 1e-7))) ** 2).mean(),
    ),
    ("RootMeanSquaredError", lambda y, v: np.sqrt(sk.mean_squared_error(y, v))),
    (
        "LogCoshError",
        lambda y, v: (np.abs(y - v) + np.log1p(np.exp(-2 * np.abs(y - v)))).mean() - np.log(2),
    ),
    (K.R2Score(), sk.r2_score),
    (K.PearsonCorrelation(axis=0), None),
]


def name_of(metric):
    """Return the name of a metric in the history."""
    return metric if isinstance(metric, str) else metric.name


def named(table):
    """Return a table with metrics of distinct names."""
    found = []
    for position, (metric, value) in enumerate(table):
        made = metric
        if isinstance(metric, type):
            made = metric(name=f"{metric.__name__}_{position}")
        elif not isinstance(metric, str):
            if isinstance(metric, K.Metric):
                made = copy_of(metric)
            else:
                made = K.MeanMetricWrapper(metric, name="function")
            made.name = f"{made.name}_{position}"
        found.append((made, value))
    return found


def compared(estimator, X, y, expected_of, tolerance=2e-5):
    """Assert that each metric has its expected value, in training and in validation."""
    for X_rows, y_rows, found in both(estimator, X, y):
        for (name, value), expected in zip(
            found.items(), expected_of(X_rows, y_rows, found), strict=True
        ):
            assert value == pytest.approx(expected, rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize(
    ("target", "engine"),
    [
        ("one logit", "graph"),
        pytest.param("one sigmoid", "keras", marks=pytest.mark.slow),
        pytest.param("two units", "keras", marks=pytest.mark.slow),
        pytest.param("two logits", "graph", marks=pytest.mark.slow),
    ],
)
def test_binary_metrics_equal_scikit_learn(target, engine):
    metrics = named(OF_TWO)
    estimator, X, y = unfitted(target, [m for m, _ in metrics], engine=engine)

    def expected(X_rows, y_rows, found):
        p, d = estimator.predict_proba(X_rows)[:, 1], estimator.predict(X_rows)
        by_name = {name_of(metric): value(y_rows, p, d) for metric, value in metrics}
        return [by_name[name] for name in found]

    compared(estimator, X, y, expected, tolerance=2e-3)


@pytest.mark.parametrize("target", ["one logit", "two logits"])
def test_metrics_with_from_logits_get_logits(target):
    metrics = named(OF_LOGITS)
    estimator, X, y = unfitted(target, [m for m, _ in metrics])

    def expected(X_rows, y_rows, found):
        z = logit(estimator.predict_proba(X_rows)[:, 1])
        by_name = {name_of(metric): value(y_rows, z) for metric, value in metrics}
        return [by_name[name] for name in found]

    compared(estimator, X, y, expected, tolerance=2e-3)


@pytest.mark.parametrize(
    ("target", "engine", "loss"),
    [
        ("classes softmax", "graph", "categorical"),
        pytest.param("classes logits", "keras", None, marks=pytest.mark.slow),
        pytest.param("classes logits", "graph", "categorical", marks=pytest.mark.slow),
    ],
)
def test_multiclass_metrics_equal_scikit_learn(target, engine, loss):
    metrics = named(OF_SEVERAL)
    if loss is not None:
        loss = keras.losses.CategoricalCrossentropy(from_logits=target == "classes logits")
    estimator, X, y = unfitted(target, [m for m, _ in metrics], engine=engine, loss=loss)

    def expected(X_rows, y_rows, found):
        p, d = estimator.predict_proba(X_rows), estimator.predict(X_rows)
        by_name = {
            name_of(metric): value(y_rows, np.eye(3)[y_rows], p, d) for metric, value in metrics
        }
        return [by_name[name] for name in found]

    compared(estimator, X, y, expected, tolerance=2e-3)


@pytest.mark.parametrize(
    ("target", "engine"), [("labels logits", "graph"), ("labels sigmoid", "keras")]
)
def test_multilabel_metrics_equal_scikit_learn(target, engine):
    metrics = named(OF_LABELS)
    estimator, X, y = unfitted(target, [m for m, _ in metrics], engine=engine)

    def expected(X_rows, y_rows, found):
        p, d = estimator.predict_proba(X_rows), estimator.predict(X_rows)
        by_name = {name_of(metric): value(y_rows, p, d) for metric, value in metrics}
        return [by_name[name] for name in found]

    compared(estimator, X, y, expected, tolerance=2e-3)


@pytest.mark.parametrize(("target", "engine"), [("values", "keras"), ("rows of values", "graph")])
def test_regression_metrics_equal_scikit_learn(target, engine):
    metrics = named([entry for entry in OF_VALUES if entry[1] is not None])
    estimator, X, y = unfitted(target, [m for m, _ in metrics], engine=engine)

    def expected(X_rows, y_rows, found):
        v = estimator.predict(X_rows)
        by_name = {name_of(metric): value(y_rows, v) for metric, value in metrics}
        return [by_name[name] for name in found]

    compared(estimator, X, y, expected, tolerance=2e-3)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_metrics_of_a_scaled_target_are_in_units_of_the_target(engine):
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    reg = KerasRegressor(
        "mlp", epochs=1, metrics=["mae", K.R2Score()], engine=engine, random_state=0
    )

    for offset in (0.0, 1e9, 2e9):
        reg.fit(X[:300], y[:300] + offset, X_val=X[300:], y_val=y[300:] + offset)

        v = reg.predict(X[300:])
        expected = sk.mean_absolute_error(y[300:] + offset, v)
        assert reg.history_["val_mae"][0] == pytest.approx(expected, rel=1e-4)
        expected = sk.r2_score(y[300:] + offset, v)
        assert reg.history_["val_r2_score"][0] == pytest.approx(expected, rel=1e-4)


def own_function(y_true, y_pred):
    return keras.ops.max(y_pred, axis=-1)


class OwnMetric(keras.metrics.Mean):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(keras.ops.max(y_pred, axis=-1), sample_weight)


@pytest.mark.parametrize("engine", ["graph"])
@pytest.mark.parametrize("target", [*BINARY, *CLASSES, *LABELS])
def test_custom_metrics_get_probabilities(target, engine):
    metrics = [own_function, OwnMetric, OwnMetric(name="instance")]
    estimator, X, y = unfitted(target, metrics, engine=engine)

    for X_rows, _, found in both(estimator, X, y):
        p = estimator.predict_proba(X_rows)
        expected = (p[:, 1] if target.startswith("one") else p.max(axis=1)).mean()
        assert list(found.values()) == pytest.approx([expected] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("target", "metric", "message"),
    [
        ("values", "accuracy", "metrics='accuracy' is for classes, but y is continuous"),
        ("values", K.AUC(), "metrics=AUC is for classes, but y is continuous"),
        ("values", "cosine_similarity", "compares the columns of each row, but y has one column"),
        ("values", "PearsonCorrelation", "compares the columns of each row, but y has one column"),
        ("values", "ConcordanceCorrelation", "compares the columns of each row"),
        ("one logit", "mape", "is for continuous values, but y has classes"),
        ("classes logits", "Poisson", "is for continuous values, but y has classes"),
        ("classes logits", "binary_accuracy", "is for two classes, but y has 3 classes"),
        ("classes logits", "BinaryIoU", "is for two classes, but y has 3 classes"),
        ("classes logits", "hinge", "is for two classes, but y has 3 classes"),
        ("classes logits", "f1_score", "one value for each class.*metrics__average='macro'"),
        ("labels logits", "CategoricalAccuracy", "is for mutually exclusive classes"),
        ("labels logits", "kl_divergence", "is for mutually exclusive classes"),
        ("labels sigmoid", "SparseCategoricalAccuracy", "is for mutually exclusive classes"),
        ("one logit", "categorical_hinge", "needs one output unit per class"),
        ("one sigmoid", "hinge", "takes scores or logits, but .* 'sigmoid'"),
        ("one sigmoid", K.BinaryCrossentropy(from_logits=True), "takes scores or logits"),
        ("classes softmax", K.AUC(from_logits=True), "takes scores or logits"),
        ("one logit", K.Mean(), "metrics=Mean does not compare targets"),
        ("one logit", "Sum", "metrics='Sum' does not compare targets"),
        ("classes logits", K.MeanIoU(2), "MeanIoU is made for num_classes=2, but y has 3"),
    ],
)  # fmt: skip
def test_fit_raises_on_a_metric_that_is_not_defined_for_the_target(target, metric, message):
    estimator, X, y = unfitted(target, [metric])

    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y)


def test_every_keras_metric_is_classified():
    tables = [OF_TWO, OF_LOGITS, OF_SEVERAL, OF_LABELS, OF_VALUES]
    kinds = {class_of(metric) for table in tables for metric, _ in table}
    elsewhere = {
        "Mean", "Sum", "Metric", "MeanMetricWrapper", "Poisson", "CategoricalHinge",
        "ConcordanceCorrelation",
    }  # fmt: skip

    of_keras = {name for name in dir(K) if isinstance(getattr(K, name), type)}

    assert of_keras - kinds - elsewhere == set()


def class_of(metric):
    """Return the name of the class of an entry of a table."""
    if isinstance(metric, str):
        metric = K.Accuracy if metric in ("accuracy", "crossentropy") else metric_of_name(metric)
    return metric.__name__ if hasattr(metric, "__name__") else type(metric).__name__


def test_poisson_and_correlation_metrics_equal_their_formulas():
    estimator, X, y = unfitted("rows of values", ["poisson", "PearsonCorrelation"])
    estimator.set_params(model=lambda: positive_network())

    for X_rows, y_rows, found in both(estimator, X, y):
        v = estimator.predict(X_rows)
        assert found["poisson"] == pytest.approx((v - y_rows * np.log(v + 1e-7)).mean(), rel=1e-4)
        # The correlation of two columns is 1 or -1.
        same = np.sign(y_rows[:, 1] - y_rows[:, 0]) == np.sign(v[:, 1] - v[:, 0])
        assert found["PearsonCorrelation"] == pytest.approx((2 * same - 1).mean(), abs=1e-3)


def positive_network():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softplus")])


def test_categorical_hinge_gets_scores():
    estimator, X, y = unfitted("classes logits", ["categorical_hinge"])

    for X_rows, y_rows, found in both(estimator, X, y):
        z = estimator.model_.predict(X_rows, verbose=0)
        right = np.eye(3)[y_rows]
        worst = ((1 - right) * z).max(axis=1)
        expected = np.maximum(0, 1 + worst - (right * z).sum(axis=1)).mean()
        assert found["categorical_hinge"] == pytest.approx(expected, rel=1e-4)


def test_saved_model_contains_the_keras_metrics(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    clf = KerasClassifier(lambda: head(1, "linear", 30), metrics=["AUC"], epochs=1).fit(scale(X), y)

    clf.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert clf.model_.get_compile_config()["metrics"] == ["AUC"]
    assert loaded.predict(scale(X)[:3], verbose=0).shape == (3, 1)
