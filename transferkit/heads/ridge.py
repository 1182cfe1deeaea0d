"""Least squares with a penalty, in closed form, the penalty chosen by leaving each image out once."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from transferkit.heads._base import Head

__all__ = ["Ridge"]


class Ridge(Head):
    """Regression of the labels (1 or 0) on the features, ``(X'X + penalty N s^2 I) W = X'Y``.

    ``s^2`` is the mean variance of a feature, so that a penalty means the same for any backbone. One
    decomposition gives the held-out prediction of every image for every penalty (Allen's PRESS); the penalty
    and the scale of the logits with the least held-out log loss are taken.
    """

    closed_form: ClassVar[bool] = True

    penalties: tuple[float, ...] = Field(
        (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0), min_length=1, description="those to choose from"
    )
    normalise: bool = Field(False, description="bring features to length 1 first")

    def build(self, width: int, classes: int, seed: int) -> Any:
        from transferkit.heads._closed import linear_layer

        return linear_layer(width, classes, seed, self.normalise)

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        classes: int,
        seed: int,
        class_weights: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        from transferkit.heads._closed import best_scale, lengths_1, one_hot, sample_weights

        rows = lengths_1(features) if self.normalise else features
        targets = one_hot(labels, classes)
        weights = sample_weights(targets, class_weights)
        # Weighted centring makes the intercept free of the penalty.
        share = weights / weights.sum()
        middle, level = share @ rows, share @ targets
        root = np.sqrt(weights)[:, None]
        centred = root * (rows - middle)
        wanted = root * (targets - level)
        values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        values = np.maximum(values, 0)
        unit = float(values.sum() / len(values)) or 1.0
        turned = centred @ vectors
        products = turned.T @ wanted
        # A label is as likely as not where its regression is half way; classes only compare with each other.
        half = 0.5 if self.multi_label else 0.0
        best: tuple[float, float, float] | None = None
        for penalty in self.penalties:
            inverse = 1.0 / (values + penalty * unit)
            fitted = turned @ (inverse[:, None] * products)
            leverage = np.einsum("nk,k,nk->n", turned, inverse, turned) + share
            left = (wanted - fitted) / np.maximum(1 - leverage, 1e-9)[:, None]
            held_out = targets - left / root - half
            scale, loss = best_scale(held_out, targets, weights, self.multi_label)
            if best is None or loss < best[0]:
                best = (loss, penalty, scale)
        assert best is not None  # noqa: S101 -- there is at least one penalty
        _, penalty, scale = best
        kernel = vectors @ (products / (values + penalty * unit)[:, None])
        return [scale * kernel, scale * (level - half - middle @ kernel)]
