"""How workers end together: what ends one of them ends all."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from transferkit.errors import one_line
from transferkit.interruption import STATUS

__all__ = ["Worker", "end_together", "kill_all"]

_LOOK_SECONDS = 0.1
# After the first failure: how long the others have to say what they know of it; and to end when asked to.
_GRACE_SECONDS, _END_SECONDS = 3.0, 5.0
# How long the chief has to finish its step after Ctrl-C, and the others once the chief is done.
_FINISH_SECONDS, _LAST_SECONDS = 65.0, 60.0


class Worker(Protocol):
    """A worker that has been started, wherever it runs."""

    @property
    def number(self) -> int:
        """Of the worker, from 0, the chief."""

    @property
    def log(self) -> Path:
        """What it has said."""

    @property
    def lost(self) -> str | None:
        """Why nothing is known of it any more; None while its end can be seen."""

    def status(self) -> int | None:
        """Its exit status, the number of a signal as a negative one; None while it runs."""

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""

    def kill(self) -> None:
        """Ends it with all that it has started, and waits for that."""


def end_together(
    workers: Sequence[Worker], shown: Callable[[], None], mute: Callable[[], None]
) -> tuple[int, str | None]:
    """Waits for all; where one fails, the others are ended.

    Args:
        workers: all of them, the chief first.
        shown: waits until what the chief says has been shown.
        mute: shows nothing more of it: what it says of being ended is no news beside why it is.

    Returns:
        The exit status of the worker that failed first, or the chief's; and the line that says which one it
        was and how it ended, where the chief has not said so itself.
    """
    try:
        failed = _first_failure(workers)
    except KeyboardInterrupt:
        _interrupt(workers)
        shown()
        return STATUS, None
    _end(workers, failed, mute)
    shown()
    if failed is None:
        return 0, None
    return _status(failed), _line(failed, len(workers))


def kill_all(workers: Sequence[Worker]) -> None:
    """Ends what is left of them."""
    for one in workers:
        one.kill()


def _first_failure(workers: Sequence[Worker]) -> Worker | None:
    """Waits until a worker has failed, or the chief is done; the one that failed."""
    while True:
        for one in workers:
            if one.status():
                return one
        if workers[0].status() == 0:
            return None
        time.sleep(_LOOK_SECONDS)


def _end(workers: Sequence[Worker], failed: Worker | None, mute: Callable[[], None]) -> None:
    """Lets the others end by themselves for a while, then ends them."""
    _wait(workers, _LAST_SECONDS if failed is None else _GRACE_SECONDS)
    # What the chief says of being ended, or of another's end, is told by the line that names the first one.
    if failed is not None and (failed is not workers[0] or workers[0].status() is None):
        mute()
    _signal(workers, signal.SIGINT)
    _wait(workers, _END_SECONDS)


def _interrupt(workers: Sequence[Worker]) -> None:
    """Ends all after Ctrl-C: first the chief, whose last step needs the others."""
    with contextlib.suppress(KeyboardInterrupt):
        _signal(workers[:1], signal.SIGINT)
        _wait(workers[:1], _FINISH_SECONDS)
        _signal(workers, signal.SIGINT)
        _wait(workers, _END_SECONDS)


def _wait(workers: Sequence[Worker], seconds: float) -> None:
    until = time.monotonic() + seconds
    # All are looked at each time: what those say that are far away is fetched so.
    while None in [one.status() for one in workers] and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def _signal(workers: Sequence[Worker], number: signal.Signals) -> None:
    for one in workers:
        if one.status() is None:
            one.send(number)


def _status(worker: Worker) -> int:
    """As shells give it: 128 and the signal's number where one ended the process."""
    code = worker.status()
    assert code is not None  # noqa: S101 -- for the type checker: it has ended
    return code if code >= 0 else 128 - code


def _line(failed: Worker, workers: int) -> str | None:
    """Who failed first, and how; None where it is the chief and has said so."""
    code, who = failed.status() or 0, f"worker {failed.number} of {workers}"
    if failed.lost is not None or code < 0:
        how = failed.lost or f"was ended by {signal.Signals(-code).name}"
        return f"{who} {how}, so all were ended; continue with --resume; logs in {failed.log.parent}"
    if failed.number == 0:
        return None
    return f"{who} ended with the exit code {code}: {_last_line(failed.log)} ({failed.log})"


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            return one_line(lines[-1].removeprefix("transferkit: "))
    return "it said nothing"
