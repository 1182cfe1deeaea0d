"""Runs and exports at a URL: continued after the machine is gone, published whole, read by their sums."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import transferkit
from transferkit.activations.cache import Cache
from transferkit.errors import UserError
from transferkit.files.cache_location import writable_cache_folder
from transferkit.files.remote import fetch
from transferkit.runs.remote import run_at_url
from transferkit.runs.sweep import read_results
from transferkit.training.history import History

fsspec = pytest.importorskip("fsspec")

SETTINGS = ["epochs=2", "batch_size=8", 'freeze={ until = "stage2" }', "export.parity=false"]
SETTINGS += ["optimizer.learning_rate=1e-4", "evaluation.grad_cam=0", "early_stopping=false"]
URL = "memory://bucket/runs/flowers"


class Killed(Exception):
    """The machine is gone."""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def store() -> Iterator[object]:
    system = fsspec.filesystem("memory")
    yield system
    for place in ("/bucket", "/models"):
        if system.exists(place):
            system.rm(place, recursive=True)


@pytest.fixture(scope="module")
def photos(noise_photos: Callable[..., Path]) -> Path:
    return noise_photos({"even": 110, "odd": 140}, count=16, spread=40, size=32, between=20, seed=4)


@pytest.fixture(scope="module")
def here(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> transferkit.Run:
    place = tmp_path_factory.mktemp("here") / "flowers"
    return transferkit.retrain(
        data=str(photos), backbone="embedded", run=place, overrides=SETTINGS, quiet=True
    )


def forget_this_machine() -> None:
    shutil.rmtree(writable_cache_folder() / "remote", ignore_errors=True)


@pytest.fixture(scope="module")
def there(photos: Path, store: object) -> transferkit.Run:
    """The same run at a URL, cut short in its first epoch and continued on another machine."""

    def kill(event: object) -> None:
        if event.kind == "epoch" and event.done == 1:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_at_url, "_SECONDS", 0.0)
        patch.setattr(fetch.time, "sleep", lambda seconds: None)
        with pytest.raises(Killed):
            transferkit.retrain(
                data=str(photos), backbone="embedded", run=URL, overrides=SETTINGS, quiet=True, callback=kill
            )
        assert not store.exists("/bucket/runs/flowers")
        assert store.exists("/bucket/runs/.flowers.partial/state.json")
        with pytest.raises(UserError, match="an interrupted run is there"):
            transferkit.retrain(data=str(photos), backbone="embedded", run=URL, quiet=True)
        forget_this_machine()
        with pytest.raises(UserError, match="a finished run or an export"):
            transferkit.load_run(URL)
        return transferkit.retrain(run=URL, resume=True, quiet=True)


def test_a_run_continued_elsewhere_is_that_of_a_folder_bit_for_bit(here, there, store):
    with np.load(here.path / "weights.npz") as one, np.load(there.path / "weights.npz") as other:
        assert one.files == other.files
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    assert [row["epoch"] for row in there.history] == [0, 1, 2]
    assert (here.path / "predictions.csv").read_bytes() == (there.path / "predictions.csv").read_bytes()
    assert there.name == URL
    assert f"run     {URL}\n" in there.describe() + "\n"
    assert store.ls("/bucket/runs", detail=False) == ["/bucket/runs/flowers"]


def test_it_is_read_on_a_machine_that_has_nothing_of_it(here, there, photos):
    forget_this_machine()
    photo = sorted(photos.rglob("*.png"))[0]
    assert transferkit.predict(URL, photo)[0].top == transferkit.predict(here, photo)[0].top
    opened = transferkit.load_run(URL)
    assert opened.evaluate().metrics["accuracy"] == pytest.approx(here.metrics["accuracy"])
    assert transferkit.verify(URL) == []
    # What is here already is not fetched again.
    file = opened.path / "weights.npz"
    before = file.stat().st_mtime_ns
    assert transferkit.load_run(URL).path == opened.path
    assert file.stat().st_mtime_ns == before


def test_the_copy_here_is_part_of_the_cache_and_stays_while_it_is_used(there):
    opened = transferkit.load_run(URL)
    cache = Cache()
    assert ("remote", "flowers") in {(one.kind, one.about.get("label")) for one in cache.entries()}
    unused = cache.remote / "unused" / "other"
    unused.mkdir(parents=True)
    (unused / "file").write_bytes(b"x" * 100)
    cache.prune(0)
    assert not unused.exists()
    assert (opened.path / "weights.npz").is_file()


def test_what_is_missing_or_changed_there_is_named(there, store, tmp_path, monkeypatch):
    for name in store.find("/bucket/runs/flowers"):
        store.pipe_file(name.replace("/runs/flowers/", "/broken/"), store.cat_file(name))
    url = "memory://bucket/broken"
    store.pipe_file("/bucket/broken/history.jsonl", b"{}")
    store.rm_file("/bucket/broken/split.csv")
    with pytest.raises(UserError) as caught:
        transferkit.load_run(url)
    assert "history.jsonl: 2 of " in str(caught.value)
    assert "split.csv: there is no such file" in str(caught.value)
    store.rm_file("/bucket/broken/manifest.json")
    with pytest.raises(UserError, match=r"there is no manifest\.json, which is written last"):
        transferkit.load_run(url)


@pytest.mark.slow
def test_versions_of_an_export_count_up_at_the_url(there, store, photos):
    first = transferkit.load_run(URL).export("memory://models/flowers", formats=[], parity=False)
    forget_this_machine()
    again = transferkit.load_run(URL).export("memory://models/flowers", formats=[], parity=False)
    assert (first.name, again.name) == ("1", "2")
    assert not store.exists("/models/flowers/.lock")
    forget_this_machine()
    photo = sorted(photos.rglob("*.png"))[0]
    told = [transferkit.predict(place, photo)[0].top for place in ("memory://models/flowers", URL)]
    assert told[0] == told[1]
    assert transferkit.verify("memory://models/flowers/1") == []
    transferkit.load_run(URL).export(formats=[], parity=False)
    assert store.exists("/bucket/runs/flowers/export/2/manifest.json")
    assert transferkit.verify(URL) == []


SWEEP = 'sweep={ metric = "log_loss", values = { "optimizer.learning_rate" = [1e-5, 3e-3, 1e-4] } }'


@pytest.fixture(scope="module")
def swept(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> transferkit.Run:
    place = tmp_path_factory.mktemp("here") / "swept"
    return transferkit.retrain(
        data=str(photos), backbone="embedded", run=place, overrides=[*SETTINGS, SWEEP], quiet=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2, 5, 8])
def test_a_sweep_is_continued_elsewhere_without_its_finished_trials(store, photos, swept, monkeypatch, rows):
    """Killed in the first trial, in the second one, and in the last."""
    url, append, seen = f"memory://bucket/runs/sweep-{rows}", History.append, []

    def deadly(self, row):
        append(self, row)
        seen.append(row)
        if len(seen) == rows:
            raise Killed

    monkeypatch.setattr(run_at_url, "_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(History, "append", deadly)
        with pytest.raises(Killed):
            transferkit.retrain(
                data=str(photos), backbone="embedded", run=url, overrides=[*SETTINGS, SWEEP], quiet=True
            )
    forget_this_machine()
    trained = []

    def counted(self, row):
        append(self, row)
        trained.append(row)

    with monkeypatch.context() as patch:
        patch.setattr(History, "append", counted)
        there = transferkit.retrain(run=url, resume=True, quiet=True)
    # Three rows a trial: the state before it, and two epochs.
    assert len(trained) <= 9 - (rows - 1) // 3 * 3
    with np.load(swept.path / "weights.npz") as one, np.load(there.path / "weights.npz") as other:
        assert one.files == other.files
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    first, second = read_results(swept.path), read_results(there.path)
    assert [(one.number, one.score) for one in first.ordered] == [
        (one.number, one.score) for one in second.ordered
    ]
    forget_this_machine()
    assert len(read_results(transferkit.load_run(url).path).trials) == 3
    assert not store.exists(f"/bucket/runs/.sweep-{rows}.partial")


def test_a_place_that_somebody_writes_is_refused_until_his_claim_ends(store, photos, monkeypatch):
    claim = {"token": "x", "host": "elsewhere", "local": "/x", "process": 7, "time": fetch.time.time()}
    store.pipe_file("/bucket/runs/.other.lock", json.dumps(claim).encode())
    given = {"data": str(photos), "backbone": "embedded", "run": "memory://bucket/runs/other", "quiet": True}
    with pytest.raises(UserError, match="process 7 on elsewhere does; where it is gone, its claim ends in"):
        transferkit.retrain(**given)
    claim["time"] -= 400
    store.pipe_file("/bucket/runs/.other.lock", json.dumps(claim).encode())
    place = run_at_url.run_folder(given["run"])
    with place.held():
        assert json.loads(store.cat_file("/bucket/runs/.other.lock"))["host"] != "elsewhere"
    assert not store.exists("/bucket/runs/.other.lock")


def test_a_state_that_is_damaged_is_refused_and_may_be_discarded(store):
    url, state = "memory://bucket/runs/half", "/bucket/runs/.half.partial/state.json"
    place = run_at_url.run_folder(url)
    with place.held():
        (place.open(resume=False) / "recipe.toml").write_text("seed = 1")
        assert place.keep() is None
    whole = store.cat_file(state)
    for damaged in (whole[:-40], whole.replace(b"recipe.toml", b"../../x.toml"), b"[]", b"\xff"):
        store.pipe_file(state, damaged)
        with pytest.raises(UserError, match="is damaged; start again with --overwrite"):
            transferkit.retrain(run=url, resume=True, quiet=True)
    store.pipe_file(state, whole)
    (kept,) = store.find("/bucket/runs/.half.partial/objects")
    store.pipe_file(kept, b"seed = 2")
    forget_this_machine()
    with pytest.raises(
        UserError, match=r"recipe\.toml of the interrupted run is unavailable: it is not what"
    ):
        transferkit.retrain(run=url, resume=True, quiet=True)
    with place.held():
        place.check(overwrite=True, resume=False)
        assert not any(place.open(resume=False).iterdir())
    assert not store.exists(state)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.org/runs/x", "https is read only"),
        ("s3://key:secret@bucket/x", "a URL without a secret"),
        ("memory://bucket/runs/x?versionId=3", "a URL without a query"),
        ("nosuch://bucket/x", "a protocol that fsspec knows"),
        ("memory://bucket", "a folder below it"),
        (URL, "a place where nothing is yet"),
    ],
)
def test_what_cannot_be_written_is_refused_before_work(there, url, said):
    with pytest.raises(UserError, match=said) as caught:
        transferkit.retrain(data="no such folder", backbone="embedded", run=url, quiet=True)
    assert "secret@" not in str(caught.value)


def test_files_that_no_manifest_names_are_never_removed(there, store, photos):
    store.pipe_file("/bucket/own/notes.txt", b"mine")
    place = run_at_url.run_folder("memory://bucket/own")
    with pytest.raises(UserError, match="a finished run to overwrite"):
        place.check(overwrite=True, resume=False)
    assert store.cat_file("/bucket/own/notes.txt") == b"mine"
