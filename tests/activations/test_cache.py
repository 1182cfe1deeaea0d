"""The cache as a whole: where it lies, what it holds, and what removing from it does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transferkit.activations.cache import Cache
from transferkit.activations.index import digests_of
from transferkit.files.cache_location import cache_folder, default_max_bytes


def fill(cache: Cache, name: str, count: int, used: float) -> None:
    store = cache.store({"cut": name}, (4,), "float32", label=name)
    digests = digests_of([hashlib.sha256(f"{name}{at}".encode()).hexdigest() for at in range(count)])
    store.add(digests, np.ones((count, 4), np.float32))
    for number in store.segments():
        os.utime(store.segment_path(number), (used, used))


def compiled(cache: Cache, name: str, size: int, used: float) -> None:
    folder = cache.compiled / name
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(bytes(size))
    os.utime(folder, (used, used))


@pytest.fixture
def filled(tmp_path) -> Cache:
    cache = Cache(tmp_path)
    fill(cache, "old", 10, 1000)
    compiled(cache, "model", 100, 2000)
    fill(cache, "new", 10, 3000)
    return cache


def test_entries_say_what_is_there_used_last_first(filled):
    entries = filled.entries()
    assert [(entry.kind, entry.bytes, entry.rows) for entry in entries] == [
        ("activations", 160, 10),
        ("compiled", 100, 0),
        ("activations", 160, 10),
    ]
    assert entries[0].about == {"label": "new", "cut": "new", "layout": 2, "shape": [4], "dtype": "float32"}
    assert filled.bytes() == 420


@pytest.mark.parametrize(
    ("bound", "freed", "left"),
    [(420, 0, 3), (419, 160, 2), (259, 260, 1), (160, 260, 1), (0, 420, 0)],
)
def test_pruning_removes_what_was_unused_for_longest(filled, bound, freed, left):
    assert filled.prune(bound) == freed
    assert filled.bytes() == 420 - freed
    assert sum(1 for entry in filled.entries() if entry.bytes) == left


def test_pruning_removes_what_no_record_names_and_what_is_no_store(filled):
    (store,) = (entry.key for entry in filled.entries() if entry.about.get("label") == "old")
    (filled.stores / store / "0000000007.seg").write_bytes(bytes(64))
    (filled.stores / "junk").mkdir()
    (filled.stores / "junk" / "file").write_bytes(bytes(8))
    assert filled.prune() == 72
    assert filled.bytes() == 420


def test_clearing_removes_everything(filled):
    files = sum(path.stat().st_size for path in filled.folder.rglob("*") if path.is_file())
    assert filled.clear() == files > 420
    assert filled.entries() == []
    assert filled.bytes() == 0


def test_a_cache_that_is_not_there_is_empty(tmp_path):
    cache = Cache(tmp_path / "none")
    assert cache.entries() == []
    assert (cache.bytes(), cache.prune(), cache.clear()) == (0, 0, 0)
    assert not (tmp_path / "none").exists()


def test_the_folder_is_the_one_named_then_the_variables_then_the_platforms(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "variable"))
    assert cache_folder(tmp_path / "named") == tmp_path / "named"
    assert cache_folder() == tmp_path / "variable"
    monkeypatch.delenv("TRANSFERKIT_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "transferkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "transferkit"


def test_the_default_bound_is_a_share_of_the_disk(tmp_path):
    assert 0 < default_max_bytes(tmp_path / "not" / "yet" / "there") <= 50 * 1024**3


def test_looking_after_the_cache_needs_no_tensorflow():
    code = "import sys; import transferkit.activations.cache; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
