"""What stands before every route: whom a request is for, how long it may take, and that it is counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from transferkit.serving.service import Service

__all__ = ["Guard"]

# Answered however much is under way: a busy server that is restarted, or out of sight, is no help. They cost
# next to nothing, and are not counted among the requests under way.
_WATCHED = ("/healthz", "/metrics")
_PATHS = ("/", "/facts", "/healthz", "/metrics", "/page.css", "/page.js")


class Guard:
    """A layer of the application.

    A page of a stranger's may send requests to a server on this machine, and by DNS it may take this
    machine's address for a name of its own. So a request must be for a name that is ours, and one that a
    script of another site sends is refused.

    Args:
        app: what lies behind.
        service: the limits, and where requests are counted.
        hosts: names that a request may be for; None for any.
        origins: other web sites that may ask.
    """

    def __init__(
        self, app: ASGIApp, service: Service, hosts: Sequence[str] | None, origins: Sequence[str]
    ) -> None:
        self._app, self._service, self._origins = app, service, frozenset(origins)
        self._open = 0
        self._hosts = None if hosts is None else frozenset(one.lower() for one in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        watched = scope["path"] in _WATCHED
        self._open += not watched
        try:
            refused = None if watched else self._overload()
            refused = refused or self._refused(scope)
            if refused is not None:
                await _answer(counted, *refused)
                return
            seconds = self._service.limits.seconds
            try:
                async with asyncio.timeout(seconds):
                    await self._app(scope, receive, counted)
            except TimeoutError:
                if not status:
                    await _answer(counted, 504, f"no answer within {seconds:g} s, the limit (--timeout)")
        except Exception:
            status = status or 500
            raise
        finally:
            self._open -= not watched
            self._service.metrics.answered(_kind(scope["path"]), status, time.perf_counter() - began)

    def _overload(self) -> tuple[int, str] | None:
        if self._open > (most := self._service.limits.requests):
            return 503, f"{most} requests are under way already; try again"
        return None

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = {key.lower(): value for key, value in scope["headers"]}
        host = _name(f"//{headers.get(b'host', b'').decode('latin-1')}")
        # Kubernetes asks for health at an address that nobody knows beforehand, and the answer tells nothing.
        known = self._hosts is None or host in self._hosts or scope["path"] == "/healthz"
        if self._hosts is not None and not known:
            return 421, f"received a request for the host {host!r}, expected one of {_listed(self._hosts)}"
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin or origin in self._origins:
            return None
        with contextlib.suppress(ValueError):  # half an address of IPv6 is no site of ours
            if urlsplit(origin).netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower():
                return None
        return 403, f"received a request of the web site {origin[:200]!r}, which may not ask (--cors)"


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _listed(hosts: Any) -> str:
    return ", ".join(sorted(hosts))


def _kind(path: str) -> str:
    """What is counted together: a path that a stranger made up is not a name of ours."""
    if path.startswith("/v1/models/"):
        return "predict" if path.endswith(":predict") else "model"
    if path.startswith("/photo/"):
        return "photo"
    return path if path in _PATHS else "other"


async def _answer(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
