"""Numbered versions of an export, each of which appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferkit._version import __version__
from transferkit.errors import UserError, fault
from transferkit.files.checksum_manifest import read_manifest, said_of, write_manifest
from transferkit.files.file_hash import sha256_of_file
from transferkit.files.lock import try_lock

__all__ = [
    "NewVersion",
    "changes_of",
    "check_artefact",
    "exclusive",
    "next_number",
    "versions",
    "write_export_manifest",
]

_PARTIAL = ".partial-"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keeps other processes from exporting to a folder, and clears away what a killed one left half done.

    Args:
        folder: of the numbered versions; made where it is missing, and removed where nothing comes into it.

    Raises:
        UserError: another process exports there.
    """
    with try_lock(folder / ".lock") as (held, holder):
        if not held:
            what = f"process {holder}" if holder else "another process"
            expected = "a folder that no other process exports to"
            raise UserError(fault("export", str(folder), expected, f"{what} does: wait until it has ended"))
        for left in folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def versions(folder: Path) -> list[Path]:
    """The numbered versions below a folder, the oldest first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.name.isdigit() and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name))


def next_number(folder: Path) -> int:
    """Numbers count up, as TensorFlow Serving expects: it serves the highest."""
    return max((int(path.name) for path in versions(folder)), default=0) + 1


class NewVersion:
    """The next version below a folder, while it is written.

    A server that looks into the folder meanwhile sees nothing of it.

    Args:
        folder: of the numbered versions; made if need be.

    Attributes:
        path: the hidden folder to write in.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.path = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))

    def publish(self) -> Path:
        """Gives it its number and returns its place. Two that are published at once get two numbers."""
        self.path.chmod(0o755)  # mkdtemp's own is for nobody else, and servers run as somebody else
        while True:
            target = self._folder / str(next_number(self._folder))
            try:
                os.rename(self.path, target)
                return target
            except OSError:
                if not target.exists():
                    raise

    def discard(self) -> None:
        """Removes what was written, and the folder where nothing else is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()


_SAVED_MODEL = ("saved_model.pb", "fingerprint.pb", "variables/", "assets/")


def write_export_manifest(version: Path, weights: Path) -> None:
    """Writes the manifest of a version whose files are all there.

    Args:
        version: its folder.
        weights: the file of the run that it was made from; a version of other weights is no part of the run.
    """
    write_manifest(version, {"transferkit": __version__, "run_weights_sha256": sha256_of_file(weights)})


def changes_of(artefact: Path) -> tuple[str, ...] | None:
    """A line for each file of an artefact that is not as it was exported.

    Args:
        artefact: a file, or a SavedModel's folder; the other files of its version are not read.

    Returns:
        None where its folder has no manifest that names it: nothing could be compared.

    Raises:
        UserError: the manifest is damaged.
    """
    folder = artefact if artefact.is_dir() else artefact.parent
    manifest = read_manifest(folder)
    own = _SAVED_MODEL if artefact.is_dir() else (artefact.name,)
    if manifest is None or not any(name.startswith(own) for name in manifest.files):
        return None
    return tuple(manifest.changes(lambda name: name.startswith(own)))


def check_artefact(artefact: Path) -> bool:
    """Refuses an artefact that is not as it was exported.

    Returns:
        False where nothing could be compared.

    Raises:
        UserError: it was changed, in one line.
    """
    changes = changes_of(artefact)
    if changes:
        hint = "bring the files back, or make the export again with `transferkit export RUN`"
        raise UserError(said_of(artefact, changes, hint))
    return changes is not None
