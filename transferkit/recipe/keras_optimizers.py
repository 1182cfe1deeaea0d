"""Which optimizers the installed Keras has, and what their constructors take.

Keras's public module ``keras.optimizers`` is what counts. Importing it takes TensorFlow and 4 s, and checking
a recipe takes 0.3 s, so the same is read from Keras's source where that is laid out as it has been since
Keras 3.0; where it is not, Keras is imported and asked. Tests compare both.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferkit.type_names import NamedValues

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
    return read_source() or ask_keras()


def ask_keras() -> dict[str, NamedValues]:
    """The same from Keras itself, which this imports."""
    import inspect

    from transferkit.keras3 import keras

    found = {}
    for one in vars(keras.optimizers).values():
        name = getattr(one, "__module__", "").rpartition(".")[2]
        if (
            not (isinstance(one, type) and issubclass(one, keras.optimizers.Optimizer))
            or name in _NOT_BY_NAME
        ):
            continue
        parameters = inspect.signature(one).parameters.values()
        found[name] = {
            each.name: UNSET if each.default is each.empty else each.default
            for each in parameters
            if each.kind is not each.VAR_KEYWORD
        }
    return dict(sorted(found.items()))


def read_source() -> dict[str, NamedValues] | None:
    """The same from the source of the installed Keras, or None where it is not laid out as expected."""
    spec = importlib.util.find_spec("keras")
    folder = Path(spec.origin).parent / "src" / "optimizers" if spec is not None and spec.origin else Path()
    found = {}
    for path in sorted(folder.glob("*.py")):
        if path.stem.endswith("_test") or path.stem in _NOT_BY_NAME or path.stem.startswith("_"):
            continue
        arguments = _arguments(path)
        if arguments is None:
            return None
        found[path.stem] = arguments
    return found or None


def _arguments(path: Path) -> NamedValues | None:
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
