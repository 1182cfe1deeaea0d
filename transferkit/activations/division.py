"""How a batch of images becomes the equal parts of one shape that devices compute on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.type_names import Tensors

__all__ = ["Division", "real_rows"]


@dataclass(frozen=True)
class Division:
    """A batch in equal parts, one a replica, each of the same shape throughout.

    A part that lacks images is filled up with the batch's first one, which then counts with weight 0: numbers
    as good as any, where zeros could leave the range of a division or a root.

    Attributes:
        batch_size: images of a whole batch.
        parts: how many replicas share it.
        fills: fill up what lacks images; without it, in one part, the last batch is smaller.
    """

    batch_size: int
    parts: int = 1
    fills: bool = True

    @property
    def undivided(self) -> Division:
        """Batches of this size as they come: in one part, the last one smaller."""
        return Division(self.batch_size, fills=False)

    def rows(self, count: int) -> int | None:
        """Rows of a part where ``count`` images are divided into batches; None where they vary."""
        if not self.fills and count % self.batch_size:
            return None
        return -(-min(self.batch_size, count) // self.parts)

    def filled(self, count: int) -> bool:
        """Whether any part has rows that do not count."""
        rows = self.rows(count)
        return rows is not None and (rows * self.parts != self.batch_size or count % self.batch_size != 0)

    def places(self, there: int, count: int) -> np.ndarray:
        """Which of a batch's images stands in which row, int64 ``[rows]`` of all parts together.

        Args:
            there: images of this batch.
            count: images in all.
        """
        rows = self.rows(count)
        places = np.arange(there if rows is None else rows * self.parts)
        places[there:] = 0
        return places

    def apply(self, batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
        """Divides batches that are made already, such as mixed ones, whose rows depend on each other.

        Args:
            batches: of ``(features, labels)``; what has no rows goes to every part.
            count: images of an epoch.

        Returns:
            ``(features, labels)`` with ``"weights"`` among the features where some rows do not count.
        """
        rows = self.rows(count)
        if rows is None:
            return batches
        whole, filled = rows * self.parts, self.filled(count)

        def divide(features: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[dict[str, tf.Tensor], Any]:
            there = tf.shape(labels)[0]
            place = tf.range(whole)
            place = tf.where(place < there, place, 0)

            def part(tensor: tf.Tensor) -> tf.Tensor:
                if not tensor.shape.rank:
                    return tensor if self.parts == 1 else tf.repeat(tensor, self.parts)
                return shared(tf.gather(tensor, place) if filled else tensor)

            def shared(tensor: tf.Tensor) -> tf.Tensor:
                made = tf.ensure_shape(tensor, [whole, *tensor.shape[1:]])
                return made if self.parts == 1 else tf.reshape(made, [self.parts, rows, *tensor.shape[1:]])

            made = {name: part(tensor) for name, tensor in features.items()}
            if filled:
                made["weights"] = shared(tf.cast(tf.range(whole) < there, tf.float32))
            return made, part(labels)

        # Not in the graph of a step: its shapes are fixed from here on.
        divided = batches.map(tf.autograph.experimental.do_not_convert(divide))
        return divided if self.parts == 1 else divided.unbatch()


def real_rows(features: Tensors, made: np.ndarray) -> np.ndarray:
    """What was made of a batch, without its rows that only fill it up."""
    return made[np.asarray(features["weights"]) > 0] if "weights" in features else made
