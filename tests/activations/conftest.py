"""A tiny frozen network, image files that the tests make, and a cache folder of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

SIZE = (16, 24)


@pytest.fixture(scope="session")
def cut():
    """What a cut is to the engines: strided and depthwise convolutions, batch norm, global pooling."""
    import keras

    keras.utils.set_random_seed(3)
    inputs = keras.Input((*SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    norm = keras.layers.BatchNormalization()
    x = norm(x)
    x = keras.layers.ReLU(max_value=6)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    rng = np.random.default_rng(0)
    norm.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in norm.get_weights()])
    return SimpleNamespace(
        prefix=lambda images: model(keras.ops.cast(images, "float32"), training=False),
        shape=(8,),
        fingerprint="ab" * 32,
        model=model,
    )


@pytest.fixture(scope="session")
def deep_cut(cut):
    """The same network cut where the tensor is still an image."""
    import keras

    inner = keras.Model(cut.model.input, cut.model.layers[-2].output)
    return SimpleNamespace(
        prefix=lambda images: inner(keras.ops.cast(images, "float32"), training=False),
        shape=tuple(inner.output_shape[1:]),
        fingerprint="cd" * 32,
    )


@pytest.fixture
def items(tmp_path) -> list[tuple[str, Path]]:
    """Content hash and path of eleven PNGs of the network's size, so that decoding is exact."""
    rng = np.random.default_rng(1)
    made = []
    for number in range(11):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(path)
        made.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    return made


@pytest.fixture
def cache_dir(tmp_path, monkeypatch) -> Path:
    """An empty cache, made the default as well, so that no test touches the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(folder))
    return folder


def expected(cut, items) -> np.ndarray:
    """The network's own answer for the files."""
    images = np.stack([np.asarray(Image.open(path)) for _, path in items])
    return np.asarray(cut.prefix(images))
