"""KerasClassifier."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin

from nnkit._compat import with_callbacks
from nnkit.encoding import temperature_scaled
from nnkit.estimators.calibration import temperature_of_held_out
from nnkit.estimators.classification import Classification, one_or_all
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.parts import MemberData

__all__ = ["KerasClassifier"]


class KerasClassifier(ClassifierMixin, Classification, KerasEstimator):
    r"""A Keras network as a scikit-learn classifier.

    Parameters
    ----------
    model : str, callable or keras.Model, default="auto"
        Where the network comes from. "auto" is what does well on tables without tuning, as
        ``preset`` says. A name of a ready-made builder is ``"mlp"``, ``"realmlp"`` or
        ``"realmlp_simplified"`` (`nnkit.builders`); a callable is a function
        that returns a ``keras.Model``, compiled or not; or a ``keras.Model``, which each fit
        copies with its weights, so that a pretrained one stays pretrained. A callable gets
        those of ``meta`` (`nnkit.builders.Meta`, the facts about the data),
        ``compile_kwargs`` (ready arguments of ``keras.Model.compile``), ``params`` (all
        parameters), ``X`` and ``y`` (encoded training data) and ``n_steps`` (optimizer steps of
        the fit, for schedules; None if it may go on) that it names, and its hyperparameters
        from ``model__*``.
    preset : {"fast", "default", "best"}, default="default"
        What ``model="auto"`` spends: "fast" is one network, "default" an ensemble by
        cross-validation that takes about a minute of CPU on 10,000 rows of 20 columns and
        seconds on small tables, "best" a larger one that is trained for longer. Where it has
        the choice, a parameter that is set wins. See ``resolved_params_`` for what it chose.
    loss : str, class, keras.losses.Loss, callable, list or dict of these, or None, default=None
        What training minimises; a list or dict has one for each output of the network. None
        means cross-entropy, of probabilities
        or logits as the model's last activation says.
    optimizer : str, class or keras.optimizers.Optimizer, default="auto"
        How it is minimised. "auto" is what the builder compiles with, and "adam" if it does
        not compile. An instance is copied for each fit; schedules of `nnkit.optimizers`
        without a number of steps get that of the fit.
    metrics : str, class, keras.metrics.Metric, callable, or list or dict of them, default=None
        What ``history_`` records beside the loss. Metrics get probabilities, or what
        else they are defined on, not raw outputs.
    callbacks : keras.callbacks.Callback, class, or list or dict of them, default=None
        Called during training. Instances are copied for each fit; classes are instantiated
        with ``callbacks__*``. They see a live model at each epoch; those that want to be
        called at each batch make ``engine="auto"`` train with Keras' own fit.
    epochs : int or "auto", default="auto"
        Passes over the training rows, at least 1; with ``early_stopping`` the most there are.
        "auto" is 100, for RealMLP 256, and by the size of the table for ``model="auto"``.
    batch_size : int, "auto" or None, default="auto"
        Rows per optimizer step, at least 1. "auto" is min(200, n_samples), for RealMLP 256,
        and by the size of the table for ``model="auto"``; -1 is all rows; None is Keras'
        default, 32.
    class_weight : dict, "balanced", list of these, or None, default=None
        Weights of classes by label, at least 0; a label that is not named weighs 1.
        "balanced" weighs each class with the inverse of its frequency. Of several columns,
        or of an indicator, a list has one for each, and the weights are multiplied.
        Multiplies ``sample_weight``.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch. "auto" is
        True for RealMLP and ``model="auto"``, and False otherwise.
    validation_split : float, splitter, iterable or None, default=None
        Fraction in [0, 1) of the rows that is held out, stratified by class; a number of folds
        of at least 2, or a scikit-learn splitter, of whose splits the first network has the
        first, the second the second, and so on, with ``groups`` as given to ``fit``; or an
        iterable of pairs of training and validation rows. None is 0.1 with
        ``early_stopping``, else 0; where that is left to nnkit, so is this. Held-out rows give
        ``val_*`` in ``history_``.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without improvement after which ``early_stopping`` stops, at least 1. "auto" is
        10; RealMLP and ``model="auto"`` train all their epochs.
    tol : float, default=0.0
        What an improvement must exceed, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        What is judged on the held-out rows. "loss" is the loss, where smaller is better; a
        scikit-learn scorer or its name is recorded as ``val_<name>``, where greater is
        better; None is accuracy.
    encoder : "auto", None or transformer, default="auto"
        What stands before the network. "auto" is a `nnkit.encoding.TabularEncoder` before a
        ready-made builder, so that the table may have strings, categories, dates and missing
        values, or a ``StandardScaler`` if the table is sparse; and nothing before a user's own
        builder. None is nothing; a transformer is cloned and
        fitted on the training rows, and takes the table as it came.
    shuffle : bool, default=True
        Whether each epoch takes the rows in another order.
    warm_start : bool, default=False
        Whether a further ``fit`` goes on with weights, optimizer, encoder and labels of the
        last one, instead of building anew.
    random_state : int, RandomState or None, default=None
        Makes initial weights, shuffling, dropout, the split and the background sample
        reproducible, to the bit on one machine's CPU. None draws anew each time. Global
        random states are neither read nor changed.
    device : str or None, default=None
        The TensorFlow device to train and predict on, such as "/GPU:0" or "cpu". None leaves
        the choice to TensorFlow.
    dtype_policy : str, keras.DTypePolicy or None, default=None
        Keras' default policy while the network is built, such as "mixed_bfloat16". None
        leaves the one that is set.
    engine : {"auto", "graph", "xla", "keras"}, default="auto"
        What trains. "graph" is a TensorFlow graph that loops over the batches; "xla" the same
        as XLA-compiled code, for long fits of small networks; "keras" is ``keras.Model.fit``, which
        is slower and carries everything. "auto" is one of the first two
        unless the model or a callback needs Keras' own. All agree up to rounding.
    time_limit : float or None, default=None
        Seconds from the beginning of ``fit`` after which no further epoch begins; with
        ``early_stopping`` the best weights so far are kept. All networks train side by side
        until then, and each for one epoch at least. None sets no limit.
    background_size : int, default=100
        Training rows kept as background for explanations, at least 0.
    n_estimators : int or "auto", default="auto"
        Networks that are trained side by side with other initial weights and orders of rows, and
        whose probabilities are averaged, at least 1: a deep ensemble [1]_. "auto" is 1, and
        several for ``model="auto"``.
    calibration : {"auto", "temperature", None}, default="auto"
        Whether probabilities are made less, or more, extreme by one number [2]_: the most
        probable temperature, given the rows held out. "auto" is "temperature" for
        ``model="auto"``, and None otherwise.
    verbose : {0, 1, 2, "auto"}, default=0
        0 is silent, 1 or "auto" shows a progress bar on fits longer than half a second, 2 prints a
        line
        for each epoch.
    **routed : object
        Arguments by prefix: ``model__units=(32,)``, ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``metrics__threshold=0.3``, ``callbacks__patience=3``
        (of one in a list or dict: ``callbacks__0__patience``), ``compile__jit_compile=True``,
        ``fit__epochs=5``, ``predict__batch_size=1000``; and arguments of the builder without
        a prefix. They override the configuration of
        instances, and ``set_params`` and grid searches take them undeclared.

    Attributes
    ----------
    classes_ : ndarray of shape (``n_classes_``,), or list of them
        The labels; of several columns, those of each; of an indicator, their positions.
    n_classes_ : int or list of int
        How many there are.
    model_ : keras.Model
        The trained network, live; the first of several members.
    models_ : list of keras.Model
        Those of all members.
    history_ : dict of str to list of float
        Loss, metrics and validation by epoch, under Keras' names; of the first member.
    histories_ : list of dict
        Those of all members.
    best_epoch_ : int
        Position in ``history_`` of the epoch whose weights the network has.
    n_iter_ : int
        Epochs that were run.
    resolved_params_ : dict
        What the fit went by where parameters are "auto" or None, by parameter.
    temperature_ : float
        What logits are divided by; 1 if probabilities are not calibrated.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if the table is a DataFrame with strings as column names.
    encoder_ : transformer or None
        The fitted encoder.
    callbacks_ : list of keras.callbacks.Callback
        The copies that ran.
    background_ : ndarray or DataFrame of shape (n_rows, n_features_in_) or None
        The training rows kept for explanations; None if the table was sparse.
    engine_ : {"graph", "xla", "keras"}
        What trained.
    target_type_ : str
        The kind of target, as ``sklearn.utils.multiclass.type_of_target`` names it.
    n_outputs_, n_outputs_expected_, n_output_units_ : int, int, int or list of int
        Columns of the target; outputs of a network for it; units of the last layer, or of
        each output.
    X_shape_, X_dtype_, y_dtype_, y_ndim_ : tuple, dtype, dtype, int
        Shape and dtype of the encoded training rows (of a network with several inputs, of
        each), and dtype and axes of the target.

    See Also
    --------
    KerasRegressor : The same for a continuous target.
    nnkit.explain : Shapley values of the predictions.

    Notes
    -----
    The loss of a batch is :math:`\sum_i w_i l_i / \sum_i w_i` on every path, with
    :math:`w_i` the weight of row i (``sample_weight`` times ``class_weight``) and :math:`l_i`
    its loss, so that only ratios of weights matter.
    Weights whose largest is outside of [2^-32, 2^32] are multiplied by a power of two before they
    become float32, and those below 2^-100 of the largest count as 0.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, section 2.4.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import KerasClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = KerasClassifier("mlp", model__units=(16,), epochs=5, random_state=0).fit(X, y)
    >>> clf.predict_proba(X.head(2)).shape
    (2, 3)
    >>> list(clf.history_)
    ['loss']
    """

    def __init__(
        self,
        model: Any = "auto",
        *,
        preset: str = "default",
        loss: Any = None,
        optimizer: Any = "auto",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | str = "auto",
        batch_size: int | str | None = "auto",
        class_weight: Mapping[Any, float] | str | list[Any] | None = None,
        early_stopping: bool | str = "auto",
        validation_split: Any = None,
        n_iter_no_change: int | str = "auto",
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
        device: str | None = None,
        dtype_policy: Any = None,
        engine: str = "auto",
        time_limit: float | None = None,
        background_size: int = 100,
        n_estimators: int | str = "auto",
        calibration: str | None = "auto",
        verbose: int = 0,
        **routed: Any,
    ) -> None:
        super().__init__(
            model,
            preset=preset,
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
            warm_start=warm_start,
            random_state=random_state,
            device=device,
            dtype_policy=dtype_policy,
            engine=engine,
            time_limit=time_limit,
            background_size=background_size,
            n_estimators=n_estimators,
            verbose=verbose,
            **routed,
        )
        self.class_weight = class_weight
        self.calibration = calibration

    @with_callbacks
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: Any | None = None,
        sample_weight: Any | None = None,
        **fit_arguments: Any,
    ) -> Self:
        """Train for one more epoch, on these rows.

        The first call builds the network, unless it is fitted; later calls keep weights and
        optimizer, also after pickling. Columns are encoded and the target is put into units
        as the first call learnt it. ``epochs`` and ``early_stopping`` have no part in it.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target.
        classes : array-like of shape (n_classes,), or list of them, default=None
            All labels that will come; needed in the first call if its rows do not have them
            all.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        **fit_arguments : object
            As in ``fit``, but for ``epochs`` and ``initial_epoch``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the rows do not go with those of earlier calls.
        """
        self._partial_fit(X, y, classes, sample_weight, fit_arguments)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any | None = None) -> float:
        """Return the accuracy of ``predict(X)``.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        y : array-like of shape (n_samples,) or (n_samples, ...)
            Their labels. With several columns, all of a row must be right; a row of steps counts
            with the fraction of its steps that are right.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            In [0, 1].
        """
        return self._accuracy(y, self.predict(X), sample_weight)

    def predict_proba(self, X: Any, return_std: bool = False, **predict_arguments: Any) -> Any:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        return_std : bool, default=False
            Whether to return the spread of the members too; with ``n_estimators`` above 1.
        **predict_arguments : object
            ``batch_size``, the rows of one call of the network; chosen by memory if not given.
            ``verbose`` is taken for scripts that give it; there is no progress to show.

        Returns
        -------
        y_proba : ndarray of shape (n_samples, n_classes), float64
            Each row sums to 1; the columns are in the order of ``classes_``. Of an indicator
            (n_samples, n_labels), each a probability of its own; of several columns a list
            with one array for each. Of an ensemble, the mean over its members.
        y_std : like y_proba
            The standard deviation of the members' probabilities, if ``return_std``: how much they
            disagree, which grows where the training rows say little.
        """
        fitted = self._as_fitted(return_std)
        outputs = fitted._outputs(X, predict_arguments)
        if not return_std:
            return fitted._predicted(outputs)
        by_member = fitted._by_member(outputs)
        spread = [np.std(parts, axis=0) for parts in zip(*by_member, strict=True)]
        return one_or_all(_mean_of(by_member)), one_or_all(spread)

    def predict(self, X: Any, **predict_arguments: Any) -> np.ndarray:
        """Return the label of the most probable class.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        **predict_arguments : object
            ``batch_size``, the rows of one call of the network; chosen by memory if not given.
            ``verbose`` is taken for scripts that give it; there is no progress to show.

        Returns
        -------
        y_pred : ndarray of the shape of the target
            Labels, in the dtype of ``classes_``.
        """
        fitted = self._as_fitted()
        outputs = fitted._outputs(X, predict_arguments)
        return fitted._labels(_mean_of(fitted._by_member(outputs)))

    def _predicted(self, outputs: list[list[np.ndarray]]) -> Any:
        return one_or_all(_mean_of(self._by_member(outputs)))

    def _by_member(self, outputs: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        """Return each member's class probabilities for each column of the target."""
        return [self._calibrated(self._by_column(member)) for member in outputs]

    def _calibrated(self, found: list[np.ndarray]) -> list[np.ndarray]:
        """Return class probabilities for each column, at the temperature that was learnt."""
        if self.temperature_ == 1.0:
            return found
        return [
            temperature_scaled(proba, self.temperature_, is_one_of_many=self._is_one_of_many)
            for proba in found
        ]

    def _calibrate(self, settings: SimpleNamespace, member_data: list[MemberData]) -> None:
        self.temperature_ = 1.0
        if settings.calibration is None:
            return
        found = temperature_of_held_out(
            member_data,
            self._members,
            self._by_column,
            is_indicator=self._target.is_indicator,
            is_one_of_many=self._is_one_of_many,
        )
        if found is not None:
            self.temperature_ = found

    def _check_calibration(self, settings: SimpleNamespace, *, has_held_out: bool) -> None:
        if self.calibration == settings.calibration is not None and not has_held_out:
            raise ValueError(
                f"calibration={self.calibration!r} needs rows that are held out, but all are "
                "trained on. Set validation_split=0.2, or give X_val and y_val."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _mean_of(by_member: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return the mean of the members' arrays."""
    if len(by_member) == 1:
        return by_member[0]
    return [np.mean(parts, axis=0) for parts in zip(*by_member, strict=True)]
