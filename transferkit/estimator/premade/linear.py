"""Linear Estimators: weighted sums of feature columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from transferkit.estimator.estimator import Estimator
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.regression import RegressionHead
from transferkit.estimator.premade.heads import classifier_head
from transferkit.estimator.premade.logits import linear_logits
from transferkit.estimator.premade.optimizers import optimizer_of, spec_of
from transferkit.type_names import Optimizer, Tensors

__all__ = ["LinearClassifier", "LinearEstimator", "LinearRegressor"]

_RATE = 0.2


def _model_fn(head: Head, feature_columns: Any, optimizer: Optimizer, combiner: str) -> Callable[..., Any]:
    columns = tuple(feature_columns or ())

    def make() -> Any:
        if optimizer is None:
            return optimizer_of("Ftrl", min(_RATE, 1 / math.sqrt(len(columns))))
        return optimizer_of(optimizer, _RATE)

    def model_fn(features: Tensors, labels: Tensors, mode: str, config: Any) -> Any:
        logits = linear_logits(features, head.logits_dimension, columns, combiner)
        return spec_of(head, features, labels, mode, logits, make)

    return model_fn


class LinearEstimator(Estimator):
    """A weighted sum of columns below a head.

    Args:
        head: what the logits mean.
        feature_columns: dense or categorical ones.
        model_dir: where checkpoints and event files go.
        optimizer: a name (Adagrad, Adam, Ftrl, RMSProp, SGD; with rate 0.2), an optimizer of Keras or of
            ``tf.compat.v1.train``, or a function that makes one.
        config: a RunConfig.
        sparse_combiner: how several classes of one example add up: ``sum``, ``mean`` or ``sqrtn``.
        warm_start_from: a checkpoint or WarmStartSettings.

    Variables are named ``linear/linear_model/COLUMN/weights`` and ``linear/linear_model/bias_weights``.
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Iterable[Any],
        model_dir: Any = None,
        optimizer: Optimizer = "Ftrl",
        config: Any = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ) -> None:
        model_fn = _model_fn(head, feature_columns, optimizer, sparse_combiner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearClassifier(Estimator):
    """A weighted sum of columns that tells classes.

    Args:
        feature_columns: dense or categorical ones.
        model_dir: where checkpoints and event files go.
        n_classes: 2 or more.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        label_vocabulary: the classes' names, where labels are strings.
        optimizer: see :class:`LinearEstimator`.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        sparse_combiner: ``sum``, ``mean`` or ``sqrtn``.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any],
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Optimizer = "Ftrl",
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        sparse_combiner: str = "sum",
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model_fn = _model_fn(head, feature_columns, optimizer, sparse_combiner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearRegressor(Estimator):
    """A weighted sum of columns that gives numbers.

    Args:
        feature_columns: dense or categorical ones.
        model_dir: where checkpoints and event files go.
        label_dimension: how many numbers an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.
        optimizer: see :class:`LinearEstimator`.
        config: a RunConfig.
        warm_start_from: a checkpoint or WarmStartSettings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        sparse_combiner: ``sum``, ``mean`` or ``sqrtn``.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any],
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Optimizer = "Ftrl",
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        sparse_combiner: str = "sum",
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model_fn = _model_fn(head, feature_columns, optimizer, sparse_combiner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)
