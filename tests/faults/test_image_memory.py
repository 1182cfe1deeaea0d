"""What images ask of memory, and what belongs to other libraries: neither is left to the files."""

from __future__ import annotations

import io
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from transferkit.data.check import Limits, read_header
from transferkit.data.image_facts import read_facts
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.decoding_memory import Budget, decoding_bytes
from transferkit.data.pixels.gif_blocks import first_frame
from transferkit.data.reader import read_images


def png(width, height, bits, colour):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_threads_touch_no_global_of_pillow_or_warnings(tmp_path, monkeypatch):
    # A host program may have set any limit; reading headers and files in threads leaves it as it is.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 123)
    filters = list(warnings.filters)
    paths = []
    for number in range(24):
        kind = ("png", "tiff", "webp", "jpeg", "gif", "bmp")[number % 6]
        path = tmp_path / f"{number:02}.{kind}"
        Image.fromarray(np.full((10, 12, 3), 10 * number, np.uint8)).save(path)
        paths.append(path)
    seen = set()
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.add(Image.MAX_IMAGE_PIXELS)
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        headers = [read_header(path, tmp_path) for path in paths]
        read = sum(
            len(b.indices) for b in read_images([(None, p) for p in paths], Decoding((8, 8)), threads=4)
        )
    finally:
        done.set()
        watcher.join()
    assert [header.refused for header in headers] == [None] * 24
    assert (read, seen, list(warnings.filters)) == (24, {123}, filters)


def test_what_only_pillow_decodes_keeps_to_the_limit_that_the_host_set_there(tmp_path, monkeypatch):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (batch,) = read_images([(None, tmp_path / "a.tif")], Decoding((8, 8)))
    assert "20 × 20 pixels, above Pillow's limit of 399" in batch.unreadable[0].reason


@pytest.mark.parametrize("kind", ["EPS", "ICO", "TGA", "PDF", "ICNS", "PCX"])
def test_rarely_used_readers_are_not_reached(tmp_path, kind):
    file = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 64)).save(file, kind)
    reason = "a PDF document" if kind == "PDF" else "no image format that is read"
    assert read_header(file, tmp_path).refused == reason
    (batch,) = read_images([(None, file)], Decoding((8, 8)))
    assert batch.unreadable[0].reason == reason


def test_transparency_and_depth_count_against_the_limit_of_pixels(tmp_path):
    limits = Limits(pixels=1000)
    for bits, colour, most in ((8, 2, 1000), (8, 6, 400), (16, 2, 285)):
        for width, refused in ((most, False), (most + 1, True)):
            (tmp_path / "x.png").write_bytes(png(width, 1, bits, colour))
            header = read_header(tmp_path / "x.png", tmp_path, limits)
            assert header.beyond == refused, (bits, colour, width)


def test_of_a_gif_no_frame_but_the_first_is_unpacked_and_its_claims_count():
    frames = [Image.fromarray(np.full((30, 40), level, np.uint8)) for level in range(0, 250, 5)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    data = buffer.getvalue()
    assert len(first_frame(data)) < len(data) / 10
    assert first_frame(first_frame(data)) == first_frame(data)
    claimed = bytearray(data)
    at = claimed.index(b",", 13 + 3 * 2 ** ((claimed[10] & 7) + 1))
    claimed[at + 5 : at + 9] = struct.pack("<HH", 60_000, 50_000)
    facts = read_facts(io.BytesIO(claimed))
    assert (facts.width, facts.height) == (60_000, 50_000)


def test_a_budget_is_never_exceeded_and_serves_all():
    budget, running, most, served = Budget(100), [], [], []

    def work(wanted):
        with budget.held(wanted):
            running.append(min(wanted, 100))
            most.append(sum(running))
            time.sleep(0.002)
            running.remove(min(wanted, 100))
        served.append(wanted)

    threads = [threading.Thread(target=work, args=(wanted,)) for wanted in [30, 500, 60, 10, 100, 45] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(served) == 30
    assert max(most) <= 100


def test_a_large_image_is_estimated_at_more_than_its_pixels():
    facts = read_facts(io.BytesIO(png(5000, 4000, 8, 6)))
    assert decoding_bytes(facts, 1000, Decoding((224, 224))) >= 5000 * 4000 * 4
