"""Locks between processes that the system drops by itself when their holder dies."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked", "try_lock"]

# File systems without locks: what is kept there is not protected, but can be worked with.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

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

    def _release(file: int, shared: bool) -> None:
        if not shared:
            with contextlib.suppress(OSError):
                msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _acquire(file: int, wait: bool, shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def _release(file: int, shared: bool) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


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
        # The end of the process drops the lock, however it comes.
        held, owner = False, os.getpid()
        try:
            held = _acquire(file, wait, shared)
            if held and not _is_at(file, path):
                continue  # removed while this process waited: another one may hold its successor
            yield held
            return
        finally:
            # Closing is not enough: a process that was forked meanwhile has the same file open. If it is that
            # process that comes by here, the lock is its parent's.
            if held and os.getpid() == owner:
                _release(file, shared)
            os.close(file)


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[tuple[bool, str]]:
    """Tries to take the lock at ``path``, making its folder where it is missing; nothing of it stays behind.

    Yields:
        Whether the lock is held, and otherwise the number of the process that holds it, where that is known.

    Raises:
        OSError: no file can be made there.
    """
    with contextlib.ExitStack() as stack:
        held = _held_alone(path, stack)
        yield held, "" if held else _holder(path)


def _held_alone(path: Path, stack: contextlib.ExitStack) -> bool:
    missing = [folder for folder in path.parents if not folder.exists()]
    # Once the lock is released: folders that turned out not to be needed. They stay where others use them.
    for folder in reversed(missing):
        stack.callback(_remove_empty, folder)
    try:
        held = _locked_below(path, stack)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return True
        raise
    if held:
        # Removed while it is held: whoever opened it meanwhile finds that and looks again.
        stack.callback(_remove, path)
        with contextlib.suppress(OSError):
            path.write_text(f"{os.getpid()}\n", "utf-8")
    return held


def _locked_below(path: Path, stack: contextlib.ExitStack) -> bool:
    for _ in range(100):
        # Another process may remove the folder in this moment, as it made it and does not need it: the lock's
        # file is missing then, or the folder that was there when it was to be made.
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return stack.enter_context(locked(path, wait=False))
        except FileNotFoundError:
            continue
        except FileExistsError:
            if path.parent.is_file():
                raise
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))


def _holder(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


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
