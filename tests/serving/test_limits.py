"""What a stranger may ask for: size, pixels, time, number, host and origin; others go on meanwhile."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
import zlib

import numpy as np
import pytest

from .conftest import encoded
from .test_rest import PREDICT, b64


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that states a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def small(start, version):
    """A server with small limits, for one host, that one web site may ask."""
    hosts = ["localhost", "127.0.0.1"]
    origins = ["https://good.example"]
    return start(version, hosts=hosts, origins=origins, bytes=200_000, pixels=10_000, instances=3, batch=2)


def test_a_body_above_the_limit_is_refused_unread(small):
    body = {"instances": [{"b64": base64.b64encode(bytes(250_000)).decode()}]}
    status, answer, _ = small.ask(PREDICT, body)
    assert (status, "200,000" in answer["error"]) == (413, True)
    assert small.ask("/photo/labels", bytes(250_000))[0] == 413
    assert small.ask(PREDICT, {"instances": [b64(encoded("dark"))]})[0] == 200


def test_a_body_of_no_stated_length_is_counted_as_it_comes(small):
    def parts():
        for _ in range(60):
            yield bytes(5_000)

    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", small.port, timeout=30)
    connection.request("POST", PREDICT, parts(), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 413


@pytest.mark.parametrize("size", [(200, 100), (30_000, 30_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_by_its_header(small, size):
    status, answer, _ = small.ask(PREDICT, {"instances": [b64(png_header(*size))]})
    assert status == 413, answer
    assert "above the limit" in answer["error"]


def test_many_pixels_in_json_are_refused_as_well(small):
    pixels = np.zeros((101, 100, 3), int).tolist()
    status, answer, _ = small.ask(PREDICT, {"signature_name": "images", "inputs": [pixels]})
    assert (status, "100 × 101 pixels" in answer["error"]) == (413, True)


def test_more_images_than_allowed_are_refused(small):
    body = {"instances": [b64(encoded("dark", size=(4, 4)))] * 4}
    status, answer, _ = small.ask(PREDICT, body)
    assert (status, "at most 3" in answer["error"]) == (413, True)


def test_a_compressed_body_is_refused(small):
    assert small.ask(PREDICT, b"x", **{"Content-Encoding": "gzip"})[0] == 415


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": "LOCALHOST:1"}, 200),
        ({"Host": "localhost."}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "https://good.example"}, 200),
    ],
)
def test_only_our_names_are_answered_and_no_other_site_s_scripts(small, headers, status):
    got, _, answered = small.ask(PREDICT, {"instances": [b64(encoded("dark"))]}, **headers)
    assert got == status
    allowed = answered.get("Access-Control-Allow-Origin")
    assert allowed == ("https://good.example" if headers.get("Origin") == "https://good.example" else None)


def test_nobody_else_may_read_answers_by_default(server):
    _, _, headers = server.ask("/facts")
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_what_takes_too_long_is_said_to_and_the_server_goes_on(start, version):
    server = start(version, seconds=0.6)
    answer = server.service._batcher._answer
    server.service._batcher._answer = lambda images: (time.sleep(1.2), answer(images))[1]
    status, told, _ = server.ask(PREDICT, {"instances": [b64(encoded("dark"))]})
    assert (status, "0.6 s" in told["error"]) == (504, True)
    server.service._batcher._answer = answer
    time.sleep(1)
    assert server.ask(PREDICT, {"instances": [b64(encoded("dark"))]})[0] == 200
    # A client that sends half a request and waits does not wait for ever either.
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        slow.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert b" 504 " in slow.recv(1000)
    server.close()


def test_answers_that_are_no_numbers_are_an_error_of_the_server_s(start, version, monkeypatch):
    server = start(version)
    monkeypatch.setattr(
        server.service.served, "_answer", lambda images: np.full((len(images), 4), np.nan, np.float32)
    )
    status, told, _ = server.ask(PREDICT, {"instances": [b64(encoded("dark"))]})
    assert (status, set(told)) == (500, {"error"})
    _, text, _ = server.ask("/metrics")
    assert b'transferkit_requests_total{path="predict",status="500"} 1.0' in text
    server.close()


def test_requests_that_come_together_share_a_pass_and_each_gets_its_own_answer(start, version):
    server = start(version, batch=8)
    answer, sizes = server.service._batcher._answer, []

    def slowly(images):
        sizes.append(len(images))
        time.sleep(0.05)
        return answer(images)

    server.service._batcher._answer = slowly
    colours = ["dark", "light", "a red/öne"] * 7
    got: dict[int, str] = {}

    def ask(number: int) -> None:
        _, told, _ = server.ask(PREDICT, {"instances": [b64(encoded(colours[number]))]})
        got[number] = told["predictions"][0]["labels"][0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(colours))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [got[number] for number in range(len(colours))] == colours
    assert sum(sizes) == len(colours)
    assert 1 < max(sizes) <= 8
    _, text, _ = server.ask("/metrics")
    assert f"transferkit_images_total {len(colours)}.0".encode() in text
    assert b"transferkit_waiting_images 0.0" in text
    server.close()


def test_above_its_bound_it_says_so(start, version):
    server = start(version, requests=1, seconds=5)
    answer = server.service._batcher._answer
    server.service._batcher._answer = lambda images: (time.sleep(0.5), answer(images))[1]
    first = threading.Thread(target=server.ask, args=(PREDICT, {"instances": [b64(encoded("dark"))]}))
    first.start()
    time.sleep(0.2)
    status, told, _ = server.ask("/facts")
    assert (status, "under way" in told["error"]) == (503, True)
    # What restarts a server that is dead must not restart one that is busy; and the load is to be seen.
    assert [server.ask(path)[0] for path in ("/healthz", "/metrics")] == [200, 200]
    first.join()
    assert server.ask("/facts")[0] == 200
    server.close()
