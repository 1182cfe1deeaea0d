"""A manifest as a data set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.data.names import class_name_faults, class_order, shown
from transferkit.data.source import DataSet, Item
from transferkit.data.source_options import ManifestOptions
from transferkit.data.sources.manifest.find_columns import Columns, find_columns, known_columns
from transferkit.data.sources.manifest.find_files import Places, find_files
from transferkit.data.sources.manifest.label_spelling import (
    MOST_CHARACTERS,
    are_measurements,
    divide_labels,
    is_gap,
    label_of,
    one_spelling,
)
from transferkit.data.sources.manifest.table import Table, read_table
from transferkit.data.sources.manifest.text import decode_text
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.files.remote import check_remote, fetch_urls, is_remote, without_query

__all__ = ["read_manifest"]

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "holdout": "test", "eval": "test", "": None,
}  # fmt: skip
# A manifest that is wrong in every line is told so by its first ones.
_MOST_FAULTS = 20


@dataclass(slots=True)
class _Row:
    line: int
    path: str
    labels: list[str]
    split: str | None
    group: str | None


def read_manifest(
    path: str | Path,
    options: ManifestOptions | None = None,
    minimum_classes: int = 2,
    unpack_to: Path | None = None,
    *,
    base: str | None = None,
) -> DataSet:
    """Reads a manifest. Whether its files are images shows when they are read.

    Args:
        path: a file that ends in ``.csv``, ``.tsv``, ``.txt``, ``.jsonl``, ``.ndjson`` or ``.json``.
        options: what it does not say itself.
        minimum_classes: fewer are refused; 1 where the images are only evaluated.
        unpack_to: folder where files at URLs are fetched to; None refuses them.
        base: the URL that relative paths start from where the manifest lies at one.

    Raises:
        UserError: faults by line, all at once: no such column, nothing in it, an unknown split, one file
            with two labels; or too few classes.
    """
    path, options = Path(path), options or ManifestOptions()
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "there is no such file" if not path.is_file() else str(error.strerror)
        raise UserError(fault("data", str(path), "a manifest", hint)) from None
    text, note = _text(raw, path.name, options)
    table = read_table(
        text, path.name, path.suffix.lower(), lambda names: known_columns(names, options.columns)
    )
    said = dict(options.columns)
    if not options.own and not set(said.values()) <= set(table.columns):
        said = {}
    columns, notes = find_columns(table, path.name, said)
    notes = [*([note] if note else []), *table.notes, *notes]
    several = "labels" in columns
    rows = _rows(table, columns, path.name, notes)
    if not rows:
        raise UserError(fault(path.name, None, "a row an image", "there is no row below the header"))
    places = _places([row.path for row in rows], path, options, unpack_to, base)
    notes += places.notes
    classes = class_order(label for row in rows for label in row.labels)
    if wrong := class_name_faults(classes):
        raise UserError(*wrong)
    if not several and are_measurements(row.labels[0] for row in rows):
        hint = "they are measured: divide their range into classes, for example low and high"
        first = ", ".join(dict.fromkeys(row.labels[0] for row in rows[:4]))
        raise UserError(fault(f"{path.name}: label", first, "names of classes", hint))
    if len(classes) < (1 if several else minimum_classes):
        alone = None
        if not several and len(classes) == 1:
            alone = f"every row is {classes[0]!r}: add rows of what is not"
        raise UserError(fault("data", list(classes), "at least two classes in the manifest", alone))
    index = {label: i for i, label in enumerate(classes)}
    items: dict[str, tuple[_Row, Item]] = {}
    faults: list[str] = []
    for row, file in zip(rows, places.files, strict=True):
        labels = tuple(sorted(index[label] for label in row.labels))
        name = _shown(row.path)
        item = Item(
            file, name, labels[0] if labels else -1, row.split, labels if several else None, row.group
        )
        key = os.path.normpath(file)
        before = items.get(key)
        if before is None:
            items[key] = (row, item)
        elif (before[1].label, before[1].labels, before[1].split, before[1].group) != (
            item.label, item.labels, item.split, item.group,
        ):  # fmt: skip
            faults.append(_twice(path.name, before[0], row))
            if len(faults) >= _MOST_FAULTS:
                break
    if faults:
        raise UserError(*faults)
    kept = sorted((item for _, item in items.values()), key=lambda item: item.name)
    return DataSet(path, classes, tuple(kept), tuple(notes), missing_hint=places.hint)


def _text(raw: bytes, name: str, options: ManifestOptions) -> tuple[str, str | None]:
    if options.own or options.encoding is None:
        return decode_text(raw, name, options.encoding)
    try:
        return decode_text(raw, name)
    except UserError:
        return decode_text(raw, name, options.encoding)


def _places(
    paths: list[str], manifest: Path, options: ManifestOptions, unpack_to: Path | None, base: str | None
) -> Places:
    if options.root is not None and is_remote(options.root):
        check_remote(options.root, "data.root")
        base = options.root.rstrip("/")
    urls = [
        one if is_remote(one) else f"{base}/{one.lstrip('/')}{options.path_suffix or ''}" if base else None
        for one in paths
    ]
    remote = [url for url in urls if url is not None]
    if not remote:
        return _local_places(paths, manifest, options)
    if unpack_to is None:
        raise UserError(
            fault(f"{manifest.name}: path", without_query(remote[0]), "a file", "download it first")
        )
    here, fetched = fetch_urls(remote, unpack_to)
    others = iter(
        _local_places(
            [one for one, url in zip(paths, urls, strict=True) if url is None], manifest, options
        ).files
    )
    files = [here[url] if url is not None else next(others) for url in urls]
    missing = [i for i, file in enumerate(files) if not file.is_file()]
    return Places(files, missing, list(fetched.notes(manifest.name)))


def _local_places(paths: list[str], manifest: Path, options: ManifestOptions) -> Places:
    if not paths:
        return Places([], [], [])

    def found(root: str | None, suffix: str | None) -> Places:
        return find_files(paths, manifest.parent, manifest.name, root, suffix)

    if options.own or (options.root is None and options.path_suffix is None):
        return found(options.root, options.path_suffix)
    as_said = found(
        options.root if options.root and Path(options.root).is_dir() else None, options.path_suffix
    )
    if not as_said.missing:
        return as_said
    without = found(None, None)
    return without if len(without.missing) < len(as_said.missing) else as_said


def _rows(table: Table, columns: Columns, name: str, notes: list[str]) -> list[_Row]:
    """The rows with their values in order; appends what is worth a note."""
    faults: list[str] = []
    cells = {role: [row[number] for _, row in table.rows] for role, number in columns.items()}
    several = "labels" in columns
    if several:
        cells["labels"], said = divide_labels(cells["labels"], name)
        notes += said
    if "split" in columns and table.columns[columns["split"]].casefold() != "split":
        words = {str(cell if cell is not None else "").strip().casefold() for cell in cells["split"]}
        if not words <= set(_SPLITS):
            # A column that only may be a split, and is something else.
            del cells["split"]
            note = f"split = {table.columns[columns['split']]!r}"
            notes[:] = [
                line.replace(f", {note}", "").replace(f"{note}, ", "")
                for line in notes
                if f"columns {note};" not in line
            ]
    rows = []
    for i, (line, _) in enumerate(table.rows):
        before = len(faults)
        place = f"{name}:{line}"
        path = _path(cells["path"][i], place, faults)
        labels = _labels(cells["labels" if several else "label"][i], several, place, faults)
        split = _split(cells["split"][i] if "split" in cells else None, place, faults)
        group = cells["group"][i] if "group" in cells else None
        group = None if group in (None, "") else str(group).strip() or None
        if len(faults) == before:
            rows.append(_Row(line, path, labels, split, group))
        elif len(faults) >= _MOST_FAULTS:
            break
    if faults:
        raise UserError(*faults)
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


def _split(value: Any, place: str, faults: list[str]) -> str | None:
    text = "" if value is None else value
    if not isinstance(text, str) or text.strip().casefold() not in _SPLITS:
        faults.append(
            fault(f"{place}: split", text, "train, val or test", did_you_mean(str(text).strip(), _SPLITS))
        )
        return None
    return _SPLITS[text.strip().casefold()]


def _brief(value: Any) -> Any:
    return value[:60] + "…" if isinstance(value, str) and len(value) > 60 else value


def _shown(path: str) -> str:
    """The name for reports and ledgers."""
    if is_remote(path):
        return shown(without_query(path))
    return shown(Path(path.replace("\\", "/")).as_posix())


def _twice(name: str, first: _Row, second: _Row) -> str:
    one, other = (" + ".join(row.labels) or "no label" for row in (first, second))
    if one == other:
        what = "split" if first.split != second.split else "group"
        one, other = (str(getattr(row, what)) for row in (first, second))
    return fault(
        f"{name}:{second.line}",
        None,
        None,
        f"{second.path!r} is {other} here and {one} in line {first.line}; one row an image is expected",
    )
