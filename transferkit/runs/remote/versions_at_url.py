"""Versions of an export at a URL: written in a local folder, then published under the next number there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferkit.export.versions import exclusive, versions
from transferkit.files.checksum_manifest import NAME
from transferkit.files.remote.local_place import use_place
from transferkit.files.remote.location import Location
from transferkit.files.remote.published_folder import publish
from transferkit.files.remote.writer_lock import WriterLock
from transferkit.runs.remote.local_copy import numbered

__all__ = ["exported_to"]


@contextmanager
def exported_to(url: str) -> Iterator[Path]:
    """Gives a local folder whose next version has the next number at the URL, and publishes what is written.

    A version's manifest is written last, and its ``saved_model.pb`` right before it, so that a server that
    watches the URL takes up no half of one.

    Args:
        url: of the folder of the numbered versions.

    Raises:
        UserError: it cannot be written, or another process exports there; nothing was done then.
    """
    location = Location(url, "export")
    location.beside("").check_writable()
    folder = use_place(location.url)
    with exclusive(folder), WriterLock(location, ".lock", location.url, str(folder)) as lock:
        there = numbered(location)
        for number in there:  # it counts, whether its files are here or not
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
        before = {int(one.name) for one in versions(folder)}
        try:
            yield folder
        finally:  # a version of which one format was refused is published, too
            for version in versions(folder):
                if int(version.name) not in before and (version / NAME).is_file():
                    lock.check()
                    publish(version, location.below(version.name))
