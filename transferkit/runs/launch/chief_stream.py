"""What the chief shows: on the launcher's own stream, and in its log."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

__all__ = ["ChiefStream"]

_STYLES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class ChiefStream:
    """A stream for a worker's stderr; a terminal where the launcher's own is one, so that bars move.

    Args:
        shown: where all of it is shown.
        log: where its lines are kept, as they stood at last.

    Attributes:
        given: the file descriptor that the worker writes to.
    """

    def __init__(self, shown: TextIO | None, log: Path) -> None:
        self._shown, self._log = shown, log
        ends = _terminal() if shown is not None and shown.isatty() else None
        self._reading, self.given = ends or os.pipe()
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def begin(self) -> None:
        """The worker has been started: from now on the stream ends when it does."""
        os.close(self.given)
        self._thread.start()

    def end(self) -> None:
        """Waits for what is still to be shown, unless a process that the worker left holds the stream."""
        self._thread.join(2.0)

    def _copy(self) -> None:
        left = b""
        with open(self._log, "wb", buffering=0) as log:
            while True:
                try:
                    read = os.read(self._reading, 65536)
                except OSError:  # a terminal says so where a pipe gives nothing
                    read = b""
                if not read:
                    break
                self._show(read)
                *lines, left = (left + read).split(b"\n")
                for line in lines:
                    log.write(_settled(line) + b"\n")
            if left:
                log.write(_settled(left) + b"\n")
        os.close(self._reading)

    def _show(self, read: bytes) -> None:
        if self._shown is None:
            return
        try:
            self._shown.flush()
            target: Any = getattr(self._shown, "buffer", None)
            if target is None:
                self._shown.write(read.decode("utf-8", "replace"))
            else:
                target.write(read)
            self._shown.flush()
        except (OSError, ValueError):  # closed, or a pipe whose reader has ended
            self._shown = None


def _settled(line: bytes) -> bytes:
    """A line as it stands in the end: without what a bar wrote over, and without colours."""
    parts = [part for part in line.split(b"\r") if part.strip()]
    return _STYLES.sub(b"", parts[-1]).rstrip() if parts else b""


def _terminal() -> tuple[int, int] | None:
    """Both ends of a terminal of the launcher's own size; None where the system has none left."""
    import pty
    import termios

    try:
        reading, writing = pty.openpty()
    except OSError:
        return None
    attributes = termios.tcgetattr(writing)
    attributes[1] &= ~termios.OPOST  # line ends are made by the terminal that shows them
    termios.tcsetattr(writing, termios.TCSANOW, attributes)
    size = shutil.get_terminal_size()
    with contextlib.suppress(OSError, termios.error):
        termios.tcsetwinsize(writing, (size.lines, size.columns))
    sys.stderr.flush()
    return reading, writing
