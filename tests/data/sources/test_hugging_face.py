"""Photos in a data set of Hugging Face, as a server on this machine has them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ...loopback_hub import SHA, HubHandler, serve

pytestmark = pytest.mark.extra
pytest.importorskip("huggingface_hub", reason="needs transferkit[hf]")


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


PHOTOS = {
    f"photos/{label}/{n}.png": png(10 * n + start)
    for label, start in (("a", 0), ("b", 120))
    for n in range(6)
}


class Hub(HubHandler):
    """As much of the hub as its file system asks for; the data set ``org/flowers`` is public."""

    asked: ClassVar[Counter[str]] = Counter()
    failing: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked[path] += 1
        if self.failing[path] > 0:
            self.failing[path] -= 1
            self.send_error(503)
        elif path.startswith("/api/datasets/org/flowers/revision/") or path == "/api/datasets/org/flowers":
            listed = [{"rfilename": name} for name in PHOTOS]
            self.give(json.dumps({"id": "org/flowers", "sha": SHA, "siblings": listed}).encode())
        elif path.startswith("/api/datasets/org/flowers/tree/"):
            self.tree("recursive=true" in self.path.lower(), "/".join(path.split("/")[7:]))
        elif path.startswith("/datasets/org/flowers/resolve/"):
            name = "/".join(path.split("/")[6:])
            self.give(PHOTOS[name]) if name in PHOTOS else self.send_error(404)
        else:
            self.send_response(401)
            self.send_header("X-Error-Message", "Invalid username or password.")
            self.end_headers()

    def tree(self, recursive: bool, below: str) -> None:
        rows: dict[str, dict[str, Any]] = {}
        for name, content in PHOTOS.items():
            if below and not name.startswith(below + "/"):
                continue
            parts = name.split("/")
            depth = len(below.split("/")) if below else 0
            for end in range(depth + 1, len(parts)):
                if recursive or end == depth + 1:
                    folder = "/".join(parts[:end])
                    rows[folder] = {"type": "directory", "path": folder, "oid": SHA, "size": 0}
            if recursive or len(parts) == depth + 1:
                oid = hashlib.sha1(content).hexdigest()
                rows[name] = {"type": "file", "path": name, "oid": oid, "size": len(content)}
        self.give(json.dumps(list(rows.values())).encode()) if rows else self.send_error(404)


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.asked, Hub.failing = Counter(), Counter()
    with serve(Hub) as address:
        yield address


@pytest.fixture
def check(hub, tmp_path):
    """Runs ``data check`` on a URL: huggingface_hub reads the address of its hub when it is imported."""

    def run(url: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        environment |= {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        environment |= {"TRANSFERKIT_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-m", "transferkit", "data", "check", url, "--json"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.mark.parametrize("url", ["hf://datasets/org/flowers/photos", "hf://datasets/org/flowers@main/photos"])
def test_a_folder_of_a_data_set_is_read(check, url) -> None:
    done = check(url)
    assert done.returncode == 0, done.stderr
    assert "12" in done.stdout
    again = check(url)
    assert again.returncode == 0
    assert sum(count for path, count in Hub.asked.items() if "/resolve/" in path) <= 24, "fetched once"


def test_a_server_that_fails_for_a_while_is_asked_again(check) -> None:
    victim = "/datasets/org/flowers/resolve/main/photos/a/3.png"
    Hub.failing[victim] = 2
    done = check("hf://datasets/org/flowers/photos")
    assert done.returncode == 0, done.stderr
    assert Hub.asked[victim] >= 3


@pytest.mark.parametrize("url", ["hf://datasets/org/secret/photos", "hf://datasets/org/flowers/nothing"])
def test_what_is_not_there_or_not_public_is_one_line(check, url) -> None:
    done = check(url)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"transferkit: data: received '{url}', expected a folder or file")
