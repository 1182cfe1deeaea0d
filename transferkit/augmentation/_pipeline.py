"""All augmentations of a recipe, in order, for batches of training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from transferkit.augmentation._base import Augmentation
from transferkit.registry import is_admitted, is_dotted, registry

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Pipeline", "make_augmentation", "view_seeds"]


class Pipeline:
    """The augmentations of a recipe.

    Attributes:
        words: what is done, in order.
    """

    def __init__(self, words: list[Augmentation]) -> None:
        self.words = sorted(words, key=lambda word: word.order)
        self._mixers = [word for word in self.words if word.way == "mix"]

    @property
    def changes_images(self) -> bool:
        """Whether single images change: without views, each pass over the data then sees other pixels."""
        return len(self._mixers) < len(self.words)

    @property
    def mixes_images(self) -> bool:
        """Whether the images of a batch are mixed with each other: then no view of one image can be kept."""
        return any(getattr(word, "at", "images") == "images" for word in self._mixers)

    @property
    def mixes_activations(self) -> bool:
        """Whether what the frozen part gives is mixed within a batch."""
        return any(getattr(word, "at", "images") == "cut" for word in self._mixers)

    def images(self, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Changes each image by itself.

        Args:
            images: uint8 ``[N, h, w, 3]``.
            seeds: int64 ``[N]``; an image with the same seed is changed in the same way in any batch.

        Returns:
            uint8 ``[N, h, w, 3]``.
        """
        import tensorflow as tf

        from transferkit.augmentation._chance import evenly
        from transferkit.augmentation._ops import warp

        made = tf.cast(images, tf.float32)
        moves = [word for word in self.words if word.way == "move"]
        if moves:
            # The last move is the first that a pixel of the new image is followed back through.
            matrices = [word.move(evenly(seeds, word.draws, word.order)) for word in moves]
            whole = matrices[-1]
            for matrix in reversed(matrices[:-1]):
                whole = matrix @ whole
            made = warp(made, whole)
        for word in self.words:
            if word.way == "paint":
                made = word.paint(made, evenly(seeds, word.draws, word.order))
        return tf.cast(tf.clip_by_value(tf.round(made), 0, 255), tf.uint8)

    def mix(self, images: tf.Tensor, labels: tf.Tensor, seed: Any, at: str = "images") -> tuple[Any, Any]:
        """Mixes a batch with itself.

        Where several ways to mix are on, each batch is mixed in one of them, drawn evenly.

        Args:
            images: uint8 ``[N, h, w, 3]``, or activations float ``[N, ...]`` with ``at="cut"``.
            labels: int ``[N]`` is not enough: float32 ``[N, C]``.
            seed: an integer, of the batch.
            at: ``"images"`` or ``"cut"``.

        Returns:
            What was given, mixed, in the same types.
        """
        import tensorflow as tf

        from transferkit.augmentation._chance import batch_seeds, evenly

        words = [word for word in self._mixers if getattr(word, "at", "images") == at]
        if not words:
            return images, labels
        seeds = batch_seeds(seed, tf.shape(images)[0])
        values = tf.cast(images, tf.float32)
        labels = tf.cast(labels, tf.float32)
        mixed = [word.mix(values, labels, evenly(seeds, word.draws, word.order)) for word in words]
        which = tf.cast(evenly(seeds[:1], 1, 99)[0, 0] * len(words), tf.int32)
        made, shares = mixed[0]
        for number, (other, other_shares) in enumerate(mixed[1:], start=1):
            made = tf.where(which == number, other, made)
            shares = tf.where(which == number, other_shares, shares)
        if images.dtype == tf.uint8:
            made = tf.clip_by_value(tf.round(made), 0, 255)
        return tf.cast(made, images.dtype), shares


def make_augmentation(section: Any) -> Pipeline | None:
    """What a recipe's ``[augmentation]`` asks for, or None where it is off.

    In the place of one of the user's own that is not admitted stands one that changes single images: enough
    to plan with, and none that can be carried out.
    """
    words = registry("augmentation")
    made = [
        Augmentation()
        if is_dotted(name) and not is_admitted(name)
        else cast(Augmentation, words.get(name).model_validate(options))
        for name, options in section.options.items()
    ]
    return Pipeline(made) if made else None


def view_seeds(seed: int, hashes: np.ndarray, view: int) -> np.ndarray:
    """Seeds of one view of images.

    Args:
        seed: the recipe's.
        hashes: integers ``[N]`` made of the images' contents, such as the first 8 bytes of their SHA-256.
        view: which of the views, from 0.

    Returns:
        int64 ``[N]``: a function of the image, the view and the recipe's seed alone.
    """
    with np.errstate(over="ignore"):
        mixed = np.asarray(hashes, dtype=np.uint64) ^ np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
        mixed = mixed * np.uint64(0xD1342543DE82EF95)
        mixed ^= mixed >> np.uint64(29)
        mixed = (mixed + np.uint64(view)) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed.view(np.int64)
