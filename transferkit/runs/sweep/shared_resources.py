"""What the trials of a sweep share: the prepared images and the loaded backbone, where they agree on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.backbones import Backbone
from transferkit.recipe import Recipe
from transferkit.training.images import Images
from transferkit.training.parts import Parts, open_parts
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress

__all__ = ["SharedResources"]


class SharedResources:
    """Images and backbone by the parts of the recipe that they depend on.

    One backbone is held at a time, with its weights as they were loaded: training moves them, and every trial
    begins with the same. The activations at the cut are shared by way of their cache.

    Args:
        recipe: the sweep's.
        images: prepared from it.
    """

    def __init__(self, recipe: Recipe, images: Images) -> None:
        self._images = {_data_key(recipe): images}
        self._key: str | None = None
        self._backbone: Backbone | None = None
        self._loaded: list[np.ndarray] = []

    def images(self, recipe: Recipe, progress: Progress) -> Images:
        """The images of a trial: found, hashed and split once for all that agree on ``[data]``."""
        key = _data_key(recipe)
        if key not in self._images:
            self._images[key] = prepare(recipe, progress)
        return self._images[key]

    def parts(self, recipe: Recipe, images: Images, progress: Progress) -> Parts:
        """Backbone and head of a trial, with the weights that a run begins with."""
        key = f"{recipe.backbone.model_dump_json()} {recipe.seed}"
        if key == self._key and self._backbone is not None:
            for variable, value in zip(_variables(self._backbone), self._loaded, strict=True):
                variable.assign(value)
            return open_parts(recipe, images.classes, backbone=self._backbone)
        # The old one goes before the new one comes.
        self._backbone, self._loaded = None, []
        with progress.stage("backbone", doing="building it and loading its weights"):
            parts = open_parts(recipe, images.classes)
        self._key, self._backbone = key, parts.backbone
        self._loaded = [np.array(variable) for variable in _variables(parts.backbone)]
        return parts


_OF_PIXELS = {"resize", "background", "exif", "depth"}


def _data_key(recipe: Recipe) -> str:
    # What decides the pixels is the pass's affair, not that of files, hashes and splits.
    several = bool(recipe.head.options.get("multi_label"))
    return f"{recipe.data.model_dump_json(exclude=_OF_PIXELS)} {several}"


def _variables(backbone: Backbone) -> list[Any]:
    """All that training can move, the states of random generators included."""
    return list(getattr(backbone, "model", backbone).variables)
