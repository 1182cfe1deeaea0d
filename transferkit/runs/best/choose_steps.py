"""Chooses backbone, mirror images and a second backbone on the training images alone.

Each step is judged as ``auto`` judges heads: by the log loss of held-out images, on folds that copies and
groups do not straddle. A step is kept where it lowers the loss of the same images by more than noise does.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np

from transferkit.errors import UserError
from transferkit.recipe import Recipe
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best.judge import Judged, judge
from transferkit.runs.best.staircase import Staircase, Step
from transferkit.training.images import Images
from transferkit.training.progress import Progress

__all__ = ["choose_steps"]

# Standard errors by which a step must lower the log loss: by chance one of twenty does.
_BEYOND_NOISE = 1.64
# The share of the budget that a step may be begun in.
_SHARE = 0.85


def choose_steps(recipe: Recipe, images: Images, progress: Progress) -> Staircase:
    """The steps and what they lead to.

    Args:
        recipe: with its section ``[best]``.
        images: the training images, and no others.
        progress: shows each step.

    Raises:
        UserError: the recipe's backbone cannot be used.
    """
    assert recipe.best is not None  # noqa: S101 -- for the type checker: the caller looked
    choice, wanted = _Choice(recipe, images, progress), recipe.best.steps
    first, *others = choice.backbones()
    choice.begin(first)
    if "backbones" in wanted:
        for name in others:
            choice.step(f"{name} instead", {"backbone.name": name})
    if "mirror" in wanted:
        choice.step("mirror images", {"backbone.mirror": True})
    if "join" in wanted:
        second = choice.second() or next(iter(others), None)
        if second is not None:
            choice.step(f"{second} beside", {"backbone.join": [second]})
    return choice.staircase()


class _Choice:
    """A choice under way."""

    def __init__(self, recipe: Recipe, images: Images, progress: Progress) -> None:
        assert recipe.best is not None  # noqa: S101 -- for the type checker
        self._recipe, self._images, self._progress = recipe, images, progress
        self._best = recipe.best
        self._began = time.monotonic()
        self._values: dict[str, Any] = {}
        self._steps: list[Step] = []
        self._loss_of: dict[str, float] = {}
        self._kept: Judged | None = None

    def backbones(self) -> list[str]:
        """Those to choose from, the recipe's first; a line for each that is not on this machine."""
        from transferkit.backbones.weights.pretrained import at_hand

        section = self._recipe.backbone
        if section.options or section.weights != "imagenet":
            return [section.name]  # what is said of this one does not hold for another
        kept = at_hand()
        for name in self._best.backbones:
            if name not in kept and name != section.name:
                self._add(Step(f"{name} instead", note="its weights are not on this machine"))
        wanted = [name for name in self._best.backbones or kept if name in kept]
        return list(dict.fromkeys([section.name, *wanted]))

    def begin(self, name: str) -> None:
        """Judges the recipe's own backbone: its linear head, and the best head."""
        judged = self._judged({})
        self._loss_of[name] = judged.facts["log_loss"]
        self._add(Step(f"linear head on {name}", *_linear_figures(judged), kept=True))
        gain, error = _compared(judged.linear[1], judged.losses, judged.groups)
        chosen = judged.facts["members"] != ["logistic regression, last"]
        self._add(Step("the best head", *_figures(judged), gain, error, chosen, judged.seconds))
        self._kept = judged

    def step(self, name: str, values: dict[str, Any]) -> None:
        """Judges the recipe with these values beside those that are kept, and keeps them where it pays."""
        assert self._kept is not None  # noqa: S101 -- begin() came first
        # Another pass takes about as long as the one before it; a network that passed is kept.
        passed = all(one in self._loss_of for one in values.get("backbone.join", [""]))
        needed = self._kept.pass_seconds if self._kept.computed and not passed else 0.0
        if time.monotonic() - self._began + needed > _SHARE * self._best.budget:
            self._add(Step(name, note="there was no time for it; raise best.budget"))
            return
        try:
            judged = self._judged(values)
        except UserError as refused:
            self._add(Step(name, note=refused.faults[0]))
            return
        if "backbone.name" in values:
            self._loss_of[values["backbone.name"]] = judged.facts["log_loss"]
        gain, error = _compared(self._kept.losses, judged.losses, judged.groups)
        kept = bool(gain > _BEYOND_NOISE * error and judged.right.mean() >= self._kept.right.mean())
        self._add(Step(name, *_figures(judged), gain, error, kept, judged.seconds))
        if kept:
            self._kept = judged
            self._values.update(values)

    def second(self) -> str | None:
        """The backbone with the lowest log loss but for the one that is kept."""
        kept = self._values.get("backbone.name", self._recipe.backbone.name)
        others = {name: loss for name, loss in self._loss_of.items() if name != kept}
        return min(others, key=lambda name: others[name]) if others else None

    def staircase(self) -> Staircase:
        """All of it."""
        assert self._kept is not None  # noqa: S101 -- begin() came first
        return Staircase(self._steps, self._values, len(self._kept.right))

    def _judged(self, values: dict[str, Any]) -> Judged:
        recipe = trial_recipe(self._recipe, list({**self._values, **values}.items()))
        left = self._best.budget - (time.monotonic() - self._began)
        judged = judge(recipe, self._images, self._progress, max(5.0, left / 3))
        gc.collect()
        return judged

    def _add(self, step: Step) -> None:
        self._steps.append(step)
        self._progress.say(f"best: {step.describe()}")


def _figures(judged: Judged) -> tuple[float, float, float, float]:
    """Accuracy with its interval, and log loss."""
    facts = judged.facts
    return facts["accuracy"], facts["accuracy_low"], facts["accuracy_high"], facts["log_loss"]


def _linear_figures(judged: Judged) -> tuple[float, float, float, float]:
    """The same of the linear head on the backbone's last features."""
    linear = next(
        one for one in judged.facts["candidates"] if one["kind"] == "logistic" and one["features"] == "last"
    )
    return linear["accuracy"], linear["accuracy_low"], linear["accuracy_high"], linear["log_loss"]


def _compared(before: np.ndarray, after: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """By how much the loss of the same images fell on average, and the standard error of that.

    Images of a group count as one draw.
    """
    if before.shape != after.shape:
        return 0.0, 0.0
    gain = before - after
    sums = np.bincount(groups, gain - gain.mean())
    return float(gain.mean()), float(np.sqrt(np.sum(np.square(sums)))) / len(gain)
