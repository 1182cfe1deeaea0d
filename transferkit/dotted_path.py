"""Where a dotted path ``package.module:Name`` leads, found without running any of its code.

Importing a module runs it, and importing ``a.b.c`` runs ``a`` and ``a.b`` first. Here the files are found as
Python's import system would find them and parsed, never executed.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Located", "current_folder_counts", "locate"]

# A larger module is taken as it is: what it defines shows when it is imported.
_MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Located:
    """What a dotted path leads to.

    Attributes:
        file: the file that importing the module would run last; None for what is built into Python.
    """

    file: Path | None


@contextmanager
def current_folder_counts() -> Iterator[None]:
    """Inside, modules are looked for in the current folder too, after all other places.

    The installed command's path lacks it. It comes last, so that no file there can stand in for a package.
    """
    here = os.getcwd()
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def locate(path: str) -> Located:
    """Finds the file behind a dotted path and checks that it defines the name.

    Args:
        path: ``package.module:Name``.

    Raises:
        ValueError: it leads nowhere; the message says at which part.
    """
    module, _, name = path.partition(":")
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts) or not name.isidentifier():
        raise ValueError("this is no path of a module and a name in it")
    with current_folder_counts():
        spec = _spec(parts)
    if spec is None:
        raise ValueError(f"No module named {module!r}")
    if not spec.has_location or spec.origin is None:
        if module in sys.modules and hasattr(sys.modules[module], name):
            return Located(None)
        raise ValueError(f"the module {module!r} has no {name!r}")
    file = Path(spec.origin)
    if not _defines(file, name):
        raise ValueError(f"{file} has no {name!r}")
    return Located(file)


def _spec(parts: Sequence[str]) -> importlib.machinery.ModuleSpec | None:
    try:
        spec = importlib.util.find_spec(parts[0])  # imports nothing: it has no parent
        for part in parts[1:]:
            if spec is None or spec.submodule_search_locations is None:
                return None
            # By the last part alone: with its full name Python would look into the imported parent.
            spec = importlib.machinery.PathFinder.find_spec(part, list(spec.submodule_search_locations))
    except (ImportError, ValueError, AttributeError, OSError):
        return None
    return spec


def _defines(file: Path, name: str) -> bool:
    """Whether a module's text binds the name at its top level; True where that cannot be told."""
    if file.suffix != ".py":
        return file.is_file()
    with file.open("rb") as stream:
        text = stream.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{file} is no Python that can be read: {error}") from None
    # A module may make its names when they are asked for, or take over all of another module's.
    return bool({name, "__getattr__", "*"} & set(_bound(tree.body)))


def _bound(body: Sequence[ast.stmt]) -> Iterator[str]:
    for one in body:
        if isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield one.name
            continue
        if isinstance(one, ast.Import | ast.ImportFrom):
            for alias in one.names:
                yield alias.asname or alias.name.partition(".")[0]
            continue
        for node in ast.walk(one):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
        for block in ("body", "orelse", "finalbody"):
            yield from _bound(getattr(one, block, ()))
        for handler in (*getattr(one, "handlers", ()), *getattr(one, "cases", ())):
            yield from _bound(handler.body)
