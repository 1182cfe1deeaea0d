"""A run, its data, its features and its export in a bucket of an S3 server here that has its faults."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.files.checksum_manifest import write_manifest
from transferkit.files.remote import fetch
from transferkit.files.remote.location import Location
from transferkit.files.remote.published_folder import fetch_described, publish
from transferkit.runs.features.shards import compute_features

from .bucket_run import FREEZE, continued

pytestmark = pytest.mark.extra
pytest.importorskip("s3fs")
pytest.importorskip("moto")

SECRET = "a-secret-that-nothing-may-hold"


class Faults:
    """What goes wrong: how often, by method and end of the path."""

    def __init__(self, app: Any) -> None:
        self._app, self.planned, self.asked = app, Counter(), Counter()
        self.kind = "500"

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked[method] += 1
        for (wanted, end), left in self.planned.items():
            if method == wanted and path.endswith(end) and left > 0:
                self.planned[wanted, end] -= 1
                if self.kind == "500":
                    start("500 Internal Server Error", [("Content-Length", "0")])
                    return [b""]
                return self._cut(environ, start)
        return self._app(environ, start)

    def _cut(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        """Half of the answer, of which the whole length was told; then the connection ends."""
        whole = b"".join(self._app(environ, start))
        yield whole[: len(whole) // 2]
        raise ConnectionResetError


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    app = Faults(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        patch.setattr(fetch.time, "sleep", lambda seconds: None)
        system().mkdir("bucket")
        yield app
    server.shutdown()
    thread.join()


def system() -> Any:
    import s3fs

    return s3fs.S3FileSystem()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a manifest."""
    place = tmp_path / "folder"
    (place / "deep").mkdir(parents=True)
    for name in ("one.txt", "deep/two.bin"):
        (place / name).write_bytes(name.encode() * 500)
    write_manifest(place, {"what": "a test"})
    return place


@pytest.mark.parametrize("kind", ["500", "cut"])
def test_faults_that_pass_are_not_noticed(faults, folder, tmp_path, kind):
    faults.kind = kind
    location = Location(f"s3://bucket/passing-{kind}")
    if kind == "500":
        faults.planned.update({("PUT", "one.txt"): 3, ("PUT", "manifest.json"): 2})
    publish(folder, location)
    faults.planned.update({("GET", "two.bin"): 2, ("GET", "manifest.json"): 1})
    assert fetch_described(location, tmp_path / "here") is not None
    assert (tmp_path / "here" / "deep" / "two.bin").read_bytes() == (folder / "deep" / "two.bin").read_bytes()
    assert not +faults.planned


def test_what_stays_wrong_is_one_line_and_leaves_no_half(faults, folder, tmp_path):
    faults.kind = "500"
    location = Location("s3://bucket/failing")
    faults.planned["PUT", "two.bin"] = 10_000
    with pytest.raises(UserError, match=r"^run: received 's3://bucket/failing', expected a place that"):
        publish(folder, location)
    faults.planned.clear()
    assert "manifest.json" not in location.children()
    assert fetch_described(location, tmp_path / "here") is None
    publish(folder, location)
    system().rm_file("bucket/failing/deep/two.bin")
    with pytest.raises(UserError, match=r"it is not whole: deep/two\.bin: there is no such file"):
        fetch_described(location, tmp_path / "here")
    assert not (tmp_path / "here" / "manifest.json").exists()


def test_a_bucket_that_is_not_there_is_said_before_work(faults):
    with pytest.raises(UserError, match=r"run: .*there is no such bucket or folder"):
        transferkit.retrain(data="no such folder", backbone="embedded", run="s3://nowhere/x", quiet=True)
    with pytest.raises(UserError, match=r"activations\.cache_dir: .*there is no such bucket or folder"):
        compute_features(None, ["backbone=embedded"], data="no such folder", to="s3://nowhere/cache")


def test_a_run_in_a_bucket_is_continued_elsewhere_and_nothing_holds_a_secret(
    faults, noise_photos, tmp_path, monkeypatch, capfd
):
    faults.kind = "500"
    photos = noise_photos({"even": 110, "odd": 140}, count=16, spread=40, size=32, between=20, seed=4)
    system().put(str(photos), "bucket/photos", recursive=True)
    data, cache = "s3://bucket/photos", "s3://bucket/cache"
    for number in (1, 2):
        done = compute_features(None, ["backbone=embedded", FREEZE], data=data, to=cache, shard=f"{number}/2")
        assert done.computed == done.mine > 0

    planned = {("PUT", "weights.npz"): 2, ("GET", "state.json"): 1}
    here = continued(
        "s3://bucket", photos, tmp_path / "here", monkeypatch, lambda: faults.planned.update(planned)
    )
    left = [name for name in system().find("bucket") if ".lock" in name or ".partial" in name]
    assert left == []
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err
    assert not any(SECRET.encode() in system().cat_file(name) for name in system().find("bucket"))
    for file in (path for path in here.path.rglob("*") if path.is_file()):
        assert SECRET.encode() not in file.read_bytes()
