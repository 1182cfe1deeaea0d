"""Where labelled images come from; whatever it is, what comes out is a DataSet of files."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from transferkit.data.names import class_name_faults, shown
from transferkit.data.source import DataSet
from transferkit.data.sources.archive import is_archive, read_archive
from transferkit.data.sources.class_folder import read_class_folder
from transferkit.data.sources.class_order import in_order_of, stated_classes
from transferkit.data.sources.manifest import ManifestOptions, read_manifest
from transferkit.data.sources.tfds import check_tfds, read_tfds
from transferkit.data.sources.tfrecord import read_tfrecord, tfrecord_files
from transferkit.data.sources.tree import Tree
from transferkit.errors import UserError, fault

__all__ = [
    "ManifestOptions",
    "check_source",
    "read_archive",
    "read_manifest",
    "read_source",
    "read_tfds",
    "read_tfrecord",
]

_MANIFESTS = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json")


def read_source(
    reference: str | Path,
    *,
    unpack_to: str | Path,
    minimum_classes: int = 2,
    follow_links: bool = False,
    classes: Sequence[str] | str | None = None,
    known: Collection[str] = (),
    manifest: ManifestOptions | None = None,
) -> DataSet:
    """Reads whatever the user named.

    Args:
        reference: a folder of class folders (also nested in train, val, test); a CSV, JSON Lines or JSON
            manifest; a zip or tar of class folders; a TFRecord file or a folder of them; ``tfds:NAME``.
        unpack_to: folder where images that do not lie as files are written out, once.
        minimum_classes: data with fewer classes is refused.
        follow_links: take links that lead out of a folder of class folders.
        classes: the classes in their order, or a file with a name a line; None leaves the source's own.
        known: names that are classes for certain, in folders where they might be something else.
        manifest: what a manifest does not say itself.

    Raises:
        UserError: as the source says; or it is none of these; or its classes are not those stated.
    """
    stated = stated_classes(classes)
    text, certain = str(reference), (*known, *(stated or ()))
    if not text.startswith("tfds:") and _is_manifest(Path(text)):
        found = read_manifest(text, manifest, minimum_classes)
    else:
        found = _read(text, Path(unpack_to), minimum_classes, follow_links, certain)
    faults = class_name_faults(found.classes)
    if faults:
        raise UserError(*faults)
    # Notes may name folders of any name, and are written into the run.
    found = replace(found, notes=tuple(shown(note) for note in found.notes))
    return found if stated is None else in_order_of(found, stated)


def check_source(reference: str | Path) -> None:
    """Refuses what cannot be read for want of a package, or because nothing is there. Reads nothing.

    Args:
        reference: as of :func:`read_source`.

    Raises:
        UserError: says what is missing.
    """
    text = str(reference)
    if text.startswith("tfds:"):
        check_tfds(text.removeprefix("tfds:"))
    elif not os.path.exists(text):
        raise UserError(fault("data", text, "a folder of class folders", "there is no such folder"))


def _is_manifest(path: Path) -> bool:
    return path.suffix.lower() in _MANIFESTS and path.is_file()


def _read(text: str, unpack_to: Path, minimum: int, follow_links: bool, known: Collection[str]) -> DataSet:
    if text.startswith("tfds:"):
        return read_tfds(text.removeprefix("tfds:"), unpack_to)
    path = Path(text)
    if path.is_dir():
        if tfrecord_files(path) and not Tree(path, follow_links).holds_pictures(str(path)):
            return read_tfrecord(path, unpack_to)
        return read_class_folder(path, minimum, follow_links=follow_links, known=known)
    if path.is_file():
        if is_archive(path):
            return read_archive(path, unpack_to, minimum_classes=minimum, known=known)
        if tfrecord_files(path):
            return read_tfrecord(path, unpack_to)
        expected = (
            "a folder, a manifest (.csv, .tsv, .jsonl, .json), an archive (.zip, .tar) or a .tfrecord file"
        )
        raise UserError(fault("data", text, expected))
    return read_class_folder(path)
