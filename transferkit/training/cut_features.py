"""The images of a run at the cut: computed once, then batched for every epoch and every evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from transferkit.activations.activation_batches import dataset
from transferkit.activations.compute import Activations
from transferkit.activations.division import Division
from transferkit.activations.epoch_order import Epochs, epoch_steps
from transferkit.activations.row_columns import Columns
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import read_images
from transferkit.recipe import Recipe
from transferkit.training.augmented_batches import make_direct, make_mixer, make_views, trains_through
from transferkit.training.divided_pass import Shares
from transferkit.training.end_to_end import EndToEnd
from transferkit.training.images import Images
from transferkit.training.pass_images import PassRequest, pass_images
from transferkit.training.progress import Progress
from transferkit.type_names import Tensor

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut

__all__ = ["CutFeatures", "Use", "evaluation_batch", "extract_features"]

_EVALUATED = 256  # images a batch, at most
# Training images that pass the frozen prefix although training does not need it: the features' mean and scale
# are well known from so many.
_SAMPLE = 10_000


# What features are for. ``evaluation`` takes images as they are. ``training`` also passes the views of the
# training images that the recipe asks for, or leaves out those that pass the whole network in every epoch.
# ``fitting`` is the training that comes first: of those left out it passes a sample all the same, to fit on
# (:attr:`CutFeatures.kept` says which), and decodes the rest once, to find those that cannot be.
Use = Literal["evaluation", "training", "fitting"]


@dataclass(frozen=True)
class CutFeatures:
    """Activations of a run's images.

    Attributes:
        activations: what the frozen prefix gave.
        kept: int64 ``[N]``: the item of ``activations`` that each of the run's images is, -1 for none.
        views: the augmented views of the images that :attr:`viewed` lists, or None.
        viewed: int64 ``[M]``: the run's images that have views, ascending.
        mix: mixes a training batch (:func:`transferkit.training.augmented_batches.make_mixer`), or None.
        direct: where training passes the whole network: gives the training batches, as images.
        mine: bool ``[N]``: the images that this worker trains on, where several train in step; None for all.
    """

    activations: Activations
    kept: np.ndarray
    views: Activations | None = None
    viewed: np.ndarray | None = None
    mix: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
    direct: EndToEnd | None = None
    mine: np.ndarray | None = None

    def narrow(self, columns: np.ndarray) -> CutFeatures:
        """The same with some of the features, of those that it has in their order.

        Args:
            columns: int64 ``[K]``: which of them.
        """

        def some(one: Activations) -> Activations:
            return replace(one, array=Columns(one.array, columns))

        width = self.activations.array.shape[-1]
        if len(columns) == width:
            return self
        views = None if self.views is None else some(self.views)
        return replace(self, activations=some(self.activations), views=views)

    @property
    def view_count(self) -> int:
        """How many views of each image are trained on: one where they are shown as they are."""
        return 1 if self.views is None else int(self.views.rows.shape[1])

    def kept_of(self, indices: np.ndarray) -> np.ndarray:
        """Those of the images that have activations: all of them, but where training needs none."""
        result: np.ndarray = indices[self.kept[indices] >= 0]
        return result

    def in_order(self, indices: np.ndarray, labels: np.ndarray, parts: int = 1) -> tf.data.Dataset:
        """Batches of ``({"activations"}, labels)``, each image once, as it is, in the order given.

        All are of one shape; the last ones are filled up, with ``"weights"`` that say so
        (:func:`transferkit.activations.division.real_rows`).

        Args:
            indices: int64 ``[n]``: which images.
            labels: ``[n, …]``: the label of each.
            parts: replicas that share a step, each with a batch of its own.

        Raises:
            IndexError: an image has no activations.
        """
        if len(indices) and self.kept[indices].min() < 0:
            raise IndexError("an image that passes the whole network in training has no activations")
        return _even(self.activations, self.kept[indices], labels, parts)

    def every_view(self, indices: np.ndarray, labels: np.ndarray) -> list[tf.data.Dataset]:
        """As :meth:`in_order`, once for each view; the images themselves where there are none."""
        if self.views is None:
            return [self.in_order(indices, labels)]
        singles = [
            replace(self.views, rows=self.views.rows[:, view]) for view in range(self.views.rows.shape[1])
        ]
        return [_even(one, self._of_views(indices), labels) for one in singles]

    def fitted_on(self, indices: np.ndarray, labels: np.ndarray) -> list[tf.data.Dataset]:
        """As :meth:`in_order`, for a head that is found at once: each image as it is, then its views.

        Answers are given of images as they are, which are therefore among them.
        """
        own = [self.in_order(indices, labels)]
        return own if self.views is None else own + self.every_view(indices, labels)

    @property
    def fit_count(self) -> int:
        """How often :meth:`fitted_on` has each image."""
        return 1 if self.views is None else 1 + self.view_count

    def shuffled(
        self, indices: np.ndarray, labels: np.ndarray, division: Division, seed: int, epoch: int
    ) -> tf.data.Dataset:
        """The batches of one epoch, in an order that is a function of ``seed`` and ``epoch`` alone.

        Where there are views, each epoch draws one of each image. They are ``{"images"}`` where training
        passes the whole network. Where several workers train in step each gets its own part of every batch,
        as :mod:`transferkit.transfer.shared_step` takes it.

        Args:
            indices: int64 ``[n]``: which images.
            labels: ``[n, …]``: the label of each.
            division: what a batch is.
            seed: of the order.
            epoch: counted from 0.
        """
        if self.direct is not None:
            return self.direct.epoch(indices, labels, division, seed, epoch)
        if self.views is None:
            source, items = self.activations, self.kept[indices]
        else:
            source, items = self.views, self._of_views(indices)
        this = Epochs(epoch, seed=seed)
        if self.mine is not None:
            mine = self.mine[indices]
            return dataset(source, items, labels, division, this, mine=mine, element=_with_place)
        if self.mix is None:
            return _divided(source, items, labels, division, this)
        batches = dataset(source, items, labels, division.undivided, this)
        mix = self.mix
        first = epoch * epoch_steps(len(items), division.batch_size)
        shape = [None, *source.array.shape[1:]]

        def mixed(number: Tensor, batch: tuple[Tensor, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
            made, shares = mix(number, *batch)
            return _with_name(tf.ensure_shape(made, shape), shares)

        batches = batches.enumerate(first).map(mixed)
        return division.apply(batches, len(items))

    def _of_views(self, indices: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.viewed, indices)  # type: ignore[arg-type]


def evaluation_batch(count: int, parts: int = 1) -> int:
    """Images in each batch of an evaluation: all batches alike, with hardly any that fill the last one up.

    >>> evaluation_batch(100), evaluation_batch(257), evaluation_batch(257, parts=2)
    (100, 129, 129)
    """
    steps = max(1, -(-count // (_EVALUATED * parts)))
    return max(1, -(-count // (steps * parts)))


def _even(activations: Activations, items: np.ndarray, labels: np.ndarray, parts: int = 1) -> tf.data.Dataset:
    return _divided(activations, items, labels, Division(parts * evaluation_batch(len(items), parts), parts))


def _divided(
    activations: Activations,
    items: np.ndarray,
    labels: np.ndarray,
    division: Division,
    epochs: Epochs = Epochs(),  # noqa: B008 -- frozen
) -> tf.data.Dataset:
    """Batches of ``({"activations"}, labels)``, divided."""
    if division.parts > 1:
        batches = dataset(activations, items, labels, division.undivided, epochs, element=_with_name)
        return division.apply(batches, len(items))
    return dataset(activations, items, labels, division, epochs, element=_with_name)


def _with_name(activations: Tensor, labels: Tensor, *weights: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    return {"activations": activations, **({"weights": weights[0]} if weights else {})}, labels


def _with_place(
    activations: Tensor, labels: Tensor, weight: Tensor, place: Tensor, whole: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    return {"activations": activations, "weight": weight, "place": place, "whole": whole}, labels


def extract_features(
    cut: Cut,
    size: tuple[int, int],
    images: Images,
    recipe: Recipe,
    progress: Progress,
    use: Use = "evaluation",
    shares: Shares | None = None,
) -> tuple[Images, CutFeatures]:
    """Passes the images through the frozen prefix; those that cannot be decoded are set aside.

    Args:
        cut: the frozen prefix.
        size: height and width in pixels.
        images: what to pass.
        recipe: says which engine, which cache, which augmentation.
        progress: shows the images.
        use: what they are for.
        shares: of several workers, of which each passes its own; none of them passes the whole network.

    Returns:
        The images that are left, and their activations.

    Raises:
        UserError: too many images cannot be decoded.
    """
    chosen = np.arange(len(images))
    augment, fitting = use != "evaluation", use == "fitting"
    through = augment and trains_through(recipe)
    if through:
        chosen = _needed(images, recipe.seed, _SAMPLE if fitting else 0)
    passed = pass_images if shares is None else shares.pass_images
    activations = passed(PassRequest(cut, size, images, chosen, recipe), progress)
    kept = np.full(len(images), -1)
    kept[chosen] = np.arange(len(chosen))
    if shares is not None:
        kept[chosen[activations.rows < 0]] = -1
    failed = [(int(chosen[one.index]), one.reason) for one in activations.failures]
    if through and fitting:
        rest = np.setdiff1d(np.arange(len(images)), chosen)
        failed += _undecodable(images, rest, Decoding.of(recipe.data, size), progress)
    if failed:
        kept = np.delete(kept, sorted(index for index, _ in failed))
        images = images.without(sorted(failed), recipe.data)
    found = CutFeatures(activations, kept, mine=None if shares is None else shares.mine(images))
    if augment:
        found = replace(found, mix=make_mixer(recipe, len(images.classes)))
    if through:
        return images, replace(found, direct=make_direct(recipe, images, size))
    views = make_views(recipe) if augment else None
    if views is not None:
        train = images.of_split("train")
        kept_views = passed(PassRequest(cut, size, images, train, recipe, views), progress)
        found = replace(found, views=kept_views, viewed=train)
    return images, found


def _needed(images: Images, seed: int, sample: int) -> np.ndarray:
    """Images that are evaluated, and a sample of those that are trained on; ascending."""
    train = images.of_split("train")
    some = np.random.default_rng(seed).permutation(train)[:sample]
    return np.sort(np.concatenate([np.setdiff1d(np.arange(len(images)), train), some]))


def _undecodable(
    images: Images, chosen: np.ndarray, decoding: Decoding, progress: Progress
) -> list[tuple[int, str]]:
    """Index and reason of what cannot be decoded."""
    if not len(chosen):
        return []
    found = []
    files = ((images.rows[index].sha256, images.paths[index]) for index in chosen)
    with progress.stage("decode", total=len(chosen)) as stage:
        for batch in read_images(files, decoding):
            found += [(int(chosen[one.index]), one.reason) for one in batch.unreadable]
            stage.update(int(batch.indices[-1]) + 1 if len(batch.indices) else 0)
    return found
