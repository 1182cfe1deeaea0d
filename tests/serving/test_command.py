"""The command in a process of its own: it says where it is, answers, and ends in order."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from transferkit.cli import main
from transferkit.cli.serve import command
from transferkit.errors import UserError
from transferkit.serving.request_limits import Limits
from transferkit.serving.serve import serve
from transferkit.serving.served_model import name_of

from .conftest import encoded


@pytest.mark.slow
def test_it_answers_and_ends_when_it_is_asked_to(version):
    arguments = ["serve", str(version), "--port", "0", "--engine", "saved_model"]
    process = subprocess.Popen(
        [sys.executable, "-m", "transferkit", *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stderr.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        request = urllib.request.Request(f"{url}/photo/labels", encoded("dark"))
        with urllib.request.urlopen(request, timeout=60) as response:
            assert json.load(response)["top"][0]["label"] == "dark"
        name = version.parent.name  # the folder of the versions
        with urllib.request.urlopen(f"{url}/v1/models/{name}", timeout=60) as response:
            assert response.status == 200
        # A request that is under way is answered all the same.
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30) as slow:
            body = encoded("light")
            head = f"POST /photo/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            slow.sendall(head.encode() + body[:10])
            time.sleep(0.3)
            threading.Timer(0.3, lambda: process.send_signal(signal.SIGTERM)).start()
            time.sleep(0.6)
            slow.sendall(body[10:])
            assert b'"light"' in slow.recv(10_000) + slow.recv(10_000)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_port_that_is_taken_and_a_model_that_is_missing_are_said_at_once(tmp_path, version):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = CliRunner().invoke(command, [str(version), "--port", str(taken.getsockname()[1])])
    assert isinstance(done.exception, UserError)
    assert "in use" in str(done.exception)
    done = CliRunner().invoke(command, [str(tmp_path / "none"), "--port", "0"])
    assert isinstance(done.exception, UserError)
    done = CliRunner().invoke(command, [str(version / "model.tflite"), "--port", "0", "--engine", "openvino"])
    assert "--engine" in str(done.exception)
    done = CliRunner().invoke(command, [str(version), "--host", "no.such.host.invalid"])
    assert isinstance(done.exception, UserError)


def test_connections_that_ask_nothing_keep_nobody_out(version, monkeypatch):
    """Whatever restarts a server that does not say it lives would restart one that has many visitors."""
    import uvicorn

    begun, told = [], queue.Queue()
    startup = uvicorn.Server.startup

    async def started(self, sockets=None):
        begun.append(self)
        await startup(self, sockets)

    monkeypatch.setattr(uvicorn.Server, "startup", started)
    given = {"port": 0, "limits": Limits(requests=1), "say": told.put}
    thread = threading.Thread(target=serve, args=(version / "model.tflite",), kwargs=given, daemon=True)
    thread.start()
    url = told.get(timeout=60)
    port = int(url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        for path in ("/healthz", "/metrics", "/facts"):
            with urllib.request.urlopen(url + path, timeout=30) as response:
                assert response.status == 200
    begun[0].should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("runs/flowers", "flowers"),
        ("runs/flowers/export", "flowers"),
        ("runs/flowers/export/12", "flowers"),
        ("/models/birds/3", "birds"),
        ("/", "model"),
        ("/1", "model"),
    ],
)
def test_a_model_is_called_what_its_folder_is_called(place, name):
    assert name_of(Path(place)) == name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", ""], "--host"),
        (["--allowed-host", "https://flowers.example.org"], "--allowed-host"),
        (["--allowed-host", "flowers.example.org:8501"], "--allowed-host"),
        (["--cors", "*"], "--cors"),
        (["--cors", "https://example.org/"], "--cors"),
        (["--cors", "example.org"], "--cors"),
    ],
)
def test_names_that_let_in_everybody_or_nobody_are_refused(words, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(tmp_path), "--port", "0", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"transferkit: {said}: ")


def test_names_of_sites_and_servers_are_taken(tmp_path):
    with pytest.raises(UserError, match="a run or an export"):
        serve(tmp_path, port=0, hosts=["Flowers.example.org", "::1"], origins=["http://localhost:3000"])
