"""Manifests: a CSV or JSON Lines file that lists the images.

Columns (keys in JSON Lines): ``path``, relative to the manifest's folder; ``label``, or ``labels`` where an
image may have any number of them; optionally ``split`` (train, val, test) and ``group``. In CSV, ``labels``
are divided by ``|``, or stand as a JSON list where a class name holds that sign.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transferkit.data.names import class_order
from transferkit.data.source import DataSet, Item
from transferkit.errors import UserError, fault, near

__all__ = ["read_manifest"]

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "": None,
}  # fmt: skip
_KNOWN = ("path", "label", "labels", "split", "group")
# A manifest that is wrong in every line is told so by its first ones.
_MOST_FAULTS = 20


def read_manifest(path: str | Path) -> DataSet:
    """Reads a manifest. Whether its files are there and are images shows when they are read.

    Args:
        path: a file that ends in ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``.

    Raises:
        UserError: faults by line, all at once: no such column, nothing in it, an unknown split, one file
            with two labels; or fewer than two classes.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(fault("data", str(path), "a manifest", "there is no such file"))
    faults: list[str] = []
    rows: dict[str, tuple[int, dict[str, Any]]] = {}
    for line, row in _rows(path):
        found = _checked(row, f"{path.name}:{line}", faults)
        if found is None:
            continue
        name = found["path"]
        before = rows.get(name)
        if before is None:
            rows[name] = (line, found)
        elif before[1] != found:
            mend = f"line {before[0]} says otherwise"
            faults.append(fault(f"{path.name}:{line}", name, "one row an image", mend))
        if len(faults) >= _MOST_FAULTS:
            break
    if faults:
        raise UserError(*faults)
    return _dataset(path, [row for _, row in rows.values()])


def _dataset(path: Path, rows: list[dict[str, Any]]) -> DataSet:
    multi = any("labels" in row for row in rows)
    classes = class_order(name for row in rows for name in row.get("labels", (row.get("label"),)))
    if len(classes) < (1 if multi else 2):
        raise UserError(fault("data", list(classes), "at least two classes in the manifest"))
    place = {name: i for i, name in enumerate(classes)}
    items = []
    for row in rows:
        labels = tuple(sorted(place[name] for name in row["labels"])) if multi else None
        label = place[row["label"]] if labels is None else (labels[0] if labels else -1)
        where = path.parent / row["path"]
        items.append(Item(where, Path(row["path"]).as_posix(), label, row["split"], labels, row["group"]))
    return DataSet(path, classes, tuple(sorted(items, key=lambda item: item.name)))


def _checked(row: dict[str, Any], place: str, faults: list[str]) -> dict[str, Any] | None:
    """A row with its values in order, or None and faults."""
    before = len(faults)
    name = row.get("path")
    if not isinstance(name, str) or not name:
        faults.append(fault(f"{place}: path", name, "the path of an image"))
    elif "://" in name:
        faults.append(fault(f"{place}: path", name, "a file", "download it first"))
    split = row.get("split") or ""
    if not isinstance(split, str) or split.casefold() not in _SPLITS:
        faults.append(fault(f"{place}: split", split, "train, val or test", near(str(split), _SPLITS)))
    found: dict[str, Any] = {"path": name, "group": str(row["group"]) if row.get("group") else None}
    if "labels" in row:
        labels = row["labels"]
        if isinstance(labels, str):
            labels = _divided(labels)
        if not isinstance(labels, list) or not all(isinstance(one, str) and one for one in labels):
            faults.append(fault(f"{place}: labels", labels, "a list of class names"))
        else:
            found["labels"] = sorted(set(labels))
    else:
        label = row.get("label")
        # Numbers are fine as class names, but 1 and 1.0 and true would be three classes.
        if isinstance(label, bool | float) or label is None or label == "":
            faults.append(fault(f"{place}: label", label, "the name of a class"))
        else:
            found["label"] = str(label)
    if len(faults) > before:
        return None
    found["split"] = _SPLITS[split.casefold()]
    return found


def _divided(cell: str) -> Any:
    if cell.startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return [one.strip() for one in cell.split("|") if one.strip()]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row), with the columns checked where there are columns."""
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _json_rows(path)
        return
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        columns = reader.fieldnames or []
        if "path" not in columns or ("label" in columns) == ("labels" in columns):
            expected = "the columns path and label (or labels), optionally split and group"
            wrong = [near(name, _KNOWN) for name in columns if name not in _KNOWN]
            mend = next((one for one in wrong if one), None)
            raise UserError(fault(f"{path.name}:1", ",".join(columns), expected, mend))
        for row in reader:
            # Cells beyond the last column come under None: a comma that nobody quoted.
            if None in row:
                expected = f"{len(columns)} cells"
                raise UserError(
                    fault(f"{path.name}:{reader.line_num}", row["path"], expected, "quote commas")
                )
            yield reader.line_num, {name: row[name] for name in columns if name in _KNOWN}


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8") as file:
        kind = None
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise UserError(
                    fault(f"{path.name}:{line}", text[:40], "a JSON object", str(error))
                ) from None
            if not isinstance(row, dict):
                raise UserError(fault(f"{path.name}:{line}", text[:40], "a JSON object"))
            here = "labels" if "labels" in row else "label"
            if kind not in (None, here):
                raise UserError(fault(f"{path.name}:{line}", here, f"{kind}, as in the lines before"))
            kind = here
            yield line, row
