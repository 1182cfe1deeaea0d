"""The candidates of ``auto``, judged one after the other, the most promising first, in the time there is."""

from __future__ import annotations

import time

import numpy as np

from transferkit.heads._base import Known
from transferkit.heads._branches import columns_of_levels
from transferkit.heads._candidates import Candidate, Features, Task, estimated_work

__all__ = ["Clock", "chosen_before", "try_candidates"]

# Operations a second that are assumed before the first candidate has shown them.
_RATE = 4e9


class Clock:
    """How much of the time that choosing may take is gone.

    A limit that nobody gave counts the work of this process: on a busy machine the same candidates are tried
    as on an idle one, as long as that takes no more than twice the time.
    """

    def __init__(self, given: float | None, default: float | None) -> None:
        self.limit = given or default
        self._given = given is not None
        self._wall, self._work = time.monotonic(), time.process_time()

    def spent(self) -> float:
        """Seconds."""
        wall = time.monotonic() - self._wall
        if self._given:
            return wall
        return max(min(wall, time.process_time() - self._work), wall / 2)


def chosen_before(task: Task, known: Known, features: np.ndarray, some: np.ndarray) -> list[Candidate]:
    """Judges what an earlier fit chose, and nothing else: its penalties and scales are found anew.

    Args:
        task: what is to be answered.
        known: its ``choice``, and the levels of the features.
        features: float32 ``[N, D]`` of all training images.
        some: those that the choice is judged on.
    """
    judged = []
    for kind, levels, width in known.choice:
        columns = columns_of_levels(known.levels, levels)
        one = Candidate(kind, Features(", ".join(levels), levels, columns, features, some), width)
        one.judge(task)
        judged.append(one)
    return judged


def try_candidates(task: Task, sets: list[Features], clock: Clock) -> tuple[list[Candidate], int]:
    """Judges one candidate after the other, the most promising first, until the time is up.

    Returns:
        Those judged, at least one, the first of them logistic regression on the last features; and how many
        there was no time for.
    """
    last, most = sets[0], sets[-1]
    middle = sets[1:-1]
    # What all others are compared with comes first; then kernels, which win more often.
    plan = [("logistic", last), *(("gaussian", one) for one in middle), ("gaussian", most)]
    plan += [("gaussian", last), ("linear", most), *(("linear", one) for one in middle)]
    plan += [("arc_cosine", most), *(("logistic", one) for one in middle), ("linear", last)]
    plan += [("arc_cosine", last), ("relu", most), ("logistic", most), ("relu", last)]
    plan += [(kind, one) for one in middle for kind in ("arc_cosine", "relu")]
    plan = list(dict.fromkeys(plan))
    images, classes = task.targets.wanted.shape
    work, left = 0.0, 0
    judged: list[Candidate] = []

    def worth(kind: str, features: Features) -> bool:
        """Whether it can be expected to end in time."""
        if clock.limit is None:
            return True
        spent = clock.spent()
        rate = work / spent if work and spent > 0.5 else _RATE
        needs = estimated_work(kind, images, features.width, classes, len(task.folds), task.landmarks) / rate
        # A third is for the fit of what is chosen.
        return spent + needs < clock.limit * 0.7

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
