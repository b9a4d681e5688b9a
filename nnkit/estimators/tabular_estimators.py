"""TabularClassifier and TabularRegressor: tuned networks for raw tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.parameters.parameter_names import store_arguments
from nnkit.estimators.regressor import KerasRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]


class TabularClassifier(KerasClassifier):
    """A tuned network for a raw table, as a scikit-learn classifier.

    The table can have numbers, strings, categories, dates and missing values. Nothing has to be
    tuned: by default, an ensemble of networks is trained on the folds of a cross-validation. Its
    probabilities are calibrated.

    Parameters
    ----------
    preset : {"fast", "default", "best"}, default="default"
        The budget. "fast" trains one network. "default" trains an ensemble, which takes about a
        minute of CPU on 10,000 rows of 20 columns and seconds on small tables. "best" trains a
        larger ensemble for longer. ``resolved_params_`` has the values that were chosen.
        Parameters that are set override those of the preset.
    model : str, callable or keras.Model, default="auto"
        The network. "auto" is the network of the presets, RealMLP. Other values are those of
        `KerasClassifier`; they are trained in the same ensemble, with their own settings.
    cv : int, splitter, iterable or None, default=5
        Folds of a cross-validation: a number of at least 2, a scikit-learn splitter, or an iterable
        of pairs of training and validation rows. Each network holds out another fold, which
        stops its training and calibrates its probabilities. None
        uses ``validation_split``, and so does a table with less than two rows for each fold.
    loss : str, class, keras.losses.Loss, callable, list or dict of these, or None, default=None
        The loss; a list or dict has one for each output of the network. None is cross-entropy of
        probabilities or logits, depending on the last activation of the model.
    optimizer : str, class or keras.optimizers.Optimizer, default="auto"
        The optimizer. "auto" is the one that the builder compiles with, and "adam" if it does not
        compile. An instance is copied for each fit. Schedules of `nnkit.optimizers` without a
        number of steps get that of the fit.
    metrics : str, class, keras.metrics.Metric, callable, or list or dict of them, default=None
        Metrics that ``history_`` records beside the loss. They are computed from probabilities or
        values, not from raw outputs.
    callbacks : keras.callbacks.Callback, class, or list or dict of them, default=None
        Callbacks of the training. Instances are copied for each fit; classes are instantiated
        with ``callbacks__*``. They get a live model at each epoch. Callbacks with hooks for
        batches make ``engine="auto"`` train by ``keras.Model.fit``.
    epochs : int or "auto", default="auto"
        Passes over the training rows, at least 1; with ``early_stopping`` the maximum. "auto"
        depends on the preset and the size of the table.
    batch_size : int, "auto" or None, default="auto"
        Rows of an optimizer step, at least 1. "auto" depends on the size of the table. None is
        32, as in Keras. -1 is all rows.
    class_weight : dict, "balanced", list of these, or None, default=None
        Weights of classes by label, at least 0. Labels that are missing in the dict have the
        weight 1. "balanced" weights each class by the inverse of its frequency. For several
        columns of y, or an indicator, a list has one entry for each column, and the weights are
        multiplied. Weights of classes multiply ``sample_weight``.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch. "auto" is
        True if rows are held out.
    validation_split : float, splitter, list or None, default=None
        Rows that all networks hold out, instead of the folds of ``cv``: a fraction in [0, 1), a
        scikit-learn splitter, of which the first split is used, or a list with a pair of training
        and validation rows. None uses ``cv``. The loss and metrics of held-out rows are ``val_*``
        in ``history_``.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without improvement after which ``early_stopping`` stops, at least 1. "auto" trains
        for all epochs and keeps the best one.
    tol : float, default=0.0
        Minimum change that counts as an improvement, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        The score on held-out rows. "loss" is the loss, to be minimised. A scikit-learn scorer
        or its name is recorded as ``val_<name>`` and maximised. None is accuracy.
    encoder : "auto", None or transformer, default="auto"
        Transformer of the columns. "auto" is a `nnkit.encoding.TabularEncoder`, or a
        ``StandardScaler`` for a sparse table. None is no transformer. A transformer is cloned,
        and fitted on the training rows of the raw table.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new random order.
    warm_start : bool, default=False
        Whether another ``fit`` resumes training with the weights, optimizer, encoder and labels
        of the last fit, instead of building a new network.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, shuffling, dropout, splits and the background sample. With an
        int, results are reproducible to the bit on the CPU of one machine. None draws new seeds
        in each fit. Global random states are neither read nor changed.
    device : str or None, default=None
        TensorFlow device of training and prediction, such as "/GPU:0" or "cpu". None lets
        TensorFlow choose.
    dtype_policy : str, keras.DTypePolicy or None, default=None
        Keras' dtype policy while the network is built, such as "mixed_bfloat16". None is the
        global policy.
    engine : {"auto", "graph", "xla", "keras"}, default="auto"
        Backend of the training. "graph" is a TensorFlow graph that loops over the batches. "xla"
        is the same graph, XLA-compiled, for long fits of small networks. "keras" is
        ``keras.Model.fit``, which is slower and supports every model. "auto" is "graph" or "xla",
        or "keras" if the model or a callback needs it. Results agree up to rounding.
    time_limit : float or None, default=None
        Seconds from the start of ``fit`` after which no epoch starts. With ``early_stopping`` the
        best weights so far are kept. All networks train side by side, each for at least one
        epoch. None is no limit.
    background_size : int, default=100
        Number of training rows kept as background of explanations, at least 0.
    n_estimators : int or "auto", default="auto"
        Number of networks, at least 1. They are trained side by side, and their probabilities are
        averaged: a deep ensemble [1]_. "auto" depends on the preset: 1, 5 or 10 networks, and
        fewer on large tables.
    calibration : {"auto", "temperature", None}, default="auto"
        "temperature" divides the logits of probabilities by a number [2]_: the most probable
        temperature, given the held-out rows. "auto" is "temperature" if rows are held out. None
        does not calibrate. ``partial_fit`` keeps the temperature of the last ``fit``.
    checkpoint : str, Path or None, default=None
        Folder of a checkpoint. A fit whose process was killed goes on from it when it is called
        again with the same parameters and rows, and ends with the same weights. A finished fit
        deletes it. None stores none.
    checkpoint_seconds : float, default=30.0
        Smallest time between two checkpoints of a network, in seconds, at least 0. They are stored
        at the ends of epochs.
    verbose : {0, 1, 2, "auto"}, default=0
        0 shows nothing, 1 and "auto" show a progress bar for fits of more than half a second, 2
        prints a line for each epoch.
    **routed : object
        Arguments by prefix: ``model__units=(32,)``, ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``metrics__threshold=0.3``, ``callbacks__patience=3``
        (of one callback in a list or dict: ``callbacks__0__patience``),
        ``compile__jit_compile=True``, ``fit__epochs=5``, ``predict__batch_size=1000``;
        ``encoder__NAME``, parameters of the encoder of "auto"; ``fine_tune__NAME``, values of
        parameters in a second phase of the training; and arguments of the builder without a
        prefix. They override the configuration of instances. ``set_params`` and searches take
        them too.

    Attributes
    ----------
    classes_ : ndarray of shape (``n_classes_``,), or list of them
        The labels; of several columns, those of each; of an indicator, their positions.
    n_classes_ : int or list of int
        Number of classes.
    model_ : keras.Model
        The trained network, live; of an ensemble, the first.
    models_ : list of keras.Model
        The trained networks, live.
    history_ : dict of str to list of float
        Loss and metrics of training and validation by epoch, under Keras' names; of an ensemble,
        those of the first network.
    histories_ : list of dict
        Histories of all networks.
    best_epoch_ : int
        Position in ``history_`` of the epoch whose weights the network has.
    n_iter_ : int
        Number of epochs that were run.
    resolved_params_ : dict
        Values used for parameters that are "auto" or None, by parameter.
    temperature_ : float
        Divisor of logits; 1 if probabilities are not calibrated.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if the table is a DataFrame with strings as column names.
    encoder_ : transformer or None
        The fitted encoder.
    callbacks_ : list of keras.callbacks.Callback
        Callback copies used in the last fit.
    background_ : ndarray or DataFrame of shape (n_rows, n_features_in_) or None
        The training rows kept for explanations; None if the table was sparse.
    engine_ : {"graph", "xla", "keras"}
        Backend used for training.
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
    KerasClassifier : A network of your own.
    TabularRegressor : The same for numbers.
    nnkit.explain : Shapley values of the predictions.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, section 2.4.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import TabularClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = TabularClassifier("fast", epochs=2, random_state=0).fit(X, y)
    >>> clf.predict_proba(X.head(2)).shape
    (2, 3)
    """

    def __init__(
        self,
        preset: Literal["fast", "default", "best"] = "default",
        *,
        model: Any = "auto",
        cv: Any = 5,
        loss: Any = None,
        optimizer: Any = "auto",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        class_weight: Mapping[Any, float] | Literal["balanced"] | list[Any] | None = None,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_split: Any = None,
        n_iter_no_change: int | Literal["auto"] = "auto",
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        device: str | None = None,
        dtype_policy: Any = None,
        engine: Literal["auto", "graph", "xla", "keras"] = "auto",
        time_limit: float | None = None,
        background_size: int = 100,
        n_estimators: int | Literal["auto"] = "auto",
        calibration: Literal["auto", "temperature"] | None = "auto",
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 30.0,
        verbose: Literal[0, 1, 2, "auto"] = 0,
        **routed: Any,
    ) -> None:
        store_arguments(self, locals())


class TabularRegressor(KerasRegressor):
    """A tuned network for a raw table, as a scikit-learn regressor.

    The table can have numbers, strings, categories, dates and missing values. Nothing has to be
    tuned: by default, an ensemble of networks is trained on the folds of a cross-validation.

    Parameters
    ----------
    preset : {"fast", "default", "best"}, default="default"
        The budget. "fast" trains one network. "default" trains an ensemble, which takes about a
        minute of CPU on 10,000 rows of 20 columns and seconds on small tables. "best" trains a
        larger ensemble for longer. ``resolved_params_`` has the values that were chosen.
        Parameters that are set override those of the preset.
    model : str, callable or keras.Model, default="auto"
        The network. "auto" is the network of the presets, RealMLP. Other values are those of
        `KerasRegressor`; they are trained in the same ensemble, with their own settings.
    cv : int, splitter, iterable or None, default=5
        Folds of a cross-validation: a number of at least 2, a scikit-learn splitter, or an iterable
        of pairs of training and validation rows. Each network holds out another fold, which
        stops its training. None
        uses ``validation_split``, and so does a table with less than two rows for each fold.
    loss : str, class, keras.losses.Loss, callable, list or dict of these, or None, default=None
        The loss; a list or dict has one for each output of the network. None is the mean squared
        error. "quantile" is `nnkit.losses.QuantileLoss`, by which the network learns ``quantiles``.
    quantiles : sequence of float or None, default=None
        Levels of the quantiles that the network learns with ``loss="quantile"``, in (0, 1) and in
        ascending order. None is (0.05, 0.5, 0.95). With another loss, only None is valid.
    optimizer : str, class or keras.optimizers.Optimizer, default="auto"
        The optimizer. "auto" is the one that the builder compiles with, and "adam" if it does not
        compile. An instance is copied for each fit. Schedules of `nnkit.optimizers` without a
        number of steps get that of the fit.
    metrics : str, class, keras.metrics.Metric, callable, or list or dict of them, default=None
        Metrics that ``history_`` records beside the loss. They are computed from probabilities or
        values, not from raw outputs.
    callbacks : keras.callbacks.Callback, class, or list or dict of them, default=None
        Callbacks of the training. Instances are copied for each fit; classes are instantiated
        with ``callbacks__*``. They get a live model at each epoch. Callbacks with hooks for
        batches make ``engine="auto"`` train by ``keras.Model.fit``.
    epochs : int or "auto", default="auto"
        Passes over the training rows, at least 1; with ``early_stopping`` the maximum. "auto"
        depends on the preset and the size of the table.
    batch_size : int, "auto" or None, default="auto"
        Rows of an optimizer step, at least 1. "auto" depends on the size of the table. None is
        32, as in Keras. -1 is all rows.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch. "auto" is
        True if rows are held out.
    validation_split : float, splitter, list or None, default=None
        Rows that all networks hold out, instead of the folds of ``cv``: a fraction in [0, 1), a
        scikit-learn splitter, of which the first split is used, or a list with a pair of training
        and validation rows. None uses ``cv``. The loss and metrics of held-out rows are ``val_*``
        in ``history_``.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without improvement after which ``early_stopping`` stops, at least 1. "auto" trains
        for all epochs and keeps the best one.
    tol : float, default=0.0
        Minimum change that counts as an improvement, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        The score on held-out rows. "loss" is the loss, to be minimised. A scikit-learn scorer
        or its name is recorded as ``val_<name>`` and maximised. None is R².
    encoder : "auto", None or transformer, default="auto"
        Transformer of the columns. "auto" is a `nnkit.encoding.TabularEncoder`, or a
        ``StandardScaler`` for a sparse table. None is no transformer. A transformer is cloned,
        and fitted on the training rows of the raw table.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new random order.
    warm_start : bool, default=False
        Whether another ``fit`` resumes training with the weights, optimizer, encoder and labels
        of the last fit, instead of building a new network.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, shuffling, dropout, splits and the background sample. With an
        int, results are reproducible to the bit on the CPU of one machine. None draws new seeds
        in each fit. Global random states are neither read nor changed.
    device : str or None, default=None
        TensorFlow device of training and prediction, such as "/GPU:0" or "cpu". None lets
        TensorFlow choose.
    dtype_policy : str, keras.DTypePolicy or None, default=None
        Keras' dtype policy while the network is built, such as "mixed_bfloat16". None is the
        global policy.
    engine : {"auto", "graph", "xla", "keras"}, default="auto"
        Backend of the training. "graph" is a TensorFlow graph that loops over the batches. "xla"
        is the same graph, XLA-compiled, for long fits of small networks. "keras" is
        ``keras.Model.fit``, which is slower and supports every model. "auto" is "graph" or "xla",
        or "keras" if the model or a callback needs it. Results agree up to rounding.
    time_limit : float or None, default=None
        Seconds from the start of ``fit`` after which no epoch starts. With ``early_stopping`` the
        best weights so far are kept. All networks train side by side, each for at least one
        epoch. None is no limit.
    background_size : int, default=100
        Number of training rows kept as background of explanations, at least 0.
    n_estimators : int or "auto", default="auto"
        Number of networks, at least 1. They are trained side by side, and their values are
        averaged: a deep ensemble [1]_. "auto" depends on the preset: 1, 5 or 10 networks, and
        fewer on large tables.
    checkpoint : str, Path or None, default=None
        Folder of a checkpoint. A fit whose process was killed goes on from it when it is called
        again with the same parameters and rows, and ends with the same weights. A finished fit
        deletes it. None stores none.
    checkpoint_seconds : float, default=30.0
        Smallest time between two checkpoints of a network, in seconds, at least 0. They are stored
        at the ends of epochs.
    verbose : {0, 1, 2, "auto"}, default=0
        0 shows nothing, 1 and "auto" show a progress bar for fits of more than half a second, 2
        prints a line for each epoch.
    **routed : object
        Arguments by prefix: ``model__units=(32,)``, ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``metrics__threshold=0.3``, ``callbacks__patience=3``
        (of one callback in a list or dict: ``callbacks__0__patience``),
        ``compile__jit_compile=True``, ``fit__epochs=5``, ``predict__batch_size=1000``;
        ``encoder__NAME``, parameters of the encoder of "auto"; ``fine_tune__NAME``, values of
        parameters in a second phase of the training; and arguments of the builder without a
        prefix. They override the configuration of instances. ``set_params`` and searches take
        them too.

    Attributes
    ----------
    model_ : keras.Model
        The trained network, live; of an ensemble, the first.
    models_ : list of keras.Model
        The trained networks, live.
    history_ : dict of str to list of float
        Loss and metrics of training and validation by epoch, under Keras' names; of an ensemble,
        those of the first network.
    histories_ : list of dict
        Histories of all networks.
    best_epoch_ : int
        Position in ``history_`` of the epoch whose weights the network has.
    n_iter_ : int
        Number of epochs that were run.
    resolved_params_ : dict
        Values used for parameters that are "auto" or None, by parameter.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if the table is a DataFrame with strings as column names.
    encoder_ : transformer or None
        The fitted encoder.
    callbacks_ : list of keras.callbacks.Callback
        Callback copies used in the last fit.
    background_ : ndarray or DataFrame of shape (n_rows, n_features_in_) or None
        The training rows kept for explanations; None if the table was sparse.
    engine_ : {"graph", "xla", "keras"}
        Backend used for training.
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
    KerasRegressor : A network of your own.
    TabularClassifier : The same for classes.
    nnkit.explain : Shapley values of the predictions.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, section 2.4.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nnkit import TabularRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> reg = TabularRegressor("fast", epochs=2, random_state=0).fit(X, y)
    >>> reg.predict(X.head(2)).shape
    (2,)
    """

    def __init__(
        self,
        preset: Literal["fast", "default", "best"] = "default",
        *,
        model: Any = "auto",
        cv: Any = 5,
        loss: Any = None,
        quantiles: Any = None,
        optimizer: Any = "auto",
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        early_stopping: bool | Literal["auto"] = "auto",
        validation_split: Any = None,
        n_iter_no_change: int | Literal["auto"] = "auto",
        tol: float = 0.0,
        scoring: Any = "loss",
        encoder: Any = "auto",
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        device: str | None = None,
        dtype_policy: Any = None,
        engine: Literal["auto", "graph", "xla", "keras"] = "auto",
        time_limit: float | None = None,
        background_size: int = 100,
        n_estimators: int | Literal["auto"] = "auto",
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 30.0,
        verbose: Literal[0, 1, 2, "auto"] = 0,
        **routed: Any,
    ) -> None:
        store_arguments(self, locals())
