"""Where what is at a URL lies on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transferkit.files.cache_location import writable_cache_folder

__all__ = ["local_place"]


def local_place(url: str) -> Path:
    """The folder of this machine that stands for a URL; its name is that of the URL.

    Args:
        url: of a folder.
    """
    url = url.rstrip("/")
    digest = hashlib.sha256(url.encode()).hexdigest()[:32]
    return writable_cache_folder() / "remote" / digest / url.rsplit("/", 1)[-1]
