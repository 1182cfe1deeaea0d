"""What a worker says: its log, and for the chief the launcher's own stream."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, TextIO

__all__ = ["ShownLog"]

# What a worker says when another one has ended: no news where it is known which one, and why.
_OF_ANOTHER = b"transferkit: cluster: "
_STYLES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class ShownLog:
    """Takes what a worker says, in pieces as they come.

    Its last words on the end of another worker are held back until :meth:`show_last`.

    Args:
        shown: where all of it is shown; None for no place.
        log: where its lines are kept, as they stood at last.
    """

    def __init__(self, shown: TextIO | None, log: Path) -> None:
        self._shown, self._left, self._ended, self._held = shown, b"", True, b""
        self._log = open(log, "wb", buffering=0)  # noqa: SIM115 -- until `close`

    def take(self, piece: bytes) -> None:
        """Shows a piece, and keeps the lines that it ends."""
        if self._held:
            self._held += piece
        else:
            before, found, rest = piece.partition(_OF_ANOTHER)
            self._show(before)
            self._held = found + rest
        *lines, self._left = (self._left + piece).split(b"\n")
        for line in lines:
            self._keep(line)

    def mute(self) -> None:
        """Shows nothing more; the log is kept all the same."""
        if not self._ended:
            self._show(b"\n")  # what comes next does not begin behind a bar
        self._shown = None

    def show_last(self) -> None:
        """Shows what was held back, where nothing else tells it."""
        self._show(self._held)
        self._held = b""

    def close(self) -> None:
        """Nothing comes any more."""
        if self._left:
            self._keep(self._left)
            self._left = b""
        self._log.close()

    def _keep(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk must not hold up the worker
            self._log.write(_settled(line) + b"\n")

    def _show(self, piece: bytes) -> None:
        if self._shown is None:
            return
        self._ended = piece.endswith(b"\n")
        try:
            self._shown.flush()
            target: Any = getattr(self._shown, "buffer", None)
            if target is None:
                self._shown.write(piece.decode("utf-8", "replace"))
            else:
                target.write(piece)
            self._shown.flush()
        except (OSError, ValueError):  # closed, or a pipe whose reader has ended
            self._shown = None


def _settled(line: bytes) -> bytes:
    """A line as it stands in the end: without what a bar wrote over, and without colours."""
    parts = [part for part in line.split(b"\r") if part.strip()]
    return _STYLES.sub(b"", parts[-1]).rstrip() if parts else b""
