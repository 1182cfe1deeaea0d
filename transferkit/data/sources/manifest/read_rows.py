"""The rows of a manifest: path, labels, split and group of each image, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transferkit.data.sources.manifest.find_columns import Columns
from transferkit.data.sources.manifest.label_spelling import (
    MOST_CHARACTERS,
    divide_labels,
    is_gap,
    label_of,
    one_spelling,
)
from transferkit.data.sources.manifest.label_table import is_label_table
from transferkit.data.sources.manifest.line_names import line_of
from transferkit.data.sources.manifest.table import Table
from transferkit.data.sources.split_words import WORDS, split_names
from transferkit.errors import Faults, UserError, did_you_mean, fault

__all__ = ["MOST_FAULTS", "ManifestRow", "read_rows"]

# A manifest that is wrong in every line is told so by its first ones.
MOST_FAULTS = 20


@dataclass(slots=True)
class ManifestRow:
    """One image of a manifest.

    Attributes:
        line: that it stands in, from 1.
        path: of the file, as it is written.
        labels: names of its classes.
        split: train, val or test; None where the manifest does not say.
        group: what must not be divided; None for the image alone.
    """

    line: int
    path: str
    labels: list[str]
    split: str | None
    group: str | None


def read_rows(table: Table, columns: Columns, name: str, notes: list[str]) -> list[ManifestRow]:
    """The rows with their values in order.

    Args:
        table: the manifest.
        columns: role to the number of its column.
        name: of the manifest, for messages.
        notes: takes what is worth a note.

    Raises:
        UserError: faults by line, all at once.
    """
    faults = Faults()
    cells = {role: [row[number] for _, row in table.rows] for role, number in columns.items()}
    several = "labels" in columns
    if several:
        cells["labels"], said = divide_labels(cells["labels"], name)
        notes += said
    splits = split_names({_text(cell) for cell in cells.get("split", ())})
    only_may_be = "split" in columns and table.columns[columns["split"]].casefold() != "split"
    if only_may_be and not {_text(cell) for cell in cells["split"]} <= {"", *splits}:
        # It is something else.
        del cells["split"]
        note = f"split = {table.columns[columns['split']]!r}"
        notes[:] = [
            line.replace(f", {note}", "").replace(f"{note}, ", "")
            for line in notes
            if f"columns {note};" not in line
        ]
    rows, open_rows = [], 0
    to_fill_in = not several and is_label_table(table.columns)
    for i, (line, _) in enumerate(table.rows):
        if to_fill_in and not _text(cells["label"][i]):
            open_rows += 1
            continue
        before = len(faults)
        place = line_of(name, line)
        path = _path(cells["path"][i], place, faults)
        labels = _labels(cells["labels" if several else "label"][i], several, place, faults)
        split = _split(cells["split"][i] if "split" in cells else None, splits, place, faults)
        group = cells["group"][i] if "group" in cells else None
        group = None if group in (None, "") else str(group).strip() or None
        if len(faults) == before:
            rows.append(ManifestRow(line, path, labels, split, group))
        elif len(faults) >= MOST_FAULTS:
            break
    faults.refuse()
    if open_rows and not rows:
        hint = f"none of {len(table.rows)} rows has one: fill in the column {table.columns[columns['label']]}"
        raise UserError(fault(name, None, "a label", hint))
    if open_rows:
        notes.append(f"{name}: {open_rows} of {len(table.rows)} rows have no label yet, and are left out")
    raw = [one for cell in cells["labels" if several else "label"] for one in (cell if several else [cell])]
    meant, said = one_spelling([label for row in rows for label in row.labels], raw, name, several)
    notes += said
    for row in rows:
        row.labels = sorted({meant[label] for label in row.labels})
    return rows


def _path(value: Any, place: str, faults: list[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # images that are numbered, without an ending
    if not isinstance(value, str) or not value.strip():
        faults.append(fault(f"{place}: path", value, "the path of an image"))
        return ""
    path = value.strip()
    if path.casefold().startswith("file://"):
        path = path[7:]
    if any(sign in path for sign in "\r\n\0") or len(path) > 4096:
        hint = "a quote may be missing at its end"
        faults.append(fault(f"{place}: path", path[:80], "a path on one line", hint))
    return path


def _labels(value: Any, several: bool, place: str, faults: list[str]) -> list[str]:
    if several:
        given = [] if value is None else value
        names: list[str | None] = [None]
        if isinstance(given, list):
            names = [label_of(one) if isinstance(one, str) else None for one in given]
        if None in names:
            faults.append(fault(f"{place}: labels", _brief(value), "a list of class names"))
            return []
        return sorted({label for label in names if label is not None})
    label = label_of(value)
    if label is None:
        faults.append(fault(f"{place}: label", _brief(value), "the name of a class", _no_label(value)))
        return []
    return [label]


def _no_label(value: Any) -> str | None:
    if value is None:
        return "there is none in this row"
    if isinstance(value, bool | float):
        return "write it as a whole number or as text"
    if isinstance(value, str) and is_gap(value.strip()):
        return "it says that there is no value: remove the row"
    if isinstance(value, str) and value.strip():
        return f"it is one line of at most {MOST_CHARACTERS:,} characters; a quote may be missing at its end"
    return None


def _split(value: Any, splits: Mapping[str, str], place: str, faults: list[str]) -> str | None:
    text = _text(value)
    if text and text not in splits:
        expected = "train, val or test"
        faults.append(fault(f"{place}: split", value, expected, did_you_mean(text.casefold(), WORDS)))
    return splits.get(text)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _brief(value: Any) -> Any:
    return value[:60] + "…" if isinstance(value, str) and len(value) > 60 else value
