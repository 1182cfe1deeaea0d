"""The images of a run at the cut: computed once, then batched for every epoch and every evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.activations.compute import Activations, compute
from transferkit.activations.source import dataset
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
        kept: int64 ``[N]``: the item of ``activations`` that each of the run's images is.
    """

    activations: Activations
    kept: np.ndarray

    def in_order(self, indices: np.ndarray, labels: np.ndarray) -> Any:
        """Batches of ``({"activations"}, labels)``, each image once, in the order given."""
        return self._named(dataset(self.activations, self.kept[indices], labels, _EVALUATION_BATCH))

    def shuffled(
        self, indices: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, epoch: int
    ) -> Any:
        """The batches of one epoch, in an order that is a function of ``seed`` and ``epoch`` alone."""
        kept = self.kept[indices]
        return self._named(dataset(self.activations, kept, labels, batch_size, seed=seed, start_epoch=epoch))

    @staticmethod
    def _named(batches: Any) -> Any:
        return batches.map(lambda activations, labels: ({"activations": activations}, labels))


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
            label=f"{recipe.backbone.name} at {cut.at or 'features'}",
            progress=lambda done, total: stage.update(done),
        )
    failed = [(one.index, one.reason) for one in activations.failures]
    if not failed:
        return images, AtCut(activations, np.arange(len(images)))
    left = images.without(failed, recipe.data.max_unreadable)
    return left, AtCut(activations, np.flatnonzero(activations.rows >= 0))
