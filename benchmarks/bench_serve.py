"""Requests/s and times of `transferkit serve`, beside a plain TensorFlow loop and a plain server around one.

All sides answer the same JPEG photos with the same export. The plain loop calls the SavedModel's signature,
photo by photo, without HTTP; the plain server is the standard library's around such a loop. Rounds are
interleaved; all traffic stays on the loopback address, in a fixed number of requests.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from _report import Report, arguments

PATH = "/v1/models/run:predict"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run to serve (default: one is made)")
    parser.add_argument("--photos", type=Path, help="a folder of JPEG photos to ask about")
    parser.add_argument("--requests", type=int, default=128, help="of each side and round (default 128)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16], help="at once (default 1 and 16)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, photos = prepare(Path(folder), options.run, options.photos)
        export = str(max((run / "export").glob("[0-9]*"), key=lambda path: int(path.name)))
        command = [sys.executable, "-m", "transferkit", "serve", str(run), "--port", "0", "--name", "run"]
        servers = {
            "http.server + TensorFlow": Server([sys.executable, __file__, "--plain", export]),
            "transferkit serve": Server([*command, "--no-neighbours"]),
            "transferkit serve, SavedModel": Server([*command, "--no-neighbours", "--engine", "saved_model"]),
        }
        try:
            measure(options, photos, export, servers)
        finally:
            for server in servers.values():
                server.stop()


def measure(options, photos: Sequence[bytes], export: str, servers: dict[str, Server]) -> None:
    bodies = [json.dumps({"instances": [{"b64": base64.b64encode(one).decode()}]}).encode() for one in photos]
    loop = plain_loop(export)
    sides: dict[tuple[str, int], Callable[[], list[float]]] = {
        ("plain TensorFlow loop, no HTTP", 1): lambda: looped(loop, photos, options.requests)
    }
    for clients in options.clients:
        for name, server in servers.items():
            sides[name, clients] = lambda server=server, clients=clients: asked(
                server.port, bodies, options.requests, clients
            )
    seconds: dict[tuple[str, int], list[list[float]]] = {side: [] for side in sides}
    took: dict[tuple[str, int], list[float]] = {side: [] for side in sides}
    for number in range(options.repeats + 1):
        for side, work in sides.items():
            start = time.perf_counter()
            found = work()
            if number:  # the first round warms
                took[side].append(time.perf_counter() - start)
                seconds[side].append(found)
    report = Report("serve", ["side", "clients", "requests_per_s", "p50_ms", "p99_ms"])
    rates = {side: options.requests / statistics.median(values) for side, values in took.items()}
    for (name, clients), rounds in seconds.items():
        report.add(
            side=name,
            clients=clients,
            requests_per_s=rates[name, clients],
            p50_ms=1000 * statistics.median(quantile(one, 0.5) for one in rounds),
            p99_ms=1000 * statistics.median(quantile(one, 0.99) for one in rounds),
        )
    most = max(options.clients)
    best = rates["transferkit serve", most]
    report.note(
        **{
            "serve / plain loop": best / rates["plain TensorFlow loop, no HTTP", 1],
            "serve / plain server": best / rates["http.server + TensorFlow", most],
        }
    )
    report.write(options.json)


class Server:
    """A server in a process of its own; it names its port in a line of stderr."""

    def __init__(self, command: list[str]) -> None:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                # What else it says is read, so that it never waits.
                threading.Thread(target=self._process.stderr.read, daemon=True).start()
                return
        raise RuntimeError(f"{command} ended")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def plain_loop(export: str) -> Callable[[bytes], dict]:
    """What a user writes with TensorFlow alone."""
    import tensorflow as tf

    model = tf.saved_model.load(export)
    signature = model.signatures["serving_default"]

    def answer(encoded: bytes) -> dict:
        outputs = signature(bytes=tf.constant([encoded]))
        values = {name: value.numpy()[0].tolist() for name, value in outputs.items()}
        return {
            name: [str(one) for one in v] if name in ("labels", "classes") else v
            for name, v in values.items()
        }

    answer.model = model  # type: ignore[attr-defined] -- it lives as long as the function
    return answer


def plain_server(export: str) -> None:
    """The standard library's server around it: what is quickly written, with TensorFlow Serving's request."""
    answer = plain_loop(export)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            images = [base64.b64decode(one["b64"]) for one in asked["instances"]]
            text = json.dumps({"predictions": [answer(one) for one in images]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_) -> None:
            pass

    ThreadingHTTPServer.request_queue_size = 64  # else it resets some of many clients at once
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", file=sys.stderr, flush=True)
    server.serve_forever()


def looped(answer: Callable[[bytes], dict], photos: Sequence[bytes], requests: int) -> list[float]:
    seconds = []
    for number in range(requests):
        start = time.perf_counter()
        answer(photos[number % len(photos)])
        seconds.append(time.perf_counter() - start)
    return seconds


def asked(port: int, bodies: Sequence[bytes], requests: int, clients: int) -> list[float]:
    """Seconds of each request, of so many clients at once; each keeps its connection."""
    seconds: list[float] = []

    def client(mine: range) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for number in mine:
            start = time.perf_counter()
            connection.request("POST", PATH, bodies[number % len(bodies)])
            response = connection.getresponse()
            told = response.read()
            assert response.status == 200, told
            seconds.append(time.perf_counter() - start)
        connection.close()

    threads = [threading.Thread(target=client, args=(range(n, requests, clients),)) for n in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(seconds) == requests
    return seconds


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def prepare(folder: Path, run: Path | None, photos: Path | None) -> tuple[Path, list[bytes]]:
    """A run of the default backbone, and encoded photos."""
    from bench_retrain import make_photos

    source = photos or make_photos(folder / "photos")
    if run is None:
        run = folder / "run"
        command = [sys.executable, "-m", "transferkit", "retrain", "--data", str(source), "--run", str(run)]
        command += ["--set", "epochs=1", "--quiet"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    return run, [path.read_bytes() for path in found[:64]]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        plain_server(sys.argv[2])
    else:
        main()
