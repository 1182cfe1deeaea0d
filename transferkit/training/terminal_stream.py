"""A stream that a run writes to: a terminal with its width, a pipe that may end, a file on a full disk."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from typing import Any, TextIO, cast

from tqdm import tqdm

__all__ = ["LenientStream", "fitting", "make_bar", "room_of"]

# Where nothing is counted, the time alone moves.
_TIMED = "{desc}: {elapsed}{postfix}"
# Characters for the time that has passed, with hours.
_TIME = len(": 00:00:00")


class LenientStream:
    """A stream that goes silent where it can no longer be written: a run is worth more than what it says.

    A pipe whose reader has ended, a full disk, a stream that was closed before the start.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As of a text stream."""
        return self._try(lambda stream: stream.write(text)) or len(text)

    def write_styled(self, text: str) -> int:
        """Writes text with our own styles, where the stream would spell out escape sequences."""

        def do(stream: TextIO) -> Any:
            return getattr(stream, "write_styled", stream.write)(text)

        return self._try(do) or len(text)

    def flush(self) -> None:
        """As of a text stream."""
        self._try(lambda stream: stream.flush())

    def _try(self, do: Callable[[TextIO], Any]) -> Any:
        if self._stream is None:
            return None
        try:
            return do(self._stream)
        except (OSError, ValueError):
            self._stream = None
            return None

    def isatty(self) -> bool:
        """Whether it is a terminal that still reads."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bar(tqdm):  # type: ignore[misc]
    """tqdm's, which cuts lines with a bar to the width; of others, what wraps would stay on the screen."""

    @property
    def format_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = super().format_dict
        room = found["ncols"]
        if room and self.total is None:
            found["prefix"] = found["prefix"][: max(room - _TIME - len(found["postfix"] or ""), 0)]
        return found


def make_bar(stream: TextIO | None, name: str, total: int | None, unit: str, start: int) -> tqdm:
    """tqdm's bar of one piece of work.

    Args:
        stream: a terminal.
        name: of the work.
        total: units in all; None where nothing is counted.
        unit: of what is counted.
        start: units that are done already.
    """
    how: dict[str, Any] = {"file": stream, "initial": start, "leave": False, "position": 0, **_size(stream)}
    if total is None:
        how["bar_format"] = _TIMED
    made = _Bar(total=total, desc=name, unit=f" {unit}s", **how)
    # Asked each time that the bar is drawn: people resize their terminals.
    made.dynamic_ncols = lambda _: (_size(stream).get("ncols"), _size(stream).get("nrows"))
    return made


def fitting(line: str, stream: TextIO) -> str:
    """A line as a terminal has room for it: it goes on below itself, between words.

    A command at its end stands on a line of its own, to be copied in one piece.
    """
    room = room_of(stream)
    if room is None or len(line) <= room:
        return line
    words, colon, command = line.partition(": transferkit ")
    parts = textwrap.wrap(
        words + colon[:1], room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join([*parts, *([f"  {colon[2:]}{command}"] if colon else [])])


def room_of(stream: TextIO) -> int | None:
    """Characters of a terminal's line at this moment; None for what is no terminal."""
    return _size(stream).get("ncols") if stream.isatty() else None


def _size(stream: TextIO | None) -> dict[str, int]:
    """For tqdm: 80 x 24 where a terminal says it has no size, as some in containers do; no bar would show.

    tqdm asks for the width of the standard streams alone.
    """
    try:
        told = os.get_terminal_size(cast(TextIO, stream).fileno())
    except (OSError, ValueError, AttributeError):
        return {}
    return {"ncols": told.columns or 80, "nrows": told.lines or 24}
