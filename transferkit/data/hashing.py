"""The identity of an image is the SHA-256 of its file's bytes: it survives moving and renaming."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["hash_file", "hash_files"]

_THREADS = 8  # hashlib releases the interpreter's lock; more threads than cores also hide a disk's latency
_BLOCK = 1 << 20  # bytes


def hash_file(path: str | Path) -> str | None:
    """SHA-256 of a file's bytes as 64 hexadecimal digits, or None where the file cannot be read."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
            return digest.hexdigest()
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
