"""Images at a URL, from a file system in memory and from a server on this machine that has its faults."""

from __future__ import annotations

import functools
import io
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from transferkit.data.sources import ManifestOptions, check_source, read_source
from transferkit.errors import UserError
from transferkit.files.folder_contents import damage_of
from transferkit.files.remote import fetch, is_remote

fsspec = pytest.importorskip("fsspec")


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


PHOTOS = {
    f"{label}/{i}.png": png(10 * i + start) for label, start in (("a", 0), ("b", 100)) for i in range(4)
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)


@pytest.fixture
def bucket() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    for name, content in PHOTOS.items():
        system.pipe_file(f"/bucket/photos/{name}", content)
    yield "memory://bucket/photos"
    system.rm("/bucket", recursive=True)


class Faulty(SimpleHTTPRequestHandler):
    """Serves a folder; ``faults`` says for a path how often it fails, and how."""

    faults: ClassVar[Counter[str]] = Counter()
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        if self.faults[self.path] > 0:
            self.faults[self.path] -= 1
            if "short" in self.path:
                self.send_response(200)
                self.send_header("Content-Length", "500")
                self.end_headers()
                self.wfile.write(b"\x89PNG")
                return
            self.send_error(503)
            return
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    root = tmp_path / "www"
    for name, content in PHOTOS.items():
        (root / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "photos" / name).write_bytes(content)
    Faulty.faults, Faulty.asked = Counter(), Counter()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Faulty, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", root
    server.shutdown()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., object]:
    return functools.partial(read_source, unpack_to=tmp_path / "cache" / "sources")


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("s3://bucket/a", True),
        ("HTTPS://host/a.zip", True),
        ("hf://datasets/org/name", True),
        ("photos", False),
        ("file:///photos", False),
        ("tfds:beans", False),
        ("C://photos", False),
        ("./s3://x", False),
    ],
)
def test_what_a_url_is(text: str, remote: bool) -> None:
    assert is_remote(text) is remote


def test_a_folder_is_that_of_its_copy_here(bucket: str, read) -> None:
    found = read(bucket)
    assert found.classes == ("a", "b")
    assert {item.name: item.path.read_bytes() for item in found} == PHOTOS
    assert any("8 file(s) fetched, 0 were here" in note for note in found.notes)


def test_only_what_changed_is_fetched_again(bucket: str, read) -> None:
    system = fsspec.filesystem("memory")
    read(bucket)
    system.pipe_file("/bucket/photos/a/0.png", png(200))
    system.pipe_file("/bucket/photos/a/new.png", png(201))
    system.rm_file("/bucket/photos/b/3.png")
    found = read(bucket)
    assert any("2 file(s) fetched, 6 were here" in note for note in found.notes)
    expected = {**PHOTOS, "a/0.png": png(200), "a/new.png": png(201)}
    del expected["b/3.png"]
    assert {item.name: item.path.read_bytes() for item in found} == expected


def test_a_damaged_copy_is_fetched_again(bucket: str, read) -> None:
    victim = read(bucket).items[0].path
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    found = read(bucket)
    assert any("1 file(s) fetched" in note for note in found.notes)
    assert found.items[0].path.read_bytes() == PHOTOS["a/0.png"]
    assert damage_of(victim.parents[2]) == []


def test_what_a_killed_process_fetched_is_kept(bucket: str, read, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*args: object, **facts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("transferkit.files.remote.mirror.whole_file", killed)
        with pytest.raises(KeyboardInterrupt):
            read(bucket)
    assert any("0 file(s) fetched, 8 were here" in note for note in read(bucket).notes)


def test_names_that_lead_elsewhere_and_hidden_files_are_left(bucket: str, read, tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file("/bucket/photos/a/../../../../evil.png", png(1))
    system.pipe_file("/bucket/photos/.DS_Store", b"x")
    assert len(read(bucket)) == 8
    assert not list(tmp_path.rglob("evil.png"))


def test_a_server_that_fails_now_and_then_is_asked_again(served, read) -> None:
    url, root = served
    (root / "photos/a/short.png").write_bytes(png(50))
    Faulty.faults.update({"/photos/a/1.png": 2, "/photos/a/short.png": 1})
    found = read(f"{url}/photos")
    assert len(found) == 9
    assert Faulty.asked["/photos/a/1.png"] == 3
    assert next(one for one in found if one.name == "a/short.png").path.read_bytes() == png(50)


def test_a_file_that_stays_unreachable_is_named_and_tried_the_next_time(served, read) -> None:
    url, _ = served
    Faulty.faults["/photos/b/2.png"] = 1000
    found = read(f"{url}/photos")
    (note,) = [note for note in found.notes if "cannot be reached" in note]
    assert "1 file(s)" in note
    assert "b/2.png" in note
    assert next(one for one in found if one.name == "b/2.png").path.read_bytes() == b""
    Faulty.faults.clear()
    found = read(f"{url}/photos")
    assert next(one for one in found if one.name == "b/2.png").path.read_bytes() == PHOTOS["b/2.png"]


def test_an_archive_at_a_url(served, read) -> None:
    url, root = served
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for name, content in PHOTOS.items():
            archive.writestr(name, content)
    found = read(f"{url}/photos.zip")
    assert {item.name for item in found} == set(PHOTOS)


def test_a_manifest_of_urls(served, read, tmp_path: Path) -> None:
    url, _ = served
    manifest = tmp_path / "list.csv"
    rows = [f"{url}/photos/{name},{name[0]}" for name in PHOTOS] + [f"{url}/photos/none.png,a"]
    manifest.write_text("path,label\n" + "\n".join(rows) + "\n")
    found = read(manifest)
    by_name = {item.name: item.path for item in found}
    assert by_name[f"{url}/photos/a/1.png"].read_bytes() == PHOTOS["a/1.png"]
    assert not by_name[f"{url}/photos/none.png"].exists()
    asked = Faulty.asked["/photos/a/1.png"]
    read(manifest)
    assert Faulty.asked["/photos/a/1.png"] == asked


def test_a_manifest_beside_its_files_at_a_url(served, read) -> None:
    url, root = served
    rows = [f"photos/{name},{name[0]}" for name in PHOTOS]
    (root / "list.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    found = read(f"{url}/list.csv")
    assert {item.path.read_bytes() for item in found} == set(PHOTOS.values())


def test_data_root_may_be_a_url(bucket: str, read, tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,label\n" + "\n".join(f"{name},{name[0]}" for name in PHOTOS) + "\n")
    found = read(manifest, manifest=ManifestOptions(root=bucket))
    assert {item.name: item.path.read_bytes() for item in found} == PHOTOS


def test_data_root_holds_no_secret(read, tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,label\n1.png,a\n2.png,b\n")
    with pytest.raises(UserError, match=r"data\.root.*without a secret") as raised:
        read(manifest, manifest=ManifestOptions(root="https://me:hidden@host/photos"))
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://me:secret@host/photos", "without a secret"),
        ("https://hf_secret@host/photos", "without a secret"),
        ("https://host/photos.zip?api_key=secret", "without a secret"),
        ("https://host/photos.zip#access_token=secret", "without a secret"),
        ("https://[host/photos.zip?sig=secret", "a URL"),
        ("https://host/photos.zip?X-Amz-Signature=abc", "without a secret"),
        ("nosuch://bucket/photos", "fsspec knows"),
    ],
)
def test_refused_before_anything_is_fetched(url: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as raised:
        check_source(url)
    assert "secret@" not in str(raised.value)
    assert "abc" not in str(raised.value)


def test_nothing_there(bucket: str, read) -> None:
    with pytest.raises(UserError, match="memory://bucket/none"):
        read("memory://bucket/none")
