"""The head that the training images choose: which kind, on which levels, and whether several together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from transferkit.durations import seconds_of
from transferkit.heads._base import ClosedForm, Known, networks_of, upper_half

if TYPE_CHECKING:
    from transferkit.heads._candidates import Features

__all__ = ["Auto"]

_FOLDS = 5
# Groups of images below which the folds are dealt out several times.
_FEW, _REPEATS = 400, 3
# Images that the choice is made on at most; the head that is chosen is fitted on all.
_JUDGED = 3000


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
        from transferkit.heads._fit_data import Targets
        from transferkit.heads._search import Clock, chosen_before, try_candidates
        from transferkit.heads._settle import average, best_together, facts_of_choice, losses_of, rightly

        known = known or Known(np.arange(len(features)), {"features": features.shape[1]})
        every = Targets.of_labels(labels, classes, class_weights, self.multi_label)
        some = _sample(known.groups, seed)
        folds = _ways(every.wanted[some], known.groups[some], seed)
        task = Task(every.of(some), folds, every, seed)
        groups = np.unique(known.groups[some], return_inverse=True)[1]
        began = time.monotonic()
        clock = Clock(self.budget, known.seconds)
        if known.choice:
            tried, left = chosen_before(task, known, features, some), 0
            choice = average(task, tried)
        else:
            tried, left = try_candidates(task, self._sets(features, known, some), clock)
            choice = best_together(task, tried, groups)
        branches = [one.fit(task, choice.scale / len(choice.members)) for one in choice.members]
        facts = {
            "images": len(some),
            "groups": len(np.unique(known.groups[some])),
            "folds": int(folds[0].max()) + 1,
            "repeats": len(folds),
            "seconds": round(time.monotonic() - began, 2),
            "budget": clock.limit,
            "not_tried": left,
            **facts_of_choice(choice, tried, task, groups),
        }
        design, weights = tuple(one for one, _ in branches), [own for _, own in branches]
        linear, held = tried[0].held, choice.held
        return Found(
            design, weights, facts, rightly(held, task), losses_of(held, task), groups,
            (rightly(linear, task), losses_of(linear, task)), some, task.targets.weights,
            held,
        )  # fmt: skip

    def _sets(self, features: np.ndarray, known: Known, some: np.ndarray) -> list[Features]:
        """The choices of levels, the last one first."""
        from transferkit.heads._branches import columns_of_levels
        from transferkit.heads._candidates import Features

        networks = networks_of(list(known.levels))
        choices = self._choices(networks[:1], "")
        if len(networks) > 1:
            # The first network's own too: what another one adds may be noise.
            for own in networks[1:]:
                # What the average of heads on several networks is made of.
                name = f" of {own[0].rpartition(':')[0]}"
                choices[f"last{name}"] = own[-1:]
                if self.features != "last":
                    choices[("all" if self.features == "all" else "levels") + name] = own
            choices |= self._choices(networks, " of both" if len(networks) == 2 else " of all networks")
        made: list[Features] = []
        for name, levels in choices.items():
            if list(levels) not in [list(one.levels) for one in made]:
                made.append(Features(name, levels, columns_of_levels(known.levels, levels), features, some))
        return made

    def _choices(self, networks: list[list[str]], title: str) -> dict[str, list[str]]:
        """Name and levels of each choice."""
        found = {f"last{title}": [own[-1] for own in networks]}
        if self.features == "all":
            found[f"levels{title}"] = [name for own in networks for name in upper_half(own)]
        if self.features != "last":
            every = [name for own in networks for name in own]
            found[("all" if self.features == "all" else "levels") + title] = every
        return found


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
