"""Variables that a partitioner cut into parts are one variable in a checkpoint, under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit.private.tensorflow_attributes import slice_of
from transferkit.type_names import Variable

__all__ = ["expected_shape", "full_name", "named", "part_of", "spec_of"]


def full_name(name: str, variable: Variable) -> str:
    """The name in a checkpoint: that of the whole, for a part."""
    info = slice_of(variable)
    return name if info is None else str(info.full_name)


def spec_of(variable: Variable) -> str:
    """Which part of the whole a variable is, as checkpoints write it; empty for a whole one."""
    info = slice_of(variable)
    return "" if info is None else str(info.spec)


def part_of(variable: Variable, value: Any) -> Any:
    """The part of the whole's ``value`` that ``variable`` holds."""
    info = slice_of(variable)
    if info is None:
        return value
    pairs = zip(info.var_offset, info.var_shape, strict=True)
    return value[tuple(slice(begin, begin + size) for begin, size in pairs)]


def expected_shape(variable: Variable) -> list[int]:
    """The shape that a checkpoint must have for ``variable``: the whole's, for a part."""
    info = slice_of(variable)
    return list(info.full_shape) if info is not None else list(variable.shape.as_list())


def named(variables: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Name -> name in the checkpoint and part, of those variables that are parts."""
    return {n: (full_name(n, v), spec_of(v)) for n, v in variables.items() if slice_of(v) is not None}
