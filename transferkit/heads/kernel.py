"""Kernel ridge regression: curved borders between classes, in closed form."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from transferkit.heads._base import ClosedForm, Known, Penalty, Width

__all__ = ["Kernel"]


class Kernel(ClosedForm):
    """Least squares over functions ``sum_i a_i k(x, x_i)``, penalised by their own norm.

    ``k`` falls off with the distance (``exp(-g |x - x_i|^2)``) or follows the angle (``arc_cosine``: what an
    endless layer of relu units would give). Up to ``exact`` training images all of them are the ``x_i``;
    beyond, ``landmarks`` drawn by the seed, so that memory is bounded. Width, penalty and scale of the logits
    are those with the least log loss when each image is left out, its copies with it.
    """

    kernel: Literal["gaussian", "arc_cosine"] = Field("gaussian", description="kernel function")
    widths: tuple[Width, ...] = Field(
        (0.5, 1.0, 2.0),
        min_length=1,
        description="gaussian: g to choose from, in units of one over the mean squared distance",
    )
    penalties: tuple[Penalty, ...] = Field(
        (3e-2, 0.1, 0.3, 1.0, 3.0),
        min_length=1,
        description="penalties to choose from; much weaker ones show float32's rounding in the probabilities",
    )
    exact: int = Field(
        2500, ge=1, le=10_000, description="up to this many training images, all of them are kernel centres"
    )
    landmarks: int = Field(
        2000, ge=1, le=10_000, description="number of kernel centres where there are more images"
    )

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        classes: int,
        seed: int,
        class_weights: np.ndarray | None = None,
        known: Known | None = None,
    ) -> Any:
        from transferkit.heads._branches import Branch, Found
        from transferkit.heads._fit_data import Rows, Targets
        from transferkit.heads._fitting import Chosen, Fit, Sizes, choose, fit_branch

        targets = Targets.of_labels(labels, classes, class_weights, self.multi_label)
        rows = Rows(features)
        groups = [None if known is None else known.groups]
        best: tuple[Chosen, Fit, float] | None = None
        for width in self.widths if self.kernel == "gaussian" else (1.0,):
            sizes = Sizes(self.exact, self.landmarks)
            fit = fit_branch(self.kernel, rows, targets, sizes, width=width, seed=seed)
            chosen = choose(fit.path, self.penalties, targets, groups)
            if best is None or chosen.loss < best[0].loss:
                best = chosen, fit, width
        assert best is not None  # noqa: S101 -- there is at least one width
        chosen, fit, width = best
        facts = {"penalty": chosen.penalty, "log_loss": chosen.loss}
        if self.kernel == "gaussian":
            facts["width"] = width
        weights = fit.weights(chosen.penalty, chosen.scale, targets.half)
        return Found((Branch(self.kernel, (), fit.units),), [weights], facts)
