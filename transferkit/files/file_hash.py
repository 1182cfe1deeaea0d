"""The SHA-256 of a file."""

from __future__ import annotations

import hashlib
import os

__all__ = ["sha256_of_file"]

_BLOCK = 1 << 20  # bytes


def sha256_of_file(path: str | os.PathLike[str], most: int | None = None) -> str:
    """SHA-256, as 64 hexadecimal digits, of a file's bytes, or of its first ``most`` bytes.

    Raises:
        OSError: it cannot be read.
    """
    digest, left = hashlib.sha256(), most
    with open(path, "rb") as file:
        while block := file.read(_BLOCK if left is None else min(_BLOCK, left)):
            digest.update(block)
            left = None if left is None else left - len(block)
    return digest.hexdigest()
