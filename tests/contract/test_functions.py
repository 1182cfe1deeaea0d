"""A function is read in one go: length and arguments have bounds; what is beyond them has a reason here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import transferkit

PACKAGE = Path(transferkit.__file__).parent
LINES, ARGUMENTS = 60, 7

# Longer ones, with the reason.
LONG = {
    "runs/retrain.py:retrain": "nineteen documented arguments; nine lines do the work",
}
# More arguments, beside commands (click gives each option), what `transferkit` offers by name, and
# constructors of the Estimator's contract, which are tf.estimator's.
MANY = {
    "backbones/networks/efficientnet_lite.py:efficientnet_lite": "the arguments of keras.applications",
    "estimator/heads/base.py:Head.create_estimator_spec": "tf.estimator's",
    "estimator/inputs/arrays.py:pandas_input_fn": "tf.estimator's",
    "estimator/ready_models/keras_models.py:model_to_estimator": "tf.estimator's",
    "inspection/lr_find.py:find_rate": "transferkit.lr_find",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, within: str = "") -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield within + node.name, node
            yield from functions(node, f"{within}{node.name}.")
        else:
            yield from functions(node, f"{within}{node.name}." if isinstance(node, ast.ClassDef) else within)


def count(function: Function) -> int:
    """Arguments, without that of a method's own object."""
    names = function.args.posonlyargs + function.args.args
    own = bool(names) and names[0].arg in ("self", "cls")
    return len(names) + len(function.args.kwonlyargs) - own


def excepted(place: str, function: Function) -> bool:
    module, _, name = place.partition(":")
    is_command = module.startswith("cli/") and bool(function.decorator_list)
    is_constructor = module.startswith("estimator/") and name.endswith((".__init__", ".__new__"))
    return is_command or is_constructor or name in transferkit.__all__


def test_functions_are_read_in_one_go():
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}:{name}": function
        for path in PACKAGE.rglob("*.py")
        for name, function in functions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert len(found) > 2000
    long = {place for place, node in found.items() if (node.end_lineno or 0) - node.lineno + 1 > LINES}
    assert long == set(LONG), "divide it by the ideas in it"
    many = {place for place, node in found.items() if count(node) > ARGUMENTS and not excepted(place, node)}
    assert many == set(MANY), "arguments that belong together are one frozen dataclass"
