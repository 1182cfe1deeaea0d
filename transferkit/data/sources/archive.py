"""Class folders in a zip or tar file, unpacked without trusting it.

Refused as a whole: names that lead out of the folder, encryption, more entries or bytes than allowed, and
contents that are far larger than the file that holds them. Left out and named: links, devices, single entries
that are too large, names that the disk cannot hold.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from transferkit.data.file_names import shown
from transferkit.data.foreign_formats import reason_not_read
from transferkit.data.hashing import hash_file
from transferkit.data.source import DataSet, LeftOut, left_out_notes
from transferkit.data.source_options import ReadOptions
from transferkit.data.sources.class_folder import read_class_folder
from transferkit.data.sources.unpacked import unpack
from transferkit.errors import UserError, fault

__all__ = ["EXPECTED", "ORDER", "ArchiveLimits", "is_archive", "read", "read_archive", "takes"]

ORDER = 30
EXPECTED = "an archive (.zip, .tar)"

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BLOCK = 1 << 20
# What ails the disk that is unpacked to.
_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS, errno.EACCES)
_LEFT_OUT = "left-out.json"
# A member whose name this file system cannot hold, alone or beside the others.
_NAME_ERRORS = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EILSEQ, errno.EINVAL}


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold.

    Attributes:
        entries: number of files.
        entry_bytes: size of one file.
        bytes: size of all files.
        ratio: size of all files over that of the archive, once they exceed a hundred megabytes. Photos do
            not shrink; bombs grow a thousandfold.
    """

    entries: int = 2_000_000
    entry_bytes: int = 100_000_000
    bytes: int = 200_000_000_000
    ratio: float = 100.0


@dataclass(frozen=True)
class _Entry:
    """One member: ``open`` is None for what is no plain file."""

    name: str
    size: int
    source: IO[bytes] | None


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive."""
    return path.name.lower().endswith(_SUFFIXES)


def read_archive(
    path: str | Path,
    unpack_to: Path,
    limits: ArchiveLimits | None = None,
    *,
    minimum_classes: int = 2,
    known: Collection[str] = (),
) -> DataSet:
    """Reads an archive of what :func:`~transferkit.data.sources.class_folder.read_class_folder` reads.

    Args:
        path: the archive.
        unpack_to: folder of unpacked sources; a second run finds it there.
        limits: what it may hold.
        minimum_classes: fewer are refused.
        known: names that are classes for certain.

    Raises:
        UserError: it is refused, broken, or holds no class folders.
    """
    path = Path(path)
    digest = hash_file(path)
    if digest is None:
        raise UserError(fault("data", str(path), "an archive", "it cannot be read"))
    folder = unpack(
        f"archive2-{digest[:32]}",
        unpack_to,
        lambda to: _extract(path, to, limits or ArchiveLimits()),
        path.name,
    )
    left_out = [LeftOut(*one) for one in json.loads((folder / _LEFT_OUT).read_text(encoding="utf-8"))]
    try:
        found = read_class_folder(folder / "files", minimum_classes, known=known)
    except UserError as error:
        place = str(folder / "files")
        raise UserError(*(line.replace(place, path.name) for line in error.faults)) from None
    notes = (*found.notes, *left_out_notes(left_out))
    return replace(found, notes=notes, left_out=(*found.left_out, *left_out))


def _extract(path: Path, to: Path, limits: ArchiveLimits) -> None:
    root, total = to / "files", 0
    left_out: list[tuple[str, str]] = []
    root.mkdir()

    def leave_out(entry: _Entry, reason: str) -> None:
        left_out.append((shown(entry.name), reason))

    most = min(limits.bytes, max(int(limits.ratio * path.stat().st_size), 100_000_000))
    try:
        for count, entry in enumerate(_entries(path), 1):
            if count > limits.entries:
                raise UserError(fault("data", path.name, f"at most {limits.entries:,} files in an archive"))
            target = root.joinpath(*_parts(path, entry.name))
            if entry.source is None:
                leave_out(entry, "a link or device in the archive")
            elif entry.size > limits.entry_bytes:
                leave_out(entry, f"larger than {limits.entry_bytes:,} bytes")
            elif os.path.exists(target):
                leave_out(entry, "a second file of this name")
            elif reason := _opened(target):
                leave_out(entry, f"its name cannot be kept on this disk: {reason}")
            else:
                total = _copy(entry, target, path, total, most)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
    ) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise  # no fault of the archive's
        with open(path, "rb") as file:
            head = file.read(512)
        what = None if _kind(head) else reason_not_read(head, "archive by its content")
        raise UserError(fault("data", str(path), "a whole archive", what or f"{error}")) from error
    except RuntimeError as error:  # what zipfile raises for encryption
        hint = "unpack it yourself, and give the folder"
        raise UserError(fault("data", str(path), "an archive without a password", hint)) from error
    (to / _LEFT_OUT).write_text(json.dumps(left_out), encoding="utf-8")


def _opened(target: Path) -> str | None:
    """Makes the empty file; the reason where the disk cannot hold one of this name."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        open(target, "xb").close()
    except OSError as error:
        if error.errno not in _NAME_ERRORS:
            raise
        return error.strerror
    return None


def _copy(entry: _Entry, target: Path, path: Path, total: int, most: int) -> int:
    """Copies what is really there, whatever the header says of its size; returns the new total."""
    assert entry.source is not None  # noqa: S101 -- for the type checker: the caller looked
    with entry.source as source, open(target, "wb") as file:
        while block := source.read(_BLOCK):
            total += len(block)
            if total > most:
                expected = f"at most {most:,} bytes in this archive"
                raise UserError(fault("data", path.name, expected, "it may be a decompression bomb"))
            file.write(block)
    return total


def _parts(path: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's name, none of which leads anywhere else."""
    pure = PurePosixPath(name)
    parts = [part for part in pure.parts if part != "."]
    odd = any(part == ".." or "\\" in part or "\0" in part or ":" in part[1:2] for part in parts)
    if pure.is_absolute() or odd or not parts:
        raise UserError(fault(f"data: {path.name}", name, "names inside the archive", "it is not unpacked"))
    return tuple(parts)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name of a member. macOS writes UTF-8 without saying so; read as the old code page it is garbled."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _kind(head: bytes) -> str | None:
    """``zip`` or ``tar`` by the first 512 bytes: what a file is called is often wrong."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    packed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))
    return "tar" if packed or head[257:262] == b"ustar" else None


def _entries(path: Path) -> Iterator[_Entry]:
    with open(path, "rb") as file:
        head = file.read(512)
    if (_kind(head) or ("zip" if path.name.lower().endswith(".zip") else "tar")) == "zip":
        with zipfile.ZipFile(path) as archive:
            members = [(info, _zip_name(info)) for info in archive.infolist()]
            # Older programs of Windows write \ between folders, and no / anywhere.
            if not any("/" in name for _, name in members):
                members = [(info, name.replace("\\", "/")) for info, name in members]
            for info, name in members:
                if name.endswith("/"):
                    continue
                mode = info.external_attr >> 16
                plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
                yield _Entry(name, info.file_size, archive.open(info) if plain else None)
        return
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if not member.isdir():
                yield _Entry(
                    member.name, member.size, archive.extractfile(member) if member.isreg() else None
                )


def takes(reference: str, options: ReadOptions) -> bool:
    """Whether it is a file with the ending of an archive."""
    path = Path(reference)
    return path.is_file() and is_archive(path)


def read(reference: str, options: ReadOptions) -> DataSet:
    """The images of the class folders in it."""
    return read_archive(
        reference, options.unpack_to, minimum_classes=options.minimum_classes, known=options.known
    )
