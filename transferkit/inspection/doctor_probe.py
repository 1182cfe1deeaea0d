"""Some ten seconds of what a run does: decoding, the frozen pass, a training step above the cut."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transferkit.inspection.doctor_finding import Finding

__all__ = ["measure"]

_PHOTO = (640, 480)  # width and height of the photos that are decoded
_PHOTOS, _BATCH, _CLASSES = 48, 32, 10
_SECONDS = 2.0  # that each is measured for, after a first time


def measure() -> Iterator[Finding]:
    """What each takes here, in images or steps a second, and which of the two first is the slower one."""
    from transferkit.tensorflow_startup import start_tensorflow

    start_tensorflow()
    import numpy as np

    from transferkit.activations.engines.choose_engine import choose_engine
    from transferkit.backbones import load_backbone
    from transferkit.recipe import load
    from transferkit.recipe.default_backbone import STAND_IN, missing_package

    recipe = load()
    name = STAND_IN if missing_package(recipe) else recipe.backbone.name
    backbone = load_backbone(name, None)
    size = backbone.input_size
    decoded = _decoding(size)
    shown = f"{decoded:.0f} images/s ({_PHOTO[0]} x {_PHOTO[1]} JPEG to {size[0]} x {size[1]})"
    yield Finding("speed", "decoding", shown)
    images = np.random.default_rng(0).integers(0, 256, (_BATCH, *size, 3), dtype=np.uint8)
    cut = backbone.cut(None)
    engine = choose_engine(cut, size, images)
    passed = _BATCH * _rate(lambda: engine(images))
    yield Finding("speed", "frozen pass", f"{passed:.0f} images/s ({name}, {engine.name})")
    yield Finding("speed", "slower of the two", "decoding" if decoded < passed else "the frozen pass")
    yield Finding(
        "speed", "linear head", f"{_training(int(np.prod(cut.shape))):.0f} steps/s of {_BATCH} images"
    )


def _rate(action: Callable[[], object]) -> float:
    """Times a second, after a first time that may compile."""
    action()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < _SECONDS:
        action()
        count += 1
    return count / (time.perf_counter() - began)


def _decoding(size: tuple[int, int]) -> float:
    import numpy as np
    from PIL import Image

    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import read_images

    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        paths: list[tuple[None, Path]] = []
        for number in range(_PHOTOS):
            # Coarse noise made large: about as many bytes as a photo of this size has.
            coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
            paths.append((None, Path(folder, f"{number}.jpg")))
            coarse.resize(_PHOTO).save(paths[-1][1], quality=90)
        decoding = Decoding(size)
        return _PHOTOS * _rate(lambda: [batch.images for batch in read_images(paths, decoding)])


def _training(width: int) -> float:
    import tensorflow as tf

    kernel = tf.Variable(tf.zeros([width, _CLASSES]))
    features = tf.random.stateless_normal([_BATCH, width], seed=(0, 1))
    labels = tf.range(_BATCH) % _CLASSES

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.matmul(features, kernel)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        kernel.assign_sub(0.01 * tape.gradient(loss, kernel))
        return loss

    return _rate(step)
