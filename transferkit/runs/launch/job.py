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
from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.interruption import finishing
from transferkit.runs.launch.chief_stream import ChiefStream
from transferkit.runs.launch.ending import end_together, kill_all
from transferkit.runs.launch.worker import (
    cards_here,
    cards_of,
    cores_of,
    environment_of,
    free_ports,
    kill_group,
    start_worker,
)

__all__ = ["VERBS", "command_faults", "launch", "make_logs"]

# The verbs that know how to be one of several workers.
VERBS = ("retrain",)
_MOST = 64


@dataclass(frozen=True)
class _Local:
    """A worker on this machine."""

    number: int
    process: subprocess.Popen[bytes]
    log: Path
    lost: str | None = None

    def status(self) -> int | None:
        return self.process.poll()

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        kill_group(self.process)


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
    Faults(command_faults(command, workers)).refuse()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(available_cores())
    told, there = os.environ.get("CUDA_VISIBLE_DEVICES"), cards_here()
    cards = [cards_of(number, workers, told, there) for number in range(workers)]
    paths = make_logs(logs, workers)
    ports, stream = free_ports(workers), ChiefStream(shown, paths[0])
    started: list[_Local] = []
    # Ctrl-C comes to this process alone; it sees to it that the chief can keep what it has trained.
    with finishing(), contextlib.ExitStack() as stack:
        stack.callback(kill_all, started)
        for number, log in enumerate(paths):
            environment = environment_of(number, ports, os.environ)
            if cards[number] is not None:
                environment["CUDA_VISIBLE_DEVICES"] = str(cards[number])
            own = cores_of(number, workers, cores)
            if number == 0:
                process = start_worker(command, environment, own, stderr=stream.given)
                stream.begin()
            else:
                with open(log, "wb") as file:
                    process = start_worker(command, environment, own, stdout=file, stderr=subprocess.STDOUT)
            started.append(_Local(number, process, log))
        return end_together(started, stream.end, stream.mute)


def command_faults(command: Sequence[str], workers: int) -> list[str]:
    """What is wrong with a command for several workers, wherever they run.

    Args:
        command: arguments of ``transferkit``.
        workers: how many.
    """
    faults = []
    if sys.platform == "win32":
        faults.append(fault("launch", "Windows", "Linux or macOS"))
    if not 1 <= workers <= _MOST:
        faults.append(fault("launch: workers", workers, f"1 to {_MOST}"))
    verb = command[0] if command else None
    if verb not in VERBS:
        hint = (verb and did_you_mean(verb, VERBS)) or "write it after --, as in `-- retrain --data photos/`"
        faults.append(fault("launch", verb, f"a verb that runs on several workers: {', '.join(VERBS)}", hint))
    return faults


def make_logs(logs: str | os.PathLike[str] | None, workers: int) -> list[Path]:
    """An empty log for each worker.

    Args:
        logs: their folder; one named by the time where it is None.
        workers: how many.

    Raises:
        UserError: they cannot be written there.
    """
    place = Path(logs) if logs is not None else Path("logs") / time.strftime("launch-%Y%m%d-%H%M%S")
    paths = [place / f"worker-{number}.log" for number in range(workers)]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.write_bytes(b"")
    except OSError as error:
        raise UserError(fault("launch: logs", str(place), "a folder to write in", error.strerror)) from None
    return paths
