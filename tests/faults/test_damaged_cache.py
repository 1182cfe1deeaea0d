"""A damaged cache never changes an answer: what is wrong in it is noticed, named and computed again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import zipfile
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
from transferkit.activations.compute import ComputeSettings, compute
from transferkit.activations.engines.choose_engine import available, choose_engine
from transferkit.activations.index import HEADER, RECORD, digests_of
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.sources import read_source
from transferkit.errors import UserError
from transferkit.files.folder_contents import files_of

SIZE = (8, 8)
DECODING = Decoding(SIZE)
COUNT = 10


def cut_of(name: str, factor: float = 1.0) -> SimpleNamespace:
    """A prefix that takes no time: a few rows of the image, scaled."""
    return SimpleNamespace(
        prefix=lambda images: factor * tf.reshape(tf.cast(images, tf.float32)[:, :2], [-1, 48]),
        shape=(48,),
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
    )


@pytest.fixture(scope="module")
def items(hashed_images) -> list[tuple[str, Path]]:
    return hashed_images(COUNT, SIZE)


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
        cut or cut_of("one"),
        items,
        Decoding(SIZE),
        ComputeSettings(engine="tensorflow", cache_dir=folder),
        say=lines.append,
    )
    return found, lines


def store_of(folder: Path) -> Path:
    (store,) = (folder / "activations").iterdir()
    return store


def segment_of(folder: Path, number: int) -> Path:
    return sorted(store_of(folder).glob("*.seg"))[number]


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
    flip(segment_of(filled, 1), 100, 6)
    found, lines = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert found.stats.damaged == found.stats.computed == 1
    assert lines == [f"cache: 1 of 10 activations are damaged: computing them again ({store})"]
    again, lines = run(items, filled)
    np.testing.assert_array_equal(again.take(range(COUNT)), expected)
    assert (again.stats.damaged, again.stats.computed, lines) == (0, 0, [])


def test_any_byte_of_a_store_may_be_wrong(items, expected, filled):
    """Every fifth byte of index, description and segments, one at a time: no wrong row is sound."""
    digests, folder = digests_of([sha256 for sha256, _ in items]), store_of(filled)
    facts = json.loads((folder / "store.json").read_text())
    shape, dtype = facts.pop("shape"), facts.pop("dtype")
    del facts["layout"], facts["label"]
    lost = []
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        for at in range(0, len(whole), 5):
            flip(file, at, at % 8)
            store = Cache(filled).store(facts, shape, dtype)
            assert store.folder == folder
            found, damaged = store.check(digests)
            sound = found & ~damaged
            np.testing.assert_array_equal(store.rows(digests[sound])[:], expected[sound])
            lost.append((COUNT - int(sound.sum()), file.name))
            file.write_bytes(whole)
    assert len(lost) > 500
    # No damage of one byte costs more than the row that it lies in.
    assert max(lost)[0] == 1
    assert all(count == 1 for count, name in lost if name.endswith(".seg"))


@pytest.mark.parametrize("file", ["index", "store.json", "segment"])
def test_a_run_over_a_store_with_a_wrong_byte_answers_the_same(items, expected, filled, file):
    path = segment_of(filled, 1) if file == "segment" else store_of(filled) / file
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 6):
        flip(path, at, at % 8)
        found, lines = run(items, filled)
        np.testing.assert_array_equal(found.take(range(COUNT)), expected)
        assert bool(lines) == bool(found.stats.damaged)
        assert found.stats.computed <= 1


@pytest.mark.parametrize("damage", ["truncated", "deleted", "emptied", "zeros", "swapped", "of other sizes"])
def test_segments_that_are_not_what_was_written(items, expected, filled, damage):
    first, second = segment_of(filled, 0), segment_of(filled, 1)
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
    flip(segment_of(filled, 0), 5)
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
    flip(segment_of(filled, 2), 9)
    os.utime(segment_of(filled, 2), (0, 0))
    found, lines = run(items, filled)
    np.testing.assert_array_equal(found.take(range(COUNT)), expected)
    assert found.stats.damaged == 1


def test_two_that_find_the_same_damage_at_once_both_get_the_right_rows(items, expected, filled):
    for number in range(4):
        flip(segment_of(filled, number), 3)
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
    assert not any(one.damaged for one in Cache(filled).verify())


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
    flip(segment_of(filled, 0), 1)
    with pytest.raises(UserError, match=r"^activations\.cache_dir: received '.*Read-only file system"):
        run(items, filled)


@pytest.fixture(scope="module")
def archive(items, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "photos.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number, (_, image) in enumerate(items):
            file.write(image, f"photos/{'ab'[number % 2]}/{number}.png")
    return path


@pytest.fixture(scope="module")
def records(items, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("records") / "photos.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, (_, image) in enumerate(items):
            features = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.read_bytes()])),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return path


def contents(source: Path, to: Path) -> list[tuple[bytes, int]]:
    return sorted((item.path.read_bytes(), item.label) for item in read_source(source, unpack_to=to))


def unpacked(to: Path) -> Path:
    (folder,) = to.iterdir()
    return folder


@pytest.mark.parametrize("kind", ["archive", "records"])
@pytest.mark.parametrize("damage", ["deleted", "changed", "emptied", "added", "folder", "list", "all"])
def test_an_unpacked_source_that_was_changed_is_unpacked_anew(request, tmp_path, caplog, kind, damage):
    source, to = request.getfixturevalue(kind), tmp_path / "sources"
    first = contents(source, to)
    assert len(first) == COUNT
    folder = unpacked(to)
    images = sorted(folder.rglob("*.png"))
    if damage == "deleted":
        for image in images[:5]:
            image.unlink()
    elif damage == "changed":
        stamps = images[3].stat()
        flip(images[3], 40)
        os.utime(images[3], ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    elif damage == "emptied":
        images[0].write_bytes(b"")
    elif damage == "added":
        shutil.copy(images[0], images[0].with_name("more.png"))
    elif damage == "folder":
        shutil.rmtree(images[0].parent)
    elif damage == "list":
        (folder / "contents.txt").unlink()
    else:
        for file in list(files_of(folder)):
            flip(folder / file, 0) if (folder / file).stat().st_size else (folder / file).write_text("x")
    assert contents(source, to) == first
    assert [record.message.partition(":")[0].rpartition("/")[2] for record in caplog.records] == [source.name]
    assert "damaged" in caplog.text
    caplog.clear()
    assert contents(source, to) == first
    assert not caplog.records


def test_every_byte_of_a_list_of_contents_may_be_wrong(archive, tmp_path, caplog):
    to = tmp_path / "sources"
    first = contents(archive, to)
    file = unpacked(to) / "contents.txt"
    whole = file.read_bytes()
    for at in range(0, len(whole), 29):
        flip(file, at, at % 8)
        assert contents(archive, to) == first
        assert file.read_bytes() == whole
    assert len(caplog.records) == len(range(0, len(whole), 29))


def test_a_folder_that_cannot_be_unpacked_into_is_one_line(archive, tmp_path):
    (tmp_path / "sources").write_text("a file")
    with pytest.raises(
        UserError, match=r"^activations\.cache_dir: received .*photos\.zip cannot be unpacked"
    ):
        read_source(archive, unpack_to=tmp_path / "sources")


@pytest.mark.parametrize("engine", [name for name in available() if name != "tensorflow-xla"])
def test_compiled_code_that_was_changed_is_not_run(tmp_path, caplog, engine):
    weights = tf.Variable(np.random.default_rng(0).standard_normal((192, 5), np.float32))
    cut = SimpleNamespace(
        prefix=lambda images: tf.reshape(tf.cast(images, tf.float32), [-1, 192]) @ weights,
        shape=(5,),
        fingerprint="ab" * 32,
    )
    images = np.random.default_rng(1).integers(0, 256, (9, *SIZE, 3), dtype=np.uint8)
    wanted = np.asarray(cut.prefix(images))
    cache = Cache(tmp_path)
    choose_engine(cut, SIZE, images, engine, cache)
    (folder,) = cache.compiled.iterdir()
    files = sorted(files_of(folder))
    assert "folded.pb" in files
    for name in [*files, "contents.txt"]:
        for part in (0.0, 0.33, 1.0):
            # What was made again need not have the size that it had.
            flip(folder / name, round(part * ((folder / name).stat().st_size - 1)), 2)
            assert sum(one.damaged for one in cache.verify(repair=False)) >= 1
            got = choose_engine(cut, SIZE, images, engine, cache)(images)
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-2)
            assert not any(one.damaged for one in cache.verify(repair=False))
    # A file that somebody laid beside is none that this machine compiled.
    (folder / "compiled").mkdir(exist_ok=True)
    (folder / "compiled" / "0.blob").write_bytes(b"code")
    caplog.clear()
    choose_engine(cut, SIZE, images, engine, cache)
    assert "compiled model is damaged" in caplog.text
    assert not (folder / "compiled" / "0.blob").exists()


def test_a_choice_of_engine_that_was_changed_is_made_again(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (9, *SIZE, 3), dtype=np.uint8)
    cut, cache = cut_of("one"), Cache(tmp_path)
    first = choose_engine(cut, SIZE, images, "auto", cache)
    (file,) = cache.choices.iterdir()
    whole = file.read_bytes()
    for at in range(0, len(whole), 61):
        flip(file, at, at % 7)
        again = choose_engine(cut, SIZE, images, "auto", cache)
        np.testing.assert_allclose(again(images), first(images), rtol=1e-5)
        assert cache.verify(repair=False)[-1].damaged == 0
