"""A run or an export at a URL, brought into a folder of the cache and compared with its manifest."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files.checksum_manifest import NAME
from transferkit.files.lock import try_lock
from transferkit.files.remote import is_remote
from transferkit.files.remote.local_place import use_place
from transferkit.files.remote.location import Location
from transferkit.files.remote.published_folder import fetch_described

__all__ = ["local_copy", "numbered"]


def local_copy(place: str | os.PathLike[str], newest: bool = False) -> Path:
    """Where a run or an export lies on this machine: itself, or its files brought here from a URL.

    Args:
        place: a path, or the URL of a run, of an export's versions, of a version or of one file of it.
        newest: only the newest version of the export is needed of a run.

    Raises:
        UserError: there is none at the URL, or it is not as it was written.
    """
    if not is_remote(os.fspath(place)):
        return Path(place)
    location = Location(os.fspath(place))
    folder = use_place(location.url)
    with _alone(folder):
        if _fetch(location, folder, newest):
            return folder
    if "." in location.name:
        above = location.beside("")
        within = use_place(above.url)
        with _alone(within):
            found = fetch_described(above, within, lambda name: name == location.name)
            if found is not None and location.name in found.files:
                return within / location.name
    expected = "a finished run or an export"
    raise UserError(fault("run", location.url, expected, f"there is no {NAME}, which is written last"))


def numbered(location: Location) -> list[int]:
    """The numbers of the versions of an export at a URL, whole or not."""
    return sorted(int(name) for name in location.children() if name.isdigit())


def _fetch(location: Location, folder: Path, newest: bool) -> bool:
    """Brings a run or an export; False where there is neither."""
    manifest = fetch_described(location, folder, lambda name: not newest or name == "metrics.json")
    is_run = manifest is not None and "metrics.json" in manifest.files
    for name in manifest.unknown(lambda name: is_run and name.startswith("export/")) if manifest else ():
        (folder / name).unlink()  # of what was there before
    if manifest is not None and not is_run:
        return True  # a version
    versions = location.below("export") if manifest is not None else location
    place = folder / "export" if manifest is not None else folder
    numbers = numbered(versions)
    if manifest is not None and not numbers:  # a server that lists no folders
        parts = (name.split("/") for name in manifest.files)
        numbers = sorted(int(part[1]) for part in parts if part[0] == "export" and part[-1] == NAME)
    found = False
    for number in reversed(numbers):
        whole = fetch_described(versions.below(str(number)), place / str(number)) is not None
        found = found or whole
        if whole and newest:
            break
    for gone in place.iterdir() if place.is_dir() and not newest else ():
        if gone.name.isdigit() and int(gone.name) not in numbers:
            shutil.rmtree(gone, ignore_errors=True)
    return found or manifest is not None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process brings the same files."""
    while True:
        with try_lock(folder.parent / ".fetching.lock") as (held, _):
            if held:
                yield
                return
        time.sleep(0.2)
