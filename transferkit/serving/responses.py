"""The forms of the answers: JSON, the page's files, and faults as TensorFlow Serving says them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from transferkit.serving.request_limits import Refusal

__all__ = ["EXCEPTION_HANDLERS", "Endpoint", "json_response", "packaged_file"]

Endpoint = Callable[[Request], Awaitable[Response]]
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; media-src blob:; object-src "
    "'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def packaged_file(name: str, kind: str) -> Endpoint:
    """The answer with one file of the page.

    Args:
        name: of the file in ``page/``.
        kind: its media type, such as ``text/html``.
    """
    content = resources.files("transferkit.serving").joinpath("page", name).read_bytes()
    if name == "page.css":
        # The same colours and type as a run's report.
        shared = resources.files("transferkit.report").joinpath("templates", "style.css")
        content = shared.read_bytes() + b"\n" + content

    async def answer(_: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=_HEADERS)

    return answer


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON.

    Args:
        body: the JSON, encoded.
        status: of HTTP.
        headers: further ones.
    """
    return Response(body, status, headers, media_type="application/json")


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return json_response(json.dumps({"error": message}).encode(), status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 -- for the type checker
    return _error(error.status, error.message)


async def _refused_by_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- for the type checker
    own = {
        "Not Found": f"there is no {request.url.path[:200]}",
        "Method Not Allowed": f"no {request.method} here",
    }
    return _error(error.status_code, own.get(error.detail, error.detail), error.headers)


async def _gone(_: Request, error: Exception) -> Response:
    return _error(400, "the connection was closed")


async def _failed(_: Request, error: Exception) -> Response:
    # uvicorn writes the traceback to its log.
    return _error(500, "the server failed; its log says why")


EXCEPTION_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    Refusal: _refused,
    HTTPException: _refused_by_route,
    ClientDisconnect: _gone,
    Exception: _failed,
}
