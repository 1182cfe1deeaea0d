"""The reader: in order, complete, and unbothered by files that are none."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.data.image_facts import format_of
from transferkit.data.pixels import transcode
from transferkit.data.pixels.decode import decode
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.transcode import readable_in_graph
from transferkit.data.reader import read_images

SIZE = (12, 10)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for number, kind in enumerate(["png", "jpg", "bmp", "gif"] * 5):
        path = tmp_path / f"{number:02d}.{kind}"
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
        made.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    return made


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 6, 100])
def test_batches_come_in_order_and_hold_what_the_decoder_gives(files, batch_size, threads):
    batches = list(read_images(files, Decoding(SIZE, "crop"), batch_size=batch_size, threads=threads))
    assert [len(batch.indices) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate([batch.indices for batch in batches]), np.arange(20))
    images = np.concatenate([batch.images for batch in batches])
    for image, (_, path) in zip(images, files, strict=True):
        np.testing.assert_array_equal(image, decode(tf.constant(path.read_bytes()), Decoding(SIZE, "crop")))


def test_unreadable_files_are_left_out_with_a_reason_each(files, tmp_path):
    jpeg = files[1][1].read_bytes()
    bad = {
        "empty.jpg": b"",
        "text.png": b"this is no image",
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": files[0][1].read_bytes()[:100],
        "cut.bmp": files[2][1].read_bytes()[:60],
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.jpg").mkdir()
    names = [*bad, "folder.jpg", "missing.jpg"]
    mixed = [
        item for name, file in zip(names, files, strict=False) for item in (file, (None, tmp_path / name))
    ]
    batches = list(read_images(mixed, Decoding(SIZE), batch_size=5))
    assert [index for batch in batches for index in batch.indices] == list(range(0, 14, 2))
    found = {one.path.name: one.reason for batch in batches for one in batch.unreadable}
    assert set(found) == set(names)
    assert all(reason and "\n" not in reason and "{{" not in reason for reason in found.values())
    assert "empty" in found["empty.jpg"]
    assert "No such file" in found["missing.jpg"]
    assert [one.index for batch in batches for one in batch.unreadable] == list(range(1, 14, 2))


def test_a_file_that_changed_since_it_was_hashed_is_not_taken_for_the_old_one(files):
    (batch,) = read_images([(files[0][0], files[1][1]), files[2]], Decoding(SIZE))
    assert list(batch.indices) == [1]
    assert "changed" in batch.unreadable[0].reason


def test_nothing_gives_nothing():
    assert list(read_images([], Decoding(SIZE))) == []


def test_it_reads_ahead_no_further_than_told(files):
    taken = []

    def watched():
        for item in files:
            taken.append(item)
            yield item

    batches = read_images(watched(), Decoding(SIZE), batch_size=2, ahead=2)
    next(batches)
    assert len(taken) == 6
    batches.close()


def test_its_threads_end_with_it(files):
    before = set(threading.enumerate())  # of other tests in this process
    batches = read_images(files, Decoding(SIZE), batch_size=2)
    next(batches)
    batches.close()
    for _ in range(100):
        new = set(threading.enumerate()) - before
        if not [one for one in new if one.name.startswith("transferkit-decode")]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a thread that decodes is left behind")


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
def test_what_the_graph_cannot_decode_is_turned_into_what_it_can(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(transcode, "graph_formats", lambda: ("bmp", "gif", "jpeg", "png"))
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    path = tmp_path / "image.jpg"  # a name that lies
    Image.fromarray(pixels).save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    (batch,) = read_images([(None, os.fspath(path))], Decoding(SIZE))
    np.testing.assert_array_equal(batch.images[0], pixels)


def test_formats_are_told_by_content():
    kinds = {
        "JPEG": "jpeg",
        "PNG": "png",
        "GIF": "gif",
        "BMP": "bmp",
        "WEBP": "webp",
        "TIFF": "tiff",
        "TGA": None,
    }
    for kind, wanted in kinds.items():
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, kind)
        assert format_of(buffer.getvalue()) == wanted
    with pytest.raises(ValueError, match="no image format"):
        readable_in_graph(b"nothing of the kind", Decoding(SIZE))
