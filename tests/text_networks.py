"""Small networks for texts, and texts with labels."""

import numpy as np

from nnkit.builders import Meta

N_CODES, N_STEPS = 12, 7
# Small arguments of each builder, without random draws.
SMALL = {
    "text_bag": {"embedding_units": 4, "units": (6, 5), "dropout_rate": 0.0},
    "text_cnn": {"embedding_units": 4, "n_filters": 3, "dropout_rate": 0.0},
    "text_lstm": {"embedding_units": 4, "units": 3, "dropout_rate": 0.0},
    "text_transformer": {
        "n_blocks": 2, "embedding_units": 8, "n_heads": 2, "feed_forward_units": 6,
        "dropout_rate": 0.0,
    },
}  # fmt: skip
SEQUENTIAL = ("text_cnn", "text_lstm", "text_transformer")
for _name in SMALL:
    SMALL[_name]["token_dropout_rate"] = 0.0
for _name in SEQUENTIAL[:2]:
    SMALL[_name]["embedding_dropout_rate"] = 0.0


def meta_of(target_type="multiclass", n_units=3, n_steps=N_STEPS, n_codes=N_CODES):
    """Return the facts about 20 encoded texts."""
    shape = (20, n_steps)
    return Meta(X_shape_=shape, n_codes_=n_codes, target_type_=target_type, n_output_units_=n_units)


def code_rows(n_samples=20, n_steps=N_STEPS, seed=0):
    """Return rows of codes without padding."""
    return np.random.default_rng(seed).integers(1, N_CODES, (n_samples, n_steps)).astype(np.int32)


def labelled_texts(n_samples=60):
    """Return texts of unequal length whose label is that of one of their words."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 2
    words = [["awful", "poor"], ["great", "fine"]]
    X = []
    for label in y:
        text = [f"w{i}" for i in rng.integers(0, 12, rng.integers(1, 7))]
        text.insert(rng.integers(0, len(text) + 1), rng.choice(words[label]))
        X.append(" ".join(text))
    return X, np.array(["bad", "good"])[y]
