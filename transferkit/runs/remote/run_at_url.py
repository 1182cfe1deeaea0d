"""A run at a URL: worked on in a local folder, its state kept at the URL, published whole at its end.

``URL`` holds the finished run, its manifest written last: nothing reads it before. Beside it, in
``.NAME.partial``, lies the state of the one that is under way, so that ``--resume`` continues it on any
machine, and ``.NAME.lock``, the claim of whoever writes. A run that is overwritten goes when the state of its
successor is kept there and that is trained; between the two a reader finds none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from transferkit.errors import UserError
from transferkit.files.remote import is_remote
from transferkit.files.remote.local_place import local_place, use_place
from transferkit.files.remote.location import Location
from transferkit.files.remote.published_folder import publish, withdraw
from transferkit.files.remote.snapshots import Snapshots
from transferkit.files.remote.writer_lock import WriterLock
from transferkit.runs.folder.run_folder import RunFolder

__all__ = ["RunAtUrl", "run_folder"]

# Between two states that are kept at the ends of epochs: short epochs are not slowed down by it.
_SECONDS = 30.0


def run_folder(place: str | os.PathLike[str]) -> RunFolder:
    """The place of a run: a path, or a URL.

    Raises:
        UserError: it can be neither.
    """
    return RunAtUrl(os.fspath(place)) if is_remote(os.fspath(place)) else RunFolder(place)


class RunAtUrl(RunFolder):
    """The place of a run at a URL.

    Args:
        url: of the folder that the finished run will be.

    Raises:
        UserError: a package is missing, or the URL has a secret in it.
    """

    def __init__(self, url: str) -> None:
        self._location = Location(url)
        self._location.refuse_read_only()
        super().__init__(local_place(self._location.url))
        self.name = self._location.url
        partial = self._location.beside(f".{self._location.name}.partial")
        record = self.path.parent / f".{self.path.name}.kept.json"
        self._snapshots = Snapshots(partial, self.partial, record)
        self._lock: WriterLock | None = None
        self._kept = 0.0

    @property
    def occupied(self) -> bool:
        """Something is there, a run or not."""
        return bool(self._location.children())

    @property
    def finished(self) -> bool:
        """A finished run is there, or what one left that was being published or removed."""
        return "metrics.json" in self._location.children() or self.interrupted

    @property
    def interrupted(self) -> bool:
        """An earlier run to this place did not end."""
        return self._snapshots.there()

    @contextlib.contextmanager
    def held(self, resume: bool = False) -> Iterator[None]:
        """Keeps every other process of this machine from this place, and others as far as the store can.

        Args:
            resume: bring what an interrupted run kept there.

        Raises:
            UserError: another process works there, or what was kept is damaged.
        """
        above = self._location.beside("")
        name = f".{self._location.name}.lock"
        use_place(self.name)
        with super().held(), WriterLock(above, name, self.name, str(self.path)) as self._lock:
            if resume and not self._snapshots.bring():
                shutil.rmtree(self.partial, ignore_errors=True)
            yield

    def open(self, resume: bool) -> Path:
        """Makes the partial folder, or takes up the one that was kept."""
        if not resume:
            self._snapshots.drop()
        return super().open(resume)

    def keep(self, now: bool = True) -> str | None:
        """Keeps the partial folder's state at the URL.

        Args:
            now: False leaves it out where it was done a moment ago.

        Returns:
            What went wrong, in a line for people: the run goes on, and the next time may go better.
        """
        if not now and time.monotonic() - self._kept < _SECONDS:
            return None
        self._check()
        self._kept = time.monotonic()
        try:
            self._snapshots.keep()
        except UserError as error:
            return f"{error}: the run goes on, but could not be continued on another machine from here"
        return None

    def finish(self) -> Path:
        """Publishes the finished run; an overwritten one goes only now."""
        self._check()
        withdraw(self._location)
        publish(self.partial, self._location)
        self._snapshots.drop()
        return super().finish()

    def discard(self) -> None:
        """Removes what was kept."""
        self._snapshots.drop()
        super().discard()

    def _check(self) -> None:
        if self._lock is not None:
            self._lock.check()

    def _check_writable(self) -> None:
        self._location.beside("").check_writable()
