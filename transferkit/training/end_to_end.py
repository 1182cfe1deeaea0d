"""Training through the whole network: images that are decoded and augmented anew in every epoch.

What an image looks like in an epoch is a function of its content, the recipe's seed and the epoch alone, and
so is the order: any batch of any epoch can be made without those before it, and an interrupted run goes on
with the very batches that it would have seen. Epoch ``e`` shows each image as its cached view ``e`` would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.activation_batches import untuned
from transferkit.activations.division import Division
from transferkit.activations.epoch_order import epoch_order, epoch_steps
from transferkit.activations.views import Views
from transferkit.augmentation import Pipeline
from transferkit.cpu import available_cores
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import read_image, reason_of
from transferkit.errors import UserError, fault

__all__ = ["EndToEnd"]


@dataclass(frozen=True)
class EndToEnd:
    """A run's images on their way through the whole network.

    Nothing is kept: a few batches are in memory, whatever the size of the data.

    Attributes:
        hashes: content hash of each of the run's images.
        paths: its file.
        decoding: what decides the pixels of the images.
        pipeline: the augmentation.
        views: draws the seeds of an image's changes.
        classes: number of classes.
        seed: the recipe's.
        lost: file and reason of what could be read when the run began and cannot be any more.
    """

    hashes: Sequence[str]
    paths: Sequence[str]
    decoding: Decoding
    pipeline: Pipeline
    views: Views
    classes: int
    seed: int
    lost: list[tuple[str, str]] = field(default_factory=list)
    _threads: int = field(default_factory=available_cores)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it, training that ends because a file went away says which one.

        Raises:
            UserError: such a file; the run can be continued once it is back.
        """
        try:
            yield
        except tf.errors.OpError:
            if not self.lost:
                raise
            hint = "restore the file and continue with --resume, or start again without it"
            path, reason = self.lost[0]
            raise UserError(fault(path, hint=f"lost during training: {reason}; {hint}")) from None

    def epoch(
        self, indices: np.ndarray, labels: np.ndarray, division: Division, seed: int, epoch: int
    ) -> Any:
        """The batches of one epoch: ``({"images" uint8 [b, h, w, 3], "batch" int64 []}, labels)``.

        ``batch`` is the batch's number since the first epoch. Where images are mixed the labels are shares,
        float32 ``[b, classes]``.

        Args:
            indices: int ``[n]``: which of the run's images.
            labels: ``[n, …]``: the label of each.
            division: what a batch is.
            seed: of the order.
            epoch: counted from 0.
        """
        order = epoch_order(len(indices), seed, epoch)

        def read(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            index = int(indices[order[place]])
            try:
                image = read_image(self.paths[index], self.decoding)
            except (OSError, ValueError, tf.errors.OpError) as error:
                self.lost.append((self.paths[index], reason_of(error)))
                raise
            drawn = self.views.seeds([self.hashes[index]], epoch).astype(np.int64)
            return image, drawn[0, 0] << 32 ^ drawn[0, 1]

        label_type = tf.as_dtype(labels.dtype)

        def load(place: tf.Tensor) -> tuple[tf.Tensor, ...]:
            image, drawn = tf.numpy_function(read, [place], [tf.uint8, tf.int64], stateful=False)
            image.set_shape([*self.decoding.size, 3])
            drawn.set_shape([])
            return image, drawn, place

        ordered = tf.constant(labels[order], label_type)
        first = epoch * epoch_steps(len(indices), division.batch_size)

        def finish(number: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            images, seeds, places = batch
            made, shares = self._augmented(images, seeds, tf.gather(ordered, places), number)
            # Augmentation's graph forgets what is known of the shape.
            made = tf.ensure_shape(made, [None, *self.decoding.size, 3])
            return {"images": made, "batch": number}, shares

        wrap = tf.autograph.experimental.do_not_convert
        images = tf.data.Dataset.range(len(indices)).map(
            wrap(load), num_parallel_calls=self._threads, deterministic=True
        )
        batches = images.batch(division.batch_size).enumerate(first)
        made = batches.map(wrap(finish), num_parallel_calls=2, deterministic=True)
        return untuned(division.apply(made, len(indices)).prefetch(2 * division.parts))

    # Traced once: each epoch has a data set of its own, and tracing these takes longer than a small epoch.
    @cached_property
    def _augmented(self) -> Any:
        def run(
            images: tf.Tensor, seeds: tf.Tensor, labels: tf.Tensor, number: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            if self.pipeline.changes_images:
                images = self.pipeline.images(images, seeds)
            if self.pipeline.mixes_images:
                shares = labels if labels.shape.rank == 2 else tf.one_hot(labels, self.classes)
                images, labels = self.pipeline.mix(images, shares, number + self.seed)
            return images, labels

        return tf.function(run, autograph=False, reduce_retracing=True)
