"""A job of several workers on this machine, which begin together and end together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from transferkit.cpu import available_cores
from transferkit.errors import UserError, did_you_mean, fault, one_line
from transferkit.interruption import STATUS, finishing
from transferkit.runs.launch.chief_stream import ChiefStream
from transferkit.runs.launch.worker import (
    cards_here,
    cards_of,
    cores_of,
    environment_of,
    free_ports,
    start_worker,
)

__all__ = ["VERBS", "launch"]

# The verbs that know how to be one of several workers.
VERBS = ("retrain",)
_MOST = 64
_LOOK_SECONDS = 0.1
# After the first failure: how long the others have to say what they know of it; and to end when asked to.
_GRACE_SECONDS, _END_SECONDS = 3.0, 5.0
# How long the chief has to finish its step after Ctrl-C, and the others once the chief is done.
_FINISH_SECONDS, _LAST_SECONDS = 65.0, 60.0


@dataclass(frozen=True)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    log: Path


def launch(
    command: Sequence[str],
    workers: int,
    logs: str | os.PathLike[str] | None = None,
    shown: TextIO | None = sys.stderr,
) -> tuple[int, str | None]:
    """Starts workers, shows what the chief shows, and waits for all; what ends one of them ends all.

    Args:
        command: arguments of ``transferkit``, beginning with a verb of :data:`VERBS`.
        workers: how many.
        logs: folder of a log for each worker; one named by the time by default.
        shown: where the chief's progress is shown.

    Returns:
        The exit status of the worker that failed first, or the chief's; and the line that says which one it
        was and how it ended, where the chief has not said so itself.

    Raises:
        UserError: the command cannot be run so; nothing was started.
    """
    _check(command, workers)
    place = Path(logs) if logs is not None else Path("logs") / time.strftime("launch-%Y%m%d-%H%M%S")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(available_cores())
    told, there = os.environ.get("CUDA_VISIBLE_DEVICES"), cards_here()
    cards = [cards_of(number, workers, told, there) for number in range(workers)]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for number in range(workers):
            (place / f"worker-{number}.log").write_bytes(b"")
    except OSError as error:
        raise UserError(fault("launch: logs", str(place), "a folder to write in", error.strerror)) from None
    ports, stream = free_ports(workers), ChiefStream(shown, place / "worker-0.log")
    started: list[_Worker] = []
    # Ctrl-C comes to this process alone; it sees to it that the chief can keep what it has trained.
    with finishing(), contextlib.ExitStack() as stack:
        stack.callback(_kill, started)
        for number in range(workers):
            environment = environment_of(number, ports, os.environ)
            if cards[number] is not None:
                environment["CUDA_VISIBLE_DEVICES"] = str(cards[number])
            own, log = cores_of(number, workers, cores), place / f"worker-{number}.log"
            if number == 0:
                process = start_worker(command, environment, own, stderr=stream.given)
                stream.begin()
            else:
                with open(log, "wb") as file:
                    process = start_worker(command, environment, own, stdout=file, stderr=subprocess.STDOUT)
            started.append(_Worker(number, process, log))
        try:
            failed = _first_failure(started)
        except KeyboardInterrupt:
            _interrupt(started)
            stream.end()
            return STATUS, None
        _end(started, failed)
        stream.end()
    if failed is None:
        return 0, None
    return _status(failed), _line(failed, workers)


def _check(command: Sequence[str], workers: int) -> None:
    faults = []
    if sys.platform == "win32":
        faults.append(fault("launch", "Windows", "Linux or macOS"))
    if not 1 <= workers <= _MOST:
        faults.append(fault("launch: workers", workers, f"1 to {_MOST}"))
    verb = command[0] if command else None
    if verb not in VERBS:
        hint = (verb and did_you_mean(verb, VERBS)) or "write it after --, as in `-- retrain --data photos/`"
        faults.append(fault("launch", verb, f"a verb that runs on several workers: {', '.join(VERBS)}", hint))
    if faults:
        raise UserError(*faults)


def _first_failure(workers: Sequence[_Worker]) -> _Worker | None:
    """Waits until a worker has failed, or the chief is done; the one that failed."""
    while True:
        for one in workers:
            if one.process.poll():
                return one
        if workers[0].process.poll() == 0:
            return None
        time.sleep(_LOOK_SECONDS)


def _end(workers: Sequence[_Worker], failed: _Worker | None) -> None:
    """Lets the others end by themselves for a while, then ends them."""
    _wait(workers, _LAST_SECONDS if failed is None else _GRACE_SECONDS)
    _signal(workers, signal.SIGINT)
    _wait(workers, _END_SECONDS)


def _interrupt(workers: Sequence[_Worker]) -> None:
    """Ends all after Ctrl-C: first the chief, whose last step needs the others."""
    with contextlib.suppress(KeyboardInterrupt):
        _signal(workers[:1], signal.SIGINT)
        _wait(workers[:1], _FINISH_SECONDS)
        _signal(workers, signal.SIGINT)
        _wait(workers, _END_SECONDS)


def _wait(workers: Sequence[_Worker], seconds: float) -> None:
    until = time.monotonic() + seconds
    while any(one.process.poll() is None for one in workers) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def _signal(workers: Sequence[_Worker], number: signal.Signals) -> None:
    for one in workers:
        if one.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                one.process.send_signal(number)


def _kill(workers: Sequence[_Worker]) -> None:
    """Ends what is left, with the processes that it has started."""
    for one in workers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def _status(worker: _Worker) -> int:
    """As shells give it: 128 and the signal's number where one ended the process."""
    code = worker.process.returncode
    return code if code >= 0 else 128 - code


def _line(failed: _Worker, workers: int) -> str | None:
    """Who failed first, and how; None where it is the chief and has said so."""
    code, who = failed.process.returncode, f"worker {failed.number} of {workers}"
    if code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
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
