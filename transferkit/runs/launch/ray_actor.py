"""One worker on a machine of a Ray cluster: what the launcher asks of it there, through Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from transferkit._version import __version__
from transferkit.cpu import available_cores
from transferkit.runs.launch.terminal import open_terminal
from transferkit.runs.launch.worker import kill_group, start_worker

__all__ = ["RayWorker"]

_LOOK_SECONDS, _LAST_SECONDS = 0.25, 2.0


class RayWorker:
    """An actor; the worker itself is a process of its own, as TensorFlow wants a new one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[_Reader] = []
        self._claims: list[socket.socket] = []
        self._port: socket.socket | None = None

    def about(self, folder: str) -> dict[str, Any]:
        """What the launcher has to know of this machine.

        Args:
            folder: that the launcher was started in.
        """
        import ray

        # The port is held until the worker takes it.
        self._port = socket.socket()
        self._port.bind(("", 0))
        host = ray.util.get_node_ip_address()
        address = f"{host}:{self._port.getsockname()[1]}"
        return {"version": __version__, "address": address, "folder": os.path.isdir(folder)}

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        folder: str,
        cores: int,
        terminal: tuple[int, int] | None,
        chief: bool,
    ) -> None:
        """Starts the worker.

        Args:
            command: arguments of ``transferkit``.
            variables: of its environment, beside those of this machine.
            folder: in which it runs.
            cores: how many it may use; 0 for all.
            terminal: columns and lines of the one that shows its bars; None for no terminal.
            chief: whether what it prints is kept apart from what it says of its progress.
        """
        environment = {**os.environ, **variables}
        own = self._claimed(cores)
        environment["OMP_NUM_THREADS"] = str(len(own) or available_cores())
        said = (terminal and open_terminal(*terminal)) or os.pipe()
        printed = os.pipe() if chief else None
        streams = {"stderr": said[1], "stdout": printed[1] if printed else said[1]}
        if self._port is not None:
            self._port.close()
        try:
            self._process = start_worker(command, environment, own, cwd=folder, **streams)
        finally:
            for ends in (said, printed):
                if ends is not None:
                    os.close(ends[1])
        self._readers = [_Reader(ends[0]) for ends in (said, printed) if ends is not None]

    def poll(self) -> tuple[bytes, bytes, int | None]:
        """What the worker has said and printed since the last look, and its exit status once it has ended."""
        assert self._process is not None  # noqa: S101 -- the launcher has started it
        code = self._process.poll()
        if code is None:
            self._readers[0].wait(_LOOK_SECONDS)
        else:
            for one in self._readers:
                one.join(_LAST_SECONDS)
        said, *printed = (one.taken() for one in self._readers)
        return said, b"".join(printed), code

    def send(self, number: int) -> None:
        """Sends the worker a signal."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.Signals(number))

    def end(self) -> None:
        """Ends the worker with all that it has started."""
        if self._process is not None:
            kill_group(self._process)

    def _claimed(self, count: int) -> list[int]:
        """Cores that no other worker on this machine has; empty where they are not divided.

        Ray counts cores and does not say which. A name of a socket is held by one process at a time and ends
        with it.
        """
        if not count or not hasattr(os, "sched_getaffinity"):
            return []
        cores = sorted(os.sched_getaffinity(0))
        if count >= len(cores):
            return cores
        free = []
        for core in cores:
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0transferkit/core/{core}")
            except OSError:
                claim.close()
                continue
            self._claims.append(claim)
            free.append(core)
            if len(free) == count:
                break
        # Where others have claimed too many, cores are shared.
        return free + [core for core in reversed(cores) if core not in free][: count - len(free)]


class _Reader(threading.Thread):
    """Keeps what a process writes until it is asked for.

    Args:
        reading: the end to read from.
    """

    def __init__(self, reading: int) -> None:
        super().__init__(daemon=True)
        self._reading, self._kept, self._changed = reading, bytearray(), threading.Condition()
        self.start()

    def run(self) -> None:
        """Reads until the other end is closed."""
        while True:
            try:
                read = os.read(self._reading, 65536)
            except OSError:  # a terminal says so where a pipe gives nothing
                read = b""
            if not read:
                break
            with self._changed:
                self._kept += read
                self._changed.notify_all()
        os.close(self._reading)

    def wait(self, seconds: float) -> None:
        """Waits until there is something, for a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._kept, seconds)

    def taken(self) -> bytes:
        """What has come since the last time."""
        with self._changed:
            taken, self._kept = bytes(self._kept), bytearray()
        return taken
