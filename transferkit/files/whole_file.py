"""Files that a reader, or a killed process, never sees half of."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file", "write_whole", "write_whole_shared"]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a place beside ``path`` to write to; what stands there at the end is on disk and takes its name.

    For files that one process writes: what a killed one left is written over by the next. Files that several
    write at once need a name each (:func:`write_whole_shared`).

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        # A device or a pipe, such as /dev/stdout, stays what it is.
        with tempfile.TemporaryDirectory(prefix="transferkit-") as folder:
            beside = Path(folder) / "file"
            yield beside
            with open(beside, "rb") as file, open(path, "wb") as device:
                shutil.copyfileobj(file, device)
        return
    beside = path.with_name(f".{path.name}.writing")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Writes a text file of one writer, as :func:`whole_file` does."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_whole_shared(path: Path, data: bytes) -> None:
    """Writes a file that several may write at once: the last one wins, none sees another's half.

    It need not outlive a power cut: it is for what can be made again.

    Raises:
        OSError: it cannot be written.
    """
    # Runs share a cache between processes, and a program may hold several in its threads.
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    beside.write_bytes(data)
    beside.replace(path)
