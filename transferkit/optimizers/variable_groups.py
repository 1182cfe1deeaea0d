"""Variables that learn at a share of the learning rate, or that have been learning for some time already."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from transferkit.type_names import Tensor, Variable

__all__ = ["grouped"]


@functools.lru_cache(maxsize=32)
def grouped(optimizer: type) -> type:
    """A Keras optimizer's class with facts of its own for each variable.

    The share (Howard and Ruder 2018, arXiv:1801.06146) multiplies the learning rate of the variable's own
    update, not its gradient: Adam and its kin would undo a factor on the gradient.

    The count of earlier updates is for variables whose moments come from another phase. Adam divides its
    moments by ``1 - beta ** updates``, as they start at zero: moments that did not must not be magnified
    again, and those of a variable that begins now must be.

    Returns:
        A subclass whose instances have ``multipliers``: variable path to share, 1 where there is none; and
        ``earlier_updates``: variable path to a number of updates, 0 where there is none.
    """

    from transferkit.private.keras_names import variable_updated

    class Grouped(optimizer):  # type: ignore[misc]
        multipliers: Mapping[str, float] = {}
        earlier_updates: Mapping[str, int] = {}
        _ahead = 0

        @property
        def iterations(self) -> Any:
            count = super().iterations
            return count + self._ahead if self._ahead else count

        def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
            path = variable_updated(self, variable).path
            share = self.multipliers.get(path, 1.0)
            self._ahead = self.earlier_updates.get(path, 0)
            try:
                super().update_step(
                    gradient, variable, learning_rate * share if share != 1.0 else learning_rate
                )
            finally:
                self._ahead = 0

    # Its slots and its saved form are those of the optimizer that it is.
    Grouped.__name__ = optimizer.__name__
    Grouped.__qualname__ = optimizer.__qualname__
    return Grouped
