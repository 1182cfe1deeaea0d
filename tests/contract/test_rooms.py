"""The house stays easy to find one's way in: no folder is too full, and no two modules know each other."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator
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


def asked_for(node: ast.AST, modules: Collection[str]) -> Iterator[str]:
    """The modules of ours that a module imports when it is imported, and for its types' sake.

    ``from a.b import c, D`` leads to the module a.b.c where there is one, and to a.b for what is in there.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom) and child.module:
            for one in child.names:
                inner = f"{child.module}.{one.name}"
                yield inner if inner in modules else child.module
        elif isinstance(child, ast.Import):
            yield from (one.name for one in child.names)
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from asked_for(child, modules)


def test_what_a_statement_asks_for_is_decided_for_each_name():
    text = "from a.b import c\nfrom a.b import D\nimport a.e\ndef f():\n    from a import g\n"
    assert list(asked_for(ast.parse(text), {"a", "a.b", "a.b.c", "a.e", "a.g"})) == ["a.b.c", "a.b", "a.e"]


def test_no_modules_import_each_other_not_even_for_types():
    """What two of them need is a third one, such as a protocol."""
    paths = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = {}
    for module, path in paths.items():
        asked = set(asked_for(ast.parse(path.read_text(encoding="utf-8")), paths))
        graph[module] = (asked & set(paths)) - {module}
    assert sum(map(len, graph.values())) > 2000
    TopologicalSorter(graph).prepare()  # raises where there is a circle, and names it
