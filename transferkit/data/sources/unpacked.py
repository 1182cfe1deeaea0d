"""Images that do not lie as files are written out once, so that all that follows sees files alone.

A folder a source, named by a fingerprint of the source, which appears whole or not at all: a second run finds
it, and an interrupted one leaves nothing that could be taken for it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transferkit.data.ordering import in_order_of
from transferkit.data.source import DataSet
from transferkit.data.sources.manifest import read_manifest

__all__ = ["Writer", "unpack"]

_MANIFEST = "manifest.jsonl"
_ABOUT = "about.json"
_SUFFIXES = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"RIFF", "webp"),
)
# Folders of more files than this are slow to list on common file systems.
_A_FOLDER = 1000


class Writer:
    """Takes encoded images one by one and writes each with its row of the manifest.

    Attributes:
        order: the classes in the source's own order; those that it does not name are sorted.
        notes: what is to be said of the source.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = open(folder / _MANIFEST, "w", encoding="utf-8")  # noqa: SIM115 -- closed by close()
        self._count = 0
        self.order: Sequence[str] = ()
        self.notes: Sequence[str] = ()

    def add(self, encoded: bytes, label: str, split: str | None = None) -> None:
        """Writes one image file as it is."""
        kind = next((name for start, name in _SUFFIXES if encoded.startswith(start)), "bin")
        name = f"{self._count // _A_FOLDER:05}/{self._count:08}.{kind}"
        where = self._folder / name
        where.parent.mkdir(exist_ok=True)
        where.write_bytes(encoded)
        row: dict[str, Any] = {"path": name, "label": label}
        if split:
            row["split"] = split
        self._manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._count += 1

    def close(self) -> None:
        """Ends the manifest, and writes down the order of the classes and what is to be said of them."""
        self._manifest.close()
        about = {"classes": list(self.order), "notes": list(self.notes)}
        (self._folder / _ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def unpack(fingerprint: str, folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder of a source, filled by ``fill`` where it is not there yet.

    Args:
        fingerprint: of the source's content.
        folder: of all unpacked sources.
        fill: writes everything into the folder that it is given.
    """
    target = folder / fingerprint
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        fill(beside)
        try:
            os.replace(beside, target)
        except OSError:
            # Another process was faster: what it wrote is the same.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def unpacked_dataset(fingerprint: str, folder: Path, write: Callable[[Writer], None], root: Path) -> DataSet:
    """The data set of images that ``write`` hands to a :class:`Writer`, unless they are written already."""

    def fill(beside: Path) -> None:
        writer = Writer(beside)
        try:
            write(writer)
        finally:
            writer.close()

    written = unpack(fingerprint, folder, fill)
    found = read_manifest(written / _MANIFEST)
    about = json.loads((written / _ABOUT).read_text(encoding="utf-8"))
    if about["classes"]:
        found = in_order_of(found, [name for name in about["classes"] if name in found.classes])
    return replace(found, notes=(f"{root}: written out to {written}", *about["notes"]))
