"""``cache prune`` and ``clear``, and hands that delete, beside processes that read and write the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.activations import rows as array_rows
from transferkit.activations import store as stores
from transferkit.activations.cache import Cache
from transferkit.activations.compute import ComputeSettings, compute
from transferkit.data.pixels.decoding import Decoding
from transferkit.errors import UserError
from transferkit.files.cache_location import cache_folder, writable_cache_folder

SIZE = (8, 8)
COUNT = 40


@pytest.fixture(scope="module")
def items(hashed_images) -> list[tuple[str, Path]]:
    return hashed_images(COUNT, SIZE)


@pytest.fixture(scope="module")
def expected(items) -> np.ndarray:
    images = np.stack([np.asarray(Image.open(path)) for _, path in items])
    return images[:, :2].reshape(COUNT, -1).astype(np.float32)


@pytest.fixture
def cut() -> SimpleNamespace:
    return SimpleNamespace(
        prefix=lambda images: tf.reshape(tf.cast(images, tf.float32)[:, :2], [-1, 48]),
        shape=(48,),
        fingerprint="ab" * 32,
    )


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    monkeypatch.setattr(stores, "SEGMENT_BYTES", 3 * 4 * 48)
    monkeypatch.setattr(array_rows, "IN_MEMORY_BYTES", 0)


def run(cut, items, folder: Path, **options):
    settings = ComputeSettings(engine="tensorflow", cache_dir=folder, batch_size=4)
    return compute(cut, items, Decoding(SIZE), settings, **options)


def by_hand(cache: Cache) -> None:
    shutil.rmtree(cache.folder, ignore_errors=True)


REMOVALS = {"clear": Cache.clear, "prune": lambda cache: cache.prune(0), "by hand": by_hand}


@pytest.mark.parametrize("how", list(REMOVALS))
@pytest.mark.parametrize("when", [4, 20, COUNT])
def test_a_cache_that_is_removed_while_it_is_written_loses_nothing(
    cut, items, expected, tmp_path, monkeypatch, how, when
):
    removed = []

    def progress(done: int, total: int) -> None:
        if done == when and not removed:
            removed.append(done)
            REMOVALS[how](Cache(tmp_path / "cache"))

    said: list[str] = []
    found = run(cut, items, tmp_path / "cache", progress=progress, say=said.append)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert removed == [when]
    again = run(cut, items, tmp_path / "cache")
    assert again.stats.computed == 0


@pytest.mark.parametrize("how", list(REMOVALS))
def test_a_cache_that_is_removed_while_it_is_read_stays_readable(cut, items, expected, tmp_path, how):
    found = run(cut, items, tmp_path / "cache")
    REMOVALS[how](Cache(tmp_path / "cache"))
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert Cache(tmp_path / "cache").bytes() == 0


@pytest.mark.parametrize("how", ["clear", "by hand"])
def test_writers_readers_and_removers_all_at_once(cut, items, expected, tmp_path, how):
    """Four that compute and read, again and again, beside one that removes and prunes without a pause."""
    folder, ended = tmp_path / "cache", threading.Event()
    faults: list[BaseException] = []
    given_up: list[str] = []

    def work(start: int) -> None:
        mine = items[start:] + items[:start]
        try:
            for _ in range(3):
                try:
                    found = run(cut, mine, folder, say=lambda line: None)
                except UserError as error:
                    given_up.append(str(error))
                    continue
                np.testing.assert_array_equal(found.take(range(COUNT)), np.roll(expected, -start, 0))
        except BaseException as error:
            faults.append(error)

    def remove() -> None:
        try:
            while not ended.wait(0.05):
                REMOVALS[how](Cache(folder))
                Cache(folder).prune(500)
                Cache(folder).entries()
                Cache(folder).verify()
        except BaseException as error:
            faults.append(error)

    workers = [threading.Thread(target=work, args=(start,)) for start in (0, 10, 20, 30)]
    remover = threading.Thread(target=remove)
    for thread in (*workers, remover):
        thread.start()
    for thread in workers:
        thread.join()
    ended.set()
    remover.join()
    assert not faults
    # What is removed again and again is given up, in words.
    assert all("a cache that stays" in line for line in given_up)
    np.testing.assert_array_equal(run(cut, items, folder).take(range(COUNT)), expected)


@pytest.mark.parametrize("error", [28, 122, 30, 5], ids=["full", "quota", "read only", "broken"])
def test_a_disk_that_takes_no_more_is_one_line_and_keeps_what_was_written(
    cut, items, expected, tmp_path, monkeypatch, error
):
    written = []
    write = os.write

    def failing(file: int, data) -> int:
        if os.readlink(f"/proc/self/fd/{file}").endswith(".seg"):
            written.append(len(data))
            if len(written) > 2:
                raise OSError(error, os.strerror(error))
            return write(file, data)
        return write(file, data)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    with monkeypatch.context() as patch:
        patch.setattr("transferkit.activations.writer._COMMIT_BYTES", 1)
        patch.setattr(os, "write", failing)
        with pytest.raises(UserError) as raised:
            run(cut, items, tmp_path / "cache")
    (line,) = raised.value.faults
    assert line.startswith(f"activations.cache_dir: received '{tmp_path / 'cache'}'")
    assert os.strerror(error) in line
    found = run(cut, items, tmp_path / "cache")
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert found.stats.found == 4


_READER = """
import sys
from transferkit.data.sources import read_source
found = read_source(sys.argv[1], unpack_to=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(sum(len(item.path.read_bytes()) for item in found), flush=True)
"""


@pytest.mark.parametrize("how", ["clear", "prune"])
def test_an_unpacked_source_stays_while_a_process_uses_it(items, tmp_path, how):
    archive, cache = tmp_path / "photos.zip", Cache(tmp_path / "cache")
    with zipfile.ZipFile(archive, "w") as file:
        for number, (_, image) in enumerate(items):
            file.write(image, f"{'ab'[number % 2]}/{number}.png")
    command = [sys.executable, "-c", _READER, str(archive), str(cache.sources)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    (entry,) = cache.entries()
    size = sum(image.stat().st_size for _, image in items)
    assert (entry.kind, entry.rows, entry.about["label"]) == ("source", COUNT + 1, "photos.zip")
    assert entry.bytes == cache.bytes() >= size
    REMOVALS[how](cache)
    assert cache.bytes() == entry.bytes
    out, _ = process.communicate("\n")
    assert int(out) == size
    REMOVALS[how](cache)
    assert cache.bytes() == 0
    assert not any(path.is_file() for path in cache.sources.rglob("*")) or how == "prune"


def test_what_a_killed_unpacking_left_is_taken_away(tmp_path):
    cache = Cache(tmp_path)
    for parent in (cache.sources, cache.stores):
        (parent / ".unpacking-x").mkdir(parents=True)
        (parent / ".unpacking-x" / "file").write_bytes(b"123")
        (parent / ".removing-x" / "y").mkdir(parents=True)
    cache.prune()
    assert not list(cache.sources.iterdir())
    assert not list(cache.stores.iterdir())


def test_a_cache_that_nobody_named_and_that_cannot_be_written_is_a_temporary_one(
    monkeypatch, tmp_path, caplog
):
    monkeypatch.delenv("TRANSFERKIT_CACHE")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    made = writable_cache_folder()
    assert made.is_dir()
    assert "transferkit-cache-" in made.name
    assert writable_cache_folder() == made
    assert caplog.text.count("temporary") == 1
    assert "activations.cache_dir" in caplog.text
    # A named one is never replaced in silence.
    assert writable_cache_folder(tmp_path / "file" / "cache") == tmp_path / "file" / "cache"
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "file" / "x"))
    assert writable_cache_folder() == tmp_path / "file" / "x"


def test_without_a_home_the_line_says_how_to_name_a_cache(monkeypatch):
    monkeypatch.delenv("TRANSFERKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(
        UserError, match=r"activations\.cache_dir: expected a home folder .* TRANSFERKIT_CACHE"
    ):
        cache_folder()


def test_a_named_cache_that_cannot_be_written_is_one_line(cut, items, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"^activations\.cache_dir: received '.*file/cache', expected a folder to write in"
    ):
        run(cut, items, tmp_path / "file" / "cache")
