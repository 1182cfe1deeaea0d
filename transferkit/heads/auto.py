"""The head that the training images choose: which kind, on which levels, and whether several together."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from transferkit.durations import seconds_of
from transferkit.heads._base import ClosedForm, Known, upper_half

if TYPE_CHECKING:
    from transferkit.heads._candidates import Candidate, Features, Task

__all__ = ["Auto"]

_FOLDS = 5
# Groups of images below which the folds are dealt out several times.
_FEW, _REPEATS = 400, 3
# Images that the choice is made on at most; the head that is chosen is fitted on all.
_JUDGED = 3000
# Operations a second that are assumed before the first candidate has shown them.
_RATE = 4e9
# Best candidates whose averages are tried, and how many are averaged at most.
_BEST, _TOGETHER = 6, 3


class Auto(ClosedForm):
    """Logistic and ridge regression, kernels and random features, on the last and on several levels.

    Each is judged by the log loss of its held-out predictions on folds of the training images alone; copies
    of an image and what its group holds are on one side. The best, or an average of up to three of the best,
    is fitted on all of them, with probabilities that are calibrated on what was held out.
    """

    takes_what_there_is: ClassVar[bool] = True

    features: Literal["last", "levels", "all"] | tuple[str, ...] = Field(
        "all", description='levels to choose from, as for other heads; "last" is always among them'
    )
    budget: float | None = Field(
        None,
        gt=0,
        description='seconds that choosing may take, or text like "5m"; by default those of the pass over '
        "the images, or 60",
    )

    @field_validator("budget", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds_of(value)

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        classes: int,
        seed: int,
        class_weights: np.ndarray | None = None,
        known: Known | None = None,
    ) -> Any:
        from transferkit.heads._branches import Found
        from transferkit.heads._candidates import Task
        from transferkit.heads._closed import one_hot, sample_weights
        from transferkit.heads._fitting import Targets

        known = known or Known(np.arange(len(features)), {"features": features.shape[1]})
        wanted = one_hot(labels, classes)
        every = Targets(wanted, sample_weights(wanted, class_weights), self.multi_label)
        some = _sample(known.groups, seed)
        folds = _ways(wanted[some], known.groups[some], seed)
        task = Task(every.of(some), folds, every, seed)
        began = time.monotonic()
        sets = self._sets(features, known, some)
        seconds = self.budget or known.seconds
        tried, left = _try(task, sets, seconds)
        members, scale, loss = _together(task, tried)
        branches = [one.fit(task, scale / len(members)) for one in members]
        held = [scale * np.mean(ways, axis=0) for ways in zip(*(one.held for one in members), strict=True)]
        facts = {
            "images": len(some),
            "groups": len(np.unique(known.groups[some])),
            "folds": int(folds[0].max()) + 1,
            "repeats": len(folds),
            "seconds": round(time.monotonic() - began, 2),
            "budget": seconds,
            "not_tried": left,
            "log_loss": loss,
            **_accuracy(held, task, known.groups[some]),
            "members": [f"{one.name}, {one.features.name}" for one in members],
            "candidates": [
                {
                    "head": one.name,
                    "features": one.features.name,
                    "levels": list(one.features.levels),
                    "penalty": one.penalty,
                    "log_loss": one.loss,
                    **_accuracy(one.held, task, known.groups[some]),
                    "seconds": round(one.seconds, 2),
                    "chosen": one in members,
                }
                for one in sorted(tried, key=lambda one: one.loss)
            ],
        }
        design, weights = tuple(one for one, _ in branches), [own for _, own in branches]
        return Found(design, weights, facts, _right(held, task))

    def _sets(self, features: np.ndarray, known: Known, some: np.ndarray) -> list[Features]:
        """The choices of levels, the last one first."""
        from transferkit.heads._branches import columns_of_levels
        from transferkit.heads._candidates import Features

        names = list(known.levels)
        choices = {"last": names[-1:]}
        if self.features == "all":
            choices["levels"] = upper_half(names)
        if self.features != "last":
            choices["all" if self.features == "all" else "levels"] = names
        made: list[Features] = []
        for name, levels in choices.items():
            if list(levels) not in [list(one.levels) for one in made]:
                made.append(Features(name, levels, columns_of_levels(known.levels, levels), features, some))
        return made


def _sample(groups: np.ndarray, seed: int) -> np.ndarray:
    """The images that the choice is made on: whole groups."""
    if len(groups) <= _JUDGED:
        return np.arange(len(groups))
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = order[: max(2, int(np.searchsorted(np.cumsum(sizes[order]), _JUDGED)))]
    return np.flatnonzero(np.isin(groups, names[taken]))


def _ways(wanted: np.ndarray, groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """The folds; several ways to deal them out where there are few images."""
    from transferkit.heads._folds import fold_numbers

    repeats = _REPEATS if len(np.unique(groups)) < _FEW else 1
    return [fold_numbers(wanted, groups, _FOLDS, seed + number) for number in range(repeats)]


def _try(task: Task, sets: list[Features], seconds: float | None) -> tuple[list[Candidate], int]:
    """Judges one candidate after the other, the most promising first, until the time is up.

    Returns:
        Those judged, at least one, and how many there was no time for.
    """
    from transferkit.heads._candidates import Candidate, estimated_work

    last, most = sets[0], sets[-1]
    middle = sets[1:-1]
    # Kernels first: they cost a fraction of logistic regression and win more often.
    plan = [("gaussian", last), ("gaussian", most), *(("gaussian", one) for one in middle)]
    plan += [("linear", last), ("arc_cosine", most), ("logistic", last), ("linear", most)]
    plan += [("arc_cosine", last), ("relu", most), ("logistic", most), ("relu", last)]
    plan += [(kind, one) for one in middle for kind in ("arc_cosine", "linear", "logistic", "relu")]
    plan = list(dict.fromkeys(plan))
    images, classes = task.targets.wanted.shape
    began, work, left = time.monotonic(), 0.0, 0
    judged: list[Candidate] = []

    def worth(kind: str, features: Features) -> bool:
        """Whether it can be expected to end in time."""
        if seconds is None:
            return True
        spent = time.monotonic() - began
        rate = work / spent if work and spent > 0.5 else _RATE
        needs = estimated_work(kind, images, features.width, classes, len(task.folds), task.landmarks) / rate
        # A third is for the fit of what is chosen.
        return spent + needs < seconds * 0.7

    for kind, features in plan:
        widths = (1.0, 2.0, 0.5) if kind == "gaussian" else (1.0,)
        family: list[Candidate] = []
        for width in widths:
            if len(family) == 2 and family[1].loss < family[0].loss:
                break  # narrower was better: wider is not
            if (judged or family) and not worth(kind, features):
                left += 1
                continue
            one = Candidate(kind, features, width)
            one.judge(task)
            work += estimated_work(kind, images, features.width, classes, len(task.folds), task.landmarks)
            family.append(one)
        if family:
            judged.append(min(family, key=lambda one: one.loss))
    for choice in sets:
        choice.forget()
    return judged, left


def _together(task: Task, tried: list[Candidate]) -> tuple[list[Candidate], float, float]:
    """The best one or the best average: its members, the scale of their mean logits, and its loss."""
    from transferkit.heads._fitting import scale_of

    ranked = sorted(tried, key=lambda one: one.loss)[:_BEST]
    best = [ranked[0]], 1.0, ranked[0].loss
    for count in range(2, _TOGETHER + 1):
        for members in itertools.combinations(ranked, count):
            held = [np.mean(ways, axis=0) for ways in zip(*(one.held for one in members), strict=True)]
            scale, loss = scale_of(held, task.targets)
            if loss < best[2]:
                best = list(members), scale, loss
    return best


def _right(held: list[np.ndarray], task: Task) -> np.ndarray:
    """The share of ways to leave it out in which each image was answered rightly, float64 ``[M]``."""
    wanted = task.targets.wanted
    if task.targets.multi_label:
        return np.mean([((one >= 0) == (wanted > 0.5)).all(axis=1) for one in held], axis=0)
    return np.mean([one.argmax(axis=1) == wanted.argmax(axis=1) for one in held], axis=0)


def _accuracy(held: list[np.ndarray], task: Task, groups: np.ndarray) -> dict[str, float]:
    """Share of images answered rightly when held out, with its 95 % interval (Wilson, of groups)."""
    share, count, z = float(_right(held, task).mean()), len(np.unique(groups)), 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return {
        "accuracy": share,
        "accuracy_low": max(0.0, middle - half),
        "accuracy_high": min(1.0, middle + half),
    }
