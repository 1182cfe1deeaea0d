"""A job of several workers on the machines of a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from transferkit._version import __version__
from transferkit.errors import Faults, UserError, fault, one_line
from transferkit.interruption import finishing
from transferkit.packages import installed
from transferkit.runs.launch.ending import end_together, kill_all
from transferkit.runs.launch.job import command_faults, make_logs
from transferkit.runs.launch.ray_actor import RayWorker
from transferkit.runs.launch.ray_resources import actor_options, default_resources, describe, read_resources
from transferkit.runs.launch.shown_log import ShownLog
from transferkit.runs.launch.worker import cluster_config

__all__ = ["STRATEGIES", "launch_on_ray"]

STRATEGIES = ("SPREAD", "PACK")
# Addresses that name no machine: of the cluster that this machine is of, and of a new one.
_NAMED = ("auto", "local")
# How long the cluster has to find room, to answer, to start a worker, and to end an actor.
_ROOM_SECONDS, _ANSWER_SECONDS, _START_SECONDS, _END_SECONDS = 600.0, 120.0, 120.0, 10.0
_PATIENT_SECONDS = 3.0
# An exit status for a worker of which nothing is known any more: as of one that was killed.
_LOST = -int(signal.SIGKILL)


def launch_on_ray(
    command: Sequence[str],
    workers: int,
    address: str,
    resources: str | None = None,
    strategy: str = "SPREAD",
    logs: str | os.PathLike[str] | None = None,
    shown: TextIO | None = sys.stderr,
) -> tuple[int, str | None]:
    """As :func:`transferkit.runs.launch.job.launch`, with each worker on a machine of a cluster.

    Args:
        command: arguments of ``transferkit``, beginning with ``retrain``.
        workers: how many.
        address: of the cluster, as Ray has it: ``auto``, ``local``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        resources: of each worker, such as ``CPU=8,GPU=1``; an equal part of the machines by default.
        strategy: ``SPREAD`` over the machines, or ``PACK`` on few of them.
        logs: folder of a log for each worker; one named by the time by default.
        shown: where the chief's progress is shown.

    Returns:
        The exit status of the worker that failed first, or the chief's; and the line that says which one it
        was and how it ended, where the chief has not said so itself.

    Raises:
        UserError: the command cannot be run so; nothing was started.
    """
    wanted = _checked(command, workers, address, resources, strategy)
    quiet = shown is None or not {"--quiet", "-q"}.isdisjoint(command)

    def say(line: str) -> None:
        if shown is not None and not quiet:
            print(f"launch: {line}", file=shown, flush=True)

    # Ctrl-C comes to this process alone; it sees to it that the chief can keep what it has trained.
    with finishing(), contextlib.ExitStack() as stack:
        ray = stack.enter_context(_connected(address))
        if wanted is None:
            wanted = default_resources(_machines(ray), workers)
        group = stack.enter_context(_group(ray, wanted, workers, strategy, say))
        started: list[_Remote] = []
        stack.callback(kill_all, started)
        actors = [_actor(ray, group, number, wanted) for number in range(workers)]
        addresses = _addresses(ray, actors)
        paths = make_logs(logs, workers)
        chief = addresses[0].rpartition(":")[0]
        say(f"{workers} workers, {describe(wanted)} each, the chief on {chief}; logs in {paths[0].parent}")
        started += [
            _Remote(ray, actor, number, paths[number], addresses[number], shown if number == 0 else None)
            for number, actor in enumerate(actors)
        ]
        _start(ray, actors, command, addresses, wanted, shown)
        return end_together(started, started[0].show_last, started[0].mute)


def _checked(
    command: Sequence[str], workers: int, address: str, resources: str | None, strategy: str
) -> dict[str, float] | None:
    """The resources that are asked for, None where none are; refuses all that cannot be, at once."""
    faults = Faults(command_faults(command, workers))
    if not installed("ray"):
        expected = "the package ray, which is not installed"
        faults.append(fault("launch: --ray", None, expected, "pip install 'transferkit[ray]'"))
    if address not in _NAMED:
        try:
            _host_and_port(address)
        except ValueError:
            expected = "auto, local, HOST:PORT or ray://HOST:PORT"
            faults.append(fault("launch: --ray", address, expected))
    if strategy not in STRATEGIES:
        faults.append(fault("launch: --strategy", strategy, f"one of {', '.join(STRATEGIES)}"))
    wanted = None
    with faults.caught():
        wanted = None if resources is None else read_resources(resources)
    faults.refuse()
    return wanted


class _Remote:
    """A worker on a machine of the cluster.

    Args:
        ray: the package.
        actor: what starts it there and looks after it.
        number: of the worker.
        log: where its lines are kept.
        address: of the worker.
        shown: where what it says is shown.
    """

    def __init__(
        self, ray: Any, actor: Any, number: int, log: Path, address: str, shown: TextIO | None
    ) -> None:
        self._ray, self._actor, self._address = ray, actor, address
        self.number, self.log = number, log
        self.lost: str | None = None
        self._to = ShownLog(shown, log)
        self._asked: Any = None
        self._code: int | None = None

    def status(self) -> int | None:
        """Its exit status; fetches what it has said meanwhile."""
        if self._code is not None:
            return self._code
        try:
            if self._asked is None:
                self._asked = self._actor.poll.remote()
            if not self._ray.wait([self._asked], timeout=0)[0]:
                return None
            said, printed, self._code = self._ray.get(self._asked)
        except self._ray.exceptions.RayError as error:
            self._code = _LOST
            self.lost = f"on {self._address} was lost ({_first_line(error)})"
            return self._code
        self._asked = None
        self._to.take(said)
        if printed:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.write(printed.decode("utf-8", "replace"))
                sys.stdout.flush()
        return self._code

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.get(self._actor.send.remote(int(number)), timeout=_END_SECONDS)

    def mute(self) -> None:
        """Shows nothing more of what it says."""
        self._to.mute()

    def show_last(self) -> None:
        """Shows what it said last of another worker's end."""
        self._to.show_last()

    def kill(self) -> None:
        """Ends it, and the actor with it."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            if self.lost is None:
                self._ray.get(self._actor.end.remote(), timeout=_END_SECONDS)
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)
        self._to.close()


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """The package, connected with the cluster."""
    if address not in _NAMED:
        # Ray itself tries for minutes.
        try:
            socket.create_connection(_host_and_port(address), _END_SECONDS).close()
        except OSError as error:
            raise UserError(_unreachable(address, error.strerror or str(error))) from None
    import ray

    own = not ray.is_initialized()
    if own:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray has no kind of its own for it
            ray.shutdown()
            raise UserError(_unreachable(address, _first_line(error))) from None
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def _host_and_port(address: str) -> tuple[str, int]:
    """Of an address as Ray has it.

    >>> _host_and_port("head:6379"), _host_and_port("ray://head:10001")
    (('head', 6379), ('head', 10001))

    Raises:
        ValueError: it is none.
    """
    scheme, _, place = address.rpartition("://")
    parts = urlsplit(f"//{place}")
    if scheme not in ("", "ray") or not parts.hostname or not parts.port or parts.netloc != place:
        raise ValueError("no HOST:PORT")
    return parts.hostname, parts.port


def _unreachable(address: str, why: str) -> str:
    outside = "" if address in _NAMED[1:] or "://" in address else "; from outside of it use ray://HOST:10001"
    expected = "room to start Ray here" if address == "local" else "the address of a Ray cluster that answers"
    return fault("launch: --ray", address, expected, f"{why}{outside}")


def _machines(ray: Any) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@contextlib.contextmanager
def _group(
    ray: Any, wanted: Mapping[str, float], workers: int, strategy: str, say: Callable[[str], None]
) -> Iterator[Any]:
    """Room for all workers at once, which is given back in the end."""
    group = ray.util.placement_group([dict(wanted)] * workers, strategy=strategy, name="transferkit")
    try:
        began, told = time.monotonic(), False
        while not group.wait(0.5):
            waited = time.monotonic() - began
            if waited > _ROOM_SECONDS:
                expected = f"room for {workers} workers with {describe(wanted)} each in {_ROOM_SECONDS:g} s"
                hint = "see --workers, --resources and what else runs on the cluster"
                raise UserError(fault("launch: --ray", _room(ray), expected, hint))
            if waited > _PATIENT_SECONDS and not told:
                told = True
                say(f"waiting for room for {workers} workers with {describe(wanted)} each; {_room(ray)}")
        yield group
    finally:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.util.remove_placement_group(group)


def _room(ray: Any) -> str:
    """What the cluster has, and what is free of it."""
    there, free = ray.cluster_resources(), ray.available_resources()
    names = [name for name in ("CPU", "GPU") if there.get(name)]
    shown = ", ".join(f"{free.get(name, 0):g} of {there[name]:g} {name} free" for name in names)
    count = len(_machines(ray))
    return f"the cluster has {shown or 'no CPU'} on {count} {'machine' if count == 1 else 'machines'}"


def _actor(ray: Any, group: Any, number: int, wanted: Mapping[str, float]) -> Any:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number)
    return (
        ray.remote(RayWorker)
        .options(scheduling_strategy=place, max_restarts=0, **actor_options(wanted))
        .remote()
    )


def _addresses(ray: Any, actors: Sequence[Any]) -> list[str]:
    """Addresses of all workers, once their machines are known to be alike.

    Raises:
        UserError: says which machine lacks what.
    """
    folder = os.getcwd()
    try:
        told = ray.get([actor.about.remote(folder) for actor in actors], timeout=_ANSWER_SECONDS)
    except ray.exceptions.RayError as error:
        expected = f"transferkit {__version__} on each machine of the cluster"
        raise UserError(fault("launch: --ray", None, expected, _first_line(error))) from None
    faults = Faults()
    for one in told:
        host = one["address"].rpartition(":")[0]
        if one["version"] != __version__:
            faults.append(fault(f"launch: --ray: {host}", f"transferkit {one['version']}", __version__))
        if not one["folder"]:
            hint = "start it in a folder that all machines have"
            faults.append(fault(f"launch: --ray: {host}", None, f"the current folder {folder}", hint))
    faults.refuse()
    return [one["address"] for one in told]


def _start(
    ray: Any,
    actors: Sequence[Any],
    command: Sequence[str],
    addresses: Sequence[str],
    wanted: Mapping[str, float],
    shown: TextIO | None,
) -> None:
    """Starts all workers' processes.

    Raises:
        UserError: says why one of them could not be started.
    """
    variables = {key: value for key, value in os.environ.items() if key.startswith("TRANSFERKIT_")}
    # A proxy on the way out is none between the machines.
    variables["no_grpc_proxy"] = ",".join(dict.fromkeys(one.rpartition(":")[0] for one in addresses))
    if not wanted.get("GPU"):
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    size = tuple(shutil.get_terminal_size()) if shown is not None and shown.isatty() else None
    cores = math.ceil(wanted.get("CPU", 0))
    asked = [
        actor.start.remote(
            list(command),
            {**variables, "TF_CONFIG": cluster_config(number, addresses)},
            os.getcwd(),
            cores,
            size if number == 0 else None,
            number == 0,
        )
        for number, actor in enumerate(actors)
    ]
    for address, one in zip(addresses, asked, strict=True):
        try:
            ray.get(one, timeout=_START_SECONDS)
        except ray.exceptions.RayError as error:
            place = f"launch: --ray: {address.rpartition(':')[0]}"
            raise UserError(fault(place, None, "a worker that starts there", _first_line(error))) from None


def _first_line(error: BaseException) -> str:
    """What went wrong, without the traceback from afar."""
    # What a task raised begins with where; why stands in its cause.
    why = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(why).splitlines() if line.strip()]
    return one_line(lines[0])[:300].rstrip(".") if lines else type(error).__name__
