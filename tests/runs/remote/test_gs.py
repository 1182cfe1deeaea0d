"""Photos, features and runs in a bucket of Google's storage, as an emulator on this machine has them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.files.remote import fetch
from transferkit.runs.features.shards import compute_features

from .bucket_run import FREEZE, continued

pytestmark = pytest.mark.extra
pytest.importorskip("gcsfs")
pytest.importorskip("gcp_storage_emulator")


@pytest.fixture(scope="module")
def system() -> Iterator[Any]:
    from gcp_storage_emulator.server import create_server
    from gcsfs import GCSFileSystem

    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setattr("gcsfs.core._emulator_location", f"http://127.0.0.1:{port}", raising=False)
        patch.setattr(fetch.time, "sleep", lambda seconds: None)
        # Credentials are asked for of machines of Google's alone.
        patch.setenv("NO_GCE_CHECK", "true")
        yield GCSFileSystem()
    server.stop()


@pytest.fixture(scope="module")
def photos(noise_photos, system) -> Path:
    made = noise_photos({"even": 110, "odd": 140}, count=16, spread=40, size=32, between=20, seed=4)
    system.put(str(made), "bucket/photos", recursive=True)
    return made


def test_photos_that_come_later_are_seen_in_the_same_process(system, photos, tmp_path) -> None:
    assert len(fetch.list_files(system, "bucket/photos", "gs://bucket/photos")) == 32
    system.put_file(str(next(photos.rglob("*.png"))), "bucket/photos/even/later.png")
    found = fetch.list_files(system, "bucket/photos", "gs://bucket/photos")
    assert "even/later.png" in found
    assert all(one.size and one.tag for one in found.values())
    system.rm_file("bucket/photos/even/later.png")


def test_a_bucket_that_is_not_there_is_said_before_work(system) -> None:
    with pytest.raises(UserError, match=r"run: .*there is no such bucket or folder"):
        transferkit.retrain(data="no such folder", backbone="embedded", run="gs://nowhere/x", quiet=True)


def test_a_run_in_a_bucket_is_continued_elsewhere(system, photos, tmp_path, monkeypatch) -> None:
    data, cache = "gs://bucket/photos", "gs://bucket/cache"
    done = compute_features(None, ["backbone=embedded", FREEZE], data=data, to=cache)
    assert done.computed == done.mine == 32
    continued("gs://bucket", photos, tmp_path / "here", monkeypatch)
    assert [name for name in system.find("bucket") if ".lock" in name or ".partial" in name] == []
