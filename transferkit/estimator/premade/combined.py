"""Wide and deep Estimators: a linear model and dense layers under one head, each with its optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.regression import RegressionHead
from transferkit.estimator.premade.columns import checked_features
from transferkit.estimator.premade.heads import classifier_head
from transferkit.estimator.premade.logits import (
    DeepPart,
    Logits,
    activation_summary,
    dnn_logits,
    linear_logits,
)
from transferkit.estimator.premade.optimizers import optimizer_of, step_of
from transferkit.estimator.spec import ModeKeys
from transferkit.type_names import Optimizer, Tensor, Tensors

__all__ = ["DNNLinearCombinedClassifier", "DNNLinearCombinedEstimator", "DNNLinearCombinedRegressor"]

_DNN_RATE, _LINEAR_RATE = 0.001, 0.005


def _single_optimizer(given: Any, rate: float) -> Any:
    made = optimizer_of(given, rate)
    if isinstance(made, tf.compat.v1.train.SyncReplicasOptimizer):
        raise ValueError(
            fault("optimizer", "SyncReplicasOptimizer", "an optimizer of its own for each of the two parts")
        )
    return made


@dataclass(frozen=True)
class _Wide:
    """The wide part: its columns, their combiner, its optimizer."""

    columns: Iterable[Any] | None
    optimizer: Optimizer
    combiner: str


def _model_fn(head: Head, wide: _Wide, deep: DeepPart, deep_optimizer: Any) -> Callable[..., Any]:
    columns = tuple(wide.columns or ())
    if not columns and not deep.columns:
        raise ValueError(
            fault("DNNLinearCombined", None, None, "give linear_feature_columns or dnn_feature_columns")
        )

    def model_fn(features: Tensors, labels: Tensors, mode: str, config: Any) -> Any:
        features, units = checked_features(features), head.logits_dimension
        # A part's logits, and the optimizer that trains it.
        parts: list[tuple[Logits, Any]] = []
        training = mode == ModeKeys.TRAIN
        if deep.columns:
            if not deep.hidden_units:
                raise ValueError(fault("dnn_hidden_units", None, None, "needed with dnn_feature_columns"))
            optimizer = _single_optimizer(deep_optimizer, _DNN_RATE) if training else None
            made = dnn_logits(deep, features, mode, units)
            parts.append((made, optimizer))
        if columns:
            rate = min(_LINEAR_RATE, 1 / math.sqrt(len(columns)))
            optimizer = _single_optimizer(wide.optimizer, rate) if training else None
            made = linear_logits(features, units, columns, wide.combiner)
            activation_summary(made.tensor, "linear")
            parts.append((made, optimizer))

        def train(loss: Tensor) -> Any:
            steps = [
                step_of(used, loss, made.variables, head.loss_reduction, counts=number == 0)
                for number, (made, used) in enumerate(parts)
            ]
            return tf.group(*steps, *(update for made, _ in parts for update in made.updates))

        return head.create_estimator_spec(
            features=features,
            mode=mode,
            labels=labels,
            train_op_fn=train,
            logits=tf.add_n([made.tensor for made, _ in parts]),
        )

    return model_fn


def _deep(
    hidden_units: Iterable[int] | None,
    columns: Iterable[Any] | None,
    activation_fn: Any,
    dropout: float | None,
    batch_norm: bool,
) -> DeepPart:
    return DeepPart(tuple(hidden_units or ()), tuple(columns or ()), activation_fn, dropout, batch_norm)


class DNNLinearCombinedEstimator(Estimator):
    """A linear model and dense layers, whose sum goes below a head.

    Args:
        head: what the logits mean.
        model_dir: where checkpoints and event files go.
        linear_feature_columns: dense or categorical ones of the wide part.
        linear_optimizer: a name (Adagrad, Adam, Ftrl, RMSProp, SGD; with rate 0.005, less for many columns),
            an optimizer of Keras or of ``tf.compat.v1.train``, or a function that makes one.
        dnn_feature_columns: dense ones of the deep part.
        dnn_optimizer: likewise; a named one has rate 0.001.
        dnn_hidden_units: of each hidden layer.
        dnn_activation_fn: of hidden layers: a function, Keras's name of one, or None.
        dnn_dropout: the share of a hidden layer's values that training leaves out.
        config: a RunConfig.
        batch_norm: whether hidden layers are normalized by their batch.
        linear_sparse_combiner: how several classes of one example add up: ``sum``, ``mean`` or ``sqrtn``.

    Raises:
        ValueError: where neither part has columns.
    """

    def __init__(
        self,
        head: Head,
        model_dir: Any = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Optimizer = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Optimizer = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        config: Any = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = _model_fn(
            head,
            _Wide(linear_feature_columns, linear_optimizer, linear_sparse_combiner),
            _deep(dnn_hidden_units, dnn_feature_columns, dnn_activation_fn, dnn_dropout, batch_norm),
            dnn_optimizer,
        )
        super().__init__(model_fn, model_dir, config)


class DNNLinearCombinedClassifier(Estimator):
    """A linear model and dense layers that tell classes together.

    Args:
        model_dir: where checkpoints and event files go.
        linear_feature_columns: see :class:`DNNLinearCombinedEstimator`, as for the arguments not named here.
        linear_optimizer: of the wide part.
        dnn_feature_columns: of the deep part.
        dnn_optimizer: of the deep part.
        dnn_hidden_units: of each hidden layer.
        dnn_activation_fn: of hidden layers.
        dnn_dropout: the share of values that training leaves out.
        n_classes: 2 or more.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        label_vocabulary: the classes' names, where labels are strings.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        batch_norm: whether hidden layers are normalized.
        linear_sparse_combiner: ``sum``, ``mean`` or ``sqrtn``.
    """

    def __init__(
        self,
        model_dir: Any = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Optimizer = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Optimizer = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = _model_fn(
            classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            _Wide(linear_feature_columns, linear_optimizer, linear_sparse_combiner),
            _deep(dnn_hidden_units, dnn_feature_columns, dnn_activation_fn, dnn_dropout, batch_norm),
            dnn_optimizer,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedRegressor(Estimator):
    """A linear model and dense layers that give numbers together.

    Args:
        model_dir: where checkpoints and event files go.
        linear_feature_columns: see :class:`DNNLinearCombinedEstimator`, as for the arguments not named here.
        linear_optimizer: of the wide part.
        dnn_feature_columns: of the deep part.
        dnn_optimizer: of the deep part.
        dnn_hidden_units: of each hidden layer.
        dnn_activation_fn: of hidden layers.
        dnn_dropout: the share of values that training leaves out.
        label_dimension: how many numbers an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        batch_norm: whether hidden layers are normalized.
        linear_sparse_combiner: ``sum``, ``mean`` or ``sqrtn``.
    """

    def __init__(
        self,
        model_dir: Any = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Optimizer = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Optimizer = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = _model_fn(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            _Wide(linear_feature_columns, linear_optimizer, linear_sparse_combiner),
            _deep(dnn_hidden_units, dnn_feature_columns, dnn_activation_fn, dnn_dropout, batch_norm),
            dnn_optimizer,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)
