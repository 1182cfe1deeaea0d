"""Least squares with a penalty, in closed form, the penalty chosen by leaving each image out once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from transferkit.heads._base import ClosedForm, Known, Penalty

__all__ = ["Ridge"]


class Ridge(ClosedForm):
    """Regression of the labels (1 or 0) on the features, ``(X'X + penalty N s^2 I) W = X'Y``.

    ``s^2`` is the mean variance of a feature, so that a penalty means the same for any backbone. One
    decomposition, of ``X'X`` or where the images are fewer than the features of ``XX'``, gives the held-out
    prediction of every image for every penalty (Allen's PRESS); copies of an image are left out with it. The
    penalty and the scale of the logits with the least held-out log loss are taken.
    """

    adds_up: ClassVar[bool] = True

    penalties: tuple[Penalty, ...] = Field(
        (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0),
        min_length=1,
        description="penalties to choose from",
    )
    normalise: bool = Field(False, description="scale features to length 1 first")

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        classes: int,
        seed: int,
        class_weights: np.ndarray | None = None,
        known: Known | None = None,
    ) -> list[np.ndarray]:
        from transferkit.heads._closed import lengths_1
        from transferkit.heads._fit_data import Rows, Targets
        from transferkit.heads._fitting import choose, fit_branch

        targets = Targets.of_labels(labels, classes, class_weights, self.multi_label)
        divided = None if known is None else known.divided
        rows = Rows(lengths_1(features) if self.normalise else features, len(labels), divided)
        fit = fit_branch("linear", rows, targets, seed=seed)
        best = choose(fit.path, self.penalties, targets, [None if known is None else known.groups])
        return fit.weights(best.penalty, best.scale, targets.half)
