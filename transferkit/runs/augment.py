"""Augmentation and the cut: views of each training image are kept, and batches are mixed above it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.views import Views
from transferkit.augmentation import make_augmentation
from transferkit.recipe import Recipe

__all__ = ["make_mixer", "make_views"]


def make_views(recipe: Recipe) -> Views | None:
    """The views of each training image that pass the frozen prefix, or None for the image alone."""
    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is None or not pipeline.changes_images:
        return None

    def augment(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        wide = seeds.astype(np.int64)
        return pipeline.images(tf.constant(images), tf.constant(wide[:, 0] << 32 ^ wide[:, 1])).numpy()

    key = json.dumps(
        {word: recipe.augmentation.options[word] for word in sorted(recipe.augmentation.options)}
    )
    return Views(recipe.activations.views, augment, key, recipe.seed)


def make_mixer(recipe: Recipe, classes: int) -> Callable[[Any, Any, Any], tuple[Any, Any]] | None:
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
