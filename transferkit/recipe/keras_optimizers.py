"""Which optimizers the installed Keras has, and what their constructors take, without importing it.

Importing Keras costs seconds, and checking a recipe should cost none: the constructors' signatures are read
from Keras's source. A test compares what is read here with the constructors themselves.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["UNSET", "constructors"]

# Wrappers and helpers that live in the same folder and are no optimizers that one trains with.
_NOT_BY_NAME = {"loss_scale_optimizer", "multi_optimizer", "optimizer", "base_optimizer"}


class _Unset:
    """Stands for a default that is no plain value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset()


@functools.lru_cache(maxsize=1)
def constructors() -> Mapping[str, Mapping[str, Any]]:
    """Name of each optimizer, as Keras's modules spell it, to its arguments and their defaults."""
    spec = importlib.util.find_spec("keras")
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parent / "src" / "optimizers"
    found = {}
    for path in sorted(folder.glob("*.py")):
        if path.stem.endswith("_test") or path.stem in _NOT_BY_NAME or path.stem.startswith("_"):
            continue
        arguments = _arguments(path)
        if arguments is not None:
            found[path.stem] = arguments
    return found


def _arguments(path: Path) -> dict[str, Any] | None:
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, ast.ClassDef) or node.name.casefold() != path.stem.replace("_", ""):
            continue
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                names = [one.arg for one in member.args.args][1:]
                defaults = [_plain(one) for one in member.args.defaults]
                missing: list[Any] = [UNSET] * (len(names) - len(defaults))
                return dict(zip(names, missing + defaults, strict=True))
    return None


def _plain(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNSET
