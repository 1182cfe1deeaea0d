"""A small network to export, and photos; made once for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CLASSES = ("a rose", "Löwenzahn", "x_y")


@dataclass(frozen=True)
class Small:
    """A network with its parts, its subject, and images that it tells apart."""

    parts: Any
    network: Any
    export_spec: Any
    images: np.ndarray

    @property
    def wanted(self) -> np.ndarray:
        import tensorflow as tf

        return self.export_spec.probabilities(tf.constant(self.images)).numpy()


def draw(seed: int, size: tuple[int, int] = (96, 80)) -> np.ndarray:
    """A smooth coloured picture uint8 ``[h, w, 3]``."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))


def make_small(backbone: str = "embedded", temperature: float = 1.0, threshold: float | None = None) -> Small:
    from transferkit.evaluation import Abstention
    from transferkit.recipe import load
    from transferkit.runs.calibration.calibrate import Calibrated
    from transferkit.runs.release.artefacts import make_export_spec
    from transferkit.training.parts import open_parts

    recipe = load("retrain", [("backbone.name", backbone)])
    parts = open_parts(recipe, CLASSES)
    phase = recipe.resolved_phases[-1]
    network = parts.network(phase, parts.plan(phase), [1] * len(CLASSES))
    size = parts.backbone.input_size
    images = np.stack([draw(seed, size) for seed in range(12)])
    # A head that spreads the images over the classes.
    features = np.asarray(network.features({"images": images}))
    network.standardise.fit(features)
    rng = np.random.default_rng(3)
    kernel = rng.normal(0, 2 / np.sqrt(features.shape[1]), (features.shape[1], len(CLASSES)))
    network.layer.set_weights([kernel.astype(np.float32), np.zeros(len(CLASSES), np.float32)])
    network.temperature = temperature
    abstention = Abstention(threshold, 0.95, 0.5, 12) if threshold is not None else None
    export_spec = make_export_spec(parts, network, Calibrated(abstention=abstention, precision=0.95))
    return Small(parts, network, replace(export_spec, photos=lambda most: iter(images[:most])), images)


@pytest.fixture(scope="session")
def small() -> Small:
    """At a temperature, with a threshold in the middle of its confidences."""
    rough = make_small(temperature=1.7)
    threshold = float(np.median(rough.wanted.max(1)))
    return make_small(temperature=1.7, threshold=threshold)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve JPEG files of different sizes."""
    folder = tmp_path_factory.mktemp("photos")
    files = []
    for seed in range(12):
        files.append(folder / f"{seed:02d}.jpg")
        Image.fromarray(draw(seed, (90 + 7 * seed, 120))).save(files[-1], quality=92)
    return files


@pytest.fixture(scope="session")
def artefacts(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version with every format whose packages are installed."""
    import importlib.util

    from transferkit.export.formats import format_names, load_format
    from transferkit.runs.release.artefacts import write_formats

    folder = tmp_path_factory.mktemp("export") / "1"
    folder.mkdir()
    able = [name for name in format_names() if all(map(importlib.util.find_spec, load_format(name).NEEDS))]
    assert write_formats(small.export_spec, able, folder, lambda name, path: None) == {}
    return folder
