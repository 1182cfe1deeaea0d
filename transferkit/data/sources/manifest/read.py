"""A manifest as a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from transferkit.data.file_names import class_name_faults, class_order, shown
from transferkit.data.source import DataSet, Item
from transferkit.data.source_options import ManifestOptions
from transferkit.data.sources.manifest.find_columns import find_columns, known_columns
from transferkit.data.sources.manifest.find_places import find_places
from transferkit.data.sources.manifest.label_spelling import are_measurements
from transferkit.data.sources.manifest.line_names import GIVEN, line_of, name_of
from transferkit.data.sources.manifest.read_rows import MOST_FAULTS, ManifestRow, read_rows
from transferkit.data.sources.manifest.table import read_table
from transferkit.data.sources.manifest.text_encoding import decode_text
from transferkit.errors import Faults, UserError, fault
from transferkit.files.remote import is_remote, without_query

__all__ = ["read_manifest"]


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
    name = name_of(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "there is no such file" if not path.is_file() else str(error.strerror)
        raise UserError(fault("data", str(path), "a manifest", hint)) from None
    text, note = _text(raw, name, options)
    table = read_table(text, name, path.suffix.lower(), lambda names: known_columns(names, options.columns))
    said = dict(options.columns)
    if not options.own and not set(said.values()) <= set(table.columns):
        said = {}
    columns, notes = find_columns(table, name, said)
    notes = [*([note] if note else []), *table.notes, *notes]
    several = "labels" in columns
    rows = read_rows(table, columns, name, notes)
    if not rows:
        raise UserError(fault(name, None, "a row an image", "there is no row below the header"))
    places = find_places([row.path for row in rows], path, options, unpack_to, base)
    notes += places.notes
    classes = _classes(rows, name, several, minimum_classes)
    items = _items(rows, places.files, classes, name, several)
    return DataSet(path, classes, tuple(items), tuple(notes), missing_hint=places.hint)


def _text(raw: bytes, name: str, options: ManifestOptions) -> tuple[str, str | None]:
    if options.own or options.encoding is None:
        return decode_text(raw, name, options.encoding)
    try:
        return decode_text(raw, name)
    except UserError:
        return decode_text(raw, name, options.encoding)


def _classes(rows: Sequence[ManifestRow], name: str, several: bool, minimum: int) -> tuple[str, ...]:
    """The classes in their order.

    Raises:
        UserError: they are too few, have names that cannot be, or are measurements.
    """
    classes = class_order(label for row in rows for label in row.labels)
    Faults(class_name_faults(classes)).refuse()
    if not several and are_measurements(row.labels[0] for row in rows):
        hint = "they are measured: divide their range into classes, for example low and high"
        first = ", ".join(dict.fromkeys(row.labels[0] for row in rows[:4]))
        raise UserError(fault(f"{name}: label", first, "names of classes", hint))
    if len(classes) < (1 if several else minimum):
        alone = None
        if not several and len(classes) == 1:
            alone = f"every row is {classes[0]!r}: add rows of what is not"
        raise UserError(fault("data", list(classes), "at least two classes in the manifest", alone))
    return classes


def _items(
    rows: Sequence[ManifestRow], files: Sequence[Path], classes: Sequence[str], name: str, several: bool
) -> list[Item]:
    """An item a file, by name.

    Raises:
        UserError: two rows say different things of one file.
    """
    index = {label: i for i, label in enumerate(classes)}
    items: dict[str, tuple[ManifestRow, Item]] = {}
    faults = Faults()
    for row, file in zip(rows, files, strict=True):
        labels = tuple(sorted(index[label] for label in row.labels))
        first = labels[0] if labels else -1
        item = Item(file, _shown(row.path), first, row.split, labels if several else None, row.group)
        before = items.setdefault(os.path.normpath(file), (row, item))
        if (before[1].label, before[1].labels, before[1].split, before[1].group) != (
            item.label, item.labels, item.split, item.group,
        ):  # fmt: skip
            faults.append(_twice(name, before[0], row))
            if len(faults) >= MOST_FAULTS:
                break
    faults.refuse()
    return sorted((item for _, item in items.values()), key=lambda item: item.name)


def _shown(path: str) -> str:
    """The name for reports and ledgers."""
    if is_remote(path):
        return shown(without_query(path))
    return shown(Path(path.replace("\\", "/")).as_posix())


def _twice(name: str, first: ManifestRow, second: ManifestRow) -> str:
    one, other = (" + ".join(row.labels) or "no label" for row in (first, second))
    if one == other:
        what = "split" if first.split != second.split else "group"
        one, other = (str(getattr(row, what)) for row in (first, second))
    before = f"row {first.line - 1}" if name == GIVEN else f"line {first.line}"
    return fault(
        line_of(name, second.line),
        None,
        None,
        f"{second.path!r} is {other} here and {one} in {before}; one row an image is expected",
    )
