"""The server's routes: TensorFlow Serving's REST, the page and what it asks, health and metrics.

Whatever goes wrong is answered as TensorFlow Serving does, ``{"error": "…"}``, with the status of HTTP that
says whose fault it is.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from transferkit.serving.guard import Guard
from transferkit.serving.request_limits import Refusal
from transferkit.serving.rest import answer_json, metadata_json, read_request, status_json
from transferkit.serving.server_metrics import CONTENT_TYPE
from transferkit.serving.service import Service

__all__ = ["make_app"]

_OF_MODEL = re.compile(
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<rest>/metadata|:[a-z_]+)?"
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; media-src blob:; object-src "
    "'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# Bodies that are larger than this are read in a thread: reading JSON holds up everybody else.
_SMALL = 64_000


def make_app(service: Service, hosts: Sequence[str] | None = None, origins: Sequence[str] = ()) -> Starlette:
    """The application.

    Args:
        service: the model's answers.
        hosts: names that a request may be for; None for any.
        origins: web sites whose scripts may read answers (CORS).
    """
    about = service.served.about

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    async def model_state(request: Request) -> Response:
        found = _find(request, service)
        if found == "/metadata":
            return _json(metadata_json(service.served.name, service.served.version, about))
        if found:
            raise HTTPException(405, f"expected POST for {found}", {"Allow": "POST"})
        return _json(status_json(service.served.version))

    async def model_predict(request: Request) -> Response:
        found = _find(request, service)
        if found != ":predict":
            if found in (":classify", ":regress"):
                raise Refusal(501, f"{found} is not offered; :predict answers with labels and scores")
            raise HTTPException(405, "expected GET, or POST for :predict", {"Allow": "GET"})
        body = await _body(request, service)
        read = service.in_thread if len(body) > _SMALL else _at_once
        asked = await read(read_request, body, service.limits.instances)
        outputs = await service.outputs(asked.images, asked.key)
        return _json(await read(answer_json, asked, outputs))

    def photo(ask: Callable[[bytes], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            told = await ask(await _body(request, service))
            return _json(json.dumps(told).encode())

        return answer

    async def facts(_: Request) -> Response:
        told = {
            "name": service.served.name,
            "version": service.served.version,
            "format": service.served.exported.format,
            "engine": service.served.engine,
            "backbone": about.backbone,
            "classes": list(about.classes),
            "several": about.multi_label,
            "knows_unknown": about.false_alarms is not None and service.served.exported.scores,
            "heat": service.insight is not None,
            "neighbours": service.neighbours,
            "max_bytes": service.limits.bytes,
        }
        return _json(json.dumps(told).encode())

    async def health(_: Request) -> Response:
        if not service.healthy:
            raise Refusal(503, "the model does not answer")
        return _json(b'{"status": "ok"}')

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    files = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css")}
    files["/page.js"] = ("page.js", "text/javascript")
    routes = [Route(path, _file(*named), methods=["GET"]) for path, named in files.items()]
    routes += [
        Route("/facts", facts, methods=["GET"]),
        Route("/photo/labels", photo(service.label), methods=["POST"]),
        Route("/photo/heat", photo(service.heat), methods=["POST"]),
        Route("/photo/similar", photo(service.similar), methods=["POST"]),
        Route("/healthz", health, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/v1/models/{model:path}", model_state, methods=["GET"]),
        Route("/v1/models/{model:path}", model_predict, methods=["POST"]),
    ]
    middleware = [Middleware(Guard, service=service, hosts=hosts, origins=origins)]
    if origins:
        allowed: dict[str, Any] = {"allow_origins": list(origins), "allow_methods": ["GET", "POST"]}
        middleware.append(Middleware(CORSMiddleware, **allowed, allow_headers=["Content-Type"]))
    handlers: dict[Any, Any] = {
        Refusal: _refused,
        HTTPException: _refused_by_route,
        ClientDisconnect: _gone,
        Exception: _failed,
    }
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False  # what is not there is said in JSON
    return app


def _find(request: Request, service: Service) -> str:
    """What is wanted of the model: nothing, ``/metadata`` or a verb such as ``:predict``.

    Raises:
        Refusal: another model or version is meant.
    """
    served, path = service.served, request.path_params["model"]
    found = _OF_MODEL.fullmatch(path[len(served.name) :]) if path.startswith(served.name) else None
    if found is None:
        raise Refusal(404, f"received the model {path[:100]!r}, expected {served.name!r}")
    if found["label"] is not None:
        raise Refusal(404, f"received the label {found['label'][:100]!r}; versions have no labels here")
    if found["version"] is not None and found["version"].lstrip("0") != str(served.version):
        raise Refusal(
            404, f"received version {found['version'][:20]}, expected {served.version}, the one served"
        )
    return found["rest"] or ""


async def _body(request: Request, service: Service) -> bytes:
    """The body, as long as it is within the limit.

    Raises:
        Refusal: it is larger. A client that sends first and reads afterwards shall hear of it: what it sends
            is thrown away, up to a bound.
    """
    most = service.limits.bytes
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "received a compressed body, expected it as it is")
    taken, parts = 0, []
    async for part in request.stream():
        taken += len(part)
        if taken <= most:
            parts.append(part)
        elif taken > 4 * most:
            break
    if taken > most:
        raise Refusal(413, f"the body is larger than {most:,} bytes, the limit (--max-bytes)")
    return b"".join(parts)


async def _at_once(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files("transferkit.serving").joinpath("page", name).read_bytes()
    if name == "page.css":
        # The same colours and type as a run's report.
        shared = resources.files("transferkit.report").joinpath("templates", "style.css")
        content = shared.read_bytes() + b"\n" + content

    async def answer(_: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=_HEADERS)

    return answer


def _json(body: bytes, status: int = 200, headers: Any = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _error(status: int, message: str, headers: Any = None) -> Response:
    return _json(json.dumps({"error": message}).encode(), status, headers)


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
