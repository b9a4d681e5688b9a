"""KerasClassifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.callback import CallbackSupportMixin

from nnkit._compat import with_callbacks
from nnkit.estimators.conformal_prediction import conformal_quantile, more_probable_mass
from nnkit.estimators.fitting import stages
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.parameters.parameter_names import store_arguments
from nnkit.estimators.parameters.routing import FIT_ARGUMENTS
from nnkit.estimators.prediction import decoder_of, fitted_copy, member_outputs
from nnkit.estimators.rows.batches import rows_to_score
from nnkit.estimators.targets.classification import ClassificationTarget

__all__ = ["KerasClassifier"]


_NO_ERRORS = (
    "predict_set needs rows that fit held out, and a target of one column of classes. Set "
    "validation_split=0.2, give X_val and y_val to fit, or use TabularClassifier, whose networks hold "
    "out folds. partial_fit removes what was learnt from these rows."
)


class KerasClassifier(ClassifierMixin, CallbackSupportMixin, KerasEstimator):
    r"""A Keras network as a scikit-learn classifier.

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
        Passes over the training rows, at least 1; with ``early_stopping`` the maximum. "auto" is
        100; ready-made networks have values of their own, RealMLP 256.
    batch_size : int, "auto" or None, default="auto"
        Rows of an optimizer step, at least 1. "auto" and None are 32, as in Keras, and the
        size of the batches of a dataset; for ready-made networks "auto" is their own value, 256
        for RealMLP. -1 is all rows.
    class_weight : dict, "balanced", list of these, or None, default=None
        Weights of classes by label, at least 0. Labels that are missing in the dict have the
        weight 1. "balanced" weights each class by the inverse of its frequency. For several
        columns of y, or an indicator, a list has one entry for each column, and the weights are
        multiplied. Weights of classes multiply ``sample_weight``.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch. "auto" is
        False, and True for RealMLP and some networks for other data than tables.
    validation_split : float, splitter, list or None, default=None
        The rows that are held out: a fraction in [0, 1), stratified by class; a scikit-learn
        splitter, of which the first split is used, with the ``groups`` of ``fit``; or a list with
        a pair of training and validation rows. None is 0.1 with ``early_stopping`` and 0 without
        it; if ``early_stopping`` is "auto", RealMLP holds out 0.2. The loss and metrics of
        held-out rows are ``val_*`` in ``history_``.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without improvement after which ``early_stopping`` stops, at least 1. "auto" is
        10. RealMLP trains for all its epochs.
    tol : float, default=0.0
        Minimum change that counts as an improvement, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        The score on held-out rows. "loss" is the loss, to be minimised. A scikit-learn scorer
        or its name is recorded as ``val_<name>`` and maximised. None is accuracy.
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
        side by side with different initial weights and orders of rows, and their probabilities
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
    TabularClassifier : A tuned network for raw tables.
    KerasRegressor : The same for numbers.
    nnkit.explain : Shapley values of the predictions.

    Notes
    -----
    The loss of a batch is :math:`\sum_i w_i l_i / \sum_i w_i` in every backend, with
    :math:`w_i` the weight of row i (``sample_weight`` times ``class_weight``) and :math:`l_i`
    its loss, so that only ratios of weights matter.
    Weights whose largest is outside of [2^-32, 2^32] are multiplied by a power of two before they
    become float32, and those below 2^-100 of the largest count as 0.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, section 2.4.

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

    _target_type = ClassificationTarget
    # Arguments of fit that can be requested by metadata routing, beside those in its signature.
    __metadata_request__fit: ClassVar[dict[str, Any]] = dict.fromkeys(FIT_ARGUMENTS)

    classes_: Any
    n_classes_: Any

    def __init__(
        self,
        model: Any = "mlp",
        *,
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
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 30.0,
        verbose: Literal[0, 1, 2, "auto"] = 0,
        **routed: Any,
    ) -> None:
        store_arguments(self, locals())

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
        classes : array-like of shape (n_classes,), or list of them, default=None
            All labels of this and later calls; needed in the first call if its rows do not have
            them all.
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
        stages.partial_fit(self, X, y, classes, sample_weight, fit_arguments)
        return self

    def score(self, X: Any, y: Any = None, sample_weight: Any | None = None) -> float:
        """Return the accuracy of ``predict(X)``.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order; or a dataset with rows and labels.
        y : array-like of shape (n_samples,) or (n_samples, ...)
            Their labels; None if X is a dataset. With several columns, all labels of a row must be
            right. For sequences and images with labels of pixels, the fraction of right steps or
            pixels counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            In [0, 1].
        """
        X, y, sample_weight = rows_to_score(
            X, y, sample_weight, getattr(self, "feature_names_in_", None)
        )
        y_pred = self.predict(X)
        return float(decoder_of(self).accuracy(y, y_pred, sample_weight))

    def predict_proba(
        self,
        X: Any,
        return_std: bool = False,
        dropout_samples: int | None = None,
        **predict_arguments: Any,
    ) -> Any:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        return_std : bool, default=False
            Whether to return the spread over the networks too. It needs ``n_estimators`` above 1,
            or ``dropout_samples``.
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
        y_proba : ndarray of shape (n_samples, n_classes), float64
            Each row sums to 1; the columns are in the order of ``classes_``. Of an indicator
            (n_samples, n_labels), each a probability of its own; of several columns a list
            with one array for each. Of an ensemble, the mean over its networks.
        y_std : like y_proba
            The standard deviation of the averaged probabilities, if ``return_std``. It is larger
            for rows that are unlike the training rows.

        Raises
        ------
        ValueError
            If there is one prediction of one network and ``return_std``, or ``dropout_samples`` is
            out of its range, or the network has no dropout with a rate above 0.

        References
        ----------
        .. [1] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian Approximation: Representing Model
           Uncertainty in Deep Learning", ICML 2016, section 4.
        """
        fitted = fitted_copy(self, return_std=return_std, dropout_samples=dropout_samples)
        outputs = member_outputs(fitted, X, predict_arguments, dropout_samples)
        decoder = decoder_of(fitted)
        y_proba = decoder.predicted(outputs)
        return (y_proba, decoder.spread(outputs)) if return_std else y_proba

    def predict(self, X: Any, **predict_arguments: Any) -> np.ndarray:
        """Return the label of the most probable class.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        **predict_arguments : object
            ``batch_size``, the number of rows per call of the network, by default chosen by
            memory; and ``verbose``, which has no effect.

        Returns
        -------
        y_pred : ndarray of the shape of the target
            Labels, in the dtype of ``classes_``.
        """
        fitted = fitted_copy(self)
        outputs = member_outputs(fitted, X, predict_arguments)
        labels: np.ndarray = decoder_of(fitted).predicted_labels(outputs)
        return labels

    def predict_set(self, X: Any, confidence: float = 0.9, **predict_arguments: Any) -> np.ndarray:
        r"""Return sets of classes that contain the class of a new row with a given probability.

        The sets have the most probable classes of each row: one where the network is sure, and
        several where it is not. Their size follows from the rows that ``fit`` held out. The
        probability holds for rows that are drawn like those of ``fit``, on average and not for each
        row or class.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or dict, with n_samples rows
            The rows, with the columns of ``fit`` in their order.
        confidence : float, default=0.9
            Fraction of the rows whose class is in its set, in (0, 1). With n held-out rows, at most
            n / (n + 1). If the most probable class is right more often, it is the whole set.
        **predict_arguments : object
            As in ``predict``.

        Returns
        -------
        is_in_set : ndarray of bool, shape (n_samples, n_classes)
            Whether the set of a row has a class, in the order of ``classes_``. The most probable
            class is always in it.

        Raises
        ------
        ValueError
            If no rows were held out, the target is not one column of classes, ``confidence`` is out
            of its range, or it needs more held-out rows.

        Notes
        -----
        A class is in the set if the probabilities of more probable classes have a sum of at most t.
        t is the :math:`\lceil c\,(n + 1) \rceil`-th smallest of these sums at the true classes of n
        held-out rows, with the confidence c: adaptive prediction sets [1]_ without random numbers.
        Of a cross-validated ensemble, the sums are those of single networks and the sets follow from
        the mean of all, so that the probability is rather larger than c.

        Groups of rows and time need folds of their own: see ``cv`` of `TabularClassifier`.
        ``partial_fit`` removes the sums.

        References
        ----------
        .. [1] Y. Romano, M. Sesia, E. J. Candès, "Classification with Valid and Adaptive Coverage",
           NeurIPS 2020, section 2.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from nnkit import KerasClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> clf = KerasClassifier("mlp", validation_split=0.3, epochs=5, random_state=0).fit(X, y)
        >>> clf.predict_set(X[:4], confidence=0.8).shape
        (4, 3)
        """
        fitted = fitted_copy(self)
        errors = fitted._held_out_errors
        if errors is None:
            raise ValueError(_NO_ERRORS)
        bound = conformal_quantile(errors, confidence)
        y_proba = decoder_of(fitted).predicted(member_outputs(fitted, X, predict_arguments))
        return more_probable_mass(y_proba) <= bound

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
