"""SIGTERM and Ctrl-C during training: a checkpoint first, then the end."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any

from transferkit.interruption import finishing

__all__ = ["Termination"]


class Termination:
    """Within it, SIGTERM and Ctrl-C are noted instead of ending the process; afterwards all is as before.

    Ctrl-C is noted where Python's own handler stands, and once: the second one is raised where it comes.
    Signals reach the main thread only: elsewhere it notes nothing.

    Attributes:
        asked: the number of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._before: dict[int, Any] = {}
        self._finishing = contextlib.ExitStack()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        if number == signal.SIGINT:
            self._restore(number)

    def ending(self) -> BaseException:
        """What ends the training: SystemExit with 143 after SIGTERM, KeyboardInterrupt after Ctrl-C."""
        if self.asked == signal.SIGINT:
            return KeyboardInterrupt()
        return SystemExit(128 + signal.SIGTERM)

    def __enter__(self) -> Termination:
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._note)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._note)
                self._finishing.enter_context(finishing())
        return self

    def __exit__(self, *exception: object) -> None:
        self._finishing.close()
        for number in list(self._before):
            self._restore(number)

    def _restore(self, number: int) -> None:
        if number in self._before:
            before = self._before.pop(number)
            # None stands for a handler that was not set from Python, and cannot be set again.
            signal.signal(number, before if before is not None else signal.SIG_DFL)
