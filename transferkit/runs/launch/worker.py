"""One worker, a process of this machine: its environment, its cores and cards, its end with its launcher."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault

__all__ = [
    "cards_here",
    "cards_of",
    "cluster_config",
    "cores_of",
    "environment_of",
    "free_ports",
    "kill_group",
    "start_worker",
]

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        # All are held at once, so that none is given twice.
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]


def environment_of(number: int, ports: Sequence[int], given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: the one given, with TF_CONFIG.

    Args:
        number: which worker, from 0, the chief.
        ports: of all workers, on the loopback address.
        given: of the launcher.
    """
    # What schedulers and proxies say is for other machines than this one.
    left = {key: value for key, value in given.items() if key.lower() not in ("http_proxy", "grpc_proxy")}
    return {**left, "TF_CONFIG": cluster_config(number, [f"127.0.0.1:{port}" for port in ports])}


def cluster_config(number: int, addresses: Sequence[str]) -> str:
    """What TF_CONFIG says to a worker.

    >>> cluster_config(1, ["a:1", "b:1"])
    '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
    """
    told = {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": number}}
    return json.dumps(told)


def cores_of(number: int, workers: int, cores: Sequence[int]) -> list[int]:
    """The cores of one worker: as many for each, the first ones get what is left over.

    >>> [cores_of(number, 2, [0, 1, 2, 3, 4]) for number in range(2)]
    [[0, 1, 2], [3, 4]]
    >>> [cores_of(number, 3, [6, 7]) for number in range(3)]
    [[6], [7], [6]]

    Args:
        number: of the worker, from 0.
        workers: how many there are.
        cores: numbers of the machine's cores.
    """
    if workers >= len(cores):
        return [cores[number % len(cores)]]
    each, more = divmod(len(cores), workers)
    start = number * each + min(number, more)
    return list(cores[start : start + each + (number < more)])


def cards_of(number: int, workers: int, told: str | None, there: Sequence[str]) -> str | None:
    """What CUDA_VISIBLE_DEVICES says to one worker; None where the machine has no cards to divide.

    Args:
        number: which worker.
        workers: how many there are.
        told: CUDA_VISIBLE_DEVICES of the launcher, None where it is not set.
        there: the machine's cards.

    Raises:
        UserError: there are fewer cards than workers.

    >>> cards_of(1, 2, None, ["0", "1", "2"]), cards_of(0, 2, "3,5", ["0"]), cards_of(0, 2, "-1", ["0"])
    ('1', '3', None)
    """
    cards = list(there) if told is None else [one.strip() for one in told.split(",") if one.strip()]
    if not there or not cards or cards[0] == "-1":
        return None
    if len(cards) < workers:
        hint = "a worker computes on one GPU; with CUDA_VISIBLE_DEVICES=-1 all compute on the CPU"
        raise UserError(fault("launch: workers", workers, f"at most {len(cards)}, the GPUs here", hint))
    return cards[number]


def start_worker(
    command: Sequence[str], environment: Mapping[str, str], cores: Sequence[int], **streams: Any
) -> subprocess.Popen[bytes]:
    """Starts a worker in a process group of its own: of Ctrl-C the launcher alone hears.

    Args:
        command: arguments of ``transferkit``.
        environment: of the worker.
        cores: those that it may use; none for those of the launcher.
        **streams: as of :class:`subprocess.Popen`, such as ``stderr``.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "transferkit", *command],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_settle(cores, os.getpid()),
        **streams,
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a worker, with the processes that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _settle(cores: Sequence[int], launcher: int) -> Callable[[], None]:
    """What a worker does before anything else."""
    # Loaded here: between fork and exec nothing may be imported.
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def settle() -> None:
        # A launcher in the background ignores Ctrl-C, and Ray blocks it: the worker is asked to end with it.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
        if prctl is not None:
            # The system ends the worker when its launcher has ended, however that came about.
            prctl(_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != launcher:
                os._exit(1)

    return settle


def cards_here() -> list[str]:
    """Numbers of NVIDIA's cards on this machine."""
    return sorted((one.name[6:] for one in Path("/dev").glob("nvidia[0-9]*")), key=int)
