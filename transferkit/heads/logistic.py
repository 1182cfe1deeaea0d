"""Logistic regression by L-BFGS on the features, its penalty chosen by cross-validation."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from transferkit.heads._base import ClosedForm, Known, Penalty
from transferkit.heads._logistic import ROUGHLY, Problem, principal_axes

__all__ = ["Logistic"]

# Folds beyond this many images tell nothing new about a penalty, and cost as much as the fit itself.
MOST_FOLDED = 20_000


class Logistic(ClosedForm):
    """The least of ``mean log loss + penalty / 2 * |W|^2`` on features of variance 1 on average.

    The mean makes a penalty mean the same for any number of images, and the common scale for any backbone.
    The penalties are walked from the strongest down, each fit starting from the one before it.
    """

    penalties: tuple[Penalty, ...] = Field(
        (10.0, 3.0, 1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4),
        min_length=1,
        description="penalties to choose from",
    )
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation that chooses the penalty")
    iterations: int = Field(300, ge=1, description="most iterations of L-BFGS in each fit")
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
        from transferkit.heads._closed import lengths_1, one_hot, sample_weights

        rows = lengths_1(features) if self.normalise else features
        targets = one_hot(labels, classes)
        weights = sample_weights(targets, class_weights)
        middle = rows.mean(axis=0)
        spread = float(np.sqrt(np.mean(np.square(rows - middle)))) or 1.0
        # Along its principal axes the problem is nearly one of separate numbers, and L-BFGS takes a few steps
        # where it would take a hundred. float64: the line search stops early on rounding noise.
        axes = principal_axes((rows - middle) / spread)
        scaled = ((rows - middle) / spread) @ axes
        best = self._cross_validated(scaled, targets, weights, seed)
        walk = [one for one in sorted(self.penalties, reverse=True) if one >= best]
        problem = Problem(scaled, targets, weights, self.multi_label, self.iterations)
        for penalty in walk:
            problem.solve(penalty, ROUGHLY if penalty > best else 1e-5)
        kernel, bias = axes @ problem.solution[:-1] / spread, problem.solution[-1]
        return [kernel, bias - middle @ kernel]

    def _cross_validated(
        self, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, seed: int
    ) -> float:
        """The penalty with the least log loss on held-out images."""
        from transferkit.heads._closed import log_loss

        walk = sorted(self.penalties, reverse=True)
        if len(walk) == 1:
            return walk[0]
        order = np.random.default_rng(seed).permutation(len(rows))[:MOST_FOLDED]
        # Dealt out class by class, so that each fold has its share of every class.
        order = order[np.argsort(targets[order] @ np.arange(targets.shape[1]), kind="stable")]
        fold = np.arange(len(order)) % min(self.folds, len(order))
        parts = [(order[fold != number], order[fold == number]) for number in range(fold.max() + 1)]
        problems = [
            Problem(rows[used], targets[used], weights[used], self.multi_label, self.iterations)
            for used, _ in parts
        ]
        losses: list[float] = []
        for penalty in walk:
            loss = 0.0
            for problem, (_, held) in zip(problems, parts, strict=True):
                problem.solve(penalty, ROUGHLY)
                logits = rows[held] @ problem.solution[:-1] + problem.solution[-1]
                loss += log_loss(logits, targets[held], weights[held], self.multi_label) * len(held)
            losses.append(loss)
            # Past its least the loss only rises, and the weakest penalties cost the most iterations.
            if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
                break
        return walk[int(np.argmin(losses))]
