"""The house stays easy to find one's way in: no folder is too full, and no two modules know each other."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import transferkit

PACKAGE = Path(transferkit.__file__).parent
MOST = 25


def test_no_folder_holds_more_than_25_modules():
    folders = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    assert len(folders) > 40
    full = {str(folder.relative_to(PACKAGE)): count for folder, count in folders.items() if count > MOST}
    assert full == {}, "divide it by ideas: a subfolder with a name that a stranger guesses"


def named(node: ast.AST) -> Iterator[str]:
    """What a module imports of ours when it is imported, and for its types' sake."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{one.name}" for one in child.names)
            yield child.module
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from named(child)


def test_no_modules_import_each_other_not_even_for_types():
    """What two of them need is a third one, such as a protocol."""
    paths = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = {}
    for module, path in paths.items():
        asked = list(named(ast.parse(path.read_text(encoding="utf-8"))))
        # `from a.b import c` leads to the module c where there is one, else to b.
        inner = {one.rpartition(".")[0] for one in asked if one in paths}
        graph[module] = {one for one in asked if one in paths and one not in inner} - {module}
    assert sum(map(len, graph.values())) > 2000
    TopologicalSorter(graph).prepare()  # raises where there is a circle, and names it
