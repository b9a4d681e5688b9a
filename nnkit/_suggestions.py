"""Suggestions for unknown names: misspelt ones, and names of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterable

__all__ = ["did_you_mean", "from_elsewhere", "listed", "nearest", "remark_on"]

# Parameters of scikit-learn, SciKeras, skorch, XGBoost and older Keras, and the corresponding
# parameters of nnkit. The first one that exists is suggested.
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("lr", "learning_rate", "learning_rate_init", "eta", "eta0", "step_size"),
        ("optimizer__learning_rate",),
    ),
    **dict.fromkeys(("momentum", "nesterovs_momentum"), ("optimizer__momentum",)),
    **{
        name: (f"optimizer__{name}",)
        for name in ("beta_1", "beta_2", "epsilon", "rho", "clipnorm", "clipvalue", "use_ema")
    },
    **dict.fromkeys(("decay", "lr_decay", "lr_schedule"), ("optimizer__learning_rate",)),
    "weight_decay": ("model__weight_decay", "optimizer__weight_decay"),
    **dict.fromkeys(
        ("alpha", "l2_reg", "reg_lambda", "kernel_regularizer"),
        ("model__l2", "model__weight_decay", "optimizer__weight_decay"),
    ),
    **dict.fromkeys(
        ("hidden_layer_sizes", "hidden_units", "hidden_sizes", "n_units", "n_hidden", "layers"),
        ("model__units",),
    ),
    **dict.fromkeys(("dropout", "dropout_prob", "drop_rate"), ("model__dropout_rate",)),
    **dict.fromkeys(("n_components", "latent_dim", "encoding_dim"), ("model__n_components",)),
    **dict.fromkeys(
        ("max_iter", "n_iter", "nb_epoch", "nb_epochs", "n_epochs", "num_epochs", "max_epochs"),
        ("epochs",),
    ),
    **dict.fromkeys(("minibatch_size", "mini_batch_size"), ("batch_size",)),
    **dict.fromkeys(
        ("patience", "early_stopping_rounds", "early_stopping_patience"), ("n_iter_no_change",)
    ),
    "min_delta": ("tol",),
    **dict.fromkeys(("validation_fraction", "val_split", "validation_size"), ("validation_split",)),
    **dict.fromkeys(("eval_set", "val_data"), ("validation_data",)),
    **dict.fromkeys(
        ("build_fn", "build_model", "builder", "module", "net", "network", "estimator"), ("model",)
    ),
    "solver": ("optimizer",),
    **dict.fromkeys(("criterion", "objective", "loss_function"), ("loss",)),
    "eval_metric": ("metrics",),
    **dict.fromkeys(("seed", "random_seed"), ("random_state",)),
    **dict.fromkeys(("n_models", "num_members"), ("n_estimators",)),
    **dict.fromkeys(("verbosity", "silent"), ("verbose",)),
    **dict.fromkeys(("scaler", "preprocessor", "normalize"), ("encoder",)),
    **dict.fromkeys(("max_time", "max_runtime_secs"), ("time_limit",)),
    "from_logits": ("loss__from_logits",),
    "label_smoothing": ("loss__label_smoothing",),
}

# Remarks by unknown name and suggestion: differences of the suggested parameter, or the reason why
# there is no suggestion ("").
_REMARKS = {
    "alpha": {
        "model__l2": "It corresponds to alpha / (2 * batch_size) of MLPClassifier.",
    },
    "decay": {"optimizer__learning_rate": "Use a schedule of keras.optimizers.schedules."},
    "lr_decay": {"optimizer__learning_rate": "Use a schedule of keras.optimizers.schedules."},
    "momentum": {"optimizer__momentum": "It is an argument of optimizer='sgd'."},
    "nesterovs_momentum": {"optimizer__momentum": "Set optimizer='sgd' and optimizer__nesterov."},
    "patience": {"n_iter_no_change": "It needs early_stopping=True."},
    "early_stopping_rounds": {"n_iter_no_change": "It needs early_stopping=True."},
    "class_weight": {"": "It is a parameter of classifiers. Use sample_weight of fit."},
    "n_jobs": {"": "A fit uses all cores. Use n_jobs of GridSearchCV or cross_val_score."},
}

# Arguments of Keras' classes by the name of the same argument in other classes or older versions.
_OF_KERAS = {
    "lr": ("learning_rate",),
    "learning_rate_init": ("learning_rate",),
    "eta": ("learning_rate",),
    "decay": ("learning_rate",),
    # beta_1 of Adam has the role of the momentum of SGD.
    "momentum": ("beta_1",),
    "n_iter_no_change": ("patience",),
    "tol": ("min_delta",),
    "metric": ("monitor",),
}

# Number of names in a message.
_AT_MOST = 12


def from_elsewhere(name: str, is_right: Callable[[str], bool]) -> str | None:
    """Return the parameter that corresponds to a name of another library, or None.

    Parameters
    ----------
    name : str
        Name in the other library, without a prefix.
    is_right : callable
        Function that returns whether a parameter of nnkit exists.
    """
    return next((right for right in _ELSEWHERE.get(name.lower(), ()) if is_right(right)), None)


def remark_on(name: str, suggestion: str | None) -> str:
    """Return a remark on the suggestion for a name of another library, or "".

    Parameters
    ----------
    name : str
        Name in the other library.
    suggestion : str or None
        Parameter that is suggested. With None, the remark says why there is no suggestion.
    """
    remark = _REMARKS.get(name.lower(), {}).get(suggestion or "", "")
    # A user's builder may lack an argument that ready-made builders have.
    builders = [right for right in _ELSEWHERE.get(name.lower(), ()) if right.startswith("model__")]
    if suggestion is None and builders:
        remark = (
            "The builder has no argument for it. Add one, for example with the name "
            f"{builders[0].removeprefix('model__')!r}."
        )
    return f" {remark}" if remark else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name, or None if no name is similar.

    Two names are similar if they differ in few letters. A longer name that contains the given one
    is not similar: "ema_momentum" has another meaning than "momentum".

    Parameters
    ----------
    name : str
        Name that is not known.
    known : iterable of str
        Valid names.

    Examples
    --------
    >>> from nnkit._suggestions import nearest
    >>> nearest("binary_crossentropi", ["binary_crossentropy", "categorical_crossentropy"])
    'binary_crossentropy'
    >>> nearest("momentum", ["ema_momentum", "learning_rate"])
    """
    typed = _letters(name)
    best, fewest = None, _n_mistakes_allowed(typed) + 1
    for candidate in known:
        letters = _letters(candidate)
        if abs(len(letters) - len(typed)) >= fewest:
            continue
        n_mistakes = _distance(typed, letters)
        if n_mistakes < fewest:
            best, fewest = candidate, n_mistakes
    return best


def did_you_mean(
    name: str, known: Iterable[str], prefix: str = "", shown: Iterable[str] | None = None
) -> str:
    """Return a sentence that suggests the most similar name, or lists the valid ones.

    Parameters
    ----------
    name : str
        Name that is not known, without the prefix.
    known : iterable of str
        Valid names without the prefix, in the order in which they are listed.
    prefix : str, default=""
        Prefix of the names in the sentence.
    shown : iterable of str or None, default=None
        Names to list if none is similar; None lists the known ones.
    """
    candidates = list(known)
    renamed = (other for other in _OF_KERAS.get(name, ()) if other in candidates)
    suggestion = nearest(name, candidates) or next(renamed, None)
    if suggestion is not None:
        return f"Did you mean {prefix}{suggestion}?"
    names = candidates if shown is None else shown
    return f"There are {listed(f'{prefix}{candidate}' for candidate in names)}."


def listed(names: Iterable[str]) -> str:
    """Return the representation of a list of names, truncated after 12 names."""
    shown = list(names)
    if len(shown) <= _AT_MOST:
        return str(shown)
    return f"{shown[:_AT_MOST]} and {len(shown) - _AT_MOST} more"


def _letters(name: str) -> str:
    # Differences in case, dashes and underscores are ignored.
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _n_mistakes_allowed(typed: str) -> int:
    if len(typed) < 3:
        return 0
    return 1 if len(typed) < 6 else 2 if len(typed) < 12 else 3


def _distance(first: str, second: str) -> int:
    """Return the number of changed, added, omitted and transposed letters (optimal alignment)."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, start=1):
        row = [i]
        for j, other in enumerate(second, start=1):
            changed = rows[-1][j - 1] + (letter != other)
            row.append(min(changed, rows[-1][j] + 1, row[-1] + 1))
            is_swap = i > 1 and j > 1 and letter == second[j - 2] and other == first[i - 2]
            if is_swap:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]
