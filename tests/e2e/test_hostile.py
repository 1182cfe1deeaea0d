"""A folder of files that are no images, or more than an image should be, through every verb."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.transcode import readable_in_graph
from transferkit.inspection.check_data import check_data


def encoded(format, mode="RGB", size=(64, 48), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format, **options)
    return file.getvalue()


def moving(format, **options):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, format, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side):
    """A hundred bytes whose header asks for gigabytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    packed = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + packed + chunk(b"IEND", b"")


def jpeg_bomb(side):
    """A photo whose frame header was changed to the largest size that it can state."""
    whole = bytearray(encoded("JPEG"))
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(whole)


def sixteen_bits():
    file = io.BytesIO()
    Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64) * 21).save(file, "PNG")
    return file.getvalue()


@dataclass
class Hostile:
    """The folder, and which of its files are to be refused by everything, or to be read by everything."""

    root: Path
    refused: set[str] = field(default_factory=set)
    fine: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def hostile(shapes, tmp_path_factory):
    """Malformed files among 40 images a class of three shapes."""
    folder = Hostile(tmp_path_factory.mktemp("hostile") / "photos")
    shutil.copytree(shapes, folder.root)
    jpeg, png = encoded("JPEG"), encoded("PNG")
    bad = {
        "zero bytes.jpg": b"",
        "words.jpg": b"this is no picture\n" * 40,
        "words.png": "kein Bild, nur Wörter".encode(),
        "bomb.png": png_bomb(50_000),
        "bomb.jpg": jpeg_bomb(60_000),
        "bomb.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + encoded("GIF", "P")[10:],
        "page.jpg": b"<html><body>404 not found</body></html>",
        "signature only.png": b"\x89PNG\r\n\x1a\n",
        "signature only.webp": b"RIFF\x00\x00\x00\x00WEBP",
    }
    for tenth in range(1, 10):
        bad[f"cut {tenth}.jpg"] = jpeg[: len(jpeg) * tenth // 10]
        bad[f"cut {tenth}.png"] = png[: len(png) * tenth // 10]
    fine = {
        "really png.jpg": png,
        "really jpeg.png": jpeg,
        "really gif.bmp": encoded("GIF", "P"),
        "dot.png": encoded("PNG", size=(1, 1)),
        "line.png": encoded("PNG", size=(20_000, 1)),
        "column.jpg": encoded("JPEG", size=(1, 20_000)),
        "deep.png": sixteen_bits(),
        "ink.jpg": encoded("JPEG", "CMYK"),
        "grey.jpg": encoded("JPEG", "L"),
        "palette.png": encoded("PNG", "P"),
        "clear.png": encoded("PNG", "RGBA"),
        "progressive.jpg": encoded("JPEG", progressive=True),
        "moving.gif": moving("GIF"),
        "moving.png": moving("PNG"),
        "moving.webp": moving("WEBP"),
    }
    for kind, names in (("refused", bad), ("fine", fine)):
        for number, (name, content) in enumerate(names.items()):
            place = f"{('circle', 'cross', 'square')[number % 3]}/{name}"
            (folder.root / place).write_bytes(content)
            getattr(folder, kind).add(place)
    outside = folder.root.parent / "outside.png"
    outside.write_bytes(encoded("PNG"))
    (folder.root / "circle" / "broken link.png").symlink_to(folder.root / "gone.png")
    (folder.root / "cross" / "link out.png").symlink_to(outside)
    (folder.root / "square" / "circle link.png").symlink_to(folder.root / "square" / "circle link.png")
    folder.refused |= {"circle/broken link.png", "cross/link out.png", "square/circle link.png"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder.root / "cross" / "pipe.png")
        folder.refused.add("cross/pipe.png")
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        locked = folder.root / "square" / "locked.png"
        locked.write_bytes(encoded("PNG"))
        locked.chmod(0)
        folder.refused.add("square/locked.png")
    return folder


@pytest.fixture(scope="module")
def run(hostile, tmp_path_factory):
    settings = [
        "data.max_unreadable=0.5",
        "data.test=0.2",
        "epochs=2",
        "evaluation.grad_cam=0",
        "export.parity=false",
    ]
    place = tmp_path_factory.mktemp("runs") / "run"
    return transferkit.retrain(
        data=hostile.root, run=place, backbone="embedded", quiet=True, overrides=settings
    )


def once_each(named, hostile):
    """Every refused file once, with a reason of one line, and no other file."""
    counts = Counter(name for name, _ in named)
    assert set(counts) == hostile.refused
    assert set(counts.values()) == {1}
    assert all(reason and "\n" not in reason and len(reason) < 300 for _, reason in named)
    assert not [reason for _, reason in named if "execution error" in reason or ".py" in reason]


def test_data_check_names_each_refused_file_once(hostile, tmp_path):
    result = check_data(hostile.root, page=tmp_path / "check.html")
    once_each(result.refused, hostile)
    reasons = dict(result.refused)
    assert "empty" in reasons["circle/zero bytes.jpg"]
    assert "symbolic link to nothing" in reasons["circle/broken link.png"]
    assert "out of the data folder" in reasons["cross/link out.png"]
    assert "limit" in next(reason for name, reason in reasons.items() if name.endswith("bomb.png"))
    page = (tmp_path / "check.html").read_text("utf-8")
    assert all(Path(name).name in page for name in hostile.refused)


def test_retrain_sets_them_aside_and_trains_on_the_rest(run, hostile):
    with open(run.path / "quarantine.csv", newline="", encoding="utf-8") as file:
        once_each([(row["path"], row["reason"]) for row in csv.DictReader(file)], hostile)
    with open(run.path / "split.csv", newline="", encoding="utf-8") as file:
        kept = {row["path"] for row in csv.DictReader(file)}
    assert kept >= hostile.fine
    assert not kept & hostile.refused
    assert len(kept) == 120 + len(hostile.fine)


@pytest.mark.slow
def test_predict_answers_what_it_can_and_names_the_rest(run, hostile):
    # A link out of the folder that is named is the user's own wish; what is not there is refused at once.
    wanted = sorted(name for name in hostile.fine | hostile.refused if (hostile.root / name).exists())
    wanted.remove("cross/link out.png")
    command = [sys.executable, "-m", "transferkit", "predict", str(run.path), "--format", "json"]
    files = [str(hostile.root / name) for name in wanted]
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    answered = {os.path.relpath(json.loads(line)["path"], hostile.root) for line in done.stdout.splitlines()}
    assert answered == hostile.fine
    lines = done.stderr.splitlines()
    named = Counter(name for name in wanted for line in lines if f"{hostile.root / name}:" in line)
    assert named == dict.fromkeys(set(wanted) - hostile.fine, 1)
    assert not [line for line in lines if "Graph execution" in line]


def test_predict_walks_the_folder_to_its_end(run, hostile):
    answers = run.predict([hostile.root])
    counts = Counter(answer.path for answer in answers)
    assert set(counts.values()) == {1}
    answered = {os.path.relpath(answer.path, hostile.root) for answer in answers if answer.error is None}
    assert answered - {"cross/link out.png"} >= hostile.fine
    assert not answered & (hostile.refused - {"cross/link out.png"})


def test_the_exported_signature_answers_or_says_what_is_wrong(run, hostile):
    import tensorflow as tf

    from transferkit.data.reader import reason_of

    answer = tf.saved_model.load(str(run.export_folder)).signatures["serving_default"]
    failed = set()
    for name in sorted(hostile.refused):
        path = hostile.root / name
        if not path.is_file() or name == "cross/link out.png":
            continue
        try:
            # What only lies beyond a limit may be answered: a JPEG of that size is decoded at an eighth.
            answer(bytes=tf.constant([path.read_bytes()]))
            assert "bomb" in name
        except tf.errors.InvalidArgumentError as error:
            failed.add(reason_of(error) and name)
    assert len(failed) >= 24
    for name in sorted(hostile.fine):
        given = readable_in_graph((hostile.root / name).read_bytes(), Decoding((8, 8)))
        probabilities = answer(bytes=tf.constant([given]))["probabilities"].numpy()
        assert probabilities.sum() == pytest.approx(1, abs=1e-5), name
