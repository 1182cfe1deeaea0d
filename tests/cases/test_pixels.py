"""Transparency, depth, orientation and rare encodings: each file becomes the picture that a person sees."""

from __future__ import annotations

import io
import json
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw

import transferkit
from transferkit.data.pixels.decode import decode
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.gif_blocks import first_frame
from transferkit.data.pixels.transcode import read_by_graph
from transferkit.data.reader import decoder

SIDE = 48
UPRIGHT = Decoding((SIDE, SIDE))


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mask_of(kind, seed):
    """White where the ink is: a disc or a bar."""
    rng = np.random.default_rng(seed)
    mask = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(mask)
    (x, y), r = rng.integers(18, 30, 2).tolist(), int(rng.integers(9, 14))
    if kind == "disc":
        draw.ellipse([x - r, y - r, x + r, y + r], fill=255)
    else:
        draw.rectangle([x - r, y - 3, x + r, y + 3], fill=255)
    return mask


def ink(mask):
    """Black ink on white, as everybody sees all of ``TRANSPARENT``."""
    return Image.composite(Image.new("RGB", mask.size), Image.new("RGB", mask.size, "white"), mask)


def rgba(mask):
    return Image.merge("RGBA", [Image.new("L", mask.size)] * 3 + [mask])


def palette(mask):
    """Both entries black: only transparency tells ink from ground."""
    image = Image.fromarray((np.asarray(mask) > 0).astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 0])
    return image


def dark_ground(mask):
    return Image.fromarray(np.where(np.asarray(mask) > 0, 0, 7).astype(np.uint8))


def sixteen_bits(mask):
    """Black under full alpha, and strong colours that alpha hides."""
    alpha = np.asarray(mask).astype(np.uint16) * 257
    hidden = np.where(alpha == 0, 65535, 0).astype(np.uint16)
    rows = np.stack([hidden, hidden, hidden, alpha], -1).astype(">u2")
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


TRANSPARENT = {
    "rgba": lambda mask: encoded(rgba(mask), "PNG"),
    "grey alpha": lambda mask: encoded(rgba(mask).convert("LA"), "PNG"),
    "palette index": lambda mask: encoded(palette(mask), "PNG", transparency=0),
    "palette bytes": lambda mask: encoded(palette(mask), "PNG", transparency=bytes([0, 255])),
    "grey key": lambda mask: encoded(dark_ground(mask), "PNG", transparency=7),
    "colour key": lambda mask: encoded(dark_ground(mask).convert("RGB"), "PNG", transparency=(7, 7, 7)),
    "one bit": lambda mask: encoded(mask.point(lambda v: 255 - v).convert("1"), "PNG", transparency=1),
    "gif": lambda mask: encoded(palette(mask), "GIF", transparency=0),
    "webp": lambda mask: encoded(rgba(mask), "WEBP", lossless=True, exact=True),
    "tiff": lambda mask: encoded(rgba(mask), "TIFF"),
    "sixteen bits": sixteen_bits,
}


@pytest.mark.parametrize("case", TRANSPARENT)
def test_transparent_pixels_show_the_ground(case):
    mask = mask_of("disc", 1)
    data = TRANSPARENT[case](mask)
    np.testing.assert_array_equal(decoder(UPRIGHT)(data), np.asarray(ink(mask)))
    red = np.asarray(Image.composite(Image.new("RGB", mask.size), Image.new("RGB", mask.size, "red"), mask))
    np.testing.assert_array_equal(decoder(Decoding((SIDE, SIDE), background=(255, 0, 0)))(data), red)


def test_dropped_transparency_shows_what_it_hid():
    mask = mask_of("disc", 1)
    drop = decoder(Decoding((SIDE, SIDE), background=None))
    for case in ("rgba", "palette index", "gif", "webp"):
        assert drop(TRANSPARENT[case](mask)).max() == 0, case
    assert drop(TRANSPARENT["colour key"](mask)).max() == 7


def test_half_transparency_is_mixed_as_pillow_mixes_it():
    rng = np.random.default_rng(0)
    layers = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8), "RGBA")
    ground = Image.new("RGBA", layers.size, (10, 200, 30, 255))
    wanted = np.asarray(Image.alpha_composite(ground, layers).convert("RGB")).astype(int)
    run = decoder(Decoding((SIDE, SIDE), background=(10, 200, 30)))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert np.abs(run(encoded(layers, kind, **options)) - wanted).max() <= 1


def test_large_transparent_images_are_mixed_in_parts(monkeypatch):
    from transferkit.data.pixels import alpha

    mask = mask_of("bar", 3)
    monkeypatch.setattr(alpha, "_PIXELS_AT_ONCE", 100)
    run = decoder.__wrapped__(UPRIGHT)
    for case in ("rgba", "sixteen bits"):
        np.testing.assert_array_equal(run(TRANSPARENT[case](mask)), np.asarray(ink(mask)))


def test_a_gif_shows_the_ground_around_a_first_frame_that_is_smaller():
    data = bytearray(encoded(Image.new("L", (SIDE, SIDE)), "GIF"))
    data[6:10] = struct.pack("<HH", 2 * SIDE, SIDE + 9)
    at = data.index(b",", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    data[at + 1 : at + 5] = struct.pack("<HH", 20, 9)
    larger = encoded(Image.new("L", (200, 200), 77), "GIF")
    moving = bytes(data[:-1]) + larger[larger.index(b",", 13) :]
    for one in (bytes(data), moving):
        shown = decode(tf.constant(one), Decoding((SIDE + 9, 2 * SIDE), background=(0, 0, 255))).numpy()
        assert (shown[9:, 20 : 20 + SIDE] == 0).all()
        shown[9:, 20 : 20 + SIDE] = (0, 0, 255)
        assert (shown == (0, 0, 255)).all()
        np.testing.assert_array_equal(
            decode(tf.constant(first_frame(one)), UPRIGHT), decode(tf.constant(one), UPRIGHT)
        )


# Depth

BARS = np.tile(np.arange(SIDE) // 6 % 2, (SIDE, 1))


def tiff(values, **tags):
    return encoded(Image.fromarray(values), "TIFF", tiffinfo={int(k[1:]): v for k, v in tags.items()})


DEEP = {
    "tiff uint16": (tiff((BARS * 40000 + 20000).astype(np.uint16)), 20000 >> 8, 60000 >> 8),
    "png 16 bits": (encoded(Image.fromarray((BARS * 40000 + 20000).astype(np.uint16)), "PNG"), 78, 234),
    "png 12 of 16 bits": (encoded(Image.fromarray((BARS * 3000 + 1000).astype(np.uint16)), "PNG"), 62, 250),
    "png 8 of 16 bits": (encoded(Image.fromarray((BARS * 120 + 100).astype(np.uint16)), "PNG"), 100, 220),
    "tiff int32": (tiff((BARS * 40000 + 20000).astype(np.int32)), 78, 234),
    "tiff int32, 12 bits": (tiff((BARS * 3000 + 1000).astype(np.int32)), 62, 250),
    "tiff float to 1": (tiff((BARS * 0.8 + 0.1).astype(np.float32)), 26, 230),
    "tiff float to 255": (tiff((BARS * 200 + 40).astype(np.float32)), 40, 240),
    "tiff, zero is white": (tiff((BARS * 40000 + 20000).astype(np.uint16), _262=0), 255 - 78, 255 - 234),
}


@pytest.mark.parametrize("case", DEEP)
def test_deep_samples_keep_their_contrast(case):
    data, dark, bright = DEEP[case]
    shown = decoder(UPRIGHT)(data)
    np.testing.assert_array_equal(shown[..., 0], np.where(BARS, bright, dark))


def test_depth_can_be_the_formats_or_a_number():
    twelve = DEEP["png 12 of 16 bits"][0]
    assert set(np.unique(decoder(Decoding((SIDE, SIDE), depth="format"))(twelve))) == {1000 >> 8, 4000 >> 8}
    assert set(np.unique(decoder(Decoding((SIDE, SIDE), depth=14))(twelve))) == {1000 >> 6, 4000 >> 6}
    assert decoder(Decoding((SIDE, SIDE), depth=10))(twelve).max() == 255
    assert set(np.unique(decoder(Decoding((SIDE, SIDE), depth=12))(DEEP["tiff int32, 12 bits"][0]))) == {
        62,
        250,
    }


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((BARS * 100 - 50).astype(np.int32), "negative"),
        ((BARS - 0.5).astype(np.float32), "negative"),
        ((BARS * 1e6).astype(np.float32), "expected 0 to 1"),
        (np.where(BARS, np.nan, 1).astype(np.float32), "finite"),
    ],
)
def test_values_without_a_known_range_are_refused_by_name(values, says):
    with pytest.raises(ValueError, match=says):
        decoder(UPRIGHT)(tiff(values))


# Orientation

SCENE = Image.fromarray(
    np.random.default_rng(7).choice([0, 128, 255], (4, 6, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
)  # 32 high, 48 wide, and like itself in no other position
STORED = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip


def exif(value, order="<", kind=3, count=1, entries=1, before=0):
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    first = b"".join(struct.pack(order + "HHIHH", 0x010E + n, 3, 1, 5, 0) for n in range(before))
    content = struct.pack(order + ("HH" if kind == 3 else "I"), *((value, 0) if kind == 3 else (value,)))
    own = struct.pack(order + "HHI", 0x0112, kind, count) + content
    return b"Exif\0\0" + head + struct.pack(order + "H", entries + before) + first + own + bytes(4)


def stored(turn):
    return SCENE if STORED[turn] is None else SCENE.transpose(STORED[turn])


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_all_eight_orientations_show_the_scene_upright(turn, order):
    run = decoder(Decoding((32, 48)))
    tag = exif(turn, order, before=turn % 3)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        shown = run(encoded(stored(turn), kind, exif=tag, **options))
        np.testing.assert_array_equal(shown, np.asarray(SCENE), err_msg=kind)
    shown = run(encoded(stored(turn), "JPEG", quality=95, subsampling=0, exif=tag)).astype(int)
    assert np.abs(shown - np.asarray(SCENE)).mean() < 4
    assert np.abs(shown - np.asarray(SCENE)).max() < 60
    ignoring = decoder(Decoding((stored(turn).height, stored(turn).width), exif=False))
    shown = ignoring(encoded(stored(turn), "PNG", exif=tag))
    np.testing.assert_array_equal(shown, np.asarray(stored(turn)))


@pytest.mark.parametrize("apply", [True, False])
@pytest.mark.parametrize("turn", [3, 6, 7, 8])
def test_tiff_carries_an_orientation_too(turn, apply):
    data = encoded(stored(turn), "TIFF", tiffinfo={0x0112: turn})
    wanted = SCENE if apply else stored(turn)
    shown = decoder(Decoding((wanted.height, wanted.width), exif=apply))(data)
    np.testing.assert_array_equal(shown, np.asarray(wanted))


BROKEN = {
    "0": exif(0), "9": exif(9), "65535": exif(65535), "text": exif(6, kind=2), "two values": exif(6, count=2),
    "cut in the entry": exif(6)[:-8],
    "cut in the head": exif(6)[:10], "no order": b"Exif\0\0XX*\0" + bytes(30),
    "directory beyond the end": b"Exif\0\0II*\0" + struct.pack("<I", 0xFFFFFFF0) + bytes(20),
    "far too many entries": exif(6, entries=60000)[:20], "nothing": b"Exif\0\0",
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_tag_is_no_orientation(case):
    run = decoder(Decoding((32, 48)))
    np.testing.assert_array_equal(run(encoded(SCENE, "PNG", exif=BROKEN[case])), np.asarray(SCENE))
    plain = run(encoded(SCENE, "JPEG", quality=95))
    np.testing.assert_array_equal(run(encoded(SCENE, "JPEG", quality=95, exif=BROKEN[case])), plain)


def test_the_tag_is_found_behind_other_segments_and_behind_the_pixels():
    run = decoder(Decoding((32, 48)))
    data = encoded(stored(6), "JPEG", quality=95, subsampling=0)
    tag = exif(6, ">")
    segment = b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag
    comment, large = b"\xff\xfe\x00\x06abcd", b"\xff\xe2" + struct.pack(">H", 60002) + b"Exif\0\0" * 10000
    at = 2 + 2 + struct.unpack_from(">H", data, 4)[0]
    wanted = run(encoded(stored(6), "JPEG", quality=95, subsampling=0, exif=tag))
    assert np.abs(wanted.astype(int) - np.asarray(SCENE)).mean() < 4
    for front in (b"", comment, large, comment + b"\xff\xff" + large[1:]):
        np.testing.assert_array_equal(run(data[:at] + front + segment + data[at:]), wanted)
    png = encoded(stored(8), "PNG")
    late = png[:-12] + chunk(b"eXIf", exif(8)[6:]) + png[-12:]
    np.testing.assert_array_equal(run(late), np.asarray(SCENE))


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_large_turned_photo_is_scaled_as_the_upright_one(resize):
    y, x = np.mgrid[0:900, 0:1500]
    scene = Image.fromarray(np.stack([x / 6, y / 4, (x + y) / 10], -1).astype(np.uint8))
    upright = encoded(scene, "JPEG", quality=95, subsampling=0)
    run = decoder(Decoding((60, 80), resize))
    for turn in (3, 6, 8):
        turned = scene.transpose(STORED[turn])
        shown = run(encoded(turned, "JPEG", quality=95, subsampling=0, exif=exif(turn)))
        assert np.abs(shown.astype(int) - run(upright)).max() <= 6


# Rare encodings


def bmp(bits, masks, values, info=40):
    """Rows bottom up, with the masks behind the header."""
    wide = (values.shape[1] * bits + 31) // 32 * 4
    rows = b"".join(row.astype(f"<u{bits // 8}").tobytes().ljust(wide, b"\0") for row in values[::-1])
    extra = b"".join(struct.pack("<I", mask) for mask in masks)
    head = struct.pack(
        "<IiiHHIIiiII", info, values.shape[1], values.shape[0], 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0
    )
    body = head + extra + bytes(max(0, info - 40 - len(extra)))
    return b"BM" + struct.pack("<IHHI", 14 + len(body) + len(rows), 0, 0, 14 + len(body)) + body + rows


def test_bmp_of_15_16_and_32_bits():
    rng = np.random.default_rng(2)
    r, g, b = rng.integers(0, 32, (3, 5, 7))
    run = decoder(Decoding((5, 7)))
    wanted = np.stack([r, g, b], -1) * 255 // 31
    np.testing.assert_array_equal(run(bmp(16, (), r << 10 | g << 5 | b)), wanted)
    six = rng.integers(0, 64, (5, 7))
    shown = run(bmp(16, (0xF800, 0x07E0, 0x001F), r << 11 | six << 5 | b))
    np.testing.assert_array_equal(shown, np.stack([r * 255 // 31, six * 255 // 63, b * 255 // 31], -1))
    r, g, b = rng.integers(0, 256, (3, 5, 7))
    order = (0xFF, 0xFF00, 0xFF0000)
    np.testing.assert_array_equal(run(bmp(32, order, b << 16 | g << 8 | r)), np.stack([r, g, b], -1))
    half = np.full((5, 7), 0x80, np.int64)
    shown = run(bmp(32, (*order, 0xFF000000), half << 24, info=108))
    assert set(np.unique(shown)) == {127}


def test_bmp_that_only_pillow_reads_goes_through_pillow():
    pixels = bytes([4, 1, 0, 0, 0, 1])  # four times index 1, end of row, end of image
    head = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 8, 1, len(pixels), 0, 0, 2, 0)
    compressed = (
        b"BM"
        + struct.pack("<IHHI", 62 + len(pixels), 0, 0, 62)
        + head
        + bytes([0, 0, 0, 0, 9, 8, 7, 0])
        + pixels
    )
    assert not read_by_graph(compressed)
    assert (decoder(Decoding((1, 4)))(compressed) == [7, 8, 9]).all()


def test_a_png_without_its_end_is_read_and_one_without_rows_is_not():
    data = encoded(SCENE, "PNG")
    run = decoder(Decoding((32, 48)))
    np.testing.assert_array_equal(run(data[:-12]), np.asarray(SCENE))
    np.testing.assert_array_equal(run(data + b"rubbish" * 9), np.asarray(SCENE))
    with pytest.raises(Exception, match="PNG"):
        run(data[: len(data) // 2])


# Whole runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Icons of two shapes in every kind of transparency, and photos stored on their side."""
    root = tmp_path_factory.mktemp("icons")
    kinds = [*TRANSPARENT, "turned"]
    for kind in ("bar", "disc"):
        (root / kind).mkdir()
        for number in range(36):
            mask, case = mask_of(kind, number), kinds[number % len(kinds)]
            if case == "turned":
                data = encoded(ink(mask).transpose(STORED[6]), "JPEG", quality=95, exif=exif(6))
            else:
                data = TRANSPARENT[case](mask)
            (root / kind / f"{number:02}.{'jpg' if case == 'turned' else 'png'}").write_bytes(data)
    return transferkit.retrain(
        data=root,
        run=root.parent / f"{root.name}-run",
        backbone="embedded",
        quiet=True,
        overrides=["data.test=0.25", "epochs=20", "evaluation.grad_cam=0", 'data.depth="auto"'],
    )


def test_icons_are_told_apart_and_every_variant_passes_the_gate(run):
    assert run.metrics["accuracy"] == 1.0
    parity = json.loads((run.path / "parity.json").read_text())
    assert [row["passed"] for row in parity["artefacts"]] == [True]
    assert parity["variants_left_out"] == {}


def test_the_export_answers_the_bytes_themselves_as_predict_does(run, tmp_path):
    serve = tf.saved_model.load(str(run.export_folder)).signatures["serving_default"]
    mask = mask_of("disc", 100)
    for number, (case, make) in enumerate(TRANSPARENT.items()):
        (tmp_path / f"{number:02} {case}.png").write_bytes(make(mask))
    paths = sorted(tmp_path.iterdir())
    answers = run.predict(paths)
    assert {answer.label for answer in answers} == {"disc"}
    for path, answer in zip(paths, answers, strict=True):
        data = path.read_bytes()
        if read_by_graph(data):
            given = serve(bytes=tf.constant([data]))["scores"].numpy()[0, 0]
            assert given == pytest.approx(answer.top[0][1], abs=1e-5), path.name
        else:
            with pytest.raises(tf.errors.InvalidArgumentError):
                serve(bytes=tf.constant([data]))
