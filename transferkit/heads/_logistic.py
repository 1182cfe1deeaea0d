"""Penalised logistic regression, walked from one penalty to the next."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from transferkit.cpu import available_cores

__all__ = ["ROUGHLY", "Problem", "principal_axes", "solve_all"]

# The gradient at which a fit ends that only ranks penalties.
ROUGHLY = 1e-3


class Problem:
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


def solve_all(problems: Sequence[Problem], penalty: float) -> None:
    """Solves independent problems roughly, one on each core: nothing waits there but for the end of all."""
    with threadpool_limits(1), ThreadPoolExecutor(min(available_cores(), len(problems))) as pool:
        list(pool.map(lambda one: one.solve(penalty, ROUGHLY), problems))


def principal_axes(rows: np.ndarray) -> np.ndarray:
    """The principal axes of centred rows, ``[D, K]``, ``K`` at most the number of rows: the kernel lies in
    their span."""
    if len(rows) < rows.shape[1]:
        return np.linalg.svd(rows.astype(np.float64), full_matrices=False)[2].T
    return np.linalg.eigh((rows.T @ rows).astype(np.float64))[1]
