"""A damaged cache never changes an answer: what is wrong in it is noticed, named and computed again."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.activations import index as indexes
from transferkit.activations import rows as array_rows
from transferkit.activations import store as stores
from transferkit.activations.cache import Cache
from transferkit.activations.compute import compute
from transferkit.activations.index import HEADER, RECORD
from transferkit.errors import UserError

SIZE = (8, 8)
COUNT = 10


def cut_of(name: str, factor: float = 1.0) -> SimpleNamespace:
    """A prefix that takes no time: a few rows of the image, scaled."""
    return SimpleNamespace(
        prefix=lambda images: factor * tf.reshape(tf.cast(images, tf.float32)[:, :2], [-1, 48]),
        shape=(48,),
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
    )


@pytest.fixture(scope="module")
def items(tmp_path_factory) -> list[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(1)
    made = []
    for number in range(COUNT):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(path)
        made.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    return made


@pytest.fixture(scope="module")
def expected(items) -> np.ndarray:
    images = np.stack([np.asarray(Image.open(path)) for _, path in items])
    return images[:, :2].reshape(COUNT, -1).astype(np.float32)


@pytest.fixture
def filled(items, tmp_path) -> Path:
    """The folder of a cache that holds the images, three rows a segment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "SEGMENT_BYTES", 3 * 4 * 48)
        run(items, tmp_path / "cache")
    return tmp_path / "cache"


def run(items, folder: Path, cut=None):
    """What a run gets from the cache, and the lines that it says."""
    lines: list[str] = []
    found = compute(
        cut or cut_of("one"), items, size=SIZE, engine="tensorflow", cache_dir=folder, say=lines.append
    )
    return found, lines


def store_of(folder: Path) -> Path:
    (store,) = (folder / "activations").iterdir()
    return store


def flip(file: Path, at: int, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_a_flipped_bit_in_a_row_is_noticed_and_the_row_computed_again(
    items, expected, filled, monkeypatch, in_memory
):
    monkeypatch.setattr(array_rows, "IN_MEMORY_BYTES", in_memory)
    store = store_of(filled)
    flip(store / "00000001.seg", 100, 6)
    found, lines = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert found.stats.damaged == found.stats.computed == 1
    assert lines == [f"cache: 1 of 10 activations are damaged: computing them again ({store})"]
    again, lines = run(items, filled)
    np.testing.assert_array_equal(again.take(range(COUNT)), expected)
    assert (again.stats.damaged, again.stats.computed, lines) == (0, 0, [])


def test_every_single_byte_of_a_store_may_be_wrong(items, expected, filled, tmp_path):
    """Each byte of index and description, and some of each segment, one at a time."""
    computed = []
    for file in sorted(store_of(filled).iterdir()):
        step = 1 if file.name == "index" else 7
        for at in range(0, file.stat().st_size, step):
            copy = tmp_path / "copy"
            shutil.copytree(filled, copy)
            flip(store_of(copy) / file.name, at, at % 8)
            found, lines = run(items, copy)
            np.testing.assert_array_equal(found.take(range(COUNT)), expected, err_msg=f"{file.name}:{at}")
            assert bool(lines) == bool(found.stats.damaged)
            computed.append(found.stats.computed)
            shutil.rmtree(copy)
    assert len(computed) > 500
    # No damage of one byte costs more than the rows that it lies in, but for the mark of the index.
    assert sum(count > 1 for count in computed) <= len(b"TKACTIV2")


@pytest.mark.parametrize("damage", ["truncated", "deleted", "emptied", "zeros", "swapped", "of other sizes"])
def test_segments_that_are_not_what_was_written(items, expected, filled, damage):
    store = store_of(filled)
    first, second = store / "00000000.seg", store / "00000001.seg"
    if damage == "truncated":
        os.truncate(first, 300)
    elif damage == "deleted":
        first.unlink()
    elif damage == "emptied":
        first.write_bytes(b"")
    elif damage == "zeros":
        first.write_bytes(bytes(first.stat().st_size))
    elif damage == "swapped":
        one, other = first.read_bytes(), second.read_bytes()
        first.write_bytes(other)
        second.write_bytes(one)
    else:
        second.write_bytes(second.read_bytes()[48:] + bytes(100))
    found, _ = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert 1 <= found.stats.computed <= 6
    assert run(items, filled)[0].stats.computed == 0


@pytest.mark.parametrize("what", ["index", "all"])
def test_files_of_another_store_are_not_taken_for_its_own(items, expected, filled, what):
    """Those of another cut, whose rows are of the same images and of the same size."""
    other, _ = run(items, filled, cut_of("other", 2.0))
    own, theirs = sorted((filled / "activations").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for file in theirs.iterdir():
        if what == "all" or file.name == what:
            shutil.copyfile(file, own / file.name)
    found, lines = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    np.testing.assert_array_equal(other.take(range(COUNT)), 2 * expected)
    assert lines or found.stats.computed == COUNT


def test_a_row_that_another_version_wrote_is_not_read(items, expected, filled, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(indexes, "_MARK", b"TKACTIV9")
        index = store_of(filled) / "index"
        data = index.read_bytes()
        index.write_bytes(indexes._header(4) + data[HEADER.itemsize :])
    segments = {path.name: path.read_bytes() for path in store_of(filled).glob("*.seg")}
    found, _ = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert found.stats.computed == COUNT
    # Nor is anything of it written over: a process of that version may have it open.
    assert segments.items() <= {p.name: p.read_bytes() for p in store_of(filled).glob("*.seg")}.items()


def test_a_damaged_record_costs_its_row_alone(items, filled):
    flip(store_of(filled) / "index", HEADER.itemsize + 2 * RECORD.itemsize + 5)
    found, _ = run(items, filled)
    assert found.stats.computed == 1


def test_a_damaged_row_whose_image_is_gone_is_an_unreadable_image(items, expected, filled, tmp_path):
    folder = tmp_path / "moved"
    folder.mkdir()
    moved = [(sha256, shutil.copy(path, folder)) for sha256, path in items]
    flip(store_of(filled) / "00000000.seg", 5)
    os.unlink(moved[0][1])
    found, lines = run(moved, filled)
    assert [one.index for one in found.failures] == [0]
    assert len(lines) == 1
    np.testing.assert_array_equal(found.take(range(1, COUNT)), expected[1:])


def test_times_say_nothing(items, expected, filled):
    """Clocks that run backwards, files from the future: contents count."""
    for at, path in enumerate(store_of(filled).iterdir()):
        os.utime(path, (2**33, 2**33) if at % 2 else (0, 0))
    found, lines = run(items, filled)
    assert (found.stats.computed, lines) == (0, [])
    flip(store_of(filled) / "00000002.seg", 9)
    os.utime(store_of(filled) / "00000002.seg", (0, 0))
    found, lines = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert found.stats.damaged == 1


def test_two_that_find_the_same_damage_at_once_both_get_the_right_rows(items, expected, filled):
    for number in range(4):
        flip(store_of(filled) / f"{number:08d}.seg", 3)
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(run(items, filled)[0].take(range(COUNT))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for rows in found:
        np.testing.assert_array_equal(rows, expected)
    assert Cache(filled).verify() == 0


def test_a_cache_on_a_disk_that_cannot_be_written_is_read(items, expected, filled, monkeypatch):
    opened = os.open

    def read_only(path, flags, *more, **options):
        if str(path).startswith(str(filled)) and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(30, "Read-only file system", str(path))
        return opened(path, flags, *more, **options)

    def no_times(path, *more, **options):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(os, "utime", no_times)
    found, _ = run(items[:5], filled)
    np.testing.assert_array_equal(found.take(range(5)), expected[:5])
    # What it lacks cannot be added: one line says where.
    flip(store_of(filled) / "00000000.seg", 1)
    with pytest.raises(UserError, match=r"^activations\.cache_dir: received '.*Read-only file system"):
        run(items, filled)
