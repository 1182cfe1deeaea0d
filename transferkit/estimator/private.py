"""TensorFlow's private names that the Estimator uses beside the public ones.

What has no public name stands here, so that a newer TensorFlow is met in one place.

The classes of feature columns tell one kind of column from another; ``FeatureTransformationCache`` computes
what columns share once, and ``StateManager`` is what they ask for variables and tables.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.client.session import SessionInterface
from tensorflow.python.distribute.distribute_lib import StrategyBase
from tensorflow.python.eager import context as _context
from tensorflow.python.feature_column.feature_column_v2 import (
    CategoricalColumn,
    NumericColumn,
    StateManager,
)
from tensorflow.python.framework import stack as _stack
from tensorflow.python.framework.tensor import Tensor as GraphTensor
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable, ResourceVariable
from tensorflow.python.ops.summary_ops_v2 import _ResourceSummaryWriter as SummaryWriter
from tensorflow.python.ops.variables import Variable as BaseVariable

__all__ = [
    "BaseResourceVariable",
    "BaseVariable",
    "CategoricalColumn",
    "DenseColumn",
    "FeatureColumn",
    "FeatureTransformationCache",
    "GraphTensor",
    "NumericColumn",
    "ResourceVariable",
    "SessionInterface",
    "StateManager",
    "StrategyBase",
    "SummaryWriter",
    "default_session",
    "eagerly",
    "note_loss_reduction",
]

DenseColumn: Any = tf.__internal__.feature_column.DenseColumn
FeatureColumn: Any = tf.__internal__.feature_column.FeatureColumn
FeatureTransformationCache: Any = tf.__internal__.feature_column.FeatureTransformationCache


def note_loss_reduction(reduction: str) -> None:
    """Tells the graph how its loss was reduced, as TensorFlow's losses do.

    ``tf.compat.v1.train`` optimizers divide a loss that was not summed by the number of replicas.
    """
    tf.compat.v1.get_default_graph()._last_loss_reduction = reduction


def default_session(session: Any) -> Any:
    """A context in which ``eval`` and ``run`` without a session use ``session``."""
    return _stack.default_session(session)


def eagerly() -> Any:
    """A context in which TensorFlow executes eagerly, whatever the program has switched off."""
    return _context.eager_mode()
