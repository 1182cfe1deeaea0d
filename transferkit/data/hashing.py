"""The identity of an image is the SHA-256 of its file's bytes: it survives moving and renaming."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from transferkit.files.file_hash import sha256_of_file

__all__ = ["hash_file", "hash_files"]

_THREADS = 8  # hashlib releases the interpreter's lock; more threads than cores also hide a disk's latency


def hash_file(path: str | Path) -> str | None:
    """SHA-256 of a file's bytes as 64 hexadecimal digits, or None where the file cannot be read."""
    try:
        return sha256_of_file(path)
    except OSError:
        return None


def hash_files(
    paths: Iterable[str | Path], progress: Callable[[int], None] | None = None
) -> list[str | None]:
    """Hashes many files in parallel, in the order given; ``progress`` receives how many are done."""
    result = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, digest in enumerate(pool.map(hash_file, paths), 1):
            result.append(digest)
            if progress is not None:
                progress(done)
    return result
