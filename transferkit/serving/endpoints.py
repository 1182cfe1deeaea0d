"""What the server answers at each path: TensorFlow Serving's REST, the page's questions, health, metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from transferkit.serving.request_limits import Refusal
from transferkit.serving.responses import Endpoint, json_response
from transferkit.serving.rest import answer_json, metadata_json, read_request, status_json
from transferkit.serving.server_metrics import CONTENT_TYPE
from transferkit.serving.service import Service
from transferkit.type_names import NamedValues

__all__ = ["Endpoints"]

_OF_MODEL = re.compile(
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<rest>/metadata|:[a-z_]+)?"
)
# Bodies that are larger than this are read in a thread: reading JSON holds up everybody else.
_SMALL = 64_000


@dataclass(frozen=True)
class Endpoints:
    """Each path's answer.

    Attributes:
        service: the model's answers.
    """

    service: Service

    async def model_state(self, request: Request) -> Response:
        """GET of a model: its state, or its signature."""
        found, served = self._find(request), self.service.served
        if found == "/metadata":
            return json_response(metadata_json(served.name, served.version, served.about))
        if found:
            raise HTTPException(405, f"expected POST for {found}", {"Allow": "POST"})
        return json_response(status_json(served.version))

    async def model_predict(self, request: Request) -> Response:
        """POST to a model: the labels and scores of images."""
        found = self._find(request)
        if found != ":predict":
            if found in (":classify", ":regress"):
                raise Refusal(501, f"{found} is not offered; :predict answers with labels and scores")
            raise HTTPException(405, "expected GET, or POST for :predict", {"Allow": "GET"})
        body = await self._body(request)
        read = self.service.in_thread if len(body) > _SMALL else _at_once
        asked = await read(read_request, body, self.service.limits.instances)
        outputs = await self.service.outputs(asked.images, asked.key)
        return json_response(await read(answer_json, asked, outputs))

    def photo(self, ask: Callable[[bytes], Awaitable[NamedValues]]) -> Endpoint:
        """The endpoint that asks one question about the photo it is sent.

        Args:
            ask: from the photo's bytes to what JSON holds.
        """

        async def answer(request: Request) -> Response:
            told = await ask(await self._body(request))
            return json_response(json.dumps(told).encode())

        return answer

    async def facts(self, _: Request) -> Response:
        """What the page has to know of the model."""
        service, served = self.service, self.service.served
        told = {
            "name": served.name,
            "version": served.version,
            "format": served.exported.format,
            "engine": served.engine,
            "backbone": served.about.backbone,
            "classes": list(served.about.classes),
            "several": served.about.multi_label,
            "knows_unknown": served.about.false_alarms is not None and served.exported.scores,
            "heat": service.insight is not None,
            "neighbours": service.neighbours,
            "max_bytes": service.limits.bytes,
        }
        return json_response(json.dumps(told).encode())

    async def health(self, _: Request) -> Response:
        """Whether the model answers, for what restarts servers that do not."""
        if not self.service.healthy:
            raise Refusal(503, "the model does not answer")
        return json_response(b'{"status": "ok"}')

    async def metrics(self, _: Request) -> Response:
        """Counts and times in Prometheus's format."""
        return Response(self.service.metrics.text(), media_type=CONTENT_TYPE)

    def _find(self, request: Request) -> str:
        """What is wanted of the model: nothing, ``/metadata`` or a verb such as ``:predict``.

        Raises:
            Refusal: another model or version is meant.
        """
        served, path = self.service.served, request.path_params["model"]
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

    async def _body(self, request: Request) -> bytes:
        """The body, as long as it is within the limit.

        Raises:
            Refusal: it is larger. A client that sends first and reads afterwards shall hear of it: what it
                sends is thrown away, up to a bound.
        """
        most = self.service.limits.bytes
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
