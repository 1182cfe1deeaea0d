"""Augmentation and the cut: what is kept of changed images, what is mixed above it, and what knows no cut."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from transferkit.activations.views import Views
from transferkit.augmentation import Pipeline, make_augmentation
from transferkit.data.pixels.decoding import Decoding
from transferkit.recipe import Recipe
from transferkit.training.end_to_end import EndToEnd
from transferkit.training.images import Images
from transferkit.type_names import Tensor

__all__ = ["make_direct", "make_mixer", "make_views", "trains_through"]


def trains_through(recipe: Recipe) -> bool:
    """Whether training passes the whole network in every epoch: no views are kept of images that change."""
    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is None:
        return False
    return pipeline.mixes_images or (pipeline.changes_images and recipe.activations.views == 1)


def make_direct(recipe: Recipe, images: Images, size: tuple[int, int]) -> EndToEnd | None:
    """The training images on their way through the whole network, or None where the cut serves them.

    Args:
        recipe: the run's.
        images: of the run.
        size: height and width in pixels.
    """
    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is None or not trains_through(recipe):
        return None
    return EndToEnd(
        [row.sha256 for row in images.rows],
        images.paths,
        Decoding.of(recipe.data, size),
        pipeline,
        _views(recipe, pipeline),
        len(images.classes),
        recipe.seed,
    )


def make_views(recipe: Recipe) -> Views | None:
    """The views of each training image that pass the frozen prefix, or None for the image alone."""
    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is None or not pipeline.changes_images or trains_through(recipe):
        return None
    return _views(recipe, pipeline)


def _views(recipe: Recipe, pipeline: Pipeline) -> Views:

    def augment(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        wide = seeds.astype(np.int64)
        result: np.ndarray = pipeline.images(
            tf.constant(images), tf.constant(wide[:, 0] << 32 ^ wide[:, 1])
        ).numpy()
        return result

    key = json.dumps(
        {word: recipe.augmentation.options[word] for word in sorted(recipe.augmentation.options)}
    )
    return Views(recipe.activations.views, augment, key, recipe.seed)


def make_mixer(
    recipe: Recipe, classes: int
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    """Mixes a batch at the cut: ``(batch number, activations, labels)`` to both mixed, or None.

    The labels, int ``[N]`` or float32 ``[N, classes]``, become shares, float32 ``[N, classes]``.
    """
    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is None or not pipeline.mixes_activations:
        return None

    def mix(number: tf.Tensor, activations: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shares = labels if labels.shape.rank == 2 else tf.one_hot(labels, classes)
        return pipeline.mix(activations, shares, number + recipe.seed, at="cut")

    return mix
