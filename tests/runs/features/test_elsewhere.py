"""A retraining finds features that jobs computed elsewhere, and refuses those of something else by name."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import transferkit
from transferkit.activations import prefix_pass
from transferkit.activations.cache import Cache
from transferkit.activations.index import digests_of
from transferkit.activations.other_caches import Elsewhere, check_sources
from transferkit.errors import UserError
from transferkit.files.remote import fetch
from transferkit.recipe import load
from transferkit.runs.features.shards import compute_features

fsspec = pytest.importorskip("fsspec")

URL = "memory://bucket/cache"
SETTINGS = ["epochs=1", "export.parity=false", "evaluation.grad_cam=0", "backbone=embedded"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)


@pytest.fixture(autouse=True)
def store() -> Iterator[object]:
    system = fsspec.filesystem("memory")
    yield system
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


def sha256_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(cache: Path, count: int = 6, start: int = 0, label: str = "embedded at features", size: int = 32):
    """A store of the cache with rows that say their number, and the rows' names."""
    identity = {"cut": "c" * 64, "size": [size, size], "resize": "stretch"}
    found = Cache(cache).store(identity, (3,), "float32", label)
    names = [sha256_of_bytes(b"%d" % number) for number in range(start, start + count)]
    if count:
        rows = np.arange(start, start + count, dtype=np.float32)[:, None] * np.ones(3, np.float32)
        found.add(digests_of(names), rows)
    return found, names


def brought(place: str, cache: Path, names: list[str], **told) -> tuple[list[float], list[str]]:
    """What a fresh cache has after the rows were brought, and what was said."""
    target, _ = kept(cache, 0, **told)
    digests, said = digests_of(names), []
    check_sources([place])
    Elsewhere(place).bring(target, digests, lambda count: None, said.append)
    there = target.has(digests)
    return target.rows(digests[there])[np.arange(there.sum())][:, 0].tolist(), said


def test_parts_of_several_jobs_are_brought_and_written_once(tmp_path, store):
    names = []
    for number in range(3):
        one, own = kept(tmp_path / f"job{number}", 4, 4 * number)
        assert Elsewhere(URL).put(one, digests_of(own), "part") == 4
        assert Elsewhere(URL).put(one, digests_of(own), "part") == 0
        names += own
    rows, said = brought(URL, tmp_path / "here", [*names, sha256_of_bytes(b"unknown")])
    assert rows == [float(number) for number in range(12)]
    assert said == [f"{URL}: 1 of 13 rows are not there: they are computed"]
    # What a killed job left without its manifest is not read; what was changed is refused.
    (part, *_) = (one for one in store.find("/bucket") if one.endswith("/manifest.json"))
    text = store.cat_file(part)
    store.rm_file(part)
    shutil.rmtree(tmp_path / "here")
    assert len(brought(URL, tmp_path / "here", names)[0]) == 8
    store.pipe_file(part, text)
    (segment, *_) = (one for one in store.find(part.rpartition("/")[0]) if one.endswith(".seg"))
    store.pipe_file(segment, bytes(store.size(segment)))
    with pytest.raises(UserError, match=r"it is not whole: .*seg: it is not what was written"):
        brought(URL, tmp_path / "fresh", names)


def test_another_folder_serves_and_its_damaged_rows_do_not(tmp_path):
    _, names = kept(tmp_path / "other")
    (segment,) = (tmp_path / "other").rglob("*.seg")
    data = bytearray(segment.read_bytes())
    data[0] ^= 1
    segment.write_bytes(data)
    rows, said = brought(str(tmp_path / "other"), tmp_path / "here", names)
    assert rows == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert "1 rows are damaged" in said[0]


@pytest.mark.parametrize("remote", [False, True])
def test_features_of_something_else_are_refused_by_name(tmp_path, remote):
    one, names = kept(tmp_path / "other", label="inception_v3 at features", size=75)
    place = str(tmp_path / "other")
    if remote:
        place = URL
        Elsewhere(URL).put(one, digests_of(names), "part")
    with pytest.raises(UserError) as caught:
        brought(place, tmp_path / "here", names)
    assert "activations.from: received" in str(caught.value)
    assert "activations of embedded at features" in str(caught.value)
    assert "it has those of inception_v3 at features (size [75, 75], not [32, 32])" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "there is no activations/ with anything in it"),
        ("memory://bucket/empty", "there is no activations/ with anything in it"),
        ("s3://user:word@bucket/x", "a URL without a secret"),
        ("nosuch://bucket/x", "a protocol that fsspec knows"),
    ],
)
def test_places_are_checked_before_work(place, said, noise_photos):
    with pytest.raises(UserError, match=said) as caught:
        transferkit.retrain(data="no such folder", overrides=[f"activations.from={place}"], quiet=True)
    assert "word@" not in str(caught.value)


def test_the_recipe_takes_one_place_or_several_and_keeps_them(tmp_path):
    for given, places in (("a", ("a",)), ('["a", "s3://b/c"]', ("a", "s3://b/c"))):
        recipe = load("retrain", [f"activations.from={given}"])
        (tmp_path / "kept.toml").write_text(recipe.to_toml())
        for one in (recipe, load(tmp_path / "kept.toml")):
            assert getattr(one.activations, "from") == places


@pytest.fixture(scope="module")
def photos(noise_photos):
    return noise_photos({"dark": 60, "light": 190}, count=12, spread=20, seed=11)


def test_a_retraining_takes_what_jobs_computed_and_decodes_nothing(photos, tmp_path, monkeypatch):
    for number in (1, 2):
        done = compute_features(
            None, ["backbone=embedded", f"activations.cache_dir={URL}"], data=photos, shard=f"{number}/2"
        )
        assert done.computed > 0
        assert done.folder == URL
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "another machine"))

    def decoded(*_, **__):
        raise AssertionError("a photo was decoded")

    monkeypatch.setattr(prefix_pass, "read_images", decoded)
    run = transferkit.retrain(
        data=str(photos),
        run=tmp_path / "run",
        overrides=[*SETTINGS, f"activations.from={URL}", "evaluation.false_alarms=off"],
        quiet=True,
    )
    assert f'from = ["{URL}"]' in (run.path / "recipe.toml").read_text()
    assert run.metrics["accuracy"] > 0.5
