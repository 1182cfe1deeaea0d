"""Locks between processes that the system drops by itself when their holder dies."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked"]

if sys.platform == "win32":
    import msvcrt
    import time

    def _acquire(file: int, wait: bool) -> bool:
        while True:
            try:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
                return True
            except OSError:
                if not wait:
                    return False
                time.sleep(0.05)
else:
    import fcntl

    def _acquire(file: int, wait: bool) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds the lock that stands at ``path``; the file stays behind, empty.

    Args:
        path: file of the lock; made where it is missing.
        wait: False tries once.

    Yields:
        Whether the lock is held; always True with ``wait``.
    """
    # Closing the file drops the lock, and so does the end of the process, however it comes.
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _acquire(file, wait)
    finally:
        os.close(file)
