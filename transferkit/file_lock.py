"""Locks between processes that the system drops by itself when their holder dies."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked"]

if sys.platform == "win32":
    import msvcrt
    import time

    def _acquire(file: int, wait: bool, shared: bool) -> bool:
        # There are no shared ones here; a file that is open is not removed anyway.
        while not shared:
            try:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
                break
            except OSError:
                if not wait:
                    return False
                time.sleep(0.05)
        return True
else:
    import fcntl

    def _acquire(file: int, wait: bool, shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, wait: bool = True, shared: bool = False) -> Iterator[bool]:
    """Holds the lock at ``path``; the file stays behind, empty.

    On a disk that cannot be written nobody writes, so the lock is taken as far as its file exists there.

    Args:
        path: file of the lock; made where it is missing.
        wait: False tries once.
        shared: with others that hold it so; whoever wants it alone is kept out.

    Yields:
        Whether the lock is held; always True with ``wait``.
    """
    while True:
        file = _open(path)
        if file is None:
            yield True
            return
        # Closing the file drops the lock, and so does the end of the process, however it comes.
        try:
            held = _acquire(file, wait, shared)
            if held and not _is_at(file, path):
                continue  # removed while this process waited: another one may hold its successor
            yield held
            return
        finally:
            os.close(file)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
