"""Class folders in a zip or tar file, unpacked without trusting it.

Refused as a whole: names that lead out of the folder, encryption, more entries or bytes than allowed, and
contents that are far larger than the file that holds them. Left out and named: links, devices, single entries
that are too large.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from transferkit.data.class_folder import read_class_folder
from transferkit.data.hashing import hash_file
from transferkit.data.source import DataSet
from transferkit.data.sources.unpacked import unpack
from transferkit.errors import UserError, fault

__all__ = ["ArchiveLimits", "is_archive", "read_archive"]

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BLOCK = 1 << 20
_LEFT_OUT = "left-out.txt"


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


def read_archive(path: str | Path, unpack_to: Path, limits: ArchiveLimits | None = None) -> DataSet:
    """Reads an archive of class folders, also of ``train/``, ``val/`` and ``test/``, also below one folder.

    Args:
        path: the archive.
        unpack_to: folder of unpacked sources; a second run finds it there.
        limits: what it may hold.

    Raises:
        UserError: it is refused, broken, or holds no class folders.
    """
    path = Path(path)
    digest = hash_file(path)
    if digest is None:
        raise UserError(fault("data", str(path), "an archive", "it cannot be read"))
    folder = unpack(
        f"archive-{digest[:32]}", unpack_to, lambda to: _extract(path, to, limits or ArchiveLimits())
    )
    left_out = (folder / _LEFT_OUT).read_text(encoding="utf-8").splitlines()
    found = read_class_folder(_top(folder / "files"))
    notes = (*found.notes, *(f"{path.name}: left out {line}" for line in left_out))
    return DataSet(found.root, found.classes, found.items, notes)


def _top(folder: Path) -> Path:
    """Below the one folder that many archives put everything into."""
    inside = [child for child in folder.iterdir() if not child.name.startswith((".", "__MACOSX"))]
    if len(inside) == 1 and inside[0].is_dir() and any(child.is_dir() for child in inside[0].iterdir()):
        return inside[0]
    return folder


def _extract(path: Path, to: Path, limits: ArchiveLimits) -> None:
    root, left_out, total = to / "files", [], 0
    root.mkdir()
    most = min(limits.bytes, max(int(limits.ratio * path.stat().st_size), 100_000_000))
    try:
        for count, entry in enumerate(_entries(path), 1):
            if count > limits.entries:
                raise UserError(fault("data", path.name, f"at most {limits.entries:,} files in an archive"))
            target = root.joinpath(*_parts(path, entry.name))
            if entry.source is None:
                left_out.append(f"{entry.name}: a link or device")
            elif entry.size > limits.entry_bytes:
                left_out.append(f"{entry.name}: {entry.size:,} bytes, above {limits.entry_bytes:,}")
            elif target.exists():
                left_out.append(f"{entry.name}: a second file of this name")
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                total = _copy(entry, target, path, total, most)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
    ) as error:
        raise UserError(fault("data", str(path), "a whole archive", f"{error}")) from error
    except RuntimeError as error:  # what zipfile raises for encryption
        raise UserError(fault("data", str(path), "an archive without a password", str(error))) from error
    (to / _LEFT_OUT).write_text("\n".join(left_out), encoding="utf-8")


def _copy(entry: _Entry, target: Path, path: Path, total: int, most: int) -> int:
    """Copies what is really there, whatever the header says of its size; returns the new total."""
    assert entry.source is not None  # noqa: S101 -- for the type checker: the caller looked
    with entry.source as source, open(target, "xb") as file:
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


def _entries(path: Path) -> Iterator[_Entry]:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                mode = info.external_attr >> 16
                plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
                yield _Entry(info.filename, info.file_size, archive.open(info) if plain else None)
        return
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if not member.isdir():
                yield _Entry(
                    member.name, member.size, archive.extractfile(member) if member.isreg() else None
                )
