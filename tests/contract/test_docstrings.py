"""What is public says what it is: functions and what they take and raise, classes, methods."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import transferkit

PACKAGE = Path(transferkit.__file__).parent
# One or two arguments are told by the sentence itself.
SEVERAL = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public(name: str) -> bool:
    return not name.startswith("_")


TREES = {
    "/".join(path.relative_to(PACKAGE).parts): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
CLASSES = {
    node.name: node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
}
MODULES = {
    name: tree
    for name, tree in TREES.items()
    if all(public(part) for part in name.removesuffix("__init__.py").split("/"))
}


def functions() -> Iterator[tuple[str, Function]]:
    for name, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, Function) and public(node.name) and not is_command(node):
                yield f"{name}:{node.lineno} {node.name}", node


def is_command(node: Function) -> bool:
    """What click calls: its docstring is its help, where options have their own."""
    return any("command" in ast.unparse(one) or "group" in ast.unparse(one) for one in node.decorator_list)


def arguments(node: Function) -> list[str]:
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [one.arg for one in every if one is not None and public(one.arg)]


def raised(node: Function) -> set[str]:
    """Names of the errors that leave a function which raises them by itself."""
    found, todo = set(), list(node.body)
    while todo:
        one = todo.pop()
        if isinstance(one, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(one, ast.Try) and one.handlers:
            # What is raised in its body is caught, as far as can be read here.
            todo += [
                *(line for handler in one.handlers for line in handler.body),
                *one.orelse,
                *one.finalbody,
            ]
            continue
        if (
            isinstance(one, ast.Raise)
            and isinstance(one.exc, ast.Call)
            and isinstance(one.exc.func, ast.Name)
        ):
            found.add(one.exc.func.id)
        todo += ast.iter_child_nodes(one)
    return found


def documented(owner: ast.ClassDef, method: str) -> bool:
    """Whether a base says what a method is; one from outside of the package has its own documentation."""
    for base in owner.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        parent = CLASSES.get(name.id) if isinstance(name, ast.Name) else None
        if parent is None or parent is owner:
            return True
        own = [one for one in parent.body if isinstance(one, Function) and one.name == method]
        if any(ast.get_docstring(one) for one in own) or documented(parent, method):
            return True
    return False


def test_there_is_something_to_look_at():
    assert len(MODULES) > 400
    assert len(list(functions())) > 800


def test_functions_say_what_they_do():
    assert [place for place, node in functions() if not ast.get_docstring(node)] == []


def test_functions_of_several_arguments_say_what_each_is():
    missing = {}
    for place, node in functions():
        text = ast.get_docstring(node) or ""
        named = arguments(node)
        if len(named) < SEVERAL:
            continue
        lines = re.findall(r"^\s*(\*{0,2}\w+(?:, \*{0,2}\w+)*):", text.partition("Args:")[2], re.MULTILINE)
        said = {name.strip(" *") for line in lines for name in line.split(",")}
        unsaid = [name for name in named if name not in said]
        if unsaid:
            missing[place] = unsaid
    assert missing == {}


def test_functions_say_what_they_raise():
    missing = {}
    for place, node in functions():
        text = ast.get_docstring(node) or ""
        if unsaid := sorted(name for name in raised(node) - {"SystemExit"} if name not in text):
            missing[place] = unsaid
    assert missing == {}


@pytest.mark.parametrize("kind", ["classes", "methods"])
def test_classes_and_methods_say_what_they_are(kind):
    missing = []
    for name, tree in MODULES.items():
        for owner in tree.body:
            if not isinstance(owner, ast.ClassDef) or not public(owner.name):
                continue
            if kind == "classes" and not ast.get_docstring(owner):
                missing.append(f"{name}:{owner.lineno} {owner.name}")
            for one in owner.body if kind == "methods" else ():
                if isinstance(one, Function) and public(one.name) and not ast.get_docstring(one):
                    setter = any(ast.unparse(line).endswith(".setter") for line in one.decorator_list)
                    if not setter and not documented(owner, one.name):
                        missing.append(f"{name}:{one.lineno} {owner.name}.{one.name}")
    assert missing == []
