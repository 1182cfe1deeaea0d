"""Logistic regression by L-BFGS on the features, its penalty chosen by cross-validation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from transferkit.heads._base import Head

__all__ = ["Logistic"]

# Folds beyond this many images tell nothing new about a penalty, and cost as much as the fit itself.
MOST_FOLDED = 20_000
# The gradient at which a fit ends that only ranks penalties.
ROUGHLY = 1e-3


class Logistic(Head):
    """The least of ``mean log loss + penalty / 2 * |W|^2`` on features of variance 1 on average.

    The mean makes a penalty mean the same for any number of images, and the common scale for any backbone.
    The penalties are walked from the strongest down, each fit starting from the one before it.
    """

    closed_form: ClassVar[bool] = True

    penalties: tuple[float, ...] = Field(
        (10.0, 3.0, 1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4),
        min_length=1,
        description="those to choose from",
    )
    folds: int = Field(5, ge=2, le=20)
    iterations: int = Field(300, ge=1, description="of L-BFGS at most, for each fit")
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
        from transferkit.heads._closed import lengths_1, one_hot, sample_weights

        rows = lengths_1(features) if self.normalise else features
        targets = one_hot(labels, classes)
        weights = sample_weights(targets, class_weights)
        middle = rows.mean(axis=0)
        spread = float(np.sqrt(np.mean(np.square(rows - middle)))) or 1.0
        # Along its principal axes the problem is nearly one of separate numbers, and L-BFGS takes a few steps
        # where it would take a hundred. float64: the line search stops early on rounding noise.
        axes = _axes((rows - middle) / spread)
        scaled = ((rows - middle) / spread) @ axes
        best = self._cross_validated(scaled, targets, weights, seed)
        walk = [one for one in sorted(self.penalties, reverse=True) if one >= best]
        problem = _Problem(scaled, targets, weights, self.multi_label, self.iterations)
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
            _Problem(rows[used], targets[used], weights[used], self.multi_label, self.iterations)
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


class _Problem:
    """Penalised logistic regression on some images; each solution is where the next one starts."""

    def __init__(
        self, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, multi_label: bool, iterations: int
    ) -> None:
        self.rows, self.targets, self.multi_label = rows, targets, multi_label
        self.share = (weights / weights.sum())[:, None]
        self.squares = np.sum(self.share * rows**2, axis=0)
        self.iterations = iterations
        self.solution = np.zeros((rows.shape[1] + 1, targets.shape[1]))  # the kernel, the bias below it

    def solve(self, penalty: float, tolerance: float = 1e-5) -> None:
        """Brings ``solution`` to the least of the penalised loss."""
        from scipy.optimize import minimize

        # No probability's variance is above 1/4, so this bounds the curvature along each axis.
        curvature = np.append(0.25 * self.squares + penalty, 0.25)
        size = 1 / np.sqrt(curvature)[:, None]

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = self._value(flat.reshape(self.solution.shape) * size, penalty)
            return loss, (gradient * size).ravel()

        options = {"maxiter": self.iterations, "gtol": tolerance, "maxcor": 6}
        found = minimize(value, (self.solution / size).ravel(), jac=True, method="L-BFGS-B", options=options)
        self.solution = found.x.reshape(self.solution.shape) * size

    def _value(self, matrix: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        """The penalised loss and its gradient."""
        kernel = matrix[:-1]
        logits = self.rows @ kernel + matrix[-1]
        if self.multi_label:
            loss = np.sum(self.share * (np.logaddexp(0, logits) - self.targets * logits))
            wrong = 1 / (1 + np.exp(-np.clip(logits, -500, 500))) - self.targets
        else:
            top = logits.max(axis=1, keepdims=True)
            powers = np.exp(logits - top)
            total = powers.sum(axis=1, keepdims=True)
            loss = np.sum(self.share * (np.log(total) + top))
            loss -= np.sum(self.share * self.targets * logits)
            wrong = powers / total - self.targets
        gradient = np.empty_like(matrix)
        gradient[:-1] = self.rows.T @ (self.share * wrong) + penalty * kernel
        gradient[-1] = np.sum(self.share * wrong, axis=0)
        return float(loss + penalty / 2 * np.sum(kernel**2)), gradient


def _axes(rows: np.ndarray) -> np.ndarray:
    """The principal axes of centred rows, ``[D, K]``, ``K`` at most the number of rows: the kernel lies in
    their span."""
    if len(rows) < rows.shape[1]:
        return np.linalg.svd(rows.astype(np.float64), full_matrices=False)[2].T
    return np.linalg.eigh((rows.T @ rows).astype(np.float64))[1]
