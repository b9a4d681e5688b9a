"""KerasRegressor."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import r2_score

from nnkit._compat import with_callbacks
from nnkit.encoding.quantiles import interpolation_weights, levels_between
from nnkit.estimators.conformal_prediction import (
    conformal_margin,
    conformal_quantile,
    interval_levels,
    widened,
)
from nnkit.estimators.fitting import stages
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.parameters.parameter_names import store_arguments
from nnkit.estimators.parameters.routing import FIT_ARGUMENTS
from nnkit.estimators.prediction import decoder_of, fitted_copy, member_outputs
from nnkit.estimators.rows.batches import rows_to_score
from nnkit.estimators.targets.regression import RegressionTarget

__all__ = ["KerasRegressor"]

_NO_ERRORS = (
    "predict_interval needs the errors of rows that fit held out, of a target with one or two axes. "
    "Set validation_split=0.2, give X_val and y_val to fit, or use TabularRegressor, whose networks "
    "hold out folds. partial_fit removes the errors."
)


class KerasRegressor(RegressorMixin, CallbackSupportMixin, KerasEstimator):
    """A Keras network as a scikit-learn regressor.

    Parameters
    ----------
    model : str, callable or keras.Model, default="mlp"
        The network. A string names a ready-made builder of `nnkit.builders`: ``"mlp"``,
        ``"realmlp"``, ``"realmlp_simplified"`` or ``"tabm"`` for tables, ``"cnn2d"`` and others for images,
        ``"resnet1d"`` and others for sequences, ``"text_bag"`` and others for texts,
        ``"multimodal"`` for several inputs. A callable returns a ``keras.Model``, compiled
        or not. A ``keras.Model`` is copied with its weights by each fit, so that a pretrained
        model is not changed. A callable gets those of the following arguments that it names:
        ``meta`` (`nnkit.builders.Meta`, facts about the data), ``compile_kwargs`` (arguments for
        ``keras.Model.compile``), ``params`` (all parameters), ``X`` and ``y`` (encoded training
        data), ``n_steps`` (optimizer steps of the fit, for schedules; None if training can be
        resumed). Its hyperparameters come from ``model__*``.
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
        Passes over the training rows, at least 1; with ``early_stopping`` the maximum. "auto" is
        100; ready-made networks have values of their own, RealMLP 256.
    batch_size : int, "auto" or None, default="auto"
        Rows of an optimizer step, at least 1. "auto" and None are 32, as in Keras, and the
        size of the batches of a dataset; for ready-made networks "auto" is their own value, 256
        for RealMLP. -1 is all rows.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch. "auto" is
        False, and True for RealMLP and some networks for other data than tables.
    validation_split : float, splitter, list or None, default=None
        The rows that are held out: a fraction in [0, 1); a scikit-learn splitter, of which the
        first split is used, with the ``groups`` of ``fit``; or a list with a pair of training and
        validation rows. None is 0.1 with ``early_stopping`` and 0 without it; if
        ``early_stopping`` is "auto", RealMLP holds out 0.2. The loss and metrics of held-out rows
        are ``val_*`` in ``history_``.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without improvement after which ``early_stopping`` stops, at least 1. "auto" is
        10. RealMLP trains for all its epochs.
    tol : float, default=0.0
        Minimum change that counts as an improvement, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        The score on held-out rows. "loss" is the loss, to be minimised. A scikit-learn scorer
        or its name is recorded as ``val_<name>`` and maximised. None is R².
    encoder : "auto", None, transformer or dict, default="auto"
        Transformer of X. "auto" depends on the network. Ready-made networks for tables have a
        `nnkit.encoding.TabularEncoder`, which takes strings, categories, dates and missing
        values, or a ``StandardScaler`` for a sparse table. Those for images, sequences and texts
        have an `nnkit.encoding.ImageEncoder`, `nnkit.encoding.SequenceEncoder` or
        `nnkit.encoding.TextEncoder`. Other networks have none. A transformer is cloned, and
        fitted on the training rows. A dict of transformers and lists of columns makes several
        inputs, see `nnkit.encoding.MultiInputEncoder`.
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
        Number of networks, at least 1. "auto" is 1, and 5 for InceptionTime. They are trained
        side by side with different initial weights and orders of rows, and their values
        are averaged: a deep ensemble [1]_.
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
    TabularRegressor : A tuned network for raw tables.
    KerasClassifier : The same for classes.
    nnkit.explain : Shapley values of the predictions.

    Notes
    -----
    A ready-made network learns a standardised target (mean 0 and standard deviation 1 on the
    training rows). Predictions and metrics are in the units of the target, losses in ``history_``
    in standard units. Other networks get the target unchanged.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, section 2.4.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nnkit import KerasRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> reg = KerasRegressor("mlp", model__units=(16,), epochs=5, random_state=0).fit(X, y)
    >>> reg.predict(X.head(2)).shape
    (2,)
    """

    _target_type = RegressionTarget
    # Arguments of fit that can be requested by metadata routing, beside those in its signature.
    __metadata_request__fit: ClassVar[dict[str, Any]] = dict.fromkeys(FIT_ARGUMENTS)

    def __init__(
        self,
        model: Any = "mlp",
        *,
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

    @with_callbacks
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any | None = None, **fit_arguments: Any
    ) -> Self:
        """Train for one more epoch, on these rows.

        The first call builds the network, unless it is fitted. Later calls keep weights and
        optimizer, also after pickling. Encoder and units of the target are those of the first
        call. ``epochs`` and ``early_stopping`` have no effect. ``validation_split`` holds out
        rows of each call.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        **fit_arguments : object
            As in ``fit``, without ``epochs`` and ``initial_epoch``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the rows are not like those of earlier calls.
        """
        stages.partial_fit(self, X, y, None, sample_weight, fit_arguments)
        return self

    def predict(
        self,
        X: Any,
        return_std: bool = False,
        *,
        quantiles: Any = None,
        dropout_samples: int | None = None,
        **predict_arguments: Any,
    ) -> Any:
        """Return predicted values.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        return_std : bool, default=False
            Whether to return the spread over the networks too. It needs ``n_estimators`` above 1,
            or ``dropout_samples``.
        quantiles : float, sequence of float or None, default=None
            Levels of the quantiles to return, of a fit with ``loss="quantile"``. They are between
            the smallest and the largest level that the network learnt; between two of these, they
            are interpolated linearly. None returns values.
        dropout_samples : int or None, default=None
            Number of predictions of each network with its dropout layers as in training, at least
            1, whose mean is returned and whose spread ``return_std`` is (Monte-Carlo dropout [1]_).
            Dropout within recurrent layers stays off, and so does all else that differs in
            training. None predicts once, without dropout.
        **predict_arguments : object
            ``batch_size``, the number of rows per call of the network, by default chosen by
            memory; and ``verbose``, which has no effect.

        Returns
        -------
        y_pred : ndarray of the shape of the target, float64
            Values in the units of the target. Of an ensemble, the mean over its networks. With
            ``loss="quantile"``, the learnt quantile that is nearest to the median, or the mean of
            two that are equally near. With a sequence of ``quantiles``, these are the last axis,
            in the given order; they do not cross.
        y_std : ndarray like y_pred
            The standard deviation of the averaged values, if ``return_std``. It is larger for
            rows that are unlike the training rows, and does not include the noise of the target.

        Raises
        ------
        ValueError
            If there is one prediction of one network and ``return_std``, ``quantiles`` are not
            learnt or are out of their range, ``dropout_samples`` is out of its range, or the
            network has no dropout with a rate above 0.

        References
        ----------
        .. [1] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian Approximation: Representing Model
           Uncertainty in Deep Learning", ICML 2016, section 4.
        """
        fitted = fitted_copy(
            self, return_std=return_std and quantiles is None, dropout_samples=dropout_samples
        )
        decoder = decoder_of(fitted)
        if quantiles is not None:
            if return_std:
                raise ValueError("return_std=True is the spread of values. Leave out quantiles.")
            levels = levels_between(quantiles, decoder.target.quantiles)
            outputs = member_outputs(fitted, X, predict_arguments, dropout_samples)
            found = decoder.quantiles_at(outputs, levels)
            return found[..., 0] if np.ndim(quantiles) == 0 else found
        outputs = member_outputs(fitted, X, predict_arguments, dropout_samples)
        y_pred = decoder.predicted(outputs)
        return (y_pred, decoder.spread(outputs)) if return_std else y_pred

    def predict_interval(
        self, X: Any, confidence: float = 0.9, **predict_arguments: Any
    ) -> np.ndarray:
        r"""Return intervals that contain the target of a new row with a given probability.

        The width of the intervals follows from the errors of the rows that ``fit`` held out. Their
        probability holds for rows that are drawn like those of ``fit``, on average and not for each
        row. All intervals have the same width, except for ``loss="quantile"``, whose intervals are
        as wide as the predicted quantiles are apart.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        confidence : float, default=0.9
            Fraction of the rows whose target is in its interval, in (0, 1). With n held-out rows,
            at most n / (n + 1).
        **predict_arguments : object
            As in ``predict``.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper ends, in the units of the target. Without quantiles, ``predict(X)`` is
            in the middle. Each column of the target has the confidence for itself.

        Raises
        ------
        ValueError
            If no rows were held out, the target has more than two axes, ``confidence`` is out of
            its range, or it needs more held-out rows.

        Notes
        -----
        With the confidence c and the absolute errors of n held-out rows, each of the networks that
        were not trained on the row, half of the width is the :math:`\lceil c\,(n + 1) \rceil`-th
        smallest error. Networks with the same held-out rows give split conformal prediction [1]_:
        the probability is at least c, and about c if the training also chooses its epoch by these
        rows. Of a cross-validated ensemble, the errors are those of single networks and the
        prediction is the mean of all, so that the probability is rather larger than c. :doc:`/tables`
        has measurements.

        With ``loss="quantile"``, the intervals are conformalised quantiles [2]_: those of the
        levels (1 - c) / 2 and (1 + c) / 2, interpolated between the learnt levels or the outermost
        of them, are moved apart, or towards each other, by the :math:`\lceil c\,(n + 1) \rceil`-th
        smallest of the distances of the held-out values from their intervals, which are negative
        inside.

        Groups of rows and time need folds of their own: see ``cv`` of `TabularRegressor`.
        ``partial_fit`` removes the errors.

        References
        ----------
        .. [1] J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, "Distribution-Free
           Predictive Inference for Regression", JASA 113 (2018), algorithm 2.
        .. [2] Y. Romano, E. Patterson, E. J. Candès, "Conformalized Quantile Regression", NeurIPS
           2019, section 4, equation 6.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from nnkit import KerasRegressor
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> reg = KerasRegressor("mlp", validation_split=0.2, epochs=5, random_state=0).fit(X, y)
        >>> reg.predict_interval(X.head(3), confidence=0.8).shape
        (3, 2)
        """
        fitted = fitted_copy(self)
        errors = fitted._held_out_errors
        if errors is None:
            raise ValueError(_NO_ERRORS)
        decoder = decoder_of(fitted)
        learnt = decoder.target.quantiles
        if learnt:
            ends = interval_levels(confidence)
            margin = conformal_margin(errors @ interpolation_weights(learnt, ends), confidence)
            outputs = member_outputs(fitted, X, predict_arguments)
            return widened(decoder.quantiles_at(outputs, ends), margin)
        radius = conformal_quantile(errors, confidence)
        y_pred = decoder.predicted(member_outputs(fitted, X, predict_arguments))
        return np.stack([y_pred - radius, y_pred + radius], axis=-1)

    def score(self, X: Any, y: Any = None, sample_weight: Any | None = None) -> float:
        """Return the coefficient of determination R² of ``predict(X)``.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order; or a dataset with rows and values.
        y : array-like of shape (n_samples,) or (n_samples, ...)
            Their values; None if X is a dataset.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        r2 : float
            1 - Σ(y - ŷ)² / Σ(y - ȳ)², at most 1; of several columns the mean.
        """
        X, y, sample_weight = rows_to_score(
            X, y, sample_weight, getattr(self, "feature_names_in_", None)
        )
        if np.ndim(y) < 3:
            return float(super().score(X, y, sample_weight))
        # Values at each place of an image: (n_samples, height, width) -> (n_samples, places)
        flat = (np.reshape(part, (len(y), -1)) for part in (y, self.predict(X)))
        return float(r2_score(*flat, sample_weight=sample_weight))
