"""Images that the tests make themselves: coloured shapes, which can be learned, and noise, which cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

SHAPES = ("circle", "cross", "square")


def draw_shape(kind: str, seed: int, size: int = 72) -> Image.Image:
    """A bright shape at a place, size and colour of its own, on a dark textured ground."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 60, (size, size, 3), dtype=np.uint8)
    image = Image.fromarray(ground)
    pen = ImageDraw.Draw(image)
    radius = int(rng.integers(size // 5, size // 3))
    x, y = rng.integers(radius, size - radius, 2)
    colour = tuple(int(value) for value in rng.integers(130, 256, 3))
    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "circle":
        pen.ellipse(box, fill=colour)
    elif kind == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.line((x - radius, y, x + radius, y), fill=colour, width=size // 10)
        pen.line((x, y - radius, x, y + radius), fill=colour, width=size // 10)
    return image


def write_shapes(root: Path, per_class: int, first_seed: int = 0) -> Path:
    for index, kind in enumerate(SHAPES):
        folder = root / kind
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            draw_shape(kind, first_seed + 1000 * index + number).save(folder / f"{number:03d}.png")
    return root


def write_noise(root: Path, per_class: int) -> Path:
    rng = np.random.default_rng(7)
    for name in ("black", "white"):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:03d}.png")
    return root


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """40 images a class of three shapes."""
    return write_shapes(tmp_path_factory.mktemp("shapes"), 40)


def draw_shapes(kinds: tuple[str, ...], seed: int, size: int = 96) -> Image.Image:
    """Any of the shapes, each in its own colour and its own third of the picture."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 60, (size, size, 3), dtype=np.uint8))
    colours = {"circle": (230, 60, 60), "cross": (60, 220, 60), "square": (70, 90, 240)}
    for kind in kinds:
        small = draw_shape(kind, int(rng.integers(1 << 30)), size // 2)
        bright = Image.fromarray((np.asarray(small).max(axis=2) > 100).astype(np.uint8) * 255)
        x, y = (int(value) for value in rng.integers(0, size // 2, 2))
        image.paste(Image.new("RGB", bright.size, colours[kind]), (x, y), bright)
    return image


def write_tags(root: Path, count: int) -> Path:
    """A manifest of images with any of three labels; the square is the rarest."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    lines = ["path,labels"]
    for number in range(count):
        kinds = tuple(
            kind for kind, share in zip(SHAPES, (0.5, 0.5, 0.25), strict=True) if rng.random() < share
        )
        draw_shapes(kinds, number).save(root / f"{number:03d}.png")
        lines.append(f"{number:03d}.png,{'|'.join(kinds)}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root / "labels.csv"


@pytest.fixture(scope="session")
def tags(tmp_path_factory) -> Path:
    """The manifest of 150 images with several shapes each."""
    return write_tags(tmp_path_factory.mktemp("tags"), 150)


@pytest.fixture
def make_shapes(tmp_path) -> Callable[..., Path]:
    """Writes shapes into a folder of the test's own."""

    def make(per_class: int = 12, name: str = "photos", first_seed: int = 0) -> Path:
        return write_shapes(tmp_path / name, per_class, first_seed)

    return make


@pytest.fixture
def noise(tmp_path) -> Path:
    """Two classes that nothing tells apart."""
    return write_noise(tmp_path / "noise", 60)
