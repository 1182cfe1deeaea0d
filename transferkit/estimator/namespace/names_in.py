"""The dotted names that a program's text uses, with the line of each: scripts, notebooks, Python 2."""

from __future__ import annotations

import ast
import bisect
import functools
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

__all__ = ["Name", "cells_of", "names_in", "text_of"]

_IMPORT = re.compile(
    r"^[ \t]*((?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+(?:\([^)]*\)|(?:\\\r?\n|[^\n;#\\])+))", re.MULTILINE
)
_WORDS = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_ALIAS = re.compile(r"^[ \t]*(\w+)[ \t]*=[ \t]*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)[ \t]*$", re.MULTILINE)
_STRING = r"'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
_NO_CODE = re.compile(rf"{_STRING}|#[^\n]*", re.DOTALL)
# A notebook's own orders: %magic, !shell, help?.
_ORDER = re.compile(r"^([ \t]*)(?:[%!?][^\n]*|[^\n#'\"]*\?{1,2}[ \t]*)$", re.MULTILINE)


class Name(NamedTuple):
    """A place where a program names something of a package that it imported.

    Attributes:
        line: from 1.
        dotted: the full name, such as ``tensorflow.estimator.RunConfig``; ``….*`` where all is imported.
        imported: whether the line is an import.
    """

    line: int
    dotted: str
    imported: bool


def text_of(content: bytes) -> str:
    """A program's text, by the encoding that it states; what no character stands for is replaced."""
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
    except SyntaxError:
        encoding = "utf-8"
    return content.decode(encoding, "replace").removeprefix("\ufeff").replace("\0", " ")


def cells_of(text: str) -> Iterator[tuple[int, str]]:
    """The code cells of a notebook: their number among its cells, from 1, and their Python.

    Raises:
        ValueError: where the text is no notebook.
    """
    book = json.loads(text)
    # The third format kept the cells in worksheets.
    try:
        sheets = [book] if "cells" in book else book["worksheets"]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        sources = [
            (number, cell.get("source", cell.get("input", "")))
            for number, cell in enumerate(cells, 1)
            if cell.get("cell_type") == "code"
        ]
    except (AttributeError, KeyError, TypeError):
        raise ValueError("it has no cells") from None
    for number, source in sources:
        code = "".join(source)
        if not code.lstrip().startswith("%%"):
            yield number, _ORDER.sub(r"\1pass", code)


def names_in(
    text: str, bound: dict[str, str], *, parse: bool = True
) -> tuple[list[Name], SyntaxError | None]:
    """What a program names of the packages that it imports.

    Args:
        text: the program.
        bound: each name that stands for a package or a part of one; what the text binds is added.
        parse: whether to parse the text, and not only to read it word by word.

    Returns:
        The places, and why the text is no Python 3, where it is none: it is then read word by word.
    """
    if not parse:
        return list(_by_words(text, bound)), None
    try:
        tree = ast.parse(text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        fault = error if isinstance(error, SyntaxError) else SyntaxError("it is nested too deeply")
        return list(_by_words(text, bound)), fault
    found = [place for node in ast.walk(tree) for place in _imported(node, bound)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            dotted = _dotted(node.value, bound)
            if dotted:
                _bind(bound, node.targets[0].id, dotted)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        dotted = _dotted(node, bound) if id(node) not in inner else None
        if dotted:
            found.append(Name(node.end_lineno or node.lineno, dotted, False))  # type: ignore[attr-defined]
    return found, None


def _imported(node: ast.AST, bound: dict[str, str], line: int = 0) -> Iterator[Name]:
    """What an import binds, noted in ``bound``; ``line`` is the line before that of the node's text."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.split(".")[0]
            _bind(bound, alias.asname or top, alias.name if alias.asname else top)
            yield Name(line + node.lineno, alias.name, True)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            _bind(bound, alias.asname or alias.name, f"{node.module}.{alias.name}")
            yield Name(line + (alias.lineno or node.lineno), f"{node.module}.{alias.name}", True)


def _bind(bound: dict[str, str], name: str, dotted: str) -> None:
    # A program that tries tensorflow.compat.v1 first, and tensorflow where there is none, has it today.
    if not bound.get(name, "").startswith(dotted + ".compat."):
        bound[name] = dotted


def _dotted(node: Any, bound: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not parts or not isinstance(node, ast.Name) or node.id not in bound:
        return None
    return ".".join([bound[node.id], *reversed(parts)])


def _by_words(text: str, bound: dict[str, str]) -> Iterator[Name]:
    blank = functools.partial(re.sub, r"[^\n]", " ")
    text = _NO_CODE.sub(lambda match: blank(match.group()), text)
    ends = [match.start() for match in re.finditer("\n", text)]
    for match in _IMPORT.finditer(text):
        try:
            tree = ast.parse(textwrap.dedent(match.group(1)).strip())
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            yield from _imported(node, bound, bisect.bisect_left(ends, match.start(1)))
    for match in _ALIAS.finditer(text):
        first, _, rest = match.group(2).partition(".")
        if first in bound:
            _bind(bound, match.group(1), f"{bound[first]}.{rest}")
    text = _IMPORT.sub(lambda match: blank(match.group()), text)
    for match in _WORDS.finditer(text):
        first, _, rest = match.group().partition(".")
        if first in bound:
            yield Name(1 + bisect.bisect_left(ends, match.start()), f"{bound[first]}.{rest}", False)
