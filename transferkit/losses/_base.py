"""What every loss is: a number for each sample, from labels and logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from transferkit.errors import UserError, did_you_mean, fault
from transferkit.registry import Component

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Loss", "Weights", "resolve_weights"]

Weights = Literal["none", "balanced"] | dict[str, float] | list[float]


class Loss(Component):
    """Base of all losses. A loss implements :meth:`per_sample`."""

    # Which labels it is for: one class an image, any number of them, or both.
    labels: ClassVar[str] = "single"

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the label spread over all classes")
    class_weights: Weights = Field(
        "none", description='"none", "balanced", { class = weight } (others 1), or one weight for each class'
    )

    def for_labels(self, multi_label: bool) -> Loss:
        """The loss to compute for data of one or of several labels an image; for most, the loss itself."""
        return self

    def per_sample(self, labels: tf.Tensor, logits: tf.Tensor, weights: np.ndarray | None) -> tf.Tensor:
        """The loss of each sample, weighted.

        Args:
            labels: float32 ``[N, classes]``, shares of the classes (single label: they sum to 1), 0 to 1.
            logits: float32 ``[N, classes]``.
            weights: float32 ``[classes]``, or None for all 1.

        Returns:
            float32 ``[N]``.
        """
        raise NotImplementedError

    def smoothed(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels after smoothing: ``(1 - s) * labels + s / classes``."""
        if not self.label_smoothing:
            return labels
        return labels * (1 - self.label_smoothing) + self.label_smoothing / labels.shape[-1]


def resolve_weights(
    weights: Weights,
    classes: Sequence[str],
    counts: Sequence[int] | None,
    samples: int | None = None,
    multi_label: bool = False,
) -> np.ndarray | None:
    """Class weights as numbers.

    Args:
        weights: as the recipe has them.
        classes: names of the classes.
        counts: training images of each class; needed for ``"balanced"``.
        samples: training images in all, for multi-label data.
        multi_label: the weights are those of a label's presence.

    Returns:
        float32 ``[classes]``, or None where all are 1. ``"balanced"`` is ``images / (classes * count)``, so
        that each class weighs alike and a weight is 1 on average; for multi-label data ``absent / present``.

    Raises:
        UserError: a class that the data lacks, a wrong number of weights, a weight below 0.
    """
    place = "loss.class_weights"
    if weights == "none":
        return None
    if weights == "balanced":
        if counts is None:
            raise UserError(
                fault(place, "balanced", "the class counts of the training images", "there are none here")
            )
        present = np.maximum(np.asarray(counts, dtype=np.float64), 1)
        if multi_label:
            total = float(samples if samples is not None else max(counts))
            return np.clip((total - present) / present, 1e-2, 1e2).astype(np.float32)
        result: np.ndarray | None = (present.sum() / (len(classes) * present)).astype(np.float32)
        return result
    if isinstance(weights, dict):
        unknown = [name for name in weights if name not in classes]
        if unknown:
            raise UserError(
                *[
                    fault(
                        place,
                        name,
                        f"a class of the data ({', '.join(classes[:20])})",
                        did_you_mean(name, classes),
                    )
                    for name in unknown
                ]
            )
        made = [weights.get(name, 1.0) for name in classes]
    else:
        made = list(weights)
        if len(made) != len(classes):
            raise UserError(fault(place, f"{len(made)} weights", f"{len(classes)}, one for each class"))
    if min(made) < 0 or max(made) <= 0:
        raise UserError(fault(place, made, "weights of 0 or more, at least one of them above 0"))
    return np.asarray(made, dtype=np.float32)
