"""Images that do not lie as files are written out once, so that all that follows sees files alone.

A folder a source, named by a fingerprint of the source, which appears whole or not at all: a second run finds
it, and an interrupted one leaves nothing that could be taken for it. Its files are checked before they are
used again; where some were deleted or changed, the source is unpacked anew. A process keeps a shared lock on
what it uses until it ends, so that ``transferkit cache prune`` and ``clear`` leave it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from transferkit.data.source import DataSet
from transferkit.data.sources.class_order import in_order_of
from transferkit.data.sources.manifest import read_manifest
from transferkit.errors import UserError, fault
from transferkit.files.folder_contents import CONTENTS, LOCK, damage_of, files_of, write_contents
from transferkit.files.in_use import hold
from transferkit.files.lock import locked
from transferkit.type_names import NamedValues

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
_log = logging.getLogger("transferkit.data")
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
        row: NamedValues = {"path": name, "label": label}
        if split:
            row["split"] = split
        self._manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._count += 1

    def close(self) -> None:
        """Ends the manifest, and writes down the order of the classes and what is to be said of them."""
        self._manifest.close()
        about = {"classes": list(self.order), "notes": list(self.notes)}
        (self._folder / _ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def unpack(fingerprint: str, folder: Path, fill: Callable[[Path], None], of: str) -> Path:
    """The folder of a source, filled by ``fill`` where it is not there yet or damaged.

    Args:
        fingerprint: of the source's content.
        folder: of all unpacked sources.
        fill: writes everything into the folder that it is given.
        of: name of the source, for people.

    Raises:
        UserError: the folder cannot be written.
    """
    target = folder / fingerprint
    wrong: list[str] | None = []
    if hold(target):
        wrong = damage_of(target)
        if wrong == []:
            with contextlib.suppress(OSError):  # when it was last used; on a disk that cannot be written
                os.utime(target)
            return target
        what = "its list" if wrong is None else f"{len(wrong)} of its files ({wrong[0]}, …)"
        _log.warning("%s: its unpacked images are damaged, %s: unpacking it again", of, what)
    try:
        _fill(target, fill, of)
    except OSError as error:
        hint = "make room there, or name another folder with --set activations.cache_dir=DIR"
        reason = f"{of} cannot be unpacked: {error.strerror or error}; {hint}"
        raise UserError(fault("activations.cache_dir", str(folder.parent), None, reason)) from error
    return target


def _fill(target: Path, fill: Callable[[Path], None], of: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        with locked(beside / LOCK, shared=True):  # a lock goes with the folder to its new name
            fill(beside)
            write_contents(beside, label=of)
            try:
                os.replace(beside, target)
            except OSError:
                # Damaged, or another process was faster. Its files change one by one, each whole, for those
                # who read them.
                if not target.is_dir():
                    raise
                _replace_files(beside, target)
            hold(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace_files(beside: Path, target: Path) -> None:
    names = [*files_of(beside), CONTENTS]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(beside / name, target / name)
    for name in set(files_of(target)).difference(names):
        (target / name).unlink(missing_ok=True)


def unpacked_dataset(fingerprint: str, folder: Path, write: Callable[[Writer], None], root: Path) -> DataSet:
    """The data set of images that ``write`` hands to a :class:`Writer`, unless they are written already.

    Args:
        fingerprint: of what is unpacked: other content, another fingerprint.
        folder: where the files go.
        write: hands each image over.
        root: where the data lies that the user named.
    """

    def fill(beside: Path) -> None:
        writer = Writer(beside)
        try:
            write(writer)
        finally:
            writer.close()

    written = unpack(fingerprint, folder, fill, str(root))
    found = read_manifest(written / _MANIFEST)
    about = json.loads((written / _ABOUT).read_text(encoding="utf-8"))
    if about["classes"]:
        found = in_order_of(found, [name for name in about["classes"] if name in found.classes])
    return replace(found, notes=(f"{root}: written out to {written}", *about["notes"]))
