"""Training views for the embedded backbone: heavily varied crops of photos, uint8 ``[size, size, 3]``.

No labels are read: a view is only something for the teachers to look at. Photos are held decoded, the
short side at most 256 px, so that a view costs a crop and a resize.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

__all__ = ["Views", "held_out", "read_photos", "read_tfrecord"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def held_out(path: Path, share: float) -> bool:
    """Whether a file belongs to the held-out share (0..1); its content alone decides, so it stays stable."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def read_photos(folder: Path, hold_out: float = 0.0) -> list[Image.Image]:
    """All photos below a folder in a stable order, without the share that is held out for measuring."""
    photos = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES):
        if hold_out and held_out(path, hold_out):
            continue
        image = Image.open(path).convert("RGB")
        scale = 256 / min(image.size)
        if scale < 1:
            image = image.resize(
                (round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX
            )
        photos.append(image)
    return photos


def read_tfrecord(path: Path) -> list[Image.Image]:
    """All images of a TFRecord file of ``tf.train.Example`` with ``image/encoded``."""
    import tensorflow as tf

    def decode(record: tf.Tensor) -> tf.Tensor:
        example = tf.io.parse_single_example(record, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
        return tf.io.decode_jpeg(example["image/encoded"], channels=3)

    records = tf.data.TFRecordDataset(str(path)).map(decode, num_parallel_calls=2, deterministic=True)
    return [Image.fromarray(image) for image in records.as_numpy_iterator()]


class Views:
    """An endless source of views, drawn from a seed.

    Args:
        groups: Groups of images with the share of views each one gives; small images (below 64 px) also
            appear as collages.
        size: Height and width of a view in px.
        seed: Of everything that is drawn.
    """

    def __init__(self, groups: list[tuple[float, list[Image.Image]]], size: int, seed: int) -> None:
        groups = [(share, images) for share, images in groups if images]
        if not groups:
            raise ValueError("train_embedded: no images were found in the folders given")
        self._groups = [images for _, images in groups]
        shares = np.array([share for share, _ in groups], float)
        self._shares = shares / shares.sum()
        self._size = size
        self._random = np.random.default_rng(seed)

    def draw(self, count: int) -> np.ndarray:
        """``count`` new views, uint8 ``[count, size, size, 3]``."""
        out = np.empty((count, self._size, self._size, 3), np.uint8)
        for i in range(count):
            out[i] = self._view()
        return out

    def _view(self) -> np.ndarray:
        chance = self._random.random()
        view = self._single()
        if chance < 0.2:
            # Blends lie between photos: a function that agrees there too has been learned, not memorised.
            weight = self._random.uniform(0.25, 0.75)
            return (weight * view + (1 - weight) * self._single()).astype(np.uint8)
        if chance < 0.35:
            top, left = self._random.integers(0, self._size // 2, 2)
            height, width = self._random.integers(self._size // 4, self._size // 2 + 1, 2)
            view = view.copy()
            patch = self._single()
            view[top : top + height, left : left + width] = patch[top : top + height, left : left + width]
        return view

    def _single(self) -> np.ndarray:
        images = self._groups[self._random.choice(len(self._groups), p=self._shares)]
        image = images[self._random.integers(len(images))]
        if image.width < 64 and self._random.random() < 0.5:
            image = self._collage(images)
        return self._jitter(self._crop(image))

    def _collage(self, images: list[Image.Image]) -> Image.Image:
        """Two by two of a group's small images side by side."""
        side = images[0].width
        collage = Image.new("RGB", (2 * side, 2 * side))
        for row in range(2):
            for column in range(2):
                image = images[self._random.integers(len(images))]
                collage.paste(image, (column * side, row * side))
        return collage

    def _crop(self, image: Image.Image) -> Image.Image:
        """The whole image stretched (one in four), or a crop of 10 to 100 %, mirrored every other time."""
        box = (0.0, 0.0, float(image.width), float(image.height))
        if self._random.random() > 0.25:
            area = image.width * image.height * self._random.uniform(0.1, 1.0)
            ratio = np.exp(self._random.uniform(np.log(0.7), np.log(1.4)))
            width = min(np.sqrt(area * ratio), image.width)
            height = min(np.sqrt(area / ratio), image.height)
            left = self._random.uniform(0, image.width - width)
            top = self._random.uniform(0, image.height - height)
            box = (left, top, left + width, top + height)
        resize = Image.Resampling.BILINEAR if self._random.random() < 0.8 else Image.Resampling.BICUBIC
        view = image.resize((self._size, self._size), resize, box=box)
        if self._random.random() < 0.5:
            view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self._random.random() < 0.15:
            view = view.rotate(self._random.uniform(-30, 30), Image.Resampling.BILINEAR)
        return view

    def _jitter(self, view: Image.Image) -> np.ndarray:
        if self._random.random() < 0.5:
            view = ImageEnhance.Brightness(view).enhance(self._random.uniform(0.6, 1.4))
            view = ImageEnhance.Contrast(view).enhance(self._random.uniform(0.6, 1.4))
            view = ImageEnhance.Color(view).enhance(self._random.uniform(0.4, 1.6))
        pixels = np.asarray(view)
        chance = self._random.random()
        if chance < 0.08:
            pixels = pixels[..., self._random.permutation(3)]
        elif chance < 0.13:
            pixels = np.repeat(np.asarray(view.convert("L"))[..., None], 3, axis=2)
        elif chance < 0.16:
            pixels = 255 - pixels
        return pixels
