"""What TensorFlow and Keras keep to themselves stands in `private/` alone, and each name has a reason."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import transferkit
from transferkit.private import keras_hub_names, keras_names, tensorflow_attributes, tensorflow_names

PACKAGE = Path(transferkit.__file__).parent
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
OUTSIDE = {path: tree for path, tree in TREES.items() if path.parent.name != "private"}
# Python's own: the ends of the process, frames, named tuples.
PYTHONS = {"_exit", "_run_exitfuncs", "_getframe", "_current_frames", "_asdict", "_fields", "_replace"}
PRIVATE = ("tensorflow.core", "tensorflow.python", "tensorflow.lite.python", "keras.src", "keras_hub.src")
DOORS = {keras_hub_names: 4, keras_names: 10, tensorflow_attributes: 10}


def our_names() -> set[str]:
    """All that begins with an underscore and is defined in the package."""
    found = set(PYTHONS)
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found |= {node.attr} if getattr(node.value, "id", None) in ("self", "cls") else set()
    return found


def private_names(tree: ast.AST, ours: set[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        name = None
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr", "setattr"):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
        if name and re.match("_[a-z]", name) and name not in ours:
            yield node.lineno, name
        modules = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            if module.startswith(PRIVATE):
                yield node.lineno, module


def test_no_other_module_uses_a_private_name():
    ours = our_names()
    found = [f"{path.relative_to(PACKAGE)}:{line}: {name}" for path, tree in OUTSIDE.items()
             for line, name in private_names(tree, ours)]  # fmt: skip
    assert found == []
    # Where they are allowed the same search finds them.
    inside = [one for path, tree in TREES.items() if path not in OUTSIDE for one in private_names(tree, ours)]
    assert len(inside) >= 40


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.rpartition(".")[2])
def test_each_says_why_and_since_when(door):
    functions = [getattr(door, name) for name in door.__all__ if inspect.isfunction(getattr(door, name))]
    assert len(functions) >= DOORS[door]
    for function in functions:
        assert re.search(r"[Ss]ince \d\.\d+", " ".join(str(function.__doc__).split())), function.__name__


def test_each_name_has_a_reason():
    names = set(tensorflow_names.__all__) - {"REASONS"}
    assert names == set(tensorflow_names.REASONS)
    for name, reason in tensorflow_names.REASONS.items():
        assert re.search(r"(; |since )\d\.\d+$", reason), name
        assert not hasattr(builtins, name)


def test_a_tensorflow_newer_than_what_was_tested_is_said(caplog):
    import tensorflow as tf

    from transferkit.private.tested import NEWEST, untested, warn_if_untested

    major, minor = map(int, NEWEST.split("."))
    assert not untested(f"{NEWEST}.9")
    assert untested(f"{major}.{minor + 1}.0-dev")
    warn_if_untested(tf.__version__)
    assert not caplog.text, "raise NEWEST once `make test-versions` passes with this TensorFlow"
    warn_if_untested(f"{major}.{minor + 1}.0")
    assert f"newer than {NEWEST}, the newest that this transferkit was tested with" in caplog.text
