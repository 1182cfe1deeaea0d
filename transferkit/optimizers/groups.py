"""Variables that learn at a share of the learning rate (Howard and Ruder 2018, arXiv:1801.06146)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

__all__ = ["grouped"]


@functools.lru_cache(maxsize=32)
def grouped(optimizer: type) -> type:
    """A Keras optimizer's class with learning-rate multipliers by variable.

    The share multiplies the learning rate of the variable's own update, not its gradient: Adam and its kin
    would undo a factor on the gradient.

    Returns:
        A subclass whose instances have ``multipliers``: variable path to share, 1 where there is none.
    """

    class Grouped(optimizer):
        multipliers: Mapping[str, float] = {}

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            # In a graph the variable comes as TensorFlow's own, without a path: its index leads to one.
            path = self._trainable_variables[self._get_variable_index(variable)].path
            share = self.multipliers.get(path, 1.0)
            super().update_step(gradient, variable, learning_rate * share if share != 1.0 else learning_rate)

    # Its slots and its saved form are those of the optimizer that it is.
    Grouped.__name__ = optimizer.__name__
    Grouped.__qualname__ = optimizer.__qualname__
    return Grouped
