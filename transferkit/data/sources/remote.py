"""Images at a URL: a folder, an archive, TFRecord files or a manifest, of any file system that fsspec knows.

All of it is fetched into the cache first; what was fetched before and has not changed is not fetched again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from transferkit.data.source import DataSet
from transferkit.data.source_options import ReadOptions
from transferkit.data.sources.manifest import is_manifest
from transferkit.data.sources.manifest.read import read_manifest
from transferkit.errors import UserError
from transferkit.files.remote import check_remote, fetch_folder, is_remote, without_query

__all__ = ["ORDER", "check", "read", "takes"]

ORDER = 5


def check(reference: str) -> None:
    """Refuses a URL that cannot be read for want of a package, or that holds a secret.

    Args:
        reference: a URL.

    Raises:
        UserError: says what to do.
    """
    check_remote(reference)


def takes(reference: str, options: ReadOptions) -> bool:
    """Whether it is a URL."""
    return is_remote(reference)


def read(reference: str, options: ReadOptions) -> DataSet:
    """The images there, fetched.

    Raises:
        UserError: they are unavailable, or no data set; each line names the URL.
    """
    from transferkit.data.sources import source_of  # which asks this source in turn

    shown = without_query(reference)
    fetched = fetch_folder(reference, options.unpack_to)
    place = fetched.place
    alone = place / PurePosixPath(urlsplit(reference).path).name
    if alone.is_file():
        place = alone
    try:
        if is_manifest(place):
            base = shown.rsplit("/", 1)[0]
            found = read_manifest(
                place, options.manifest, options.minimum_classes, options.unpack_to, base=base
            )
        else:
            found = source_of(str(place), options).read(str(place), options)
    except UserError as error:
        raise UserError(*(_at_url(line, place, shown) for line in error.faults)) from None
    notes = (*fetched.notes(reference), *(_at_url(note, place, shown) for note in found.notes))
    return replace(found, notes=notes)


def _at_url(line: str, place: Path, url: str) -> str:
    return line.replace(str(place), url)
