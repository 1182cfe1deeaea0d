"""TensorFlow's private names that the Estimator uses beside the public ones.

What has no public name stands here, so that a newer TensorFlow is met in one place.
"""

from __future__ import annotations

from typing import Any

from tensorflow.python.client.session import SessionInterface
from tensorflow.python.distribute.distribute_lib import StrategyBase
from tensorflow.python.eager import context as _context
from tensorflow.python.framework import stack as _stack
from tensorflow.python.framework.tensor import Tensor as GraphTensor
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable, ResourceVariable
from tensorflow.python.ops.summary_ops_v2 import _ResourceSummaryWriter as SummaryWriter
from tensorflow.python.ops.variables import Variable as BaseVariable

__all__ = [
    "BaseResourceVariable",
    "BaseVariable",
    "GraphTensor",
    "ResourceVariable",
    "SessionInterface",
    "StrategyBase",
    "SummaryWriter",
    "default_session",
    "eagerly",
]


def default_session(session: Any) -> Any:
    """A context in which ``eval`` and ``run`` without a session use ``session``."""
    return _stack.default_session(session)


def eagerly() -> Any:
    """A context in which TensorFlow executes eagerly, whatever the program has switched off."""
    return _context.eager_mode()
