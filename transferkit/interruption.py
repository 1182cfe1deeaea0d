"""Ctrl-C on the command line: heard at once, whatever the main thread is busy with.

Python hears of a signal between two of its own instructions. A pass through a network, an export or a large
fit is one call that may take much longer. So another thread watches for the signal too: where the main thread
has not ended soon after it, this thread says what there is to say and ends the process, as a kill would.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

__all__ = [
    "STATUS",
    "asked",
    "finishing",
    "forget",
    "how_to_go_on",
    "last_lines",
    "resumable",
    "resume_hint",
    "watching",
]

# What shells give for a process that SIGINT ended.
STATUS = 128 + signal.SIGINT
# How long the main thread has to end by itself; and when it is finishing a step to keep what was trained.
_SECONDS, _FINISHING_SECONDS = 1.6, 60.0
_LOOK_SECONDS = 0.05


class _State:
    """What this process is doing, as far as an interruption needs to know."""

    hint: Callable[[], str] | None = None
    kept = ""
    finishing = False
    asked = False


@contextlib.contextmanager
def resumable(hint: Callable[[], str]) -> Iterator[None]:
    """What is cut short within it is said to be so with what ``hint`` gives then: how to go on."""
    before, _State.hint = _State.hint, hint
    _State.kept = ""
    try:
        yield
    except BaseException:
        _State.kept = how_to_go_on()
        raise
    finally:
        _State.hint = before


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """Within it, an interruption waits for the main thread, which is about to keep its state."""
    before, _State.finishing = _State.finishing, True
    try:
        yield
    finally:
        _State.finishing = before


def how_to_go_on() -> str:
    """How to go on with what is under way or was cut short; empty where there is nothing to say."""
    if _State.hint is not None:
        with contextlib.suppress(OSError):
            return _State.hint()
    return _State.kept


def forget() -> None:
    """A command begins: what was cut short before it in this process is none of its own."""
    _State.kept = ""


def asked() -> bool:
    """Whether Ctrl-C came: libraries make errors of their own of a KeyboardInterrupt within them."""
    return _State.asked


def last_lines() -> list[str]:
    """What an interruption ends with: its line, in a terminal below the one that shows ``^C``."""
    terminal = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
    return ["", _message()] if terminal else [_message()]


def _message() -> str:
    hint = how_to_go_on()
    return f"transferkit: interrupted; {hint}" if hint else "transferkit: interrupted"


def resume_hint(place: str, has_begun: Callable[[], bool]) -> Callable[[], str]:
    """For :func:`resumable`: how to go on with a run.

    Args:
        place: the run's.
        has_begun: whether there is anything to go on with.
    """

    def hint() -> str:
        if has_begun():
            return f"continue with: transferkit retrain --run {shlex.quote(place)} --resume"
        return "nothing was trained yet: start it again"

    return hint


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Within it, Ctrl-C ends the process in short time. For the main thread of a process of its own.

    Python raises KeyboardInterrupt as always; only where that does not end the process it is ended from here,
    with the status 130. A second Ctrl-C ends it at once.
    """
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # A stream of its own: libraries' messages are held back now and then, and this one must be seen.
    try:
        stream = os.dup(2)
    except OSError:
        stream = None
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading, stream), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join(1.0)


def _watch(reading: int, stream: int | None) -> None:
    while True:
        numbers = os.read(reading, 1)
        if not numbers:
            return
        if numbers[0] == signal.SIGINT:
            _State.asked = True
            break
    os.set_blocking(reading, False)
    began, said = time.monotonic(), False
    while True:
        passed = time.monotonic() - began
        try:
            again = os.read(reading, 64)
            if not again:  # the main thread has ended what it was about
                return
        except BlockingIOError:
            again = b""
        if (
            signal.SIGINT in again
            or passed > _FINISHING_SECONDS
            or (passed > _SECONDS and not _State.finishing)
        ):
            _say(stream, _message())
            os._exit(STATUS)
        if passed > _SECONDS and not said:
            said = True
            _say(
                stream,
                "transferkit: interrupted: the step under way is finished first; Ctrl-C again drops it",
            )
        time.sleep(_LOOK_SECONDS)


def _say(stream: int | None, line: str) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            # Below what the terminal shows for the key, ^C.
            start = "\n" if os.isatty(stream) else ""
            os.write(stream, f"{start}{line}\n".encode(sys.getfilesystemencoding(), "replace"))
