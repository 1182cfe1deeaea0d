"""Images/s of frozen backbones by engine and batch size, and the share of the machine's peak that it is.

Keras's ``predict`` is what a user would do instead. Weights are random: they change no speed. The pipeline's
rows decode photos of 320 x 240 beside the engine, with several numbers of threads.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _report import Report, arguments, interleaved, peak_gflops

# Multiply-adds of one image counted as two operations, from the papers.
GFLOP = {"MobileNetV2": 0.6, "EfficientNetB0": 0.78, "InceptionV3": 11.4}


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="*", default=list(GFLOP))
    parser.add_argument("--images", type=int, default=64, help="images a measurement (default 64)")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8, 32])
    options = parser.parse_args()

    import keras
    from bench_decode import photo

    from transferkit.activations.engines.choose_engine import available, choose_engine
    from transferkit.backbones.load_backbone import load_backbone

    cards = {
        "MobileNetV2": "mobilenet_v2",
        "EfficientNetB0": "efficientnet_b0",
        "InceptionV3": "inception_v3",
    }
    report = Report("engines", ["backbone", "engine", "batch", "images/s", "x keras", "share of peak"])
    report.note(peak_gflops=peak_gflops(repeats=50))
    for name in options.backbones:
        backbone = load_backbone(cards[name], weights="random")
        cut, size = backbone.cut(None), backbone.input_size
        images = np.random.default_rng(0).integers(0, 256, (options.images, *size, 3), dtype=np.uint8)
        engines = {engine: choose_engine(cut, size, images[:16], engine) for engine in available()}
        for batch in options.batches:
            sides: dict[str, Callable[[], object]] = {
                engine: _in_batches(made, images, batch) for engine, made in engines.items()
            }
            sides["keras"] = lambda model=backbone.model, images=images, batch=batch: model.predict(
                images, batch_size=batch, verbose=0
            )
            speed = {side: len(images) / value for side, value in interleaved(sides, options.repeats).items()}
            for engine, value in speed.items():
                report.add(
                    **{
                        "backbone": name,
                        "engine": engine,
                        "batch": batch,
                        "images/s": value,
                        "x keras": value / speed["keras"],
                        "share of peak": value * GFLOP[name] / report.facts["peak_gflops"],
                    }
                )
        fastest = "openvino" if "openvino" in engines else "tensorflow"
        _pipeline(report, name, cut, size, engines[fastest], speed[fastest], options, photo)
        keras.backend.clear_session()
    report.write(options.json)


def _pipeline(report, name, cut, size, engine, speed, options, photo) -> None:
    """Files to kept activations with 1, 2 and 4 threads that decode, against the bare engine.

    Each pass opens the compiled model first: the speed is that of the images that a longer pass does more.
    """
    from transferkit.activations.compute import ComputeSettings, compute
    from transferkit.data.pixels.decoding import Decoding

    few = options.images
    many = few + max(64, int(3 * speed))  # three seconds more
    with tempfile.TemporaryDirectory() as folder:
        items = []
        for number in range(many):
            path = Path(folder, f"{number}.jpg")
            path.write_bytes(photo(240, 320, number))
            items.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
        pixels = np.random.default_rng(0).integers(0, 256, (few, *size, 3), dtype=np.uint8)

        def passed(threads: int, count: int) -> Callable[[], object]:
            # The compiled model stays, the activations go: every image is decoded and passed anew.
            def work() -> None:
                shutil.rmtree(Path(folder, "cache", "activations"), ignore_errors=True)
                kept = Path(folder, "cache")
                compute(
                    cut,
                    items[:count],
                    Decoding(size),
                    ComputeSettings(engine=engine.name, threads=threads, cache_dir=kept),
                )

            return work

        sides = {(n, count): passed(n, count) for n in (1, 2, 4) for count in (few, many)}
        sides[0, 0] = lambda: engine(pixels)
        seconds = interleaved(sides, options.repeats)
    bare = few / seconds[0, 0]
    for threads in (1, 2, 4):
        value = (many - few) / (seconds[threads, many] - seconds[threads, few])
        report.add(**{"backbone": name, "engine": f"pipeline, {threads} threads", "images/s": value})
        report.note(**{f"{name}: pipeline, {threads} threads / bare engine": value / bare})


def _in_batches(engine, images: np.ndarray, batch: int) -> Callable[[], object]:
    return lambda: [engine(images[at : at + batch]) for at in range(0, len(images), batch)]


if __name__ == "__main__":
    sys.exit(main())
