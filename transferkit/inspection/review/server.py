"""The page's server: this machine alone, one run, photos by number and never by path.

Another site's page may send requests here, and a name that it owns may lead here. So a request has to name
this very address as its host, carry the token that the page was opened with, and, to decide something, say
that in JSON with the token in a header, which no form of another site can do.
"""

from __future__ import annotations

import hmac
import json
import mimetypes
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from transferkit.data.photo_decisions import Edit, append_edit, read_edits, standing
from transferkit.errors import UserError
from transferkit.inspection.review.queue import ToReview
from transferkit.report.rendering import render
from transferkit.type_names import NamedValues

__all__ = ["ReviewServer"]

_MOST_BODY = 10_000
_TOKEN = "X-Review-Token"
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'nonce-{0}'; script-src 'nonce-{0}'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class ReviewServer:
    """Serves the page until :meth:`close`.

    Args:
        title: of the run.
        photos: what to go through.
        classes: that a photo may be given.
        edits: the file that decisions are added to; what stands in it is shown.
        port: 0 for any that is free.

    Attributes:
        url: of the page, with its token.

    Raises:
        UserError: the file of edits is damaged.
        OSError: the port is taken.
    """

    def __init__(
        self, title: str, photos: list[ToReview], classes: tuple[str, ...], edits: Path, port: int = 0
    ) -> None:
        self.photos, self.classes, self.edits, self.title = photos, classes, edits, title
        self.token = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._made = read_edits(edits) if edits.exists() else []
        server = self

        class Handler(_Handler):
            review = server

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/?token={self.token}"

    def run(self) -> None:
        """Serves until it is closed."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Ends it, from another thread than the one that serves."""
        self._server.shutdown()
        self.end()

    def end(self) -> None:
        """Gives the port back, once nothing is served any more."""
        self._server.server_close()

    def decide(self, read: Any) -> NamedValues:
        """Adds a decision to the file.

        Args:
            read: the request's JSON: ``action``, the ``photo``'s number, and a ``label`` to relabel.

        Returns:
            What stands now.

        Raises:
            ValueError: it is no decision on one of the photos.
        """
        if not isinstance(read, dict):
            raise ValueError("expected an object")
        action = read.get("action")
        with self._lock:
            # Another window, or a person, may have added lines.
            self._made = read_edits(self.edits) if self.edits.exists() else []
            if action == "undo":
                if not any(one.action != "undo" for one in self._made) or not standing(self._made):
                    raise ValueError("nothing is left to undo")
                edit = Edit("undo")
            elif action in ("keep", "drop", "relabel"):
                number = read.get("photo")
                if type(number) is not int or not 0 <= number < len(self.photos):
                    raise ValueError("expected the number of a photo")
                label = read.get("label", "") if action == "relabel" else ""
                if action == "relabel" and label not in self.classes:
                    raise ValueError("expected one of the classes")
                photo = self.photos[number]
                if action == "relabel" and photo.label not in self.classes:
                    raise ValueError("a photo with several labels can be kept or dropped here")
                edit = Edit(action, photo.sha256, photo.name, label)
            else:
                raise ValueError("expected keep, relabel, drop or undo")
            append_edit(self.edits, edit)
            self._made.append(edit)
            return self.decided()

    def decided(self) -> NamedValues:
        """Number of a photo to what was decided on it."""
        stands = standing(self._made)
        found = {}
        for number, photo in enumerate(self.photos):
            edit = stands.get(photo.sha256)
            if edit is not None:
                found[str(number)] = {"action": edit.action, "label": edit.label}
        return {"decided": found}

    def page(self, nonce: str) -> str:
        """The page's HTML.

        Args:
            nonce: of its own style and script; nothing else runs.
        """
        photos = [
            {"name": one.name, "label": one.label, "guess": one.guess, "reason": one.reason}
            for one in self.photos
        ]
        facts = {"photos": photos, "classes": list(self.classes), "token": self.token, **self.decided()}
        return render("review.html.j2", title=self.title, facts=facts, nonce=nonce, count=len(photos))


class _Handler(BaseHTTPRequestHandler):
    review: ReviewServer
    server_version, sys_version = "transferkit", ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        parts = self._place()
        given = parse_qs(parts.query).get("token", [""])[0]
        if not self._is_ours(given):
            return
        if parts.path == "/":
            nonce = secrets.token_urlsafe(12)
            self._send(200, "text/html; charset=utf-8", self.review.page(nonce).encode(), nonce)
        elif parts.path.startswith("/photo/") and parts.path[7:].isascii() and parts.path[7:].isdecimal():
            self._photo(int(parts.path[7:][:9]))
        else:
            self._refuse(404, "there is no such page")

    def do_POST(self) -> None:
        if not self._is_ours(self.headers.get(_TOKEN, "")):
            return
        length = self.headers.get("Content-Length", "")
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if self._place().path != "/decide" or kind != "application/json":
            self._refuse(404, "expected JSON to /decide")
        elif not length.isdecimal() or int(length) > _MOST_BODY:
            self._refuse(413, "expected a short body")
        else:
            try:
                answer = self.review.decide(json.loads(self.rfile.read(int(length))))
            except RecursionError:
                self._refuse(400, "expected an object")
            except (ValueError, UserError, OSError) as error:
                self._refuse(400, str(error))
            else:
                self._send(200, "application/json", json.dumps(answer).encode())

    def _place(self) -> SplitResult:
        try:
            return urlsplit(self.path)
        except ValueError:  # such as half an address of IPv6
            return SplitResult("", "", "", "", "")

    def _is_ours(self, token: str) -> bool:
        """Whether a request is for this address, with its token; answers those that are not."""
        port = self.review.port
        if self.headers.get("Host", "") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            self._refuse(403, "it is for another host")
        elif not hmac.compare_digest(token.encode("utf-8", "replace"), self.review.token.encode()):
            self._refuse(403, "the token is missing: open the address that the command printed")
        else:
            return True
        return False

    def _photo(self, number: int) -> None:
        photos = self.review.photos
        if number >= len(photos):
            self._refuse(404, "there is no such photo")
            return
        kind = mimetypes.guess_type(photos[number].file.name)[0] or "application/octet-stream"
        try:
            content = photos[number].file.read_bytes()
        except OSError as error:
            self._refuse(404, error.strerror or "it cannot be read")
            return
        # Never as a page of its own: what is in the data folder may be anything.
        self._send(200, kind if kind in _SHOWN else "application/octet-stream", content)

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True
        self._send(status, "application/json", json.dumps({"error": why}).encode())

    def _send(self, status: int, kind: str, content: bytes, nonce: str = "") -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": _POLICY.format(nonce) if nonce else "default-src 'none'; sandbox",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is the user's."""


_SHOWN = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp")
