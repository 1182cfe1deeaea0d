"""CSV files that people open in spreadsheets, written and read back in one place.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end for a formula, and
a formula can fetch addresses and start programs. A file or class may be called that. Such a cell is written
with an apostrophe before it, which spreadsheets take for "this is text"; reading takes it off again. Numbers
stay as they are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

__all__ = ["Reader", "Writer", "dict_rows", "plain", "safe"]

# Full-width signs among them: some programs read those as the usual ones.
_SIGNS = "=+-@\t\r\n＝＋－＠"
_FORMULA = re.compile(f"'*[{re.escape(_SIGNS)}]")
_MARKED = re.compile(f"'+[{re.escape(_SIGNS)}]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?inf|[+-]?nan", re.ASCII)


def safe(cell: Any) -> Any:
    """A cell as it is written.

    >>> safe("=1+1"), safe("rose"), safe("-0.5"), safe(-0.5), safe("'=x")
    ("'=1+1", 'rose', '-0.5', -0.5, "''=x")
    """
    if not isinstance(cell, str) or not _FORMULA.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def plain(cell: str) -> str:
    """A cell as it was before :func:`safe`.

    >>> plain("'=1+1"), plain("'tis"), plain("''=x")
    ('=1+1', "'tis", "'=x")
    """
    return cell[1:] if _MARKED.match(cell) else cell


class Writer:
    """Writes rows.

    Args:
        file: opened with ``newline=""``.
        line_end: what ends a row.
    """

    def __init__(self, file: TextIO, line_end: str = "\n") -> None:
        self._writer = csv.writer(file, lineterminator=line_end)
        # Python quotes what the end of a row holds, and reads a bare return as the end of one all the same.
        self._quoting = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL)

    def writerow(self, row: Iterable[Any]) -> None:
        """Writes one row; cells that a spreadsheet would run are made harmless."""
        cells = [safe(cell) for cell in row]
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (self._quoting if returns else self._writer).writerow(cells)

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Writes rows, as :meth:`writerow` does."""
        for row in rows:
            self.writerow(row)


class Reader:
    """Reads the rows that :class:`Writer` wrote.

    Attributes:
        line_num: the line that was read last, counted from 1.
    """

    def __init__(self, file: TextIO) -> None:
        self._reader = csv.reader(file)

    @property
    def line_num(self) -> int:
        """Lines read so far."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        return [plain(cell) for cell in next(self._reader)]


def dict_rows(file: TextIO) -> Iterator[dict[str, str]]:
    """The rows of a file of ours by the names in its first row."""
    rows = Reader(file)
    header = next(rows, [])
    for row in rows:
        yield dict(zip(header, row, strict=False))
