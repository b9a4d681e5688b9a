"""KerasClassifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from nnkit.encoding import ClassLabels, class_weight_of_rows
from nnkit.estimators.keras_estimator import KerasEstimator

if TYPE_CHECKING:
    from nnkit.training import Task

__all__ = ["KerasClassifier"]


class KerasClassifier(ClassifierMixin, KerasEstimator):
    r"""A Keras network as a scikit-learn classifier.

    Parameters
    ----------
    model : str, callable or keras.Model, default="mlp"
        Where the network comes from. A name of a ready-made builder (``"mlp"``); a callable
        that returns a ``keras.Model``, compiled or not; or a ``keras.Model``, which each fit
        copies with its weights, so that a pretrained one stays pretrained. A callable gets
        those of ``meta`` (`nnkit.builders.Meta`, the facts about the data),
        ``compile_kwargs`` (ready arguments of ``keras.Model.compile``), ``params`` (all
        parameters), ``X`` and ``y`` (encoded training data) that it names, and its
        hyperparameters from ``model__*``.
    loss : str, class, keras.losses.Loss, callable or None, default=None
        What training minimises. None means cross-entropy, of probabilities
        or logits as the model's last activation says.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        How it is minimised. An instance is copied for each fit.
    metrics : str, class, keras.metrics.Metric, callable, or list or dict of them, default=None
        What ``history_`` records beside the loss.
    callbacks : keras.callbacks.Callback, class, or list or dict of them, default=None
        Called during training. Instances are copied for each fit; classes are instantiated
        with ``callbacks__*``. They see a live model at each epoch; those that want to be
        called at each batch make ``engine="auto"`` train with Keras' own fit.
    epochs : int, default=100
        Passes over the training rows, at least 1; with ``early_stopping`` the most there are.
    batch_size : int or "auto", default="auto"
        Rows per optimizer step, at least 1. "auto" is min(200, n_samples); -1 is all rows.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes by label, at least 0; a label that is not named weighs 1.
        "balanced" weighs each class with the inverse of its frequency. Multiplies
        ``sample_weight``.
    early_stopping : bool, default=False
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch.
    validation_split : float or None, default=None
        Fraction in [0, 1) of the rows that is held out, stratified by class. None is 0.1 with
        ``early_stopping``, else 0. Held-out rows give ``val_*`` in ``history_``.
    n_iter_no_change : int, default=10
        Epochs without improvement after which ``early_stopping`` stops, at least 1.
    tol : float, default=0.0
        What an improvement must exceed, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        What is judged on the held-out rows. "loss" is the loss, where smaller is better; a
        scikit-learn scorer or its name is recorded as ``val_<name>``, where greater is
        better; None is accuracy.
    encoder : "auto", None or transformer, default="auto"
        What stands before the network. "auto" is a ``StandardScaler`` before a ready-made
        builder and nothing before a user's own; None is nothing; a transformer is cloned and
        fitted on the training rows, and takes the table as it came.
    shuffle : bool, default=True
        Whether each epoch takes the rows in another order.
    random_state : int, RandomState or None, default=None
        Makes initial weights, shuffling, dropout, the split and the background sample
        reproducible, to the bit on one machine's CPU. None draws anew each time. Global
        random states are neither read nor changed.
    device : str or None, default=None
        The TensorFlow device to train and predict on, such as "/GPU:0" or "cpu". None leaves
        the choice to TensorFlow.
    engine : {"auto", "compiled", "keras"}, default="auto"
        What trains. "compiled" runs an epoch as one compiled call; "keras" is
        ``keras.Model.fit``, which is slower and carries everything; "auto" is "compiled"
        unless the model or a callback needs the other.
    n_background : int, default=100
        Training rows kept as background for explanations, at least 0.
    verbose : {0, 1, 2}, default=0
        0 is silent, 1 shows a progress bar on fits longer than half a second, 2 prints a line
        for each epoch.
    **routed : object
        Arguments by prefix: ``model__units=(32,)``, ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``metrics__threshold=0.3``, ``callbacks__patience=3``
        (of one in a list or dict: ``callbacks__0__patience``), ``compile__jit_compile=True``;
        and arguments of the builder without a prefix. They override the configuration of
        instances, and ``set_params`` and grid searches take them undeclared.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes_,)
        The labels.
    n_classes_ : int
        How many there are.
    model_ : keras.Model
        The trained network, live.
    history_ : dict of str to list of float
        Loss, metrics and validation by epoch, under Keras' names.
    best_epoch_ : int
        Position in ``history_`` of the epoch whose weights the network has.
    n_iter_ : int
        Epochs that were run.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if the table is a DataFrame with strings as column names.
    encoder_ : transformer or None
        The fitted encoder.
    callbacks_ : list of keras.callbacks.Callback
        The copies that ran.
    background_ : ndarray or DataFrame of shape (n_rows, n_features_in_) or None
        The training rows kept for explanations.
    engine_ : {"compiled", "keras"}
        What trained.
    target_type_ : str
        The kind of target, as ``sklearn.utils.multiclass.type_of_target`` names it.
    n_outputs_, n_outputs_expected_ : int
        Columns of the target, and units that a last layer for it has.
    X_shape_, X_dtype_, y_dtype_, y_ndim_ : tuple, dtype, dtype, int
        Shape and dtype of the encoded training rows, and dtype and axes of the target.

    See Also
    --------
    KerasRegressor : The same for a continuous target.
    nnkit.explain : Shapley values of the predictions.

    Notes
    -----
    The loss of a batch is :math:`\sum_i w_i l_i / \sum_i w_i` on every path, with
    :math:`w_i` the weight of row i (``sample_weight`` times ``class_weight``) and :math:`l_i`
    its loss, so that only ratios of weights matter.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import KerasClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = KerasClassifier(model__units=(16,), epochs=5, random_state=0).fit(X, y)
    >>> clf.predict_proba(X.head(2)).shape
    (2, 3)
    >>> list(clf.history_)
    ['loss']
    """

    def __init__(
        self,
        model: Any = "mlp",
        *,
        loss: Any = None,
        optimizer: Any = "adam",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int = 100,
        batch_size: int | str = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
        early_stopping: bool = False,
        validation_split: float | None = None,
        n_iter_no_change: int = 10,
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        random_state: Any = None,
        device: str | None = None,
        engine: str = "auto",
        n_background: int = 100,
        verbose: int = 0,
        **routed: Any,
    ) -> None:
        super().__init__(
            model,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            callbacks=callbacks,
            epochs=epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_split=validation_split,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            scoring=scoring,
            encoder=encoder,
            shuffle=shuffle,
            random_state=random_state,
            device=device,
            engine=engine,
            n_background=n_background,
            verbose=verbose,
            **routed,
        )
        self.class_weight = class_weight

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The table, with the columns of ``fit`` in their order.

        Returns
        -------
        y_proba : ndarray of shape (n_samples, n_classes), float64
            Each row sums to 1; the columns are in the order of ``classes_``.
        """
        outputs = self._outputs(X)
        return self._head.probabilities(outputs)

    def predict(self, X: Any) -> np.ndarray:
        """Return the label of the most probable class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The table, with the columns of ``fit`` in their order.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Labels, in the dtype of ``classes_``.
        """
        return self._decide(self._outputs(X))

    def _check_target(self, y: Any) -> np.ndarray:
        y_checked = column_or_1d(y, warn=True)
        if pd.isna(y_checked).any():
            raise ValueError(
                f"y contains NaN in row {int(np.flatnonzero(pd.isna(y_checked))[0])}. "
                "Leave out rows without a label."
            )
        if y_checked.dtype.kind == "f" and not np.isfinite(y_checked).all():
            raise ValueError("y contains infinity. Leave out rows without a label.")
        check_classification_targets(y_checked)
        return y_checked

    def _learn_target(
        self, y: np.ndarray, sample_weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        labels = ClassLabels.of(y)
        if len(labels.classes) < 2:
            raise ValueError(
                "y must have at least 2 classes. "
                f"Got 1 class, {labels.classes.tolist()[0]!r}, instead."
            )
        self.classes_ = labels.classes
        self.n_classes_ = len(labels.classes)
        codes = labels.encode(y)
        if self.class_weight is None:
            return codes, sample_weight
        weight = class_weight_of_rows(self.class_weight, labels, codes, sample_weight)
        return codes, weight if sample_weight is None else weight * sample_weight

    def _labels(self) -> ClassLabels:
        return ClassLabels(self.classes_)

    def _task(self) -> Task:
        from nnkit.training import Task

        return Task("classification", n_classes=self.n_classes_)

    def _target_facts(self) -> dict[str, Any]:
        return {
            "target_type_": "binary" if self.n_classes_ == 2 else "multiclass",
            "classes_": self.classes_,
            "n_classes_": self.n_classes_,
        }

    def _decide(self, outputs: np.ndarray) -> np.ndarray:
        return self._labels().decode(self._head.probabilities(outputs).argmax(axis=1))

    def _score_arguments(self) -> dict[str, Any]:
        return {"probabilities": self._head.probabilities, "classes": self.classes_}
