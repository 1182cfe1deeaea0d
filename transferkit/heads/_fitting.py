"""One fit by penalised least squares: of the features as they are, or of what a branch makes of them.

Where the images are few the problem is solved in their inner products, else in the values of the branch; with
many images a kernel is taken at some of them, its landmarks (Nystroem's approximation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from transferkit.heads._branches import Kind, arc_cosine, hidden_values
from transferkit.heads._closed import best_scale
from transferkit.heads._fit_data import Rows, Targets
from transferkit.heads._penalised import LEAST, Penalised, dual, primal

__all__ = ["Chosen", "Fit", "Sizes", "choose", "fit_branch", "scale_of"]

# What is kept of a branch's values, in float64; more is computed again whenever it is needed.
_KEPT_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Fit:
    """One decomposition with what its branch is made of.

    Attributes:
        path: all penalties.
        hidden: the branch's weights but for those of its last layer.
        output: from the coefficients of :meth:`Penalised.solution` to the last layer's kernel.
        middle: what the values of the branch are taken from; None for nothing.
    """

    path: Penalised
    hidden: list[np.ndarray]
    output: Callable[[np.ndarray], np.ndarray]
    middle: np.ndarray | None = None

    @property
    def units(self) -> int:
        """Values of the branch; 0 where it takes the features as they are."""
        return self.hidden[0].shape[1] if self.hidden else 0

    def weights(self, penalty: float, scale: float, half: float) -> list[np.ndarray]:
        """All weights of the branch.

        Args:
            penalty: the one chosen.
            scale: of the logits.
            half: as of :class:`Targets`.
        """
        coefficients, level = self.path.solution(penalty)
        kernel = self.output(coefficients)
        if self.middle is not None:
            level = level - self.middle @ kernel
        return [*self.hidden, scale * kernel, scale * (level - half)]


@dataclass(frozen=True)
class Chosen:
    """The best penalty of one fit.

    Attributes:
        penalty: it.
        scale: of the logits, with the least held-out log loss.
        loss: that loss.
        held: float64 ``[M, C]`` for each way to leave out: the held-out logits at that scale.
    """

    penalty: float
    scale: float
    loss: float
    held: list[np.ndarray]


@dataclass(frozen=True)
class Sizes:
    """How large the problem of a branch becomes at most.

    Attributes:
        exact: images up to which a kernel is exact.
        units: landmarks beyond, and random features.
        judged: images that held-out predictions are formed for; None for as many as memory is reasonable for.
    """

    exact: int = 2500
    units: int = 2000
    judged: int | None = None


def fit_branch(
    kind: Kind,
    rows: Rows,
    targets: Targets,
    sizes: Sizes = Sizes(),
    *,
    width: float = 1.0,
    seed: int = 0,
) -> Fit:
    """Decomposes the problem of one branch.

    Args:
        kind: of the branch.
        rows: of the training images.
        targets: of the same.
        sizes: of the problem.
        width: gaussian: ``g`` in units of one over the mean squared distance.
        seed: draws landmarks and random features.
    """
    count = len(rows)
    judged = sizes.judged
    if kind == "linear":
        if count < rows.width:
            # Centring overwrites what it is given.
            path = dual(rows.inner.copy(), targets.wanted, targets.weights, rows.width, rows.energy)
            return Fit(path, [], lambda found: rows.values.T.astype(np.float64) @ found, rows.middle)
        path = primal(rows.of, targets.wanted, targets.weights, judged, seed, rows.divided)
        return Fit(path, [], lambda found: found)
    if kind == "relu":
        return _random(rows, targets, sizes.units, seed, judged)
    if count <= sizes.exact:
        hidden = _hidden(kind, rows.values, width / rows.distance, _beyond(rows))
        path = dual(_kernel(kind, rows, width), targets.wanted, targets.weights)
        return Fit(path, hidden, lambda found: found)
    centres = np.sort(np.random.default_rng(seed).choice(count, min(sizes.units, count), replace=False))
    hidden = _hidden(kind, rows.values[centres], width / rows.distance, _beyond(rows))
    among = hidden_values(kind, rows.values[centres].astype(np.float64), hidden)
    among[np.diag_indices_from(among)] += LEAST * len(among)
    factor = np.linalg.inv(np.linalg.cholesky(among)).T
    path = primal(_kept(kind, rows, hidden, factor), targets.wanted, targets.weights, judged, seed)
    return Fit(path, hidden, lambda found: factor @ found)


def choose(
    path: Penalised, penalties: Sequence[float], targets: Targets, groups: Sequence[np.ndarray | None]
) -> Chosen:
    """The penalty and the scale of the logits with the least log loss on what is left out.

    Args:
        path: the fit.
        penalties: those to choose from.
        targets: of all training images.
        groups: ways to leave out, each int ``[N]`` or None (:meth:`Penalised.held_out`); more than one are
            averaged.
    """
    own = targets.of(path.judged)
    best: Chosen | None = None
    losses: list[float] = []
    for penalty in sorted(penalties, reverse=True):
        held = [
            path.held_out(penalty, None if one is None else one[path.judged]) - targets.half for one in groups
        ]
        scale, loss = scale_of(held, own)
        if best is None or loss < best.loss:
            best = Chosen(penalty, scale, loss, [scale * one for one in held])
        losses.append(loss)
        # Past its least the loss only rises.
        if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
            break
    assert best is not None  # noqa: S101 -- there is at least one penalty
    return best


def scale_of(held: Sequence[np.ndarray], targets: Targets) -> tuple[float, float]:
    """The factor on held-out logits with the least log loss, and that loss, over all ways to leave out.

    Each way counts by itself: the mean of several fits would flatter every one of them.
    """
    if len(held) == 1:
        return best_scale(held[0], targets.wanted, targets.weights, targets.multi_label)
    count = len(held)
    return best_scale(
        np.concatenate(held), np.tile(targets.wanted, (count, 1)), np.tile(targets.weights, count),
        targets.multi_label,
    )  # fmt: skip


def _kernel(kind: Kind, rows: Rows, width: float) -> np.ndarray:
    """Between all images, float64 ``[N, N]``."""
    if kind == "gaussian":
        inner = rows.inner
        squares = np.diag(inner)
        distances = np.maximum(squares + squares[:, None] - 2 * inner, 0)
        np.fill_diagonal(distances, 0)
        result: np.ndarray = np.exp(distances * (-width / rows.distance))
        return result
    values = rows.values.astype(np.float64)
    cosines = values @ values.T + _beyond(rows)
    lengths = np.sqrt(np.diag(cosines))
    return arc_cosine(cosines / lengths / lengths[:, None])


def _beyond(rows: Rows) -> float:
    """The squared constant that stands beside the features where angles are taken: as large as they are."""
    return rows.distance / 2


def _hidden(kind: Kind, centres: np.ndarray, gamma: float, beyond: float) -> list[np.ndarray]:
    """The weights of a kernel branch before its last layer."""
    centres = centres.astype(np.float64)
    if kind == "gaussian":
        squares = np.sum(np.square(centres), axis=1)
        return [2 * gamma * centres.T, -gamma * squares, np.full((centres.shape[1], 1), -gamma)]
    lengths = np.sqrt(np.sum(np.square(centres), axis=1) + beyond)
    return [(centres.T / lengths), beyond / lengths, np.ones((centres.shape[1], 1)), np.array([beyond])]


def _random(rows: Rows, targets: Targets, units: int, seed: int, judged: int | None) -> Fit:
    """relu of a Gaussian projection (RanPAC, arXiv:2307.02251); the seed is all that decides it."""
    rng = np.random.default_rng(seed)
    # As float32 from the start: what is exported is what was fitted on.
    projection = rng.standard_normal((rows.width, units), np.float32)
    projection /= np.float32(np.sqrt(max(np.mean(np.square(rows.values)) * rows.width, 1e-12)))
    shift = rng.standard_normal(units, np.float32)
    values = _kept("relu", rows, [projection, shift], None)
    if len(rows) < units:
        made = values(np.arange(len(rows)))
        path = dual(made @ made.T, targets.wanted, targets.weights, units)
        return Fit(path, [projection, shift], lambda found: made.T @ found)
    path = primal(values, targets.wanted, targets.weights, judged, seed)
    return Fit(path, [projection, shift], lambda found: found)


def _kept(
    kind: Kind, rows: Rows, hidden: Sequence[np.ndarray], factor: np.ndarray | None
) -> Callable[[np.ndarray], np.ndarray]:
    """The values of a branch by image number; kept where they fit into memory."""

    def made(chosen: np.ndarray) -> np.ndarray:
        values = hidden_values(kind, rows.values[chosen].astype(np.float64), hidden)
        return values if factor is None else values @ factor

    width = hidden[0].shape[1]
    if 8 * len(rows) * width > _KEPT_BYTES:
        return made
    size = 1024
    parts = [made(np.arange(start, min(start + size, len(rows)))) for start in range(0, len(rows), size)]
    whole = np.concatenate(parts)
    return lambda chosen: whole[chosen]
