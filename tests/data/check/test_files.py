"""Files that are no images, or more than an image should be: none crashes, each is named once."""

from __future__ import annotations

import copy
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from transferkit.data.check import Limits, check_dataset, read_header, refusal
from transferkit.data.sources.class_folder import read_class_folder


def encoded(format, mode="RGB", size=(40, 30), **options):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format, **options)
    return file.getvalue()


def bomb(width, height):
    """A PNG of a hundred bytes whose header states any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def sixteen_bits():
    file = io.BytesIO()
    Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50).save(file, "PNG")
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", exif=exif)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"just some words\n" * 20, "no image format"),
        (bomb(50_000, 50_000), "50000 × 50000 pixels"),
        (bomb(2**31 - 1, 2**31 - 1), "above the limit"),
        (bomb(70_000, 1), "a side"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (encoded("PNG")[:30], ""),
    ],
)
def test_refused_by_the_header(tmp_path, content, says):
    (tmp_path / "x.png").write_bytes(content)
    header = read_header(tmp_path / "x.png", tmp_path)
    assert header.refused
    assert says in header.refused
    assert "\n" not in header.refused


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded("JPEG"), ("jpeg", 40, 30, "RGB", 1)),
        (encoded("JPEG", "CMYK"), ("jpeg", 40, 30, "CMYK", 1)),
        (encoded("JPEG", "L"), ("jpeg", 40, 30, "L", 1)),
        (encoded("PNG", "P"), ("png", 40, 30, "P", 1)),
        (encoded("PNG", "RGBA"), ("png", 40, 30, "RGBA", 1)),
        (encoded("BMP"), ("bmp", 40, 30, "RGB", 1)),
        (encoded("WEBP"), ("webp", 40, 30, "RGB", 1)),
        (turned(), ("jpeg", 40, 30, "RGB", 6)),
        (encoded("PNG", size=(20_000, 1)), ("png", 20_000, 1, "RGB", 1)),
    ],
)
def test_what_a_header_tells(tmp_path, content, expected):
    (tmp_path / "x").write_bytes(content)
    header = read_header(tmp_path / "x", tmp_path)
    assert header.refused is None
    assert (header.format, header.width, header.height, header.mode, header.orientation) == expected
    assert header.bytes == len(content)


def test_pillows_own_limit_is_left_as_it_was(tmp_path):
    (tmp_path / "x.png").write_bytes(bomb(50_000, 50_000))
    before = Image.MAX_IMAGE_PIXELS
    read_header(tmp_path / "x.png", tmp_path)
    assert before == Image.MAX_IMAGE_PIXELS


def test_animation_is_counted(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert read_header(tmp_path / "x.gif", tmp_path).frames == 3


def test_limits_can_be_set(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encoded("JPEG"))
    assert "above the limit" in read_header(tmp_path / "x.jpg", tmp_path, Limits(bytes=100)).refused
    assert "above the limit" in read_header(tmp_path / "x.jpg", tmp_path, Limits(pixels=1199)).refused
    assert read_header(tmp_path / "x.jpg", tmp_path, Limits(pixels=1200)).refused is None


def test_links(tmp_path):
    inside, outside = tmp_path / "data", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    (outside / "x.jpg").write_bytes(encoded("JPEG"))
    (inside / "own.jpg").write_bytes(encoded("JPEG"))
    (inside / "out.jpg").symlink_to(outside / "x.jpg")
    (inside / "in.jpg").symlink_to(inside / "own.jpg")
    (inside / "broken.jpg").symlink_to(inside / "gone.jpg")
    (inside / "circle.jpg").symlink_to(inside / "circle.jpg")
    limits = Limits()
    assert refusal(inside / "in.jpg", inside, limits) is None
    assert "out of the data folder" in refusal(inside / "out.jpg", inside, limits)
    assert refusal(inside / "out.jpg", inside, Limits(follow_links=True)) is None
    assert "to nothing" in refusal(inside / "broken.jpg", inside, limits)
    assert refusal(inside / "broken.jpg", inside, limits).kind == "missing"
    assert copy.deepcopy(refusal(inside / "out.jpg", inside, limits)).kind == "limit"
    assert refusal(inside / "circle.jpg", inside, limits)
    # The data folder itself may be a link: that is the user's own doing.
    (tmp_path / "link").symlink_to(inside)
    assert refusal(tmp_path / "link" / "own.jpg", tmp_path / "link", limits) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg", tmp_path, Limits()) == "not a regular file"


def test_a_folder_of_malformed_files_is_checked_to_its_end(tmp_path):
    root = tmp_path / "data"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
    good = encoded("JPEG", size=(64, 48))
    png = encoded("PNG", size=(64, 48))
    bad = {"empty.jpg": b"", "words.jpg": b"words " * 50, "bomb.png": bomb(60_000, 60_000)}
    for step in range(0, 100, 10):
        bad[f"half {step}.jpg"] = good[: len(good) * step // 100]
        bad[f"half {step}.png"] = png[: len(png) * step // 100]
    fine = {
        "good.jpg": good, "cmyk.jpg": encoded("JPEG", "CMYK"), "grey.png": encoded("PNG", "L"),
        "alpha.png": encoded("PNG", "RGBA"), "palette.gif": encoded("GIF", "P"), "really png.jpg": png,
        "dot.png": encoded("PNG", size=(1, 1)), "line.png": encoded("PNG", size=(20_000, 1)),
        "turned.jpg": turned(), "deep.png": sixteen_bits(),
    }  # fmt: skip
    for i, (name, content) in enumerate({**bad, **fine}.items()):
        (root / "ab"[i % 2] / name).write_bytes(content)
    (root / "a" / "broken link.jpg").symlink_to(root / "gone")
    result = check_dataset(read_class_folder(root))
    refused = [name.split("/")[1] for name, _ in result.refused]
    assert sorted(refused) == sorted([*bad, "broken link.jpg"])
    assert all(reason and "\n" not in reason for _, reason in result.refused)
    kinds = {finding.names[0].split("/")[1]: finding.kind for finding in result.of_kind("misnamed")}
    assert kinds == {"really png.jpg": "misnamed"}
    assert result.of_kind("oriented")[0].names[0].endswith("turned.jpg")
    assert any(finding.names[0].endswith("dot.png") for finding in result.of_kind("constant"))
    assert any(finding.names[0].endswith("line.png") for finding in result.of_kind("narrow"))
