"""
Plots of explained tables
=========================

This example explains three pipelines that end in a Keras network, and shows the plots of SHAP for
them: two classes, three classes and a regression, with columns of numbers and of strings.
``nnkit.explain`` returns a ``shap.Explanation`` in the columns of the table, which all plots
accept.
"""

# %%
# Two classes
# -----------
# The table has 569 tumours with 30 measurements. The network is the last step of a pipeline. It
# keeps a sample of its training rows as the background, whose values replace those of left-out
# columns.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import shap
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor, explain

bunch = load_breast_cancer(as_frame=True)
X, y = bunch.data, bunch.target_names[bunch.target]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
classifier = make_pipeline(
    StandardScaler(), KerasClassifier("mlp", epochs=20, batch_size=32, random_state=0)
)
classifier.fit(X_train, y_train)

explanation = explain(classifier, X_test, classes="malignant", n_permutations=4)
print(explanation)

# %%
# Thirty columns have too many coalitions for exact values. The values are estimated from random
# permutations of the columns. ``n_permutations=4`` draws four permutations for each background row
# instead of one, which reduces the standard errors.
#
# The bar plot shows the mean of the absolute values. ``feature_importance`` returns them with
# standard errors.

from nnkit.explanation import feature_importance

plt.figure()
shap.plots.bar(explanation, show=False)
plt.gcf().set_size_inches(8, 5)
plt.tight_layout()
print(feature_importance(explanation).head(5).round(4).to_string())

# %%
# The beeswarm plot has a dot for each row and each of the ten most important columns. The colour is
# the value of the column.

plt.figure()
shap.plots.beeswarm(explanation, group_remaining_features=False, plot_size=(8, 4.5), show=False)
plt.tight_layout()

# %%
# The violin plot shows the same for many rows. It needs numbers in all columns.

plt.figure()
shap.plots.violin(explanation, max_display=8, plot_size=(8, 4.5), show=False)
plt.tight_layout()

# %%
# The heatmap groups rows with similar values. The line at the top is the prediction.

plt.figure()
axes = shap.plots.heatmap(explanation, max_display=8, show=False)
axes.set(xlabel="tumours", aspect="auto")
plt.gcf().set_size_inches(9, 4.5)
plt.tight_layout()

# %%
# The decision plot shows rows as lines from the base value to their predictions, here for the
# tumours with the least certain predictions.

total = explanation.base_values + explanation.values.sum(axis=1)
unsure = np.argsort(np.abs(total - 0.5))[:8]
plt.figure()
shap.plots.decision(
    explanation.base_values[0],
    explanation.values[unsure],
    feature_names=explanation.feature_names,
    feature_display_range=slice(-1, -11, -1),
    auto_size_plot=False,
    show=False,
)
plt.gcf().set_size_inches(8, 5)
plt.tight_layout()

# %%
# Groups of columns
# -----------------
# Each measurement has three columns: the mean, the standard error, and the mean of the three
# largest values. The three columns form a feature group with a single value. The values of ten
# groups are exact.

measurements = [name.removeprefix("mean ") for name in X if name.startswith("mean ")]
groups = {
    measurement: [f"mean {measurement}", f"{measurement} error", f"worst {measurement}"]
    for measurement in measurements
}
grouped = explain(
    classifier, X_test.head(60), classes="malignant", feature_groups=groups, max_background=50
)
print(f"method: {grouped.method}, largest standard error: {grouped.error_std.max():g}")
plt.figure()
shap.plots.bar(grouped, show=False)
plt.gcf().set_size_inches(8, 4.5)
plt.tight_layout()

# %%
# Three classes
# -------------
# The table has 178 wines from three growers. The last axis of the explanation is for the classes. A
# plot accepts one class, which can be selected by its name.

bunch = load_wine(as_frame=True)
X, y = bunch.data, np.array(["grower A", "grower B", "grower C"])[bunch.target]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
classifier = make_pipeline(
    StandardScaler(), KerasClassifier("mlp", epochs=30, batch_size=16, random_state=0)
)
classifier.fit(X_train, y_train)

explanation = explain(classifier, X_test, n_permutations=4)
print(f"{explanation.shape} values: wines, columns, classes {explanation.output_names}")
grower_b = explanation[:, :, "grower B"]
plt.figure()
shap.plots.beeswarm(grower_b, plot_size=(8, 4.5), show=False)
plt.title("P(grower B)")
plt.tight_layout()

# %%
# The table of importances contains all classes:

table = feature_importance(explanation)
sizes = table.xs("importance", axis=1, level=1)
errors = table.xs("std_error", axis=1, level=1)
axes = sizes.head(8)[::-1].plot.barh(
    xerr=errors.head(8)[::-1], figsize=(8, 5), width=0.8, xlabel="mean |SHAP value|"
)
axes.legend(title="probability of")
plt.tight_layout()

# %%
# A scatter plot shows one column. The colour is the column for which SHAP estimates the strongest
# interaction.

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes = shap.plots.scatter(grower_b[:, "alcohol"], color=grower_b, ax=axes, show=False)

# %%
# Regression with columns of strings
# ----------------------------------
# The table has 1,200 artificial flats, so that the true effects are known. The rent per square
# metre depends on the district and the year. A balcony increases the rent, most of all in the
# centre. The colour of the door has no effect. Some years are missing.

rng = np.random.default_rng(0)
n_flats = 1200
flats = pd.DataFrame(
    {
        "district": rng.choice(["centre", "harbour", "north", "suburb"], n_flats),
        "area": rng.uniform(25, 120, n_flats).round(),
        "year": rng.integers(1900, 2024, n_flats).astype(float),
        "heating": rng.choice(["gas", "oil", "heat pump"], n_flats, p=[0.5, 0.2, 0.3]),
        "balcony": rng.choice(["yes", "no"], n_flats),
        "door": rng.choice(["red", "green", "white"], n_flats),
    }
)
per_metre = flats["district"].map({"centre": 18, "harbour": 15, "north": 12, "suburb": 10})
rent = flats["area"] * (per_metre + 0.03 * (flats["year"] - 1960))
rent += flats["heating"].map({"gas": 0, "oil": -80, "heat pump": 80})
rent += (flats["balcony"] == "yes") * np.where(flats["district"] == "centre", 250, 50)
rent += rng.normal(scale=40, size=n_flats)
flats.loc[rng.random(n_flats) < 0.05, "year"] = np.nan

# %%
# The pipeline imputes, scales and encodes the columns. The explanation has the six columns of the
# table, including the columns of strings.

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

prepare = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include=float)),
    (OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude=float)),
)
regressor = make_pipeline(prepare, KerasRegressor("mlp", epochs=60, batch_size=32, random_state=0))
X_train, X_test, y_train, y_test = train_test_split(flats, rent, random_state=0)
regressor.fit(X_train, y_train)
print(f"R² on the test rows: {regressor.score(X_test, y_test):.3f}\n")

explanation = explain(regressor, X_test.head(200))
print(explanation)

# %%
# The waterfall plot of the cheapest of these flats leads from the mean rent of the background at
# the bottom to the predicted rent at the top.

total = explanation.base_values + explanation.values.sum(axis=1)
plt.figure()
shap.plots.waterfall(explanation[int(np.argmin(total))], show=False)
plt.gcf().set_size_inches(8, 4)
plt.tight_layout()

# %%
# The force plot shows the most expensive flat. Columns with small contributions have no label. In a
# notebook, ``shap.plots.force(explanation[flat])`` is interactive after ``shap.initjs()``.

flat = int(np.argmax(total))
figure = shap.plots.force(
    explanation.base_values[flat].round(),
    explanation.values[flat].round(),
    explanation.data[flat],
    feature_names=explanation.feature_names,
    matplotlib=True,
    figsize=(11, 3),
    show=False,
)
axes = figure.axes[0]
axes.set_xticks([1000, 1500, 2000])
axes.set_position([0.08, 0, 0.84, 0.62])  # space for the numbers above

# %%
# The scatter plot of a column of strings shows an interaction. A balcony increases the rent more in
# the centre: there the red dots are above the blue ones, elsewhere below.

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes = shap.plots.scatter(
    explanation[:, "district"], color=explanation[:, "balcony"], ax=axes, show=False
)

# %%
# Interactions
# ------------
# A Shapley value includes a share of the interactions of its column. ``interactions=True`` returns
# a matrix for each row, whose row sums are the Shapley values. The network has learnt the true
# interactions: area with district and year, and balcony with district.

pairs = explain(regressor, X_test.head(100), interactions=True)
sums = pairs.values.sum(axis=2)
print(f"{pairs.shape} values: flats, columns, columns")
print(f"sums equal Shapley values: {np.allclose(sums, explanation.values[:100], atol=0.01)}")

mean_size = np.abs(pairs.values).mean(axis=0)
np.fill_diagonal(mean_size, np.nan)  # effects of single columns
figure, axes = plt.subplots(figsize=(6.5, 5), layout="constrained")
picture = axes.imshow(mean_size, cmap="Blues", vmin=0)
axes.set_facecolor("0.85")
names = pairs.feature_names
axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
axes.set_yticks(range(len(names)), names)
for (row, column), size in np.ndenumerate(mean_size):
    if row != column:
        is_dark = size > np.nanmax(mean_size) / 2
        colour = "white" if is_dark else "black"
        axes.text(column, row, f"{size:.1f}", ha="center", va="center", color=colour)
axes.set_title("mean |interaction|, in units of rent")
figure.colorbar(picture)
plt.show()
