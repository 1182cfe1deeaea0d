"""Baseline Estimators: what is best to say without a look at the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.regression import RegressionHead
from transferkit.estimator.premade.heads import classifier_head
from transferkit.estimator.premade.logits import baseline_logits
from transferkit.estimator.premade.optimizers import optimizer_of, step_of
from transferkit.private.tensorflow_names import NumericColumn
from transferkit.type_names import Optimizer, Tensor, Tensors

__all__ = ["BaselineClassifier", "BaselineEstimator", "BaselineRegressor"]

_RATE = 0.3


def _model_fn(head: Head, optimizer: Optimizer, weight_column: Any = None) -> Callable[..., Any]:
    def model_fn(features: Tensors, labels: Tensors, mode: str, config: Any) -> Any:
        logits = baseline_logits(features, head.logits_dimension, _key(weight_column))

        def train(loss: Tensor) -> Any:
            used = optimizer_of(optimizer, _RATE)
            return step_of(used, loss, logits.variables, head.loss_reduction)

        return head.create_estimator_spec(
            features=features, mode=mode, labels=labels, logits=logits.tensor, train_op_fn=train
        )

    return model_fn


def _key(weight_column: Any) -> str | None:
    """The name of the feature that holds weights."""
    if weight_column is None or isinstance(weight_column, str):
        return weight_column
    if isinstance(weight_column, NumericColumn):
        return str(weight_column.key)
    raise TypeError(fault("weight_column", weight_column, "a feature's name or a numeric_column"))


class BaselineEstimator(Estimator):
    """One number for each unit of a head, learned from the labels alone.

    Args:
        head: what the logits mean.
        model_dir: where checkpoints and event files go.
        optimizer: a name (Adagrad, Adam, Ftrl, RMSProp, SGD; with rate 0.3), an optimizer of Keras or of
            ``tf.compat.v1.train``, or a function that makes one.
        config: a RunConfig.
    """

    def __init__(
        self, head: Head, model_dir: Any = None, optimizer: Optimizer = "Ftrl", config: Any = None
    ) -> None:
        super().__init__(_model_fn(head, optimizer), model_dir, config)


class BaselineClassifier(Estimator):
    """The shares of the classes.

    Args:
        model_dir: where checkpoints and event files go.
        n_classes: 2 or more.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        label_vocabulary: the classes' names, where labels are strings.
        optimizer: see :class:`BaselineEstimator`.
        config: a RunConfig.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
    """

    def __init__(
        self,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Optimizer = "Ftrl",
        config: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(_model_fn(head, optimizer, weight_column), model_dir, config)


class BaselineRegressor(Estimator):
    """The mean of the labels.

    Args:
        model_dir: where checkpoints and event files go.
        label_dimension: how many numbers an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        optimizer: see :class:`BaselineEstimator`.
        config: a RunConfig.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
    """

    def __init__(
        self,
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Optimizer = "Ftrl",
        config: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        super().__init__(_model_fn(head, optimizer, weight_column), model_dir, config)
