"""The graph decoder against Pillow, format by format, and its resizing against plain arithmetic."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.data.pixels import decode as decoding
from transferkit.data.pixels.decode import decode, graph_formats, resize_image
from transferkit.data.pixels.decoding import RESIZES, Decoding

HIGH, WIDE = 40, 61


def smooth(high: int = HIGH, wide: int = WIDE) -> Image.Image:
    """A picture without sharp edges, so that lossy formats stay near it; the channels differ."""
    y, x = np.mgrid[0:high, 0:wide]
    planes = [np.sin(x / wide * 5), np.cos(y / high * 4), np.sin((x + y) / (high + wide) * 6)]
    return Image.fromarray(np.stack([(plane * 120 + 128) for plane in planes], -1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes, size=(HIGH, WIDE), resize="stretch", **rules) -> np.ndarray:
    result = decode(tf.constant(data), Decoding(size, resize, **rules)).numpy()
    assert result.dtype == np.uint8
    assert result.shape == (*size, 3)
    return result.astype(int)


CASES = {
    "png": ("RGB", "PNG", {}, 0),
    "png grey": ("L", "PNG", {}, 0),
    "png palette": ("P", "PNG", {}, 0),
    "png one bit": ("1", "PNG", {}, 0),
    "png alpha": ("RGBA", "PNG", {}, 0),
    "png grey alpha": ("LA", "PNG", {}, 0),
    "jpeg": ("RGB", "JPEG", {"quality": 95}, 4),
    "jpeg grey": ("L", "JPEG", {"quality": 95}, 4),
    "jpeg cmyk": ("CMYK", "JPEG", {"quality": 95}, 4),
    "jpeg progressive": ("RGB", "JPEG", {"progressive": True}, 4),
    "gif": ("P", "GIF", {}, 0),
    "bmp": ("RGB", "BMP", {}, 0),
    "bmp alpha": ("RGBA", "BMP", {}, 0),
    "bmp grey": ("L", "BMP", {}, 0),
    "bmp palette": ("P", "BMP", {}, 0),
    "bmp one bit": ("1", "BMP", {}, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_every_mode_becomes_the_rgb_that_pillow_gives(case):
    mode, kind, options, tolerance = CASES[case]
    data = encoded(smooth().convert(mode), kind, **options)
    wanted = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(pixels(data) - wanted).max() <= tolerance


def test_webp_where_tensorflow_decodes_it():
    if "webp" not in graph_formats():
        pytest.skip("this TensorFlow has no WebP decoder; the reader transcodes such files")
    data = encoded(smooth(), "WEBP", lossless=True)
    np.testing.assert_array_equal(pixels(data), np.asarray(smooth()))


def test_sixteen_bits_keep_their_upper_byte():
    deep = np.arange(HIGH * WIDE, dtype=np.uint16).reshape(HIGH, WIDE) * 26
    data = encoded(Image.fromarray(deep), "PNG")
    np.testing.assert_array_equal(pixels(data)[..., 0], deep >> 8)


def test_of_an_animation_the_first_frame():
    frames = [Image.new("RGB", (WIDE, HIGH), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels(data) == [255, 0, 0]).all()


def test_a_four_bit_and_a_top_down_palette_bmp():
    colours = [[0, 0, 255], [0, 255, 0], [255, 0, 0], [9, 8, 7]]
    header = bytearray(encoded(Image.new("P", (3, 2)), "BMP")[:54])
    header[22:26] = (-2).to_bytes(4, "little", signed=True)
    header[28:30] = (4).to_bytes(2, "little")
    header[46:50] = len(colours).to_bytes(4, "little")
    header[10:14] = (54 + 16).to_bytes(4, "little")
    palette = b"".join(bytes([*colour[::-1], 0]) for colour in colours)
    data = bytes(header) + palette + bytes([0x01, 0x20, 0, 0]) + bytes([0x32, 0x10, 0, 0])
    wanted = np.array(colours)[[[0, 1, 2], [3, 2, 1]]]
    np.testing.assert_array_equal(pixels(data, (2, 3)), wanted)


@pytest.mark.parametrize("data", [b"", b"BM", b"\xff\xd8\xff", b"no image at all" * 20, b"BM" + bytes(100)])
def test_what_is_no_image_is_an_error_and_no_crash(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(data), Decoding((8, 8)))


def test_a_truncated_jpeg_is_an_error():
    data = encoded(smooth(), "JPEG")
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(data[: len(data) // 2]), Decoding((8, 8)))


@pytest.mark.parametrize("resize", RESIZES)
def test_an_image_of_the_wanted_size_stays_as_it_is(resize):
    image = np.asarray(smooth())
    np.testing.assert_array_equal(resize_image(tf.constant(image), Decoding((HIGH, WIDE), resize)), image)


def test_shrinking_by_a_whole_factor_averages_areas():
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    means = image.reshape(8, 4, 12, 4, 3).mean((1, 3))
    result = resize_image(tf.constant(image), Decoding((8, 12))).numpy()
    assert np.abs(result - means).max() <= 0.5 + 1e-4


def test_growing_interpolates():
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = 100
    result = resize_image(tf.constant(image), Decoding((1, 4))).numpy()[0, :, 0]
    assert list(result) == [0, 25, 75, 100]


def test_crop_takes_the_middle_and_keeps_the_ratio():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 200
    assert (resize_image(tf.constant(image), Decoding((5, 5), "crop")).numpy() == 200).all()


def test_pad_keeps_all_and_fills_with_black():
    image = np.full((10, 30, 3), 200, np.uint8)
    result = resize_image(tf.constant(image), Decoding((30, 30), "pad")).numpy()
    assert (result[10:20] == 200).all()
    assert (result[:10] == 0).all()
    assert (result[20:] == 0).all()


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 64)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (33, 65)])
def test_every_shape_goes_to_every_size(shape, size, resize):
    image = np.full((*shape, 3), 77, np.uint8)
    result = resize_image(tf.constant(image), Decoding(size, resize)).numpy()
    assert result.shape == (*size, 3)
    assert result.max() == 77


def test_a_scaled_jpeg_decode_stays_near_the_whole_one(monkeypatch):
    data = encoded(smooth(900, 1200), "JPEG", quality=92)
    scaled = pixels(data, (96, 128))
    monkeypatch.setattr(decoding, "DCT_GAP", 1e9)
    whole = pixels(data, (96, 128))
    assert np.abs(scaled - whole).mean() < 1
    assert np.abs(scaled - whole).max() <= 4


def test_an_unknown_way_of_resizing_is_refused():
    with pytest.raises(ValueError, match="stretch, crop, pad"):
        Decoding((8, 8), "squeeze")


def test_it_stays_in_the_graph():
    """The export carries the function as it is: one trace serves every file."""
    function = tf.function(lambda data: decode(data, Decoding((16, 16), "crop"))).get_concrete_function(
        tf.TensorSpec([], tf.string)
    )
    for kind in ("PNG", "JPEG", "BMP", "GIF"):
        assert function(tf.constant(encoded(smooth(), kind))).shape == (16, 16, 3)
    assert not [op for op in function.graph.get_operations() if "PyFunc" in op.type]
