"""
Texts: which library does a sentence come from?
===============================================

``KerasClassifier("text_bag")`` takes texts as they are. It learns a vocabulary of words and pairs of
words from the training texts, and trains a linear model of their weights beside a network of their
vectors.
"""

# %%
# The texts are the descriptions of functions and classes in NumPy, SciPy, scikit-learn and pandas.
# Names of the libraries are removed, since they would give them away.

import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.optimize
import scipy.signal
import scipy.stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils.discovery import all_estimators, all_functions

from nnkit import KerasClassifier, explain

NAMES = re.compile(r"numpy|scipy|scikit-learn|sklearn|pandas|\bnp\b|\bpd\b", re.IGNORECASE)


def description(part):
    """Return the first lines of the documentation, without the signature and the names."""
    text = inspect.getdoc(part) or ""
    body = text.split("Parameters\n---")[0]
    words = " ".join(body.split())
    return NAMES.sub("", re.sub(r"^\w+\(.*?\)", "", words))[:400]


def parts_of(*modules):
    return [vars(m)[name] for m in modules for name in dir(m) if name in vars(m) and name[0] != "_"]


frames = [getattr(pd.DataFrame, name) for name in dir(pd.DataFrame) if name[0] != "_"]
series = [getattr(pd.Series.str, name) for name in dir(pd.Series.str) if name[0] != "_"]
learning = [part for _, part in [*all_estimators(), *all_functions()]]
libraries = {
    "NumPy": parts_of(np, np.linalg, np.fft, np.random),
    "SciPy": parts_of(scipy.stats, scipy.optimize, scipy.signal),
    "scikit-learn": learning,
    "pandas": [*parts_of(pd), *frames, *series],
}
texts, labels = [], []
for library, parts in libraries.items():
    found = sorted({description(part) for part in parts if callable(part)})
    found = [text for text in found if len(text.split()) > 5]
    texts += found
    labels += [library] * len(found)
X_train, X_test, y_train, y_test = train_test_split(texts, labels, stratify=labels, random_state=0)
print(pd.Series(y_train).value_counts().to_string())
print(X_train[0])

# %%
# A bag of words and pairs of words is hard to beat on some thousand texts.

classifier = KerasClassifier("text_bag", random_state=0).fit(X_train, y_train)
baseline = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
    LogisticRegression(C=10, max_iter=1000),
).fit(X_train, y_train)
print(f"TF-IDF and logistic regression: {baseline.score(X_test, y_test):.3f}")
print(f"text_bag:                       {classifier.score(X_test, y_test):.3f}")

# %%
# Words
# -----
# Shapley values of words: how much each word adds to the probability of the predicted library.

rows = [text for text in X_test if len(text.split()) < 25][:3]
explanation = explain(classifier, rows, classes="predicted")
figure, axes = plt.subplots(len(rows), 1, figsize=(9, 7), layout="constrained")
for axis, row in zip(axes, range(len(rows)), strict=True):
    values = np.asarray(explanation[row].values)
    words = [str(word).strip() for word in explanation[row].data]
    axis.bar(range(len(words)), values, color=np.where(values > 0, "tab:red", "tab:blue"))
    axis.set_xticks(range(len(words)), words, rotation=50, ha="right", fontsize=8)
    axis.set_title(classifier.predict([rows[row]])[0], fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
