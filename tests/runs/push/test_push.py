"""An export on a hub: what goes there, from a verified export alone, and no token in what is said."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from transferkit.cli.push import command
from transferkit.errors import UserError
from transferkit.export.versions import write_export_manifest
from transferkit.runs.folder.verify import verify_export
from transferkit.runs.push.hub_target import read_target
from transferkit.runs.push.push import push

pytestmark = pytest.mark.extra

TOKEN = "hf_" + "s" * 34


@pytest.fixture
def export(tmp_path) -> Path:
    """Version 2 of an export, with a file that somebody laid beside it."""
    version = tmp_path / "runs" / "flowers" / "export" / "2"
    (version / "assets").mkdir(parents=True)
    (version / "variables").mkdir()
    (version / "saved_model.pb").write_bytes(b"graph" * 1000)
    (version / "variables" / "variables.index").write_bytes(b"index")
    (version / "assets" / "labels.txt").write_text("daisy\nrose\n")
    (version / "model.tflite").write_bytes(b"lite")
    path = f'model = tf.saved_model.load("{version}")'
    card = f"# Flowers\n\n## How to use it\n\n```python\n{path}\n```\n\n---\nWritten.\n"
    card = f"---\nlicense: mit\n---\n\n{card}"
    (version / "README.md").write_text(card)
    weights = tmp_path / "weights.npz"
    weights.write_bytes(b"weights")
    write_export_manifest(version, weights)
    (version / "my notes.txt").write_text("mine")
    return version


class Hub:
    """A hub on a loopback port, with the routes that an upload asks."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.created: list[dict] = []
        self.tokens: set[str | None] = set()
        self.refuse = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hub.answer(self)

            do_GET = do_PUT = do_HEAD = do_POST

            def log_message(self, *_) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = request.path.partition("?")[0]
        self.tokens.add(request.headers.get("Authorization"))
        status, told = (403, {"error": f"no: {TOKEN}"}) if self.refuse else self.route(path, body)
        text = json.dumps(told).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text if request.command != "HEAD" else b"")

    def route(self, path: str, body: bytes):
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return 200, {"url": f"{self.url}/me/flowers"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path.endswith("/preupload/main"):
            names = [one["path"] for one in json.loads(body)["files"]]
            files = [{"path": one, "uploadMode": "regular", "shouldIgnore": False} for one in names]
            return 200, {"files": files}
        if path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
            made = {"commitUrl": f"{self.url}/me/flowers/commit/1", "commitOid": "1" * 40}
            return 200, {**made, "pullRequestUrl": None}
        return 200, {"id": "me/flowers", "sha": "1" * 40, "siblings": [], "private": False}


@pytest.fixture
def hub(monkeypatch):
    pytest.importorskip("huggingface_hub", reason="needs transferkit[hf]")
    made = Hub()
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_dry_run_lists_what_would_go_and_asks_nobody(export, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    run = CliRunner().invoke(command, [str(export.parents[1]), "hf://me/flowers", "--dry-run", "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    files = {one["path"]: one["bytes"] for one in told["files"]}
    assert set(files) == {
        "README.md", "assets/labels.txt", "labels.txt", "manifest.json", "model.tflite", "saved_model.pb",
        "variables/variables.index",
    }  # fmt: skip
    assert files["saved_model.pb"] == 5000
    assert told["url"] == "https://huggingface.co/me/flowers"
    assert (
        "nothing was sent" in CliRunner().invoke(command, [str(export), "kaggle://a/b", "--dry-run"]).output
    )


def test_what_hugging_face_gets_is_whole_loadable_and_verifies(export, hub, tmp_path):
    run = CliRunner().invoke(command, [str(export), "hf://me/flowers", "--private", "-m", "first"])
    assert run.exit_code == 0, run.output + repr(run.exception)
    assert hub.created[0]["name"] == "flowers"
    assert hub.created[0]["organization"] == "me"
    assert TOKEN not in run.output
    assert f"Bearer {TOKEN}" in hub.tokens
    down = tmp_path / "down"
    for name, content in hub.files.items():
        (down / name).parent.mkdir(parents=True, exist_ok=True)
        (down / name).write_bytes(content)
    assert verify_export(down) == ([], [])
    assert (down / "saved_model.pb").read_bytes() == (export / "saved_model.pb").read_bytes()
    card = (down / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n---")
    assert 'huggingface_hub.snapshot_download("me/flowers")' in card
    assert str(export) not in card, "the place where it was made is nobody's business"
    assert "in other formats: `model.tflite`." in card
    assert card.rstrip().endswith("Written.")
    assert hashlib.sha256(hub.files["labels.txt"]).digest() == hashlib.sha256(b"daisy\nrose\n").digest()


def test_a_refusal_of_the_hub_s_is_said_without_the_token(export, hub):
    hub.refuse = True
    with pytest.raises(UserError) as error:
        push(export, "hf://me/flowers")
    assert "403" in str(error.value) or "Forbidden" in str(error.value)
    assert TOKEN not in str(error.value)
    assert error.value.__cause__ is None


def test_an_export_that_changed_is_not_pushed(export, hub):
    (export / "saved_model.pb").write_bytes(b"another")
    with pytest.raises(UserError, match=r"saved_model\.pb"):
        push(export, "hf://me/flowers")
    (export / "manifest.json").unlink()
    with pytest.raises(UserError, match="manifest"):
        push(export, "hf://me/flowers", dry_run=True)
    assert not hub.files


def test_kaggle_gets_the_same_files(export, monkeypatch):
    kagglehub = pytest.importorskip("kagglehub", reason="needs transferkit[kaggle]")
    seen = {}

    def upload(handle, folder, license_name=None, version_notes=""):
        names = sorted(path.name for path in Path(folder).iterdir())
        seen.update(handle=handle, names=names, license=license_name, notes=version_notes)
        seen["card"] = (Path(folder) / "README.md").read_text()

    monkeypatch.setattr(kagglehub, "model_upload", upload)
    done = push(export, "kaggle://me/flowers", license="Apache 2.0")
    assert seen["handle"] == "me/flowers/tensorFlow2/default"
    assert {"saved_model.pb", "README.md", "labels.txt"} <= set(seen["names"])
    assert (seen["license"], seen["notes"]) == ("Apache 2.0", "2, version 2")
    assert 'kagglehub.model_download("me/flowers/tensorFlow2/default")' in seen["card"]
    assert done.url.startswith("https://www.kaggle.com/models/me/flowers")


@pytest.mark.parametrize(
    "text",
    ["", "me/flowers", "hf://", "hf://me", "hf://me/a/b", "hf://me/..", "hf://../x", "hf://me/a b", "s3://a/b",
     "kaggle://me", "kaggle://me/a/b/c/d", "https://huggingface.co/me/a", "hf://me/-a"],
)  # fmt: skip
def test_what_is_no_target_is_refused_at_once(text):
    with pytest.raises(UserError, match="hf://ORG/NAME"):
        read_target(text)


def test_a_missing_package_is_named_before_anything_is_done(export, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"transferkit\[hf\]"):
        push(export, "hf://me/flowers")


def test_a_secret_in_what_is_no_target_is_not_printed():
    with pytest.raises(UserError, match="hf://") as raised:
        read_target("https://me:hf_secret@huggingface.co/me/flowers")
    assert "hf_secret" not in str(raised.value)
