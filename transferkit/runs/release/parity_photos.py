"""Which photos an export is asked about: those that the run is evaluated on, as far as they are there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import read_images
from transferkit.recipe import Recipe
from transferkit.runs.results.evaluate_network import predict_network
from transferkit.training.loop import Fitted

__all__ = ["Asked", "asked_of"]

_DRAWN = 10  # pictures that stand in where no photo is there
_COARSE = 8  # their patches


@dataclass(frozen=True)
class Asked:
    """Photos with what the network answers to them.

    Attributes:
        paths: their files.
        labels: theirs; of pictures that were drawn all of class 0, as nothing counts them.
        rows: int64: which of the evaluated images they are; None where they are others.
        own: the network's answers to the others.
    """

    paths: list[str]
    labels: np.ndarray
    rows: np.ndarray | None = None
    own: np.ndarray | None = None

    def probabilities(self, evaluated: np.ndarray) -> np.ndarray:
        """What the network answers, float32 ``[N, C]``.

        Args:
            evaluated: its answers to the evaluated images.
        """
        if self.rows is not None:
            return np.asarray(evaluated[self.rows])
        assert self.own is not None  # noqa: S101 -- for the type checker: one of them is there
        return self.own


@contextmanager
def asked_of(fitted: Fitted, recipe: Recipe) -> Iterator[Asked]:
    """The evaluated photos; else others of the run; else drawn pictures, where a run was made without photos.

    Args:
        fitted: what training left.
        recipe: its seed draws the pictures.
    """
    images = fitted.trained.images
    held_out = images.of_split(images.held_out)
    if fitted.cut_features.activations.stats.engine is not None or recipe.export.parity is False:
        # Its photos were just read.
        yield Asked(
            [images.paths[index] for index in held_out], images.labels[held_out], np.arange(len(held_out))
        )
        return
    there = np.array([os.path.isfile(path) for path in images.paths], bool)
    rows = np.flatnonzero(there[held_out])
    if len(rows):
        chosen = held_out[rows]
        yield Asked([images.paths[index] for index in chosen], images.labels[chosen], rows)
        return
    others = np.flatnonzero(there)
    if len(others):
        labels = images.labels[others]
        own = predict_network(fitted.network, lambda: fitted.cut_features.in_order(others, labels))
        yield Asked([images.paths[index] for index in others], labels, None, own)
        return
    with tempfile.TemporaryDirectory(prefix="transferkit-drawn-") as folder:
        decoding = Decoding.of(recipe.data, fitted.trained.parts.backbone.input_size)
        paths = _drawn(Path(folder), decoding.size, recipe.seed)
        (batch,) = read_images([(None, path) for path in paths], decoding, batch_size=len(paths))
        own = fitted.network.probabilities(batch.images).numpy()
        shape = images.labels.shape[1:]
        yield Asked(paths, np.zeros((len(paths), *shape), images.labels.dtype), None, own)


def _drawn(folder: Path, size: tuple[int, int], seed: int) -> list[str]:
    """Pictures of coloured patches under noise, as PNG files."""
    from PIL import Image

    rng, paths = np.random.default_rng(seed), []
    for number in range(_DRAWN):
        patches = rng.integers(0, 256, (_COARSE, _COARSE, 3)).astype(np.uint8)
        coarse = Image.fromarray(patches).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        noisy = np.asarray(coarse, np.float64) + rng.normal(0, 12, (*size, 3))
        path = folder / f"{number}.png"
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path)
        paths.append(str(path))
    return paths
