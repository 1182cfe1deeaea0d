"""SIGTERM during training: a checkpoint first, then exit status 143."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Termination"]


class Termination:
    """Within it, SIGTERM is noted instead of ending the process; the old handler comes back after.

    Signals reach the main thread only: elsewhere it notes nothing.

    Attributes:
        asked: whether SIGTERM came.
    """

    status = 128 + signal.SIGTERM

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None
        self._set = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __enter__(self) -> Termination:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
            self._set = True
        return self

    def __exit__(self, *exception: object) -> None:
        if self._set:
            # None stands for a handler that was not set from Python, and cannot be set again.
            signal.signal(signal.SIGTERM, self._before if self._before is not None else signal.SIG_DFL)
            self._set = False
