"""A photo's file before it is decoded: what is refused unread, and the bytes that a graph can decode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transferkit.data.pixels.decoding import Decoding

__all__ = ["graph_bytes", "refused"]


def refused(path: str | os.PathLike[str]) -> str | None:
    """Why a file is not to be decoded, or None: a pipe would be waited for, a giant would fill the memory."""
    from transferkit.data.check.header import read_header
    from transferkit.data.check.limits import Limits

    header = read_header(path, os.path.dirname(os.fspath(path)) or ".", Limits(follow_links=True))
    return header.refused if header.beyond else None


def graph_bytes(path: str, decoding: Decoding) -> bytes:
    """The bytes of a file, such that the graph reads them.

    Args:
        path: of the file.
        decoding: as the graph does it.

    Raises:
        ValueError: they are unavailable; says why.
    """
    from transferkit.data.pixels.transcode import readable_in_graph

    reason = refused(path)
    if reason is not None:
        raise ValueError(reason)
    try:
        encoded = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from None
    return readable_in_graph(encoded, decoding)
