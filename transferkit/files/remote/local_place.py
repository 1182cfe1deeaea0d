"""Where what is at a URL lies on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from transferkit.files.cache_location import writable_cache_folder
from transferkit.files.in_use import hold

__all__ = ["local_place", "use_place"]


def local_place(url: str) -> Path:
    """The folder of this machine that stands for a URL; its name is that of the URL.

    Args:
        url: of a folder.
    """
    url = url.rstrip("/")
    digest = hashlib.sha256(url.encode()).hexdigest()[:32]
    return writable_cache_folder() / "remote" / digest / url.rsplit("/", 1)[-1]


def use_place(url: str) -> Path:
    """The same, which stays until this process ends: whoever prunes the cache leaves it.

    Args:
        url: of a folder.
    """
    place = local_place(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    hold(place.parent)
    with contextlib.suppress(OSError):
        os.utime(place.parent)
    return place
