"""Peak memory of a whole retraining from 1 000 to 100 000 images, with an empty cache and with a full one.

The images are small and made here, each its own; the backbone is MobileNetV2 with random weights at its least
size, so that 1280 numbers an image are kept while the pass over them stays short. Everything else is a run as
users start it: hashing, splitting, training, evaluation, export, report.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from _report import Report, arguments

CLASSES, SIZE = 10, 32


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    from bench_retrain import timed

    report = Report("large", ["images", "cache", "seconds", "peak MB", "train s"])
    for count in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            data = make_images(Path(folder, "images"), count)
            command = [sys.executable, "-m", "transferkit", "retrain", "--data", str(data), "--overwrite"]
            command += ["--run", str(Path(folder, "run")), "--backbone", "mobilenet_v2", "--quiet", "--json"]
            for setting in (
                'backbone.weights="random"',
                f"backbone.input_size=[{SIZE}, {SIZE}]",
                f"activations.cache_dir={json.dumps(str(Path(folder, 'cache')))}",
                "epochs=3",
                "batch_size=256",
            ):
                command += ["--set", setting]
            for cache in ("empty", "full"):
                seconds, peak, said = timed(command)
                train = said["seconds"]["stages"]["train"]
                row = {"images": count, "cache": cache, "seconds": seconds, "peak MB": peak, "train s": train}
                report.add(**row)
    report.note(**{"largest peak MB": max(row["peak MB"] for row in report.rows)})
    report.write(options.json)


def make_images(folder: Path, count: int) -> Path:
    """Small PNG files in class folders: a colour for each class under noise, no two alike."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    colours = rng.integers(64, 192, (CLASSES, 3))
    for label in range(CLASSES):
        (folder / f"class_{label}").mkdir(parents=True)
    for number in range(count):
        label = number % CLASSES
        noise = rng.normal(colours[label], 40, (SIZE, SIZE, 3))
        image = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
        image.save(folder / f"class_{label}" / f"{number:06d}.png", compress_level=1)
    return folder


if __name__ == "__main__":
    sys.exit(main())
