"""The files of a URL in the cache: fetched where they are not here as they are listed, and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from transferkit.errors import Faults, UserError, fault
from transferkit.files.folder_contents import damage_of, files_of, write_contents
from transferkit.files.in_use import hold
from transferkit.files.lock import try_lock
from transferkit.files.remote.fetch import RemoteFile, fetch_files, file_system, list_files
from transferkit.files.remote.urls import check_remote, without_query
from transferkit.files.whole_file import whole_file

__all__ = ["Fetched", "fetch_folder", "fetch_urls"]

_LISTING, _FETCHED, _FILES = "listing.json", "fetched.jsonl", "files"


@dataclass(frozen=True)
class Fetched:
    """What was brought here.

    Attributes:
        place: the folder of the files, with the names that they have at the URL.
        new: how many were fetched now.
        kept: how many were here already.
        unreachable: name to the reason of files that could not be fetched.
    """

    place: Path
    new: int = 0
    kept: int = 0
    unreachable: Mapping[str, str] = field(default_factory=dict)

    def notes(self, url: str) -> tuple[str, ...]:
        """What is to be said of it, in lines for the log."""
        lines = [f"{without_query(url)}: {self.new} file(s) fetched, {self.kept} were here already"]
        if self.unreachable:
            shown = ", ".join(f"{name} ({why})" for name, why in list(self.unreachable.items())[:3])
            more = ", …" if len(self.unreachable) > 3 else ""
            lines.append(f"{len(self.unreachable)} file(s) cannot be reached: {shown}{more}")
        return tuple(lines)


def fetch_folder(url: str, folder: Path) -> Fetched:
    """Brings all files below a URL here; those that are here and have not changed are not fetched again.

    Args:
        url: of a folder, or of one file, which is then the only one.
        folder: of all sources; each URL has its own below.

    Raises:
        UserError: nothing is there, it cannot be listed, or the disk cannot be written.
    """
    check_remote(url)
    system, path = file_system(url)
    listing = list_files(system, path, url)
    if not listing:
        raise UserError(fault("data", without_query(url), "files below it", "there are none"))
    target = folder / f"remote-{hashlib.sha256(url.encode()).hexdigest()[:32]}"
    with _writing(target, without_query(url)):
        return _update(target, dict.fromkeys(listing, system), listing, without_query(url))


def fetch_urls(urls: Sequence[str], folder: Path) -> tuple[dict[str, Path], Fetched]:
    """Brings single files here; what is here is not asked for again.

    Args:
        urls: of files, of any file systems.
        folder: of all sources.

    Returns:
        URL to its file, which is not there where it cannot be reached; and what was fetched.

    Raises:
        UserError: a package is missing, or the disk cannot be written.
    """
    faults = Faults()
    for scheme, example in {urlsplit(url).scheme.lower(): url for url in reversed(urls)}.items():
        with faults.caught():
            check_remote(f"{scheme}://{urlsplit(example).netloc.rsplit('@', 1)[-1]}/", "path")
    faults.refuse()
    systems: dict[str, Any] = {}
    names, listing, by_name = {}, {}, {}
    for url in dict.fromkeys(urls):
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        systems[place], path = file_system(url)
        digest = hashlib.sha256(url.encode()).hexdigest()[:32]
        name = f"{digest[:2]}/{digest}{PurePosixPath(parts.path).suffix[:8]}"
        names[url], by_name[name] = name, systems[place]
        listing[name] = RemoteFile(path, None, "")
    target = folder / "remote-files"
    of = f"{len(names)} URLs"
    with _writing(target, of):
        found = _update(target, by_name, listing, of, keep=True)
    return {url: found.place / name for url, name in names.items()}, found


@contextlib.contextmanager
def _writing(target: Path, of: str) -> Iterator[None]:
    """Alone with a folder that is written; it stays this process's until that ends.

    Args:
        target: the folder.
        of: what is fetched, for people.

    Raises:
        UserError: the disk cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with try_lock(target.parent.parent / f"{target.name}.lock") as (held, _):
                if held:
                    (target / _FILES).mkdir(parents=True, exist_ok=True)
                    hold(target)
                    yield
                    return
            time.sleep(0.2)
    except OSError as error:
        hint = "make room there, or name another folder with --set activations.cache_dir=DIR"
        reason = f"{of} cannot be fetched: {error.strerror or error}; {hint}"
        raise UserError(fault("activations.cache_dir", str(target.parent.parent), None, reason)) from error


def _update(
    target: Path, systems: Mapping[str, Any], listing: Mapping[str, RemoteFile], of: str, keep: bool = False
) -> Fetched:
    """Fetches what is not here as it is listed.

    Args:
        target: the folder of a URL.
        systems: the file system of each file.
        listing: the files that there are.
        of: what is fetched, for people.
        keep: files that are not listed stay.
    """
    files = target / _FILES
    known = _kept(target)
    wanted = {name: one for name, one in listing.items() if known.get(name) != [one.size, one.tag]}
    gone = set() if keep else set(files_of(files)) - listing.keys()
    unreachable: dict[str, str] = {}
    if wanted or gone:
        for name in gone:
            (files / name).unlink(missing_ok=True)
            known.pop(name, None)
        # A process that is killed leaves these lines: what they name is not fetched again.
        with open(target / _FETCHED, "a", encoding="utf-8") as lines:
            for name, reason in fetch_files(files, systems, wanted, of):
                if reason is None:
                    known[name] = [wanted[name].size, wanted[name].tag]
                    lines.write(json.dumps([name, *known[name]]) + "\n")
                    continue
                unreachable[name] = reason
                if not keep:  # found by its name in the folder, and refused like any that cannot be read
                    (files / name).write_bytes(b"")
        with whole_file(target / _LISTING) as beside:
            beside.write_text(json.dumps(known), encoding="utf-8")
        (target / _FETCHED).unlink()
        write_contents(target, label=of)
    with contextlib.suppress(OSError):
        os.utime(target)
    return Fetched(files, len(wanted) - len(unreachable), len(listing) - len(wanted), unreachable)


def _kept(target: Path) -> dict[str, list[Any]]:
    """What is here and as it was fetched: name to its size and tag."""
    known: dict[str, list[Any]] = {}
    wrong = damage_of(target)
    if wrong is not None and _LISTING not in wrong:
        damaged = {name.removeprefix(f"{_FILES}/") for name in wrong}
        listed = json.loads((target / _LISTING).read_text(encoding="utf-8"))
        known = {name: about for name, about in listed.items() if name not in damaged}
    with contextlib.suppress(OSError, ValueError), open(target / _FETCHED, encoding="utf-8") as lines:
        for line in lines:  # the last may be cut short
            name, size, tag = json.loads(line)
            place = target / _FILES / name
            if place.is_file() and size in (None, place.stat().st_size):
                known[name] = [size, tag]
    return known
