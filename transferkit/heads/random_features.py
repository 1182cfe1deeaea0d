"""Random features: many relu units that nobody trains, and the best linear answer on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from transferkit.heads._base import ClosedForm, Known, Penalty

__all__ = ["RandomFeatures"]


class RandomFeatures(ClosedForm):
    """``relu(x P + c) W + b`` with ``P`` and ``c`` drawn by the recipe's seed and ``W`` by ridge regression.

    McDonnell et al. 2023, RanPAC (arXiv:2307.02251). Penalty and scale of the logits are those with the least
    log loss when each image is left out, its copies with it.
    """

    units: int = Field(2000, ge=1, le=20_000, description="number of random ReLU units")
    penalties: tuple[Penalty, ...] = Field(
        (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0),
        min_length=1,
        description="penalties to choose from",
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
        from transferkit.heads._fitting import Sizes, choose, fit_branch

        targets = Targets.of_labels(labels, classes, class_weights, self.multi_label)
        fit = fit_branch("relu", Rows(features), targets, Sizes(units=self.units), seed=seed)
        chosen = choose(fit.path, self.penalties, targets, [None if known is None else known.groups])
        weights = fit.weights(chosen.penalty, chosen.scale, targets.half)
        facts = {"penalty": chosen.penalty, "log_loss": chosen.loss}
        return Found((Branch("relu", (), fit.units),), [weights], facts)
