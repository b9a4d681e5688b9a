"""random_state determines initial weights, dropout and row order."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV, StratifiedKFold

X, y = make_moons(200, noise=0.2, random_state=0)
X = X.astype("float32")


def build(meta, rate=0.3):
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(rate),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def new(random_state):
    return KerasClassifier(
        build,
        loss="binary_crossentropy",
        optimizer="adam",
        epochs=2,
        batch_size=20,
        verbose=0,
        random_state=random_state,
    )


first, again, other = (new(seed).fit(X, y) for seed in (0, 0, 1))
assert (first.predict_proba(X) == again.predict_proba(X)).all()
assert not np.allclose(first.predict_proba(X), other.predict_proba(X))

expected = first.predict_proba(X)
assert (first.fit(X, y).predict_proba(X) == expected).all()

# The stream of NumPy is the user's own.
np.random.seed(7)
before = np.random.get_state()[1].copy()
new(0).fit(X, y)
assert (np.random.get_state()[1] == before).all()

cv = StratifiedKFold(2)
searches = [
    GridSearchCV(new(3), {"optimizer__learning_rate": [0.1]}, cv=cv, refit=False).fit(X, y)
    for _ in range(2)
]
assert searches[0].best_score_ == searches[1].best_score_
assert searches[0].best_params_ == searches[1].best_params_ == {"optimizer__learning_rate": 0.1}

# A generator object.
state = np.random.RandomState(5)
with_state = new(state).fit(X, y)
results = {
    "a RandomState is used up": bool(
        not np.array_equal(state.get_state()[1], np.random.RandomState(5).get_state()[1])
        or state.get_state()[2] != np.random.RandomState(5).get_state()[2]
    ),
    "losses": len(with_state.history_["loss"]),
    "none": KerasRegressor(build).random_state,
}
