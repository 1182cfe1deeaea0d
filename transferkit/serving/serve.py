"""Starts the server and ends it in order."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit import interruption
from transferkit.errors import Faults, UserError, fault
from transferkit.packages import installed
from transferkit.serving.request_limits import Limits

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from transferkit.serving.insight import Insight
    from transferkit.serving.served_model import Served

__all__ = ["serve"]

_NEEDS = ("uvicorn", "starlette", "prometheus_client")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"[^\s/:*@?#]+|[0-9a-fA-F:.]+")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/*@?#]+")
_GRACE = 20  # seconds that requests under way have when the server ends


def serve(
    model: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    name: str | None = None,
    engine: str = "auto",
    neighbours: bool | None = None,
    hosts: Sequence[str] = (),
    origins: Sequence[str] = (),
    limits: Limits | None = None,
    allow_code: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serves a run or an export over HTTP until it is interrupted: ``transferkit serve``.

    Args:
        model: a run, an export, or one file of it (``.tflite``, ``.keras``, ``.onnx``).
        host: the address to listen on; the default is reached from this machine alone.
        port: 0 takes a free one.
        name: in ``/v1/models/NAME``; that of the run's folder by default.
        engine: what runs a SavedModel; ``"auto"`` takes the fastest that agrees with it.
        neighbours: whether the page shows training photos of a run; by default on this machine alone.
        hosts: further names of this server, as requests write them. Any will do where ``host`` is no loopback
            address and none is named.
        origins: web sites whose scripts may ask and read answers (CORS), such as ``https://example.org``.
        limits: of requests.
        allow_code: as of :func:`transferkit.retrain`: a run outside the current project may name code.
        say: told where the server is, once it answers.

    Raises:
        UserError: packages are missing, the port is taken, or there is no such model.
    """
    missing = [one for one in _NEEDS if not installed(one)]
    if missing:
        expected = f"the packages {', '.join(missing)}, which are not installed"
        raise UserError(fault("serve", None, expected, "pip install 'transferkit[serve]'"))
    _check_names(host, hosts, origins)
    local = host in _LOOPBACK
    with _bound(host, port) as bound:
        served, insight = _opened(model, name, engine, allow_code)
        app = _app(served, insight, limits or Limits(), local if neighbours is None else neighbours,
                   _known_hosts(host, hosts), origins)  # fmt: skip
        shown = f"[{host}]" if ":" in host else host
        _run(app, bound, f"http://{shown}:{bound.getsockname()[1]}", say)


def _opened(
    model: str | os.PathLike[str], name: str | None, engine: str, allow_code: bool
) -> tuple[Served, Insight | None]:
    """The model, and what explains its answers; None where it is no run."""
    from transferkit.runs.finished.run import Run
    from transferkit.runs.remote.local_copy import local_copy
    from transferkit.serving.served_model import Served

    model = local_copy(model)
    # A run explains its answers, which takes Keras; an export does without.
    run = Run(model) if (Path(model) / "metrics.json").is_file() else None
    served = Served(model, name, engine, keras=run is not None)
    from transferkit.serving.insight import Insight

    return served, Insight(run, allow_code) if run is not None else None


def _app(
    served: Served,
    insight: Insight | None,
    limits: Limits,
    neighbours: bool,
    hosts: Sequence[str] | None,
    origins: Sequence[str],
) -> Starlette:
    from transferkit.serving.app import make_app
    from transferkit.serving.service import Service

    return make_app(Service(served, limits, insight, neighbours), hosts, origins)


def _check_names(host: str, hosts: Sequence[str], origins: Sequence[str]) -> None:
    """Refuses names that would let in everybody or nobody without a word.

    Raises:
        UserError: says which.
    """
    faults = Faults()
    if not host.strip():
        # The system would listen on every address.
        hint = "127.0.0.1 for this machine alone, 0.0.0.0 to let other machines in"
        faults.append(fault("--host", host, "an address to listen on", hint))
    for name in hosts:
        if not _HOST.fullmatch(name):
            expected = "a name as in flowers.example.org, without scheme, port or path"
            faults.append(fault("--allowed-host", name, expected))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            expected = "a web site as browsers name it, such as https://example.org, without a path"
            faults.append(fault("--cors", origin, expected))
    faults.refuse()


def _known_hosts(host: str, hosts: Sequence[str]) -> list[str] | None:
    """The names that requests may be for; None for any."""
    if host in _LOOPBACK:
        return [*_LOOPBACK, *hosts]
    return [host, *_LOOPBACK, *hosts] if hosts else None


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """The address, taken before the model is loaded; nobody is let in before it answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = f"{reason}; another one with --port, or --port 0 for a free one"
            raise UserError(fault("serve", f"{host}:{port}", "an address to listen on", hint)) from None
        yield bound


def _run(app: Starlette, bound: socket.socket, url: str, say: Callable[[str], None]) -> None:
    import uvicorn

    class Server(uvicorn.Server):  # type: ignore[misc]
        """Ends in order when it is asked to, and then as any command that did its work."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before: dict[int, Any] = {}
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self._asked)
            try:
                yield
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)

        def _asked(self, number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(url)

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        lifespan="on",
    )
    with interruption.finishing():
        Server(config).run(sockets=[bound])
