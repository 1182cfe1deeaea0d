"""Reads a code base and lists what it uses of tf.estimator and tf.contrib, and what to change."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from transferkit.errors import UserError, fault, one_line
from transferkit.estimator.namespace.advice import Advice, advice, of_version_1
from transferkit.estimator.namespace.names_in import Name, cells_of, names_in, text_of

__all__ = ["Use", "main", "uses_in"]

_ENDINGS = (".py", ".ipynb")
# A longer file is a table that somebody wrote as Python: to parse it takes gigabytes.
_LONG_BYTES = 2_000_000


class Use(NamedTuple):
    """One place of a program.

    Attributes:
        file: where.
        line: the line, from 1; in a notebook, of the cell.
        name: what is used, such as ``tf.estimator.RunConfig``.
        change: what to change; None where it is there.
        cell: of a notebook, among all its cells, from 1; 0 for a script.
    """

    file: Path
    line: int
    name: str
    change: str | None
    cell: int = 0

    @property
    def place(self) -> str:
        """``file:line``, or ``file:cell 3:line``."""
        return f"{self.file}:{f'cell {self.cell}:' if self.cell else ''}{self.line}"


def uses_in(place: Path) -> Iterator[Use]:
    """What the Python files and notebooks at ``place`` (a file, or a folder with all below it) use.

    Hidden folders and virtual environments are left out.

    Raises:
        UserError: where there is no such place, or no Python file.
    """
    if not place.exists():
        raise UserError(fault("check", str(place), "a Python file or a folder"))
    files = [place] if place.is_file() else sorted(_files_below(place))
    if not files:
        raise UserError(fault("check", str(place), "a folder with Python files"))
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            yield Use(file, 1, "the file", f"cannot be read ({error.strerror or error})")
            continue
        if len(content) <= _LONG_BYTES or b"tensorflow" in content:
            yield from sorted(set(_uses(file, text_of(content))), key=lambda use: (use.cell, *use[1:3]))


def _files_below(folder: Path) -> Iterator[Path]:
    for above, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not Path(above, name, "pyvenv.cfg").exists()
        ]
        paths = [Path(above, name) for name in files if name.endswith(_ENDINGS)]
        # A link to nowhere is reported; a pipe or a device would be waited for.
        yield from (path for path in paths if path.is_file() or not path.exists())


def _uses(file: Path, text: str) -> Iterator[Use]:
    cells: Iterable[tuple[int, str]] = [(0, text)]
    if file.suffix == ".ipynb":
        try:
            cells = list(cells_of(text))
        except ValueError as error:
            yield Use(file, 1, "the file", f"is no notebook ({error})")
            return
    bound: dict[str, str] = {}
    old: list[tuple[int, int, str]] = []
    for cell, code in cells:
        names, wrong = names_in(code, bound, parse=len(code) <= _LONG_BYTES)
        if wrong:
            said = f"is no Python 3 ({wrong.msg}): convert it first"
            yield Use(file, wrong.lineno or 1, "the cell" if cell else "the file", said, cell)
        for name in names:
            found = _advice(name)
            if found:
                yield Use(file, name.line, found.name, found.change, cell)
                continue
            only_there = None if name.imported else of_version_1(name.dotted)
            if only_there:
                old.append((cell, name.line, only_there))
    if old:
        cell, line, first = min(old)
        others = len({one for _, _, one in old}) - 1
        more = f" and {others} more name{'s' if others > 1 else ''}" if others else ""
        said = "TensorFlow 1's: import tensorflow.compat.v1 as tf, for import tensorflow as tf"
        yield Use(file, line, first + more, said, cell)


def _advice(name: Name) -> Advice | None:
    found = advice(name.dotted)
    if found and found.name == "tf.estimator" and not name.imported:
        # ``est = tf.estimator``: what follows is of interest.
        return None
    return found


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
    for line in (*_lines(there), *_lines(changes)):
        _print(line)
    names = sorted({use.name for use in there})
    _print(f"{len(there)} uses of {len(names)} names are there{': ' if names else ''}{', '.join(names)}")
    _print(f"{len(changes)} places have to change")
    if there:
        _print("replace tf.estimator by transferkit.estimator, or call transferkit.estimator.install() first")
    if any(name.startswith("tf.compat.v1.") for name in names):
        _print("tf.compat.v1.estimator's pre-made Estimators are in transferkit.estimator.v1")
    return 1 if changes else 0


def _lines(uses: list[Use]) -> Iterator[str]:
    """A line for all places of one file where the same is said."""
    places: dict[tuple[Path, str, str | None], list[Use]] = {}
    for use in uses:
        places.setdefault((use.file, use.name, use.change), []).append(use)
    for (_, name, change), (first, *others) in places.items():
        also = ", ".join(use.place[len(str(use.file)) + 1 :] for use in others)
        yield f"{first.place}: {name}: {change or 'is there'}{f' (also {also})' if also else ''}"


def _print(line: str) -> None:
    """Prints a line; in a terminal a long one goes on below itself, between words."""
    line = one_line(line)
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns
        line = textwrap.fill(
            line, room, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
    print(line)
