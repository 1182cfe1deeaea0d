"""Deep Estimators: dense layers over feature columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.estimator import Estimator
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.regression import RegressionHead
from transferkit.estimator.premade.heads import classifier_head
from transferkit.estimator.premade.logits import DeepPart, dnn_logits
from transferkit.estimator.premade.optimizers import optimizer_of, spec_of
from transferkit.type_names import Optimizer, Tensors

__all__ = ["DNNClassifier", "DNNEstimator", "DNNRegressor"]


def _model_fn(
    head: Head,
    hidden_units: Iterable[int],
    feature_columns: Any,
    optimizer: Optimizer,
    activation_fn: Any,
    dropout: float | None,
    batch_norm: bool,
) -> Callable[..., Any]:
    deep = DeepPart(tuple(hidden_units), tuple(feature_columns or ()), activation_fn, dropout, batch_norm)

    def model_fn(features: Tensors, labels: Tensors, mode: str, config: Any) -> Any:
        logits = dnn_logits(deep, features, mode, head.logits_dimension)
        return spec_of(head, features, labels, mode, logits, lambda: optimizer_of(optimizer))

    return model_fn


class DNNEstimator(Estimator):
    """Dense layers below a head.

    Args:
        head: what the logits mean.
        hidden_units: of each hidden layer, the first next to the input.
        feature_columns: dense ones; wrap categorical ones in an embedding or indicator column.
        model_dir: where checkpoints and event files go.
        optimizer: a name (Adagrad, Adam, Ftrl, RMSProp, SGD), an optimizer of Keras or of
            ``tf.compat.v1.train``, or a function that makes one.
        activation_fn: of hidden layers: a function, Keras's name of one, or None.
        dropout: the share of a hidden layer's values that training leaves out.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        batch_norm: whether hidden layers are normalized by their batch.

    Variables are named ``dnn/hiddenlayer_0/kernel``, ``dnn/logits/bias`` and so on.
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: Any = None,
        optimizer: Optimizer = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ) -> None:
        model_fn = _model_fn(
            head, hidden_units, feature_columns, optimizer, activation_fn, dropout, batch_norm
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNClassifier(Estimator):
    """Dense layers that tell classes.

    Args:
        hidden_units: see :class:`DNNEstimator`, as for the arguments that are not named here.
        feature_columns: dense ones.
        model_dir: where checkpoints and event files go.
        n_classes: 2 or more.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        label_vocabulary: the classes' names, where labels are strings.
        optimizer: a name, an optimizer, or a function that makes one.
        activation_fn: of hidden layers.
        dropout: the share of values that training leaves out.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        batch_norm: whether hidden layers are normalized.
    """

    def __init__(
        self,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Optimizer = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        batch_norm: bool = False,
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model_fn = _model_fn(
            head, hidden_units, feature_columns, optimizer, activation_fn, dropout, batch_norm
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNRegressor(Estimator):
    """Dense layers that give numbers.

    Args:
        hidden_units: see :class:`DNNEstimator`, as for the arguments that are not named here.
        feature_columns: dense ones.
        model_dir: where checkpoints and event files go.
        label_dimension: how many numbers an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        optimizer: a name, an optimizer, or a function that makes one.
        activation_fn: of hidden layers.
        dropout: the share of values that training leaves out.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        batch_norm: whether hidden layers are normalized.
    """

    def __init__(
        self,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Optimizer = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        batch_norm: bool = False,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model_fn = _model_fn(
            head, hidden_units, feature_columns, optimizer, activation_fn, dropout, batch_norm
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)
