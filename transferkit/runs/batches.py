"""The images of a run at the cut: computed once, then batched for every epoch and every evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.compute import Activations, compute
from transferkit.recipe import Recipe
from transferkit.runs.prepare import Images
from transferkit.runs.progress import Progress

__all__ = ["AtCut", "pass_through"]

_EVALUATION_BATCH = 256


@dataclass(frozen=True)
class AtCut:
    """Activations of a run's images.

    Attributes:
        activations: what the frozen prefix gave.
        rows: int64 ``[N]``: the row of each of the run's images.
    """

    activations: Activations
    rows: np.ndarray

    def in_order(self, indices: np.ndarray, labels: np.ndarray) -> Any:
        """Batches of ``({"activations"}, labels)``, each image once, in the order given."""
        return self._batches(indices, labels, _EVALUATION_BATCH)

    def shuffled(
        self, indices: np.ndarray, labels: np.ndarray, batch_size: int, seed: tuple[int, ...]
    ) -> Any:
        """Batches in an order drawn from ``seed``."""
        order = np.random.default_rng(seed).permutation(len(indices))
        return self._batches(indices[order], labels[order], batch_size)

    def _batches(self, indices: np.ndarray, labels: np.ndarray, batch_size: int) -> Any:
        array = self.activations.array
        shape = array.shape[1:]

        def take(rows: np.ndarray) -> np.ndarray:
            return np.asarray(array[rows], np.float32)

        def look_up(rows: tf.Tensor, label: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            taken = tf.numpy_function(take, [rows], tf.float32, stateful=False)
            return {"activations": tf.ensure_shape(taken, [None, *shape])}, label

        batches = tf.data.Dataset.from_tensor_slices((self.rows[indices], labels)).batch(batch_size)
        return batches.map(look_up).prefetch(2)


def pass_through(
    cut: Any, size: tuple[int, int], images: Images, recipe: Recipe, progress: Progress
) -> tuple[Images, AtCut]:
    """Passes the images through the frozen prefix; those that cannot be decoded are set aside.

    Returns:
        The images that are left, and their activations.

    Raises:
        UserError: too many images cannot be decoded.
    """
    items = [(row.sha256, path) for row, path in zip(images.rows, images.paths, strict=True)]
    with progress.stage("images", total=len({sha256 for sha256, _ in items})) as stage:
        activations = compute(
            cut,
            items,
            size=size,
            resize=recipe.data.resize,
            engine=recipe.activations.engine,
            dtype=recipe.activations.dtype,
            max_bytes=recipe.activations.max_bytes,
            cache_dir=recipe.activations.cache_dir,
            progress=lambda done, total: stage.update(done),
        )
    failed = [(one.index, one.reason) for one in activations.failures]
    if not failed:
        return images, AtCut(activations, activations.rows)
    left = images.without(failed, recipe.data.max_unreadable)
    return left, AtCut(activations, activations.rows[activations.rows >= 0])
