"""Listing and fetching files of any file system side by side, tried again where that may help."""

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from transferkit.errors import UserError, fault
from transferkit.files.remote.urls import failure_text, without_query

__all__ = ["RemoteFile", "fetch_files", "file_system", "list_files", "retried"]

# What a file system says of a file that changes with its content; the first that it has.
_TAGS = ("etag", "ETag", "md5Hash", "md5", "checksum", "sha", "blob_id", "mtime", "LastModified", "created")
_THREADS = 16
_TRIES = 5
# Nothing is gained by asking again.
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
# The same of storages' own kinds, whose packages may not be here: without credentials none come by waiting.
_FINAL_NAMES = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
# What ails the disk here, not the network.
_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS)


@dataclass(frozen=True)
class RemoteFile:
    """A file as its file system lists it: where it is, its bytes, and what changes with its content."""

    path: str
    size: int | None
    tag: str


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Args:
        url: whose package is installed, see :func:`~transferkit.files.remote.urls.check_remote`.
    """
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    return system, str(path)


def list_files(system: Any, path: str, url: str) -> dict[str, RemoteFile]:
    """Name below the URL to what is there; hidden files and names that would lead elsewhere are left out.

    Args:
        system: of fsspec.
        path: of a folder, or of one file, as the system writes it.
        url: for messages.

    Raises:
        UserError: it cannot be listed.
    """
    try:
        system.invalidate_cache()  # fsspec keeps what it has listed as long as the process lasts
        found = retried(lambda: system.find(path, detail=True))
        if not found:
            one = retried(lambda: system.info(path))
            found = {path: one} if one.get("type") == "file" else {}
    except Exception as error:  # each file system has its own kinds
        expected = "a folder or file that can be read"
        raise UserError(fault("data", without_query(url), expected, failure_text(error))) from None
    listing = {}
    for place, about in found.items():
        place = str(place)
        name = without_query(place[len(path) :] if place != path else PurePosixPath(place).name).lstrip("/")
        parts = PurePosixPath(name).parts
        odd = any(part in ("..", ".") or "\\" in part or "\0" in part for part in parts)
        if parts and not odd and not any(part.startswith(".") for part in parts):
            tag = next((str(about[key]) for key in _TAGS if about.get(key) is not None), "")
            size = about.get("size")
            listing["/".join(parts)] = RemoteFile(place, int(size) if size is not None else None, tag)
    return listing


def fetch_files(
    folder: Path, systems: Mapping[str, Any], wanted: Mapping[str, RemoteFile], of: str
) -> Iterator[tuple[str, str | None]]:
    """Fetches files side by side; each appears whole.

    Args:
        folder: where they go.
        systems: the file system of each, by name.
        wanted: name below the folder to what is fetched.
        of: what is fetched, for people.

    Yields:
        Each name as it is done, and the reason where it cannot be reached.

    Raises:
        OSError: of the disk here.
    """
    pool = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="transferkit-fetch")
    try:
        jobs = {pool.submit(_one, systems[name], one, folder / name): name for name, one in wanted.items()}
        done = concurrent.futures.as_completed(jobs)
        for job in tqdm(done, f"fetch {of}", len(jobs), unit="file", disable=None, leave=False):
            yield jobs[job], job.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one(system: Any, one: RemoteFile, file: Path) -> str | None:
    """Fetches a file; the reason where it cannot be reached."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{hashlib.sha256(file.name.encode()).hexdigest()[:16]}.part")

    def get() -> None:
        system.get_file(one.path, str(beside))
        there = beside.stat().st_size
        if one.size is not None and there != one.size:
            raise OSError(f"{there:,} of {one.size:,} bytes came")

    try:
        retried(get)
        os.replace(beside, file)
    except Exception as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and (error.errno in _DISK or error.filename == str(beside)):
            raise
        return failure_text(error)
    return None


def retried(do: Callable[[], Any]) -> Any:
    """Tries again, later and later, what may go better then.

    Args:
        do: one operation of a file system, which may be done again.
    """
    for count in range(_TRIES - 1):
        try:
            return do()
        except _FINAL:
            raise
        except Exception as error:  # each file system has its own kinds
            if type(error).__name__ in _FINAL_NAMES:
                raise
            time.sleep(0.2 * 2**count * (0.5 + random.random()))
    return do()
