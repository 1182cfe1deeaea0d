"""What the chief shows: on the launcher's own stream, and in its log."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import TextIO

from transferkit.runs.launch.shown_log import ShownLog
from transferkit.runs.launch.terminal import open_terminal

__all__ = ["ChiefStream"]


class ChiefStream:
    """A stream for a worker's stderr; a terminal where the launcher's own is one, so that bars move.

    Args:
        shown: where all of it is shown.
        log: where its lines are kept, as they stood at last.

    Attributes:
        given: the file descriptor that the worker writes to.
    """

    def __init__(self, shown: TextIO | None, log: Path) -> None:
        ends = None
        if shown is not None and shown.isatty():
            ends = open_terminal(*shutil.get_terminal_size())
            sys.stderr.flush()
        self._reading, self.given = ends or os.pipe()
        self._to = ShownLog(shown, log)
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def begin(self) -> None:
        """The worker has been started: from now on the stream ends when it does."""
        os.close(self.given)
        self._thread.start()

    def end(self) -> None:
        """Waits for what is still to be shown, unless a process that the worker left holds the stream."""
        self._thread.join(2.0)
        self._to.show_last()

    def mute(self) -> None:
        """Shows nothing more of what the worker says; its log goes on."""
        self._to.mute()

    def _copy(self) -> None:
        while True:
            read = b""
            with contextlib.suppress(OSError):  # a terminal says so where a pipe gives nothing
                read = os.read(self._reading, 65536)
            if not read:
                break
            self._to.take(read)
        self._to.close()
        os.close(self._reading)
