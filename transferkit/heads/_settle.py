"""The best of the candidates that ``auto`` has judged, or an average of some."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferkit.heads._candidates import Candidate, Task
from transferkit.heads._closed import each_log_loss
from transferkit.heads._fitting import scale_of
from transferkit.intervals import share_interval
from transferkit.type_names import NamedValues

__all__ = [
    "Choice",
    "accuracy_of",
    "average",
    "best_together",
    "facts_of_choice",
    "losses_of",
    "mean_and_error",
    "rightly",
]

# Best candidates whose averages are tried, and how many are averaged at most.
_BEST, _TOGETHER = 6, 3


@dataclass(frozen=True)
class Choice:
    """A candidate, or some whose logits are averaged.

    Attributes:
        members: them.
        scale: of the mean of their logits.
        loss: the held-out log loss at that scale.
        held: float64 ``[M, C]`` for each way to leave out, the held-out logits at that scale.
    """

    members: list[Candidate]
    scale: float
    loss: float
    held: list[np.ndarray]


def best_together(task: Task, tried: list[Candidate], groups: np.ndarray) -> Choice:
    """The best candidate or the best average; the first one where neither is better beyond chance.

    Args:
        task: what they were judged on.
        tried: the candidates, the first being the one to beat.
        groups: int ``[M]``, the same for images that are not independent.
    """
    every = sorted(tried, key=lambda one: one.loss)
    ranked = every[:_BEST]
    # Heads on networks of their own err on other images, so that a worse one may help more.
    best_of = {_networks(one): one for one in reversed(every)}
    ranked += [one for one in best_of.values() if all(one is not other for other in ranked)]
    first, best = average(task, tried[:1]), average(task, ranked[:1])
    for count in range(2, _TOGETHER + 1):
        for members in itertools.combinations(ranked, count):
            best = min(best, average(task, members), key=lambda one: one.loss)
    return best if _is_better(best, first, task, groups) else first


def _networks(one: Candidate) -> frozenset[str]:
    """The networks whose levels a candidate reads, where there are several."""
    return frozenset(name.rpartition(":")[0] for name in one.features.levels)


def average(task: Task, members: Sequence[Candidate]) -> Choice:
    """One candidate as it is, or the mean of the logits of several at the scale that suits it.

    Args:
        task: what they were judged on.
        members: one at least.
    """
    if len(members) == 1:
        return Choice(list(members), 1.0, members[0].loss, members[0].held)
    held = [np.mean(ways, axis=0) for ways in zip(*(one.held for one in members), strict=True)]
    scale, loss = scale_of(held, task.targets)
    return Choice(list(members), scale, loss, [scale * one for one in held])


def _is_better(one: Choice, first: Choice, task: Task, groups: np.ndarray) -> bool:
    """Whether the log loss is lower by more than a standard error, on no fewer images answered rightly."""

    gain, error = mean_and_error(losses_of(first.held, task) - losses_of(one.held, task), groups)
    right, doubt = mean_and_error(rightly(one.held, task) - rightly(first.held, task), groups)
    return gain > error and right > -doubt


def mean_and_error(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """The mean of values of images and its standard error, where images of a group count as one draw."""
    sums = np.bincount(groups, values - values.mean())
    return float(values.mean()), float(np.sqrt(np.sum(np.square(sums)))) / len(values)


def losses_of(held: list[np.ndarray], task: Task) -> np.ndarray:
    """The weighted log loss of each image, the mean over ways to leave it out, float64 ``[M]``."""
    own = task.targets
    each = [own.weights * each_log_loss(way, own.wanted, own.multi_label) for way in held]
    return np.asarray(np.mean(each, axis=0))


def rightly(held: list[np.ndarray], task: Task) -> np.ndarray:
    """The share of ways to leave it out in which each image was answered rightly, float64 ``[M]``."""
    wanted = task.targets.wanted
    if task.targets.multi_label:
        right = [((one >= 0) == (wanted > 0.5)).all(axis=1) for one in held]
    else:
        right = [one.argmax(axis=1) == wanted.argmax(axis=1) for one in held]
    share: np.ndarray = np.mean(right, axis=0)
    return share


def accuracy_of(held: list[np.ndarray], task: Task, groups: np.ndarray) -> dict[str, float]:
    """Share of images answered rightly when held out, with its 95 % interval (Wilson, of groups)."""
    share = float(rightly(held, task).mean())
    low, high = share_interval(share, len(np.unique(groups)))
    return {"accuracy": share, "accuracy_low": low, "accuracy_high": high}


def facts_of_choice(
    choice: Choice, tried: Sequence[Candidate], task: Task, groups: np.ndarray
) -> NamedValues:
    """What was chosen, and of what, ready for JSON.

    Args:
        choice: that was made.
        tried: the candidates.
        task: what they were judged on.
        groups: int ``[M]``, the same for images that are not independent.
    """
    return {
        "log_loss": choice.loss,
        **accuracy_of(choice.held, task, groups),
        "members": [f"{one.name}, {one.features.name}" for one in choice.members],
        "candidates": [
            {
                "head": one.name,
                "features": one.features.name,
                "levels": list(one.features.levels),
                "kind": one.kind,
                "width": one.width,
                "penalty": one.penalty,
                "log_loss": one.loss,
                **accuracy_of(one.held, task, groups),
                "seconds": round(one.seconds, 2),
                "chosen": one in choice.members,
            }
            for one in sorted(tried, key=lambda one: one.loss)
        ],
    }
