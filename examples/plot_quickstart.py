"""
From a DataFrame to explained predictions
=========================================

This example trains a Keras network as the last step of a scikit-learn pipeline on a table of
patients. A ``ColumnTransformer`` prepares the columns, a stratified cross-validation compares
models, and a grid search tunes the network. At the end the predictions are explained in the
columns of the table.

``make demo`` runs the example, prints its tables and writes two figures.
"""

# %%
# The table
# ---------
# The table has 442 diabetes patients with ten measurements at the start of a study. The target is
# whether a patient belongs to the quarter whose disease progressed fastest within a year.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

X, progression = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1.0: "sex 1", 2.0: "sex 2"})
y = np.where(progression > progression.quantile(0.75), "fast", "slow")
print(X.head(3).to_string(index=False))
print(pd.Series(y).value_counts().to_string(), "\n")

# %%
# The network
# -----------
# A builder is a function that returns a Keras model. ``meta`` describes the data. The other
# arguments, such as ``units``, are hyperparameters that can be tuned. The builder need not compile
# the model: nnkit chooses the loss by the target and the last layer.

import keras

from nnkit import KerasClassifier, explain


def build(meta, units=32, dropout_rate=0.2):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(dropout_rate),
            keras.layers.Dense(meta.n_output_units_, activation="sigmoid"),
        ]
    )


# %%
# The pipeline
# ------------
# The network is the last step. Both classes have the same total weight, although one of them is
# three times as frequent. A stratified fifth of the rows is held out. The training stops when the
# loss on these rows no longer improves, and restores the best weights.

from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def prepared(classifier):
    columns = make_column_transformer(
        (OneHotEncoder(drop="if_binary"), ["sex"]), remainder=StandardScaler()
    )
    return make_pipeline(columns, classifier)


network = prepared(
    KerasClassifier(
        build,
        class_weight="balanced",
        early_stopping=True,
        validation_split=0.2,
        epochs=200,
        batch_size=32,
        metrics=["AUC"],
        random_state=0,
    )
)

# %%
# Cross-validation and comparison with scikit-learn
# -------------------------------------------------
# With ``y == "fast"``, fast progression is the positive class of the scorers.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier

models = {
    "nnkit network": network,
    "logistic regression": prepared(LogisticRegression(class_weight="balanced")),
    "scikit-learn MLP": prepared(
        MLPClassifier(32, early_stopping=True, max_iter=200, batch_size=32, random_state=0)
    ),
}
scoring = ["roc_auc", "balanced_accuracy", "average_precision"]
rows = {}
for name, model in models.items():
    scores = cross_validate(model, X, y == "fast", cv=5, scoring=scoring)
    rows[name] = {metric: scores[f"test_{metric}"].mean() for metric in scoring}
    rows[name]["seconds per fit"] = np.median(scores["fit_time"])
print(pd.DataFrame(rows).T.round(3).to_string(), "\n")

# %%
# A grid search over the builder and the optimizer
# ------------------------------------------------
# ``model__`` routes arguments to the builder, and ``optimizer__`` to the optimizer. They need no
# declaration.

X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
grid = {
    "kerasclassifier__model__units": [8, 64],
    "kerasclassifier__optimizer__learning_rate": [0.0003, 0.003],
}
search = GridSearchCV(network, grid, cv=3, scoring="roc_auc").fit(X_train, y_train)
results = pd.DataFrame(search.cv_results_)
results = results[[*(f"param_{name}" for name in grid), "mean_test_score", "rank_test_score"]]
results.columns = ["units", "learning rate", "ROC AUC", "rank"]
print(results.round(4).to_string(index=False))
print(f"ROC AUC on the test rows: {search.score(X_test, y_test):.3f}\n")

# %%
# Training curves of the best network
# -----------------------------------

best = search.best_estimator_
history = best[-1].history_

figure, (loss_axes, auc_axes) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for axes, metric in ((loss_axes, "loss"), (auc_axes, "AUC")):
    epochs = np.arange(1, len(history[metric]) + 1)
    axes.plot(epochs, history[metric], label="training")
    axes.plot(epochs, history[f"val_{metric}"], label="held-out fifth")
    axes.axvline(best[-1].best_epoch_ + 1, color="grey", linestyle=":", label="best epoch")
    axes.set(xlabel="epoch", ylabel=metric)
loss_axes.set_title("Cross-entropy, balanced classes")
auc_axes.set_title("Area under the ROC curve")
loss_axes.legend()
figure.savefig("quickstart_history.png", dpi=120)

# %%
# Explanation of the predictions
# ------------------------------
# ``explain`` takes the whole pipeline and the raw table. It returns a ``shap.Explanation`` for the
# ten columns. A value is the contribution of a column to the difference between the probability of
# a fast progression and its mean over the background. For ten columns the Shapley values are exact.

import shap

explanation = explain(best, X_test.head(40), background=X_train, classes="fast", max_background=50)
total = explanation.values.sum(axis=1) + explanation.base_values
fast = list(best.classes_).index("fast")
print(
    "The values and the base value sum to the probabilities:",
    np.allclose(total, best.predict_proba(X_test.head(40))[:, fast], atol=1e-6),
)
mean_size = pd.Series(np.abs(explanation.values).mean(axis=0), explanation.feature_names)
print("Mean absolute contribution to P(fast) of 40 patients:")
print(mean_size.sort_values(ascending=False).head(5).round(3).to_string(), "\n")

riskiest = np.argsort(total)[::-1][:3]
for patient in riskiest:
    contributions = pd.DataFrame(
        {"value": X_test.iloc[patient], "contribution": explanation.values[patient].round(3)}
    )
    largest = contributions["contribution"].abs().sort_values(ascending=False).index[:4]
    print(f"A patient with P(fast) = {total[patient]:.2f}:")
    print(contributions.loc[largest].to_string(), "\n")

# %%
# The waterfall plot of shap shows the patient with the highest risk.

figure = plt.figure()
shap.plots.waterfall(explanation[riskiest[0]], show=False)
figure.savefig("quickstart_explanation.png", dpi=120, bbox_inches="tight")
plt.show()
