"""A folder at a URL that is read and written: each operation tried again, each failure one line."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from transferkit.errors import UserError, fault
from transferkit.files.remote.fetch import file_system, retried
from transferkit.files.remote.urls import check_remote, failure_text, without_query

__all__ = ["Location"]

_THREADS = 8
_READ_ONLY = ("http", "https")


class Location:
    """A folder at a URL.

    Args:
        url: of the folder.
        key: what messages call it, such as ``"run"``.

    Attributes:
        url: without a slash at its end.

    Raises:
        UserError: a package is missing, or the URL has a secret or a query in it.
    """

    def __init__(self, url: str, key: str = "run") -> None:
        check_remote(url, key)
        if without_query(url) != url:
            hint = "name the folder itself, and give credentials by the configuration of your storage"
            raise UserError(fault(key, without_query(url), "a URL without a query", hint))
        parts = urlsplit(url.rstrip("/"))
        self.url, self.key = url.rstrip("/"), key
        if not parts.netloc and not parts.path.strip("/"):
            raise UserError(fault(key, url, "a folder at a URL, such as s3://bucket/runs/flowers"))
        self.system, path = file_system(self.url)
        self.path = path.rstrip("/")

    @property
    def name(self) -> str:
        """Its last part."""
        return self.url.rsplit("/", 1)[-1]

    def below(self, name: str) -> Location:
        """A folder in it."""
        return Location(f"{self.url}/{name}", self.key)

    def beside(self, name: str) -> Location:
        """A folder in the same one.

        Raises:
            UserError: it has no folder above it, as a bucket has none.
        """
        above, _, own = self.url.rpartition("/")
        if not own or above.endswith(("/", ":")):
            raise UserError(fault(self.key, self.url, f"a folder below it, such as {self.url}/flowers"))
        return Location(f"{above}/{name}", self.key)

    def refuse_read_only(self) -> None:
        """Refuses what can never be written, without asking anybody.

        Raises:
            UserError: it is such a place.
        """
        if urlsplit(self.url).scheme.lower() in _READ_ONLY:
            raise UserError(fault(self.key, self.url, "a place that can be written", "https is read only"))

    def check_writable(self) -> None:
        """Writes a file there and removes it.

        Raises:
            UserError: that cannot be done.
        """
        self.refuse_read_only()
        probe = ".transferkit-probe"
        with self._said("a place that can be written"):
            retried(lambda: self.system.pipe_file(self._at(probe), b"probe"))
        with contextlib.suppress(Exception):
            self.system.rm_file(self._at(probe))

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none.

        Raises:
            UserError: the store cannot be read.
        """
        with self._said("a place that can be read"):
            self.system.invalidate_cache()
            try:
                data: bytes = retried(lambda: self.system.cat_file(self._at(name)))
                return data
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def write(self, name: str, data: bytes) -> None:
        """Writes a file whole.

        Raises:
            UserError: it cannot be written.
        """
        with self._said("a place that can be written"):
            retried(lambda: self.system.pipe_file(self._at(name), data))

    def create(self, name: str, data: bytes) -> None:
        """Writes a file that is not there yet, where the store can tell.

        Raises:
            Exception: of the store: it is there, or the store cannot tell.
        """
        self.system.pipe_file(self._at(name), data, mode="create")

    def upload(self, files: Mapping[str, Path | bytes]) -> None:
        """Writes files side by side.

        Args:
            files: name here to a local file or its bytes.

        Raises:
            UserError: one cannot be written.
        """

        def put(name: str, what: Path | bytes) -> None:
            if isinstance(what, bytes):
                retried(lambda: self.system.pipe_file(self._at(name), what))
            else:
                retried(lambda: self.system.put_file(str(what), self._at(name)))

        with (
            self._said("a place that can be written"),
            concurrent.futures.ThreadPoolExecutor(_THREADS, "transferkit-put") as pool,
        ):
            jobs = [pool.submit(put, name, what) for name, what in files.items()]
            try:
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def children(self) -> list[str]:
        """Names of the files and folders in it; none where there is no such folder.

        Raises:
            UserError: the store cannot be read.
        """
        with self._said("a place that can be read"):
            self.system.invalidate_cache()
            try:
                found = retried(lambda: self.system.ls(self.path, detail=False))
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = {
            str(one).rstrip("/").rsplit("/", 1)[-1] for one in found if str(one).rstrip("/") != self.path
        }
        return sorted(names - {""})

    def files(self) -> list[str]:
        """Names of all files below it."""
        with self._said("a place that can be read"):
            self.system.invalidate_cache()
            found = retried(lambda: self.system.find(self.path))
        return [str(one)[len(self.path) :].lstrip("/") for one in found]

    def remove(self, names: Iterable[str]) -> None:
        """Removes files that are there.

        Raises:
            UserError: one cannot be removed.
        """
        with self._said("a place where files can be removed"):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    retried(functools.partial(self.system.rm_file, self._at(name)))

    def remove_all(self) -> None:
        """Removes what is below it."""
        self.remove(self.files())
        # A file system that has folders keeps an empty one.
        with contextlib.suppress(Exception):
            self.system.rm(self.path, recursive=True)

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}"

    @contextlib.contextmanager
    def _said(self, expected: str) -> Iterator[None]:
        """What a store raises becomes a line that names the place."""
        try:
            yield
        except UserError:
            raise
        except FileNotFoundError:
            hint = "there is no such bucket or folder"
            raise UserError(fault(self.key, self.url, expected, hint)) from None
        except Exception as error:  # each file system has its own kinds
            raise UserError(fault(self.key, self.url, expected, failure_text(error))) from None
