"""The images of a run at the cut: computed once, then batched for every epoch and every evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.compute import Activations, compute
from transferkit.activations.source import dataset
from transferkit.activations.views import Views
from transferkit.recipe import Recipe
from transferkit.runs.augment import make_mixer, make_views
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
        views: the augmented views of the images that :attr:`viewed` lists, or None.
        viewed: int64 ``[M]``: the run's images that have views, ascending.
        mix: mixes a training batch (:func:`transferkit.runs.augment.make_mixer`), or None.
    """

    activations: Activations
    kept: np.ndarray
    views: Activations | None = None
    viewed: np.ndarray | None = None
    mix: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None

    def in_order(self, indices: np.ndarray, labels: np.ndarray) -> Any:
        """Batches of ``({"activations"}, labels)``, each image once, as it is, in the order given."""
        return _named(dataset(self.activations, self.kept[indices], labels, _EVALUATION_BATCH))

    def every_view(self, indices: np.ndarray, labels: np.ndarray) -> list[Any]:
        """As :meth:`in_order`, once for each view; the images themselves where there are none."""
        if self.views is None:
            return [self.in_order(indices, labels)]
        singles = [
            replace(self.views, rows=self.views.rows[:, view]) for view in range(self.views.rows.shape[1])
        ]
        return [_named(dataset(one, self._of_views(indices), labels, _EVALUATION_BATCH)) for one in singles]

    def shuffled(
        self, indices: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, epoch: int
    ) -> Any:
        """The batches of one epoch, in an order that is a function of ``seed`` and ``epoch`` alone.

        Where there are views, each epoch draws one of each image.
        """
        if self.views is None:
            source, items = self.activations, self.kept[indices]
        else:
            source, items = self.views, self._of_views(indices)
        batches = dataset(source, items, labels, batch_size, seed=seed, start_epoch=epoch)
        if self.mix is not None:
            mix = self.mix
            first = epoch * -(-len(items) // batch_size)
            batches = batches.enumerate(first).map(lambda number, batch: mix(number, *batch))
        return _named(batches)

    def _of_views(self, indices: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.viewed, indices)  # type: ignore[arg-type]


def _named(batches: Any) -> Any:
    return batches.map(_with_name)


@tf.autograph.experimental.do_not_convert
def _with_name(activations: Any, labels: Any) -> tuple[dict[str, Any], Any]:
    return {"activations": activations}, labels


def pass_through(
    cut: Any, size: tuple[int, int], images: Images, recipe: Recipe, progress: Progress, augment: bool = False
) -> tuple[Images, AtCut]:
    """Passes the images through the frozen prefix; those that cannot be decoded are set aside.

    Args:
        cut: the frozen prefix.
        size: height and width in pixels.
        images: what to pass.
        recipe: says which engine, which cache, which augmentation.
        progress: shows the images.
        augment: also pass the views of the training images that the recipe asks for.

    Returns:
        The images that are left, and their activations.

    Raises:
        UserError: too many images cannot be decoded.
    """

    def run(name: str, chosen: np.ndarray, views: Views | None = None) -> Activations:
        items = [(images.rows[index].sha256, images.paths[index]) for index in chosen]
        with progress.stage(name, total=len({sha256 for sha256, _ in items})) as stage:
            return compute(
                cut,
                items,
                size=size,
                resize=recipe.data.resize,
                engine=recipe.activations.engine,
                dtype=recipe.activations.dtype,
                max_bytes=recipe.activations.max_bytes,
                cache_dir=recipe.activations.cache_dir,
                views=views,
                label=f"{recipe.backbone.name} at {cut.at or 'features'}",
                progress=lambda done, total: stage.update(done),
            )

    activations = run("images", np.arange(len(images)))
    kept = np.arange(len(images))
    failed = [(one.index, one.reason) for one in activations.failures]
    if failed:
        images = images.without(failed, recipe.data.max_unreadable)
        kept = np.flatnonzero(activations.rows >= 0)
    at_cut = AtCut(activations, kept)
    if augment:
        at_cut = replace(at_cut, mix=make_mixer(recipe, len(images.classes)))
        views = make_views(recipe)
        if views is not None:
            train = images.of_split("train")
            at_cut = replace(at_cut, views=run("views", train, views), viewed=train)
    return images, at_cut
