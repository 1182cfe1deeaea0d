"""What ``auto`` tries: each candidate's held-out logits on common folds, and its fit on all images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from transferkit.heads._branches import Branch, Kind
from transferkit.heads._fit_data import Rows, Targets
from transferkit.heads._fitting import Sizes, choose, fit_branch, scale_of
from transferkit.heads._logistic import ROUGHLY, Problem, principal_axes, solve_all

__all__ = ["Candidate", "Features", "Task", "estimated_work"]

_LOGISTIC = (10.0, 3.0, 1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
_LINEAR = (1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Weaker ones give weights so large that the rounding of float32 kernels shows in the probabilities.
_CURVED = (3e-2, 0.1, 0.3, 1.0, 3.0)
_ITERATIONS = 300
EXACT = 2500


class Features:
    """The features of one choice of levels.

    Attributes:
        name: ``last``, ``levels`` or ``all``.
        levels: the names.
        rows: of the images that the choice is made on.
        every: of all training images.
    """

    def __init__(
        self, name: str, levels: Sequence[str], columns: np.ndarray, features: np.ndarray, some: np.ndarray
    ) -> None:
        self.name, self.levels, self.width = name, tuple(levels), len(columns)
        self._columns, self._features, self._some = columns, features, some

    @property
    def whole(self) -> bool:
        """Whether the choice is made on all training images."""
        return len(self._some) == len(self._features)

    @cached_property
    def rows(self) -> Rows:
        if self.whole:
            return self.every
        return Rows(np.ascontiguousarray(self._features[np.ix_(self._some, self._columns)]))

    @cached_property
    def every(self) -> Rows:
        if len(self._columns) == self._features.shape[1]:
            return Rows(self._features)
        return Rows(np.ascontiguousarray(self._features[:, self._columns]))

    def forget(self) -> None:
        """Gives the memory of what can be made again back."""
        for name in ("rows", "every"):
            self.__dict__.pop(name, None)


@dataclass(frozen=True)
class Task:
    """What all candidates are judged on.

    Attributes:
        targets: of the images that the choice is made on.
        folds: ways to leave out, each int ``[M]``.
        every: targets of all training images.
        seed: of landmarks and projections.
    """

    targets: Targets
    folds: list[np.ndarray]
    every: Targets
    seed: int

    @property
    def landmarks(self) -> int:
        """Beyond :data:`EXACT` images the choice is made with fewer than the fit has."""
        return 1000 if len(self.targets.wanted) > EXACT else 2000


@dataclass
class Candidate:
    """One kind of head on one choice of levels.

    Attributes:
        kind: ``"logistic"``, or a branch's.
        features: what it reads.
        width: of a gaussian.
        penalty, scale, loss, held: what judging found, as of :class:`~transferkit.heads._fitting.Chosen`.
        near: of logistic regression, the mean of what its folds found: where the fit on all images begins.
        seconds: that judging took.
    """

    kind: str
    features: Features
    width: float = 1.0
    penalty: float = 0.0
    scale: float = 1.0
    loss: float = float("inf")
    held: list[np.ndarray] = field(default_factory=list)
    near: np.ndarray | None = None
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        titles = {
            "logistic": "logistic regression",
            "linear": "ridge regression",
            "relu": "random features",
            "gaussian": f"gaussian kernel, width {self.width:g}",
            "arc_cosine": "arc-cosine kernel",
        }
        return titles[self.kind]

    def judge(self, task: Task) -> None:
        """Finds the penalty, the scale and the held-out logits."""
        began = time.perf_counter()
        rows = self.features.rows
        if self.kind == "logistic":
            self._judge_logistic(task, rows)
        else:
            fit = fit_branch(
                self.branch_kind,
                rows,
                task.targets,
                Sizes(EXACT, task.landmarks, judged=len(rows)),
                width=self.width,
                seed=task.seed,
            )
            penalties = _LINEAR if self.kind in ("linear", "relu") else _CURVED
            found = choose(fit.path, penalties, task.targets, task.folds)
            self.penalty, self.scale, self.loss, self.held = (
                found.penalty, found.scale, found.loss, found.held,
            )  # fmt: skip
        self.seconds = time.perf_counter() - began

    @property
    def branch_kind(self) -> Kind:
        return "linear" if self.kind == "logistic" else self.kind  # type: ignore[return-value]

    def fit(self, task: Task, scale: float) -> tuple[Branch, list[np.ndarray]]:
        """The branch that all training images give, and its weights.

        Args:
            task: the task.
            scale: what the logits are multiplied by beyond the candidate's own scale.
        """
        rows = self.features.every
        if self.kind == "logistic":
            kernel, bias = self._fit_logistic(task.every, rows)
            return Branch("linear", self.features.levels), [scale * kernel, scale * bias]
        fit = fit_branch(self.branch_kind, rows, task.every, Sizes(EXACT), width=self.width, seed=task.seed)
        weights = fit.weights(self.penalty, scale * self.scale, task.every.half)
        return Branch(self.branch_kind, self.features.levels, fit.units), weights

    def _judge_logistic(self, task: Task, rows: Rows) -> None:
        scaled, _ = _scaled(rows)
        targets = task.targets
        parts = [
            [(np.flatnonzero(folds != one), np.flatnonzero(folds == one)) for one in range(folds.max() + 1)]
            for folds in task.folds
        ]
        problems = [
            [
                Problem(
                    scaled[used],
                    targets.wanted[used],
                    targets.weights[used],
                    targets.multi_label,
                    _ITERATIONS,
                )
                for used, _ in way
            ]
            for way in parts
        ]
        losses: list[float] = []
        for penalty in _LOGISTIC:
            solve_all([one for way in problems for one in way], penalty)
            held = []
            for way, solved in zip(parts, problems, strict=True):
                logits = np.empty_like(targets.wanted)
                for (_, left), problem in zip(way, solved, strict=True):
                    logits[left] = scaled[left] @ problem.solution[:-1] + problem.solution[-1]
                held.append(logits)
            scale, loss = scale_of(held, targets)
            if loss < self.loss:
                self.penalty, self.scale, self.loss = penalty, scale, loss
                self.held = [scale * one for one in held]
                if self.features.whole:  # others have other axes
                    self.near = np.mean([one.solution for way in problems for one in way], axis=0)
            losses.append(loss)
            if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
                break

    def _fit_logistic(self, targets: Targets, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        scaled, back = _scaled(rows)
        problem = Problem(scaled, targets.wanted, targets.weights, targets.multi_label, _ITERATIONS)
        if self.near is not None:
            problem.solution = self.near
            problem.solve(self.penalty)
        else:
            for penalty in _LOGISTIC:
                if penalty < self.penalty:
                    break
                problem.solve(penalty, ROUGHLY if penalty > self.penalty else 1e-5)
        kernel = self.scale * (back @ problem.solution[:-1])
        return kernel, self.scale * problem.solution[-1] - rows.middle @ kernel


def _scaled(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Features along their principal axes, of variance 1 on average, and the way back ``[D, K]``."""
    centred = rows.values - rows.middle
    spread = float(np.sqrt(np.mean(np.square(centred)))) or 1.0
    axes = principal_axes(centred / spread)
    return (centred / spread) @ axes, axes / spread


def estimated_work(kind: str, images: int, width: int, classes: int, ways: int, landmarks: int) -> float:
    """About how many operations judging a candidate takes; only the ratios count."""
    small = min(images, width)
    if kind == "logistic":
        return ways * 5 * 7 * 25 * 4.0 * images * small * classes + 8.0 * images * width * small
    size = min(images, EXACT)
    if kind == "linear":
        size = small
    elif kind == "relu":
        size = min(images, landmarks)
    elif images > EXACT:
        size = landmarks
    made = 2.0 * images * width * size
    return made + 2.0 * images * size**2 + 14.0 * size**3 + ways * 6 * (0.5 * images**2 * size)
