"""Folders with a manifest, at a URL: written with the manifest last, and read by the sums that it has.

So a folder is there whole or not at all: without its manifest nothing of it is read, and a file that is not
what the manifest says is refused. Folders below it that have a manifest of their own, as the versions of an
export have, are read likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files.checksum_manifest import NAME, Manifest, parse_manifest
from transferkit.files.remote.fetch import RemoteFile, fetch_files
from transferkit.files.remote.location import Location
from transferkit.files.whole_file import write_whole

__all__ = ["fetch_described", "publish", "read_described", "withdraw"]

# A server that watches a folder of versions takes up one that has this file.
_LAST = "saved_model.pb"


def publish(folder: Path, location: Location) -> None:
    """Writes all of a folder to a URL, its manifest last.

    Args:
        folder: with a manifest.
        location: where it goes; files of other names that are there stay.

    Raises:
        UserError: it cannot be written. What is there then has no manifest, or that of before.
    """
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    later: list[Callable[[str], bool]] = [
        lambda name: name.endswith(f"/{_LAST}") or name == _LAST,
        lambda name: name.endswith(f"/{NAME}"),
        lambda name: name == NAME,
    ]
    held = {name for name in files if any(is_later(name) for is_later in later)}
    location.upload({name: path for name, path in files.items() if name not in held})
    for is_later in later:
        location.upload({name: files[name] for name in sorted(held) if is_later(name)})


def withdraw(location: Location) -> None:
    """Removes a folder from a URL, its manifest first. Files that no manifest names stay.

    Raises:
        UserError: it is damaged, or cannot be removed.
    """
    found = read_described(location, Path(location.name))
    if found is not None:
        location.remove([NAME])
        below = {name.rpartition("/")[0] for name in found[0].files if name.endswith(f"/{NAME}")}
        for place in below:
            withdraw(location.below(place))
        location.remove(found[0].files)


def read_described(location: Location, folder: Path) -> tuple[Manifest, str] | None:
    """The manifest at a URL and its text; None where there is none.

    Args:
        location: of the folder.
        folder: where its files are or will be.

    Raises:
        UserError: it is damaged or cannot be read.
    """
    data = location.read(NAME)
    if data is None:
        return None
    place = f"{location.url}/{NAME}"
    manifest = parse_manifest(folder, data.decode("utf-8", "replace"), place)
    if not manifest.intact:
        raise UserError(fault(place, hint="it was changed since it was written"))
    return manifest, data.decode("utf-8")


def fetch_described(
    location: Location, folder: Path, wanted: Callable[[str], bool] = lambda name: True
) -> Manifest | None:
    """Brings a folder here; files that are here as the manifest says are not fetched again.

    Args:
        location: where it is.
        folder: where it goes; what the manifest does not name is left alone.
        wanted: which of its files.

    Returns:
        Its manifest; None where there is none at the URL.

    Raises:
        UserError: a file is missing there, is not what was written, or cannot be read.
    """
    found = read_described(location, folder)
    missing = _fetch(location, found[0], wanted) if found is not None else {}
    if missing:  # it may have been written anew meanwhile
        found = read_described(location, folder)
        missing = _fetch(location, found[0], wanted) if found is not None else {}
    if found is None:
        return None
    if missing:
        shown = "; ".join(f"{name}: {why}" for name, why in list(missing.items())[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UserError(fault(location.key, location.url, None, f"it is not whole: {shown}{more}"))
    manifest, text = found
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / NAME, text)
    return manifest


def _fetch(location: Location, manifest: Manifest, wanted: Callable[[str], bool]) -> dict[str, str]:
    """Fetches what is not here as it was written; name to reason of what is not even then."""
    names = manifest.differing(wanted)
    files = {
        name: RemoteFile(f"{location.path}/{name}", int(manifest.files[name]["bytes"]), "") for name in names
    }
    systems = dict.fromkeys(files, location.system)
    failed = {
        name: reason
        for name, reason in fetch_files(manifest.folder, systems, files, location.url)
        if reason is not None
    }
    return {
        name: failed.get(name, "it is not what was written")
        for name in manifest.differing(lambda name: name in names)
    }
