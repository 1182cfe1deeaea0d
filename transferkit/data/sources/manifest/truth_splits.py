"""Splits told by columns of true and false: ``is_valid`` as fastai writes it, ``is_train``, ``is_test``."""

from __future__ import annotations

import re

from transferkit.data.sources.manifest.line_names import line_of
from transferkit.data.sources.manifest.table import Table
from transferkit.data.sources.split_words import split_word
from transferkit.errors import UserError, fault

__all__ = ["truth_columns", "truth_splits"]

_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", ""}


def truth_columns(table: Table) -> dict[int, str]:
    """The split that each such column tells of, by the column's number.

    Args:
        table: a manifest.
    """
    found = {}
    for i, column in enumerate(table.columns):
        match = re.fullmatch(r"is[ _-]?(\w+)", column.strip(), re.I)
        split = split_word(match[1]) if match else None
        if split and table.rows and all(_text(cells[i]) in _TRUE | _FALSE for _, cells in table.rows):
            found[i] = split
    return found


def truth_splits(table: Table, name: str, found: dict[str, int], columns: dict[int, str]) -> list[str]:
    """Adds a column of splits to a table that tells them so; gives a note, or none where it does not.

    What is true in no column is in the training split, or in the test split where ``is_train`` alone is told.

    Args:
        table: a manifest; gets one column more.
        name: the manifest's name, for messages.
        found: role to column; gets ``split``.
        columns: those that tell it; see :func:`truth_columns`.

    Raises:
        UserError: a row is true in two columns.
    """
    if not columns:
        return []
    rest = "train" if "train" not in columns.values() else "test" if len(columns) == 1 else ""
    faults = []
    for line, cells in table.rows:
        here = {split for i, split in columns.items() if _text(cells[i]) in _TRUE}
        if len(here) > 1:
            faults.append(fault(line_of(name, line), sorted(here), "one split an image"))
        cells.append(here.pop() if here else rest)
    if faults:
        raise UserError(*faults[:20])
    found["split"] = len(table.columns)
    table.columns.append("split")
    named = " and ".join(table.columns[i] for i in columns)
    return [f"{name}: splits are read from {named}"]


def _text(cell: object) -> str:
    return str("" if cell is None else cell).strip().casefold()
