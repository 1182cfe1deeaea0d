"""As much of a hub for models and data as its libraries ask, served on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["SHA", "HubHandler", "serve"]

SHA = "a" * 40  # of the only commit


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers with files that have a commit and a tag; what is asked for is in ``do_GET`` of a subclass."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        raise NotImplementedError

    def give(self, body: bytes) -> None:
        """A file, or an answer in JSON."""
        self.send_response(200)
        for name, value in {
            "Content-Length": str(len(body)), "Content-Type": "application/json", "X-Repo-Commit": SHA,
            "ETag": f'"{hashlib.sha1(body).hexdigest()}"', "Accept-Ranges": "bytes",
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        """Nothing goes to the terminal."""


@contextlib.contextmanager
def serve(handler: type[HubHandler]) -> Iterator[str]:
    """Serves on a free port; its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
