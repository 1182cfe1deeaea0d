"""Images/s from file to 224 x 224 pixels: the toolkit's decoder, tf.io as tutorials use it, and Pillow.

The photos are made here: soft shapes with some grain, as JPEG of quality 90, in three sizes. All decode the
same bytes on one thread; "all cores" is the toolkit's reader, files and threads included. Also shown: by how
much scaled decoding changes the pixels against decoding whole, in grey levels.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _report import Report, arguments, interleaved

SIZE = (224, 224)
PHOTOS = {(240, 320): 64, (1080, 1920): 16, (3000, 4000): 6}  # height, width: how many


def photo(height: int, width: int, seed: int) -> bytes:
    """A JPEG with large soft shapes, smaller ones and grain."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for scale, strength in ((4, 60), (16, 30), (64, 15)):
        small = rng.integers(0, 256, (scale, scale * width // height, 3), dtype=np.uint8)
        total += (np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC), float) - 128) * (
            strength / 64
        )
    total += rng.normal(0, 3, (height, width, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    import tensorflow as tf
    from PIL import Image

    from transferkit.data.pixels import decode as decoding
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import decoder, read_images

    tf.config.threading.set_intra_op_parallelism_threads(1)

    def by_tutorial(encoded: bytes) -> np.ndarray:
        return tf.image.resize(tf.io.decode_jpeg(encoded, channels=3), SIZE).numpy()

    def by_pillow(encoded: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(encoded))
        return np.asarray(image.convert("RGB").resize(SIZE[::-1], Image.BILINEAR))

    def by_draft(encoded: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(encoded))
        image.draft("RGB", (2 * SIZE[1], 2 * SIZE[0]))
        return np.asarray(image.convert("RGB").resize(SIZE[::-1], Image.BILINEAR))

    ours = decoder(Decoding(SIZE))
    gap, decoding.DCT_GAP = decoding.DCT_GAP, 1e9
    whole = decoder.__wrapped__(Decoding(SIZE))
    whole(photo(64, 64, 0))
    decoding.DCT_GAP = gap

    ways = {"transferkit": ours, "tf.io": by_tutorial, "pillow": by_pillow, "pillow draft": by_draft}
    report = Report(
        "decode", ["photos", "kB", *ways, "all cores", "x tf.io", "x pillow", "mean diff", "max diff"]
    )
    for (height, width), count in PHOTOS.items():
        files = [photo(height, width, seed) for seed in range(count)]
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{number}.jpg") for number in range(count)]
            for path, file in zip(paths, files, strict=True):
                path.write_bytes(file)
            sides = {name: _each(decode, files) for name, decode in ways.items()}
            sides["all cores"] = _all(read_images, paths)
            speed = {name: count / value for name, value in interleaved(sides, options.repeats).items()}
        difference = np.abs(np.stack([ours(file).astype(int) - whole(file) for file in files]))
        report.add(
            **{
                "photos": f"{width}x{height}",
                "kB": float(np.mean([len(file) for file in files]) / 1000),
                **speed,
                "x tf.io": speed["transferkit"] / speed["tf.io"],
                "x pillow": speed["transferkit"] / speed["pillow"],
                "mean diff": float(difference.mean()),
                "max diff": int(difference.max()),
            }
        )
    report.write(options.json)


def _each(decode: Callable[[bytes], np.ndarray], files: list[bytes]) -> Callable[[], object]:
    return lambda: [decode(file) for file in files]


def _all(read: Callable, paths: list[Path]) -> Callable[[], object]:
    from transferkit.data.pixels.decoding import Decoding

    return lambda: list(read([(None, path) for path in paths], Decoding(SIZE)))


if __name__ == "__main__":
    sys.exit(main())
