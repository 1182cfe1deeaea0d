"""The server as a Starlette application: which path gives what answer, and who may ask."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from transferkit.serving.endpoints import Endpoints
from transferkit.serving.guard import Guard
from transferkit.serving.responses import EXCEPTION_HANDLERS, packaged_file
from transferkit.serving.service import Service

__all__ = ["make_app"]


def make_app(service: Service, hosts: Sequence[str] | None = None, origins: Sequence[str] = ()) -> Starlette:
    """The application.

    Args:
        service: the model's answers.
        hosts: names that a request may be for; None for any.
        origins: web sites whose scripts may read answers (CORS).
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    middleware = [Middleware(Guard, service=service, hosts=hosts, origins=origins)]
    if origins:
        methods, headers = ["GET", "POST"], ["Content-Type"]
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=origins, allow_methods=methods, allow_headers=headers)
        )
    app = Starlette(
        routes=_routes(service),
        middleware=middleware,
        exception_handlers=dict(EXCEPTION_HANDLERS),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # what is not there is said in JSON
    return app


def _routes(service: Service) -> list[Route]:
    answers = Endpoints(service)
    return [
        Route("/", packaged_file("page.html", "text/html"), methods=["GET"]),
        Route("/page.css", packaged_file("page.css", "text/css"), methods=["GET"]),
        Route("/page.js", packaged_file("page.js", "text/javascript"), methods=["GET"]),
        Route("/facts", answers.facts, methods=["GET"]),
        Route("/photo/labels", answers.photo(service.label), methods=["POST"]),
        Route("/photo/heat", answers.photo(service.heat), methods=["POST"]),
        Route("/photo/similar", answers.photo(service.similar), methods=["POST"]),
        Route("/healthz", answers.health, methods=["GET"]),
        Route("/metrics", answers.metrics, methods=["GET"]),
        Route("/v1/models/{model:path}", answers.model_state, methods=["GET"]),
        Route("/v1/models/{model:path}", answers.model_predict, methods=["POST"]),
    ]
