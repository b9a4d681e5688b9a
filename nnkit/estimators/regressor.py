"""KerasRegressor."""

from __future__ import annotations

import warnings
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import assert_all_finite

from nnkit._compat import with_callbacks
from nnkit.encoding import ContinuousTarget, target_array
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.parts import Rows
from nnkit.estimators.validation_rows import warning_of_target

if TYPE_CHECKING:
    from nnkit.training import Task

__all__ = ["KerasRegressor"]

_LOSSES_IN_UNITS = {
    "MeanSquaredLogarithmicError": "Leave loss=None, and set TransformedTargetRegressor("
    "regressor, func=np.log1p, inverse_func=np.expm1). Or give a network of your own, which gets "
    "y as it is.",
    "MeanAbsolutePercentageError": "Use loss='mae' with sample_weight=1 / abs(y). Or give a "
    "network of your own, which gets y as it is.",
    "Poisson": "Give a network of your own that ends in 'exponential' or 'softplus'.",
    "KLDivergence": "Give a network of your own, which gets y as it is.",
}
"""The losses of Keras that are no losses in standard units, and what to do."""


class KerasRegressor(RegressorMixin, KerasEstimator):
    """A Keras network as a scikit-learn regressor.

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
        means the mean of squared errors.
    optimizer : str, class or keras.optimizers.Optimizer, default="auto"
        How it is minimised. "auto" is what the builder compiles with, and "adam" if it does
        not compile. An instance is copied for each fit; schedules of `nnkit.optimizers`
        without a number of steps get that of the fit.
    metrics : str, class, keras.metrics.Metric, callable, or list or dict of them, default=None
        What ``history_`` records beside the loss. Metrics are in the units of the
        target.
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
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the score on held-out rows has not improved by more than ``tol``
        for ``n_iter_no_change`` epochs, and to keep the weights of the best epoch. "auto" is
        True for RealMLP and ``model="auto"``, and False otherwise.
    validation_split : float, splitter, iterable or None, default=None
        Fraction in [0, 1) of the rows that is held out; a number of folds of at least 2, or a
        scikit-learn splitter, of whose splits the first network has the first, the second the
        second, and so on, with ``groups`` as given to ``fit``; or an iterable of pairs of
        training and validation rows. None is 0.1 with ``early_stopping``, else 0; where that is
        left to nnkit, so is this. Held-out rows give ``val_*`` in ``history_``.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without improvement after which ``early_stopping`` stops, at least 1. "auto" is
        10; RealMLP and ``model="auto"`` train all their epochs.
    tol : float, default=0.0
        What an improvement must exceed, at least 0, in units of the score.
    scoring : str, callable or None, default="loss"
        What is judged on the held-out rows. "loss" is the loss, where smaller is better; a
        scikit-learn scorer or its name is recorded as ``val_<name>``, where greater is
        better; None is R².
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
        whose values are averaged, at least 1: a deep ensemble [1]_. "auto" is 1, and several
        for ``model="auto"``.
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
    KerasClassifier : The same for classes.
    nnkit.explain : Shapley values of the predictions.

    Notes
    -----
    A ready-made builder learns the target in standard units (mean 0, standard deviation 1 on
    the training rows), and predictions are turned back; losses in ``history_`` are in these
    units, and metrics in those of the target. A user's own builder gets the target as it is.

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

    @with_callbacks
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any | None = None, **fit_arguments: Any
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
        self._partial_fit(X, y, None, sample_weight, fit_arguments)
        return self

    def predict(self, X: Any, return_std: bool = False, **predict_arguments: Any) -> Any:
        """Return predicted values.

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
        y_pred : ndarray of the shape of the target, float64
            Values in the units of the target. Of an ensemble, the mean over its members.
        y_std : ndarray like y_pred
            The standard deviation of the members' values, if ``return_std``: how much they
            disagree, which grows where the training rows say little. It does not contain the
            noise of the target.
        """
        fitted = self._as_fitted(return_std)
        outputs = fitted._outputs(X, predict_arguments)
        y_pred = fitted._predicted(outputs)
        if not return_std:
            return y_pred
        return y_pred, np.std([fitted._decide(member) for member in outputs], axis=0)

    def _predicted(self, outputs: list[list[np.ndarray]]) -> np.ndarray:
        values = [self._decide(member) for member in outputs]
        return values[0] if len(values) == 1 else np.mean(values, axis=0)

    def _check_target(self, y: Any) -> np.ndarray:
        y_numeric = target_array(y, are_numbers=True)
        if y_numeric.ndim == 0:
            raise ValueError("y must have one value for each row. Got a single number instead.")
        assert_all_finite(y_numeric, input_name="y")
        return y_numeric

    def _learn_target(self, y: np.ndarray, classes: Any) -> None:  # noqa: ARG002
        self._target_shape = y.shape[1:]

    def _encode_target(self, y: np.ndarray) -> np.ndarray:
        if y.shape[1:] != self._target_shape:
            raise ValueError(
                f"y must have rows of shape {self._target_shape}, as in the first fit. "
                f"Got {y.shape[1:]} instead."
            )
        return y

    def _warning_of_validation(self, training: Rows, held_out: Rows) -> str | None:
        return warning_of_target(training.encoded, held_out.encoded)

    def _check_loss_and_head(self, encoded: np.ndarray) -> None:
        self._check_loss_in_standard_units(encoded)
        heads = self._network.output_spec.heads
        for head, values in zip(heads, self._network_targets(encoded, len(heads)), strict=True):
            least, most = head.limits
            low, high = float(np.min(values)), float(np.max(values))
            if low < least or high > most:
                bounds = f"from {least:g} up" if most == np.inf else f"from {least:g} to {most:g}"
                warnings.warn(
                    f"The model's last activation is {head.activation!r}, which gives values "
                    f"{bounds}, but y goes from {low:.4g} to {high:.4g}. Use 'linear' in the last "
                    "layer, or bring y into these bounds.",
                    UserWarning,
                    stacklevel=6,
                )

    def _check_loss_in_standard_units(self, encoded: np.ndarray) -> None:
        """Raise, or warn, if a ready-made network learns a target in units that its loss minds."""
        if not isinstance(self.model, str):
            return
        from keras import tree

        from nnkit.training.loop.user_functions import depends_on_units, is_own_loss

        units = f"model={self.model!r} learns y in standard units (mean 0, standard deviation 1)"
        losses = tree.flatten(self._network.compiled_model.model.loss)
        for loss in losses:
            name = type(loss).__name__
            if name in _LOSSES_IN_UNITS:
                raise ValueError(
                    f"loss={name} compares values in their own units, but {units}. "
                    f"{_LOSSES_IN_UNITS[name]}"
                )
            if (
                is_own_loss(loss)
                and len(losses) == 1
                and self._network.compiled_model.fact(
                    "loss depends on units",
                    partial(depends_on_units, loss, encoded.reshape(len(encoded), -1)),
                )
            ):
                warnings.warn(
                    f"loss={loss.name} is another one in other units, but {units}. Numbers inside "
                    "it are in these units. Give a network of your own for a loss in those of y.",
                    UserWarning,
                    stacklevel=7,
                )

    def _learn_units(self, training: Rows, settings: SimpleNamespace) -> None:
        self._units = ContinuousTarget()
        if isinstance(self.model, str):
            self._units = ContinuousTarget.standard(
                training.y, training.sample_weight, is_clipped=settings.is_clipped
            )

    def _widen_units(self, training: Rows) -> None:
        self._units = self._units.widened(training.y)

    def _task_choices(self) -> list[list[Task]]:
        from nnkit.training import Task

        is_scaled = isinstance(self.model, str)
        choices = [[Task("regression", row_shape=self._target_shape, is_scaled=is_scaled)]]
        if len(self._target_shape) == 1 and self._target_shape[0] > 1:
            # A network with an output for each column.
            choices.append([Task("regression", is_scaled=is_scaled)] * self._target_shape[0])
        return choices

    def _target_units(self) -> tuple[Any, ...] | None:
        if not isinstance(self.model, str):
            return None
        low, high = self._units.limits or (-np.inf, np.inf)
        return self._units.scale, self._units.location, low, high

    def _target_facts(self) -> dict[str, Any]:
        is_table = bool(self._target_shape) and self._target_shape[-1] > 1
        return {"target_type_": "continuous-multioutput" if is_table else "continuous"}

    def _network_targets(self, encoded: np.ndarray, n_outputs: int) -> list[np.ndarray]:
        in_units = self._units.encode(encoded)
        return [in_units] if n_outputs == 1 else list(in_units.T)

    def _decide(self, outputs: list[np.ndarray]) -> np.ndarray:
        if len(outputs) > 1:
            values = np.column_stack([output.reshape(len(output)) for output in outputs])
        else:
            values = outputs[0].reshape(len(outputs[0]), *self._target_shape)
        return self._units.decode(values)
