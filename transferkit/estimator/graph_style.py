"""Variables without a graph that answer as TensorFlow-1 code expects of one in a graph."""

from __future__ import annotations

from typing import Any

from tensorflow.python.ops import resource_variable_ops

from transferkit.estimator.storage import container_of

__all__ = ["name_operation"]


class _NamedOperation:
    """What ``variable.op`` is for code that asks a variable's operation for its name."""

    type = "VarHandleOp"
    graph = None

    def __init__(self, variable: Any) -> None:
        # A copy on a device goes by the name of the whole: optimizers find their slots by it.
        self.name = container_of(variable).name.split(":")[0]
        self.device = variable.device
        self.traceback: list[Any] = []


class _GraphStyleVariable(resource_variable_ops.ResourceVariable):
    """A variable without a graph whose ``op.name`` is its name, as TensorFlow-1 code expects."""

    @property
    def op(self) -> Any:
        return _NamedOperation(self)


def name_operation(variable: Any) -> None:
    """Gives ``variable`` an ``op`` whose name is the variable's."""
    for part in getattr(variable, "_values", None) or (variable,):
        if type(part) is resource_variable_ops.ResourceVariable:
            part.__class__ = _GraphStyleVariable
