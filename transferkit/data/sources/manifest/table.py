"""A manifest as a table, whatever it was written by: CSV of any dialect, JSON Lines, or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from transferkit.data.sources.manifest.line_names import line_of
from transferkit.data.sources.manifest.without_header import columns_of_list
from transferkit.errors import Faults, UserError, fault
from transferkit.type_names import NamedValues

__all__ = ["Table", "read_table"]

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WORDS = {**_DELIMITERS, " ": "spaces"}
_JSON_LINES = (".jsonl", ".ndjson")


@dataclass
class Table:
    """Rows below named columns.

    Attributes:
        columns: their names, as they are written, without white space around them.
        rows: (line or number of the row, a value a column; None where a row has none).
        notes: how the file was read, where that had to be found out.
    """

    columns: list[str]
    rows: list[tuple[int, list[Any]]]
    notes: list[str] = field(default_factory=list)


def read_table(text: str, name: str, suffix: str, known: Callable[[Sequence[str]], int]) -> Table:
    """Reads the table.

    Args:
        text: the file's text.
        name: its name, for messages.
        suffix: its ending, which tells JSON from CSV.
        known: how many of these columns mean something: what tells the delimiter.

    Raises:
        UserError: it is none; says which line.
    """
    # Both kinds of JSON are met under the names of the other.
    if suffix in _JSON_LINES and not text.lstrip().startswith("["):
        return _of_objects(list(_json_lines(text, name)), name)
    if suffix in (".json", *_JSON_LINES):
        return _read_json(text, name)
    return _read_csv(text, name, suffix, known)


def _read_csv(text: str, name: str, suffix: str, known: Callable[[Sequence[str]], int]) -> Table:
    skipped = 0
    said = re.match(r'"?sep=(.)"?\r?\n', text)
    if said:  # what Excel writes, and reads, above the header
        text, skipped = text[said.end() :], 1
    blank = len(text) - len(text.lstrip("\r\n \ufeff"))
    skipped += len(re.findall(r"\r\n|\r|\n", text[:blank]))
    text = text[blank:]
    if not text:
        raise UserError(fault(name, None, "a header with the columns path and label", "the file is empty"))
    delimiter = said[1] if said else _delimiter(text, suffix, known)
    above = 0 if said else _lines_above(text, suffix, known)
    notes = []
    if above:
        text, skipped = "".join(text.splitlines(keepends=True)[above:]), skipped + above
        delimiter = _delimiter(text, suffix, known)
        notes.append(f"{name}: {above} line(s) above the header are left out")
    lines = [
        (line, cells) for line, cells in _cells(text, name, delimiter, skipped) if any(map(str.strip, cells))
    ]
    if not lines:
        raise UserError(fault(name, None, "a header with the columns path and label", "all cells are empty"))
    listed = None if known(lines[0][1]) else columns_of_list([cells for _, cells in lines])
    if listed is not None:
        header, found = listed
        named = ", ".join(one for one in header if one)
        notes.append(f"{name}: no header: its columns are taken for {named}")
        return Table(header, [(line, list(row)) for (line, _), row in zip(lines, found, strict=True)], notes)
    header = [cell.strip() for cell in lines[0][1]]
    while header and not header[-1]:
        header.pop()
    body = lines[1:]
    usual = "\t" if suffix in (".tsv", ".tab") else ","
    if delimiter != usual and len(header) > 1:
        notes.append(f"{name}: divided by {_WORDS.get(delimiter, repr(delimiter))}")
    numbered = (len(cells) == len(header) + 1 and cells[0] == str(i) for i, (_, cells) in enumerate(body, 1))
    if body and all(numbered):
        # R's write.table gives its row names no column.
        header = ["", *header]
        notes.append(f"{name}: the first cells are row numbers and are left out")
    width = len(header)
    faults = Faults()
    for line, cells in body:
        if any(cell.strip() for cell in cells[width:]):
            hint = f"put quotes around what holds {_WORDS.get(delimiter, repr(delimiter))}"
            shown = delimiter.join(cells)[:80]
            faults.append(fault(f"{name}:{line}", shown, f"{width} cells, not {len(cells)}", hint))
        if len(faults) == _MOST_FAULTS:
            break
    faults.refuse()
    filled = [(line, [*cells, *[None] * (width - len(cells))][:width]) for line, cells in body]
    return Table(header, filled, notes)


# A manifest that is wrong in every line is told so by its first ones.
_MOST_FAULTS = 20


def _delimiter(text: str, suffix: str, known: Callable[[Sequence[str]], int]) -> str:
    """The sign that makes the most columns of the header that mean something, else the most columns."""
    usual = "\t" if suffix in (".tsv", ".tab") else ","
    header = text.splitlines()[0]
    if re.fullmatch(r'"[^"]*"( "[^"]*")+', header):
        return " "  # R's write.table
    best, score = usual, (-1, 0, 0)
    for sign in _DELIMITERS:
        columns = next(csv.reader([header], delimiter=sign), [])
        here = (known(columns), len(columns), sign == usual)
        if here > score:
            best, score = sign, here
    return best


def _lines_above(text: str, suffix: str, known: Callable[[Sequence[str]], int]) -> int:
    """How many lines stand above a header with a path and a label: a title, a comment."""
    lines = text.splitlines()[:5]
    for above, line in enumerate(lines):
        if known(next(csv.reader([line], delimiter=_delimiter(line or " ", suffix, known)), [])) >= 2:
            return above
    return 0


def _cells(text: str, name: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    # Lines end as csv sees them: also with old Macs' carriage return alone.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field larger" in str(error):
                expected = f"cells of at most {csv.field_size_limit():,} characters"
                hint = "a quote may be missing at its end"
            else:
                expected = "a table"
                hint = "a quote is not closed, or stands within quotes and is not doubled"
            raise UserError(fault(f"{name}:{line}", None, f"{expected}", hint)) from None
        if cells:
            yield line, cells


def _json_lines(text: str, name: str) -> Iterator[tuple[int, NamedValues]]:
    # Only real line ends divide: JSON may hold others, such as U+2028, unescaped.
    for line, part in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not part.strip():
            continue
        try:
            row = json.loads(part)
        except (ValueError, RecursionError) as error:
            raise UserError(fault(f"{name}:{line}", part[:40], "a JSON object", str(error))) from None
        if not isinstance(row, dict):
            raise UserError(fault(f"{name}:{line}", part[:40], "a JSON object"))
        yield line, row


def _read_json(text: str, name: str) -> Table:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            return _of_objects(list(_json_lines(text, name)), name)
        raise UserError(fault(f"{name}:{error.lineno}", None, "JSON", error.msg)) from None
    except (ValueError, RecursionError) as error:
        raise UserError(fault(name, None, "JSON", str(error))) from None
    if isinstance(found, dict):
        found = _rows_of(found)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        expected = 'a JSON list of objects such as {"path": "a.jpg", "label": "cat"}'
        raise UserError(fault(name, None, expected, 'or an object such as {"a.jpg": "cat"}'))
    return _of_objects(list(enumerate(found, 1)), name)


def _rows_of(found: NamedValues) -> Any:
    """Objects from an object of columns, as pandas writes it, or from one of labels by path."""
    values = list(found.values())
    if len(values) > 1 and all(isinstance(value, dict) for value in values):
        keys = list(values[0])
        if all(list(value) == keys for value in values):
            return [{name: column[key] for name, column in found.items()} for key in keys]
    if all(isinstance(value, str | int) for value in values):
        return [{"path": path, "label": label} for path, label in found.items()]
    if all(isinstance(value, list) for value in values) and "path" in found:
        if len({len(value) for value in values}) == 1:
            return [dict(zip(found, row, strict=True)) for row in zip(*values, strict=True)]
        return None
    if values and all(isinstance(value, list) and all(isinstance(x, str) for x in value) for value in values):
        return [{"path": path, "labels": labels} for path, labels in found.items()]
    return None


def _of_objects(rows: list[tuple[int, NamedValues]], name: str) -> Table:
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    if not rows:
        expected = 'objects such as {"path": "a.jpg", "label": "cat"}'
        raise UserError(fault(name, None, expected, "there are none"))
    if {"label", "labels"} <= set(columns):
        kind = "labels" if "labels" in rows[0][1] else "label"
        for line, row in rows:
            here = "labels" if "labels" in row else "label"
            if here != kind:
                raise UserError(fault(line_of(name, line), here, f"{kind}, as in the lines before"))
    return Table(columns, [(line, [row.get(key) for key in columns]) for line, row in rows])
