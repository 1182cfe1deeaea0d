"""Reads a code base and lists what it uses of tf.estimator and tf.contrib, and what to change."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from transferkit.errors import UserError, fault
from transferkit.estimator.namespace.absent import LEGACY_KERAS, contrib_hint, missing

__all__ = ["Use", "main", "uses_in"]

_ESTIMATOR = ("tensorflow.estimator", "tensorflow.compat.v1.estimator", "tensorflow.compat.v2.estimator")
_CONTRIB = ("tensorflow.contrib", "tensorflow.compat.v1.contrib")
_LAYERS = ("tensorflow.layers", "tensorflow.compat.v1.layers")
_OLD_PATHS = ("tensorflow_estimator", "tensorflow.python.estimator")


class Use(NamedTuple):
    """One place of a program.

    Attributes:
        file: where.
        line: the line, from 1.
        name: what is used, such as ``tf.estimator.RunConfig``.
        change: what to change; None where it is there.
    """

    file: Path
    line: int
    name: str
    change: str | None


def uses_in(place: Path) -> Iterator[Use]:
    """What the Python files at ``place`` (a file, or a folder with all below it) use.

    Raises:
        UserError: where there is no such place, or no Python file.
    """
    if not place.exists():
        raise UserError(fault("check", str(place), "a Python file or a folder"))
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    if not files:
        raise UserError(fault("check", str(place), "a folder with Python files"))
    for file in files:
        text = file.read_bytes().decode("utf-8", "replace")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            yield Use(file, line, "the file", f"is no Python 3 ({getattr(error, 'msg', error)})")
            continue
        yield from sorted(set(_uses(file, tree)), key=lambda use: (use.line, use.name))


def _uses(file: Path, tree: ast.AST) -> Iterator[Use]:
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                bound[alias.asname or top] = alias.name if alias.asname else top
                yield from _use(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield from _use(file, node.lineno, f"{node.module}.{alias.name}")
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            dotted = _dotted(node, bound)
            if dotted:
                yield from _use(file, node.lineno, dotted)


def _dotted(node: Any, bound: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in bound:
        return None
    return ".".join([bound[node.id], *reversed(parts)])


def _use(file: Path, line: int, dotted: str) -> Iterator[Use]:
    for path in _OLD_PATHS:
        if dotted == path or dotted.startswith(path + "."):
            yield Use(file, line, dotted, "import transferkit.estimator, or call its install() first")
            return
    for path in _ESTIMATOR:
        if dotted == path or dotted.startswith(path + "."):
            yield from _of_estimator(file, line, dotted[len(path) + 1 :])
    for path in _CONTRIB:
        if dotted.startswith(path + "."):
            part = dotted[len(path) + 1 :]
            yield Use(file, line, f"tf.contrib.{part}", contrib_hint(part))
    for path in _LAYERS:
        if dotted.startswith(path + "."):
            yield Use(file, line, f"tf.layers.{dotted[len(path) + 1 :]}", LEGACY_KERAS)


def _of_estimator(file: Path, line: int, name: str) -> Iterator[Use]:
    import transferkit.estimator as ours

    if not name:
        return
    found: Any = ours
    taken: list[str] = []
    for part in name.split("."):
        public = getattr(found, "__all__", None)
        if public is None:
            break
        taken.append(part)
        if part not in public:
            known = missing(".".join(taken)) or "is no name of tf.estimator 2.15 that is known here"
            yield Use(file, line, "tf.estimator." + ".".join(taken), known)
            return
        found = getattr(found, part)
    yield Use(file, line, "tf.estimator." + ".".join(taken), None)


def main(arguments: list[str]) -> int:
    """``check PROGRAM_OR_FOLDER``: prints what is used; 1 where something has to change, else 2 or 0."""
    if len(arguments) != 2 or arguments[0] != "check":
        print("usage: python -m transferkit.estimator check PROGRAM_OR_FOLDER", file=sys.stderr)
        return 2
    try:
        found = list(uses_in(Path(arguments[1])))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    there = [use for use in found if use.change is None]
    changes = [use for use in found if use.change is not None]
    for use in changes:
        print(f"{use.file}:{use.line}: {use.name}: {use.change}")
    names = sorted({use.name for use in there})
    print(f"{len(there)} uses of {len(names)} names are there{': ' if names else ''}{', '.join(names)}")
    print(f"{len(changes)} places have to change")
    if there:
        print("replace tf.estimator by transferkit.estimator, or call transferkit.estimator.install() first")
    return 1 if changes else 0
