"""Files of the cache that appear whole, whoever else writes the same at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["write_whole_file"]


def write_whole_file(file: Path, data: bytes) -> None:
    """Writes beside the file and renames: the last of several writers wins, none sees another's half.

    Raises:
        OSError: it cannot be written.
    """
    # Runs share a cache between processes, and a program may hold several in its threads.
    beside = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}")
    beside.write_bytes(data)
    beside.replace(file)
