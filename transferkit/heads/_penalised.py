"""Penalised least squares for every penalty from one decomposition, and the predictions for what is left out.

Minimises ``sum_i w_i |y_i - f(x_i) - b|^2 + s |f|^2`` over functions ``f`` of a linear space, the intercept
``b`` free of the penalty. In scaled and centred form the fitted values are ``H y``, and leaving a group ``G``
of samples out, with the weights of the others and the strength ``s`` as they are, leaves the residuals

    e_G  =  (I - H_GG)^-1 (y - H y)_G

exactly (Allen's PRESS for single samples). ``I - H`` is formed from sums of positive terms where that is
possible, so that the result holds for weak penalties too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transferkit.heads._base import Divided

__all__ = ["LEAST", "Penalised", "dual", "primal"]

# The weakest penalty as a share of the largest eigenvalue. Features are float32 and two engines differ by
# 1e-6 of them: along directions below this share a fit would follow that difference and not the images.
LEAST = 1e-6
# What float32 rounds off, squared: features that differ by less from each other are alike.
_ROUNDING = float(np.finfo(np.float32).eps) ** 2
# Rows that are held in float64 at once, as numbers; and rows whose held-out predictions are formed at most.
_BLOCK = 4_000_000
_JUDGED_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Penalised:
    """One decomposition of ``N`` samples, all penalties. Made by :func:`primal` and :func:`dual`.

    Attributes:
        basis: float64 ``[M, K]``: of the judged samples, in scaled and centred form: their eigenvectors where
            it is ``dual``, else their products with those of the features.
        values: float64 ``[K]``: the eigenvalues, 0 at least.
        products: float64 ``[K, C]``: of the eigenvectors with what is wanted.
        wanted: float64 ``[M, C]``: targets of the judged samples, in scaled and centred form.
        roots: float64 ``[M]``: square roots of their weights.
        total: the sum of all weights; infinite where centring is in the basis already.
        level: float64 ``[C]``: the weighted mean of the targets.
        judged: int64 ``[M]``: the samples that :meth:`held_out` speaks of; all of them unless they are many.
        unit: the strength of a penalty of 1.
        energy: the sum of the weighted squared lengths.
        dual: of the samples' inner products, not of the features'.
        back: from coefficients ``[K, C]`` to coefficients and intercept as of :meth:`solution`.
    """

    basis: np.ndarray
    values: np.ndarray
    products: np.ndarray
    wanted: np.ndarray
    roots: np.ndarray
    total: float
    level: np.ndarray
    judged: np.ndarray
    unit: float
    energy: float
    dual: bool
    back: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

    def strength(self, penalty: float) -> float:
        """What is added to the eigenvalues for a penalty: it times :attr:`unit`, and never too little."""
        least = LEAST * float(self.values.max(initial=0))
        return max(penalty * self.unit, least, _ROUNDING * self.energy, 1e-300)

    def held_out(self, penalty: float, groups: np.ndarray | None = None) -> np.ndarray:
        """Predictions float64 ``[M, C]`` for the judged samples, each by the fit without its group.

        Args:
            penalty: relative to :attr:`unit`.
            groups: int ``[M]``, the same for samples that are left out together; None: each by itself.
        """
        strength = self.strength(penalty)
        if self.dual:
            gain = strength / (self.values + strength)
            residual = self.basis @ (gain[:, None] * self.products)
            one, sign = 0.0, 1.0
        else:
            gain = 1 / (self.values + strength)
            residual = self.wanted - self.basis @ (gain[:, None] * self.products)
            one, sign = 1.0, -1.0
        roots = self.roots
        left = np.empty_like(residual)
        together = _together(groups, len(residual))
        alone = np.ones(len(residual), bool)
        for members in together:
            part, own = self.basis[members], roots[members]
            matrix = one * np.eye(len(members)) + sign * (part * gain) @ part.T
            matrix -= np.outer(own, own) / self.total
            left[members] = np.linalg.solve(matrix, residual[members])
            alone[members] = False
        share = one + sign * np.einsum("nk,k,nk->n", self.basis[alone], gain, self.basis[alone])
        share -= roots[alone] ** 2 / self.total
        left[alone] = residual[alone] / np.maximum(share, 1e-12)[:, None]
        result: np.ndarray = self.wanted / roots[:, None] + self.level - left / roots[:, None]
        return result

    def solution(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients float64 ``[D, C]`` (dual: of the samples, ``[N, C]``) and intercept ``[C]``."""
        inverse = self.products / (self.values + self.strength(penalty))[:, None]
        return self.back(inverse)


def primal(
    rows: Callable[[np.ndarray], np.ndarray],
    targets: np.ndarray,
    weights: np.ndarray,
    most: int | None = None,
    seed: int = 0,
    divided: Divided | None = None,
) -> Penalised:
    """The decomposition of ``X'X``: for more samples than features.

    Args:
        rows: gives the features float ``[M, D]`` of samples by their numbers.
        targets: float64 ``[N, C]``.
        weights: float64 ``[N]``, above 0.
        most: samples that are judged at most; None for as many as memory is reasonable for.
        seed: draws them where they are fewer.
        divided: where each of several workers has the features of some samples: only of those they are asked
            for, and the sums are added up. All workers get the same decomposition.
    """
    count = len(targets)
    own = np.arange(count) if divided is None else divided.places
    total = (lambda array: array) if divided is None else divided.total
    width = rows(own[:1]).shape[1]
    size = max(1, _BLOCK // width)
    blocks = [own[start : start + size] for start in range(0, len(own), size)]
    middle, energy = (total(one) for one in _mean_and_energy(rows, blocks, width, weights))
    level = (weights / weights.sum()) @ targets
    roots = np.sqrt(weights)
    gram, crossed = np.zeros((width, width)), np.zeros((width, targets.shape[1]))
    for block in blocks:
        part = roots[block, None] * (rows(block) - middle)
        gram += part.T @ part
        crossed += part.T @ (roots[block, None] * (targets[block] - level))
    gram, crossed = total(gram), total(crossed)
    values, vectors = np.linalg.eigh(gram)
    judged = _judged(count, most or max(1000, _JUDGED_BYTES // (8 * width)), seed)
    known = np.flatnonzero(np.isin(judged, own))
    basis = np.zeros((len(judged), width))
    basis[known] = (roots[judged[known], None] * (rows(judged[known]) - middle)) @ vectors

    def back(inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kernel = vectors @ inverse
        return kernel, level - middle @ kernel

    values = np.maximum(values, 0)
    return Penalised(
        basis=total(basis),
        values=values,
        products=vectors.T @ crossed,
        wanted=roots[judged, None] * (targets[judged] - level),
        roots=roots[judged],
        total=float(weights.sum()),
        level=level,
        judged=judged,
        unit=_unit(float(values.sum()) / width, float(energy[0])),
        energy=float(energy[0]),
        dual=False,
        back=back,
    )


def dual(
    kernel: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    width: int | None = None,
    energy: float | None = None,
) -> Penalised:
    """The decomposition of the samples' inner products: for fewer samples than features, and for kernels.

    Args:
        kernel: float64 ``[N, N]``; overwritten.
        targets: float64 ``[N, C]``.
        weights: float64 ``[N]``, above 0.
        width: number of features, by which the trace is divided for :attr:`Penalised.unit`; None for ``N``.
        energy: sum of the weighted squared lengths, where the inner products are not from zero.
    """
    energy = float(weights @ np.diag(kernel)) if energy is None else energy
    share = weights / weights.sum()
    middle = kernel @ share
    whole = float(share @ middle)
    kernel -= middle
    kernel -= middle[:, None]
    kernel += whole
    roots = np.sqrt(weights)
    kernel *= roots
    kernel *= roots[:, None]
    level = share @ targets
    wanted = roots[:, None] * (targets - level)
    # Centring leaves one direction without any variance, that of the intercept. Lifted above all others it is
    # the last one and is dropped: a sum over the rest then says 1 - H_ii without a difference of two numbers.
    trace = float(np.trace(kernel))
    own = roots / np.sqrt(weights.sum())
    kernel += np.outer(own, own) * (2 * trace + 1e-300)
    values, vectors = np.linalg.eigh(kernel)
    values, vectors = values[:-1], vectors[:, :-1]
    unit = _unit(trace / (width or len(targets)), energy)

    def back(inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # f(x) = sum_i a_i (k(x, x_i) - m_i) + ...: the centring goes into the coefficients and the intercept.
        scaled = roots[:, None] * (vectors @ inverse)
        centred = scaled - share[:, None] * scaled.sum(axis=0)
        return centred, level - middle @ centred

    return Penalised(
        basis=vectors,
        values=np.maximum(values, 0),
        products=vectors.T @ wanted,
        wanted=wanted,
        roots=roots,
        total=np.inf,
        level=level,
        judged=np.arange(len(targets)),
        unit=unit,
        energy=energy,
        dual=True,
        back=back,
    )


def _mean_and_energy(
    rows: Callable[[np.ndarray], np.ndarray], blocks: list[np.ndarray], width: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The part of some samples in the weighted mean ``[D]`` of all, and in the sum of squares ``[1]``."""
    share = weights / weights.sum()
    middle, energy = np.zeros(width), np.zeros(1)
    for block in blocks:
        part = rows(block).astype(np.float64)
        middle += share[block] @ part
        energy += weights[block] @ np.sum(np.square(part), axis=1)
    return middle, energy


def _judged(count: int, most: int, seed: int) -> np.ndarray:
    """All samples by their numbers, or as many as are judged at most; ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _unit(variance: float, energy: float) -> float:
    """Strength of a penalty of 1; features that are all alike have no variance but what rounding makes."""
    return variance if variance > 1e-6 * _ROUNDING * energy else 1.0


def _together(groups: np.ndarray | None, count: int) -> list[np.ndarray]:
    """The groups of several samples. One group of all would leave nothing to learn from, and is none."""
    if groups is None:
        return []
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    parts = np.split(order, starts[1:])
    return [] if len(parts) == 1 else [part for part in parts if 1 < len(part) < count]
