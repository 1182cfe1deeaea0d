"""How the command line writes: file names, class names and recipe values are shown, not sent.

A terminal takes some characters as orders: to clear itself, to write over a line, to set its title, to turn
the reading direction. What is printed holds names that strangers chose, so these characters are spelled out
(``\\x1b``). Results in JSON have them escaped before, and exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from transferkit.errors import printable

__all__ = ["PrintableStream", "printable_streams"]


class PrintableStream:
    """A text stream that spells out what a terminal would obey; all else is the stream's own.

    It has no ``buffer``: writing bytes would go past it.

    Args:
        stream: where to write.
        bars: progress bars are drawn on it, which begin and end by going back to the beginning of the line.
    """

    def __init__(self, stream: TextIO, bars: bool = False) -> None:
        self._stream = stream
        self._bars = bars

    def write(self, text: str) -> int:
        inner = text.strip("\r") if self._bars else text
        begin = text.index(inner)
        shown = text[:begin] + printable(inner) + text[begin + len(inner) :]
        self._stream.write(_encodable(shown, self._stream))
        return len(text)

    def write_styled(self, text: str) -> int:
        """Writes colours of our own as well: the caller has spelled out what strangers chose."""
        self._stream.write(_encodable(text, self._stream))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Leaves the stream open: logging libraries close what they took for a file of theirs."""
        self._stream.flush()

    def __getattr__(self, name: str) -> object:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextmanager
def printable_streams() -> Iterator[None]:
    """Inside, ``sys.stdout`` and ``sys.stderr`` are :class:`PrintableStream`."""
    before = sys.stdout, sys.stderr
    # A stream that was closed before the start is None, and stays it.
    if sys.stdout is not None:
        sys.stdout = PrintableStream(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = PrintableStream(sys.stderr, bars=True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _encodable(text: str, stream: TextIO) -> str:
    """Text that a terminal in an old encoding can show, rather than an error."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text
