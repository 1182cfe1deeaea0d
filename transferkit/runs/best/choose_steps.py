"""Chooses backbone, mirror images, views, a second backbone and fine-tuning on the training images alone.

Each step is judged as ``auto`` judges heads: by the log loss of held-out images, on folds that copies and
groups do not straddle. A step is kept where it lowers the loss of the same images by more than noise does.
"""

from __future__ import annotations

import gc
import time

import numpy as np

from transferkit.errors import UserError
from transferkit.heads import mean_and_error, share_interval
from transferkit.recipe import Recipe
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best.fine_tune import FEWEST, Tuned, fine_tune, tuned_recipe, tuned_values
from transferkit.runs.best.judge import Judged, judge
from transferkit.runs.best.staircase import Staircase, Step
from transferkit.training.images import Images
from transferkit.training.progress import Progress
from transferkit.type_names import NamedValues

__all__ = ["choose_steps"]

# Standard errors by which a step must lower the log loss: by chance one of twenty does.
_BEYOND_NOISE = 1.64
# The share of the budget that a step may be begun in.
_SHARE = 0.85
# Augmented copies of each training image, and how they differ where the recipe does not say it.
_VIEWS = 3
_AUGMENTATION = {"flip": True, "crop": {"least": 0.6}}
# Times that images take to pass a backbone in which it is fine-tuned on them, at the least.
_TUNING_PASSES = 10
_NO_TIME = "there was no time for it; raise best.budget"


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
    if "views" in wanted:
        choice.views()
    if "join" in wanted:
        second = choice.second() or next(iter(others), None)
        if second is not None:
            choice.step(f"{second} beside", {"backbone.join": [second]})
    if "finetune" in wanted:
        choice.fine_tuning()
    return choice.staircase()


class _Choice:
    """A choice under way."""

    def __init__(self, recipe: Recipe, images: Images, progress: Progress) -> None:
        assert recipe.best is not None  # noqa: S101 -- for the type checker
        self._recipe, self._images, self._progress = recipe, images, progress
        self._best = recipe.best
        self._began = time.monotonic()
        self._values: NamedValues = {}
        self._steps: list[Step] = []
        self._loss_of: dict[str, float] = {}
        self._seconds_of: dict[str, float] = {}
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
        self._note(name, judged)
        self._add(Step(f"linear head on {name}", *_linear_figures(judged), kept=True))
        gain, error = mean_and_error(judged.linear[1] - judged.losses, judged.groups)
        chosen = judged.facts["members"] != ["logistic regression, last"]
        self._add(Step("the best head", *_figures(judged), gain, error, chosen, judged.seconds))
        self._kept = judged

    def step(self, name: str, values: NamedValues, passes: int = 1) -> None:
        """Judges the recipe with these values beside those that are kept, and keeps them where it pays.

        Args:
            name: for people.
            values: dotted key to value.
            passes: of all images that they take.
        """
        assert self._kept is not None  # noqa: S101 -- begin() came first
        # Another pass takes about as long as the one before it; a network that passed is kept.
        passed = all(one in self._loss_of for one in values.get("backbone.join", [""]))
        needed = passes * self._kept.pass_seconds if self._kept.computed and not passed else 0.0
        if not self._has_time(needed):
            self._add(Step(name, note=_NO_TIME))
            return
        try:
            judged = self._judged(values)
        except UserError as refused:
            self._add(Step(name, note=refused.faults[0]))
            return
        if "backbone.name" in values:
            self._note(values["backbone.name"], judged)
        before, after = _shared(self._kept.names, judged.names)
        gain, error = mean_and_error(
            self._kept.losses[before] - judged.losses[after], self._kept.groups[before]
        )
        right = judged.right[after].mean() >= self._kept.right[before].mean()
        kept = bool(gain > _BEYOND_NOISE * error and right)
        self._add(Step(name, *_figures(judged), gain, error, kept, judged.seconds))
        if kept:
            self._kept = judged
            self._values.update(values)

    def views(self) -> None:
        """Augmented copies of the training images beside them, where the recipe has none yet."""
        if self._recipe.activations.views > 1:
            return
        own = dict(self._recipe.augmentation.options) or _AUGMENTATION
        values = {"activations.views": _VIEWS, "augmentation": own}
        self.step(f"{_VIEWS} augmented views", values, passes=_VIEWS)

    def second(self) -> str | None:
        """The backbone with the lowest log loss but for the one that is kept."""
        kept = self._backbone
        others = {name: loss for name, loss in self._loss_of.items() if name != kept}
        return min(others, key=lambda name: others[name]) if others else None

    def fine_tuning(self) -> None:
        """The last stages of the backbone trained with a linear head, beside what is kept of the rest."""
        assert self._kept is not None  # noqa: S101 -- begin() came first
        name = f"fine-tuning {self._backbone}"
        count = len(np.unique(self._kept.groups))
        if count < FEWEST:
            self._add(Step(name, note=f"{count} different training images, expected at least {FEWEST}"))
            return
        if not self._has_time(_TUNING_PASSES * self._seconds_of.get(self._backbone, 0.0)):
            self._add(Step(name, note=_NO_TIME))
            return
        began, found = time.monotonic(), list[Tuned]()
        try:
            recipe = tuned_recipe(self._recipe, self._backbone)
            for tuned in fine_tune(recipe, self._images, self._began + self._best.budget, self._progress):
                found.append(tuned)
                gain, error = self._against(found)
                # One fold can show that it is worse; to show that it is better takes all there is time for.
                if gain < -_BEYOND_NOISE * error or not self._has_time(tuned.seconds):
                    break
        except UserError as refused:
            self._add(Step(name, note=refused.faults[0]))
            return
        if not found:
            self._add(Step(name, note=_NO_TIME))
            return
        gain, error = self._against(found)
        before, after = _shared(self._kept.names, _names(found))
        right = np.concatenate([one.right for one in found])[after].mean()
        kept = bool(gain > _BEYOND_NOISE * error and right >= self._kept.right[before].mean())
        low, high = share_interval(float(right), len(np.unique(self._kept.groups[before])))
        loss = float(self._kept.losses[before].mean() - gain)
        seconds = time.monotonic() - began
        self._add(Step(name, float(right), low, high, loss, gain, error, kept, seconds))
        if kept:
            self._values = {"backbone.name": self._backbone, **tuned_values(self._recipe)}

    def _against(self, found: list[Tuned]) -> tuple[float, float]:
        """By how much fine-tuning lowers the log loss of the folds' images, and the standard error."""
        assert self._kept is not None  # noqa: S101 -- begin() came first
        before, after = _shared(self._kept.names, _names(found))
        losses = np.concatenate([one.losses for one in found])[after] * self._kept.counted[before]
        groups = np.unique(self._kept.groups[before], return_inverse=True)[1]
        return mean_and_error(self._kept.losses[before] - losses, groups)

    def staircase(self) -> Staircase:
        """All of it."""
        assert self._kept is not None  # noqa: S101 -- begin() came first
        found = Staircase(self._steps, self._values, len(self._kept.right))
        self._progress.say(f"best: {found.sentence}")
        return found

    @property
    def _backbone(self) -> str:
        return str(self._values.get("backbone.name", self._recipe.backbone.name))

    def _has_time(self, seconds: float) -> bool:
        return time.monotonic() - self._began + seconds <= _SHARE * self._best.budget

    def _note(self, name: str, judged: Judged) -> None:
        """What is known of a backbone by itself."""
        self._loss_of[name] = judged.facts["log_loss"]
        if judged.computed:
            self._seconds_of[name] = judged.pass_seconds

    def _judged(self, values: NamedValues) -> Judged:
        recipe = trial_recipe(self._recipe, list({**self._values, **values}.items()))
        left = self._best.budget - (time.monotonic() - self._began)
        judged = judge(recipe, self._images, self._progress, max(5.0, left / 3))
        gc.collect()
        return judged

    def _add(self, step: Step) -> None:
        self._steps.append(step)
        self._progress.say(f"best: {step.describe()}")


def _shared(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where the images stand that were judged both times, int64 ``[K]`` each."""
    _, first, second = np.intersect1d(before, after, return_indices=True)
    return first, second


def _names(found: list[Tuned]) -> tuple[str, ...]:
    return tuple(name for one in found for name in one.names)


def _figures(judged: Judged) -> tuple[float, float, float, float]:
    """Accuracy with its interval, and log loss."""
    share = float(judged.right.mean())
    return share, *share_interval(share, len(np.unique(judged.groups))), float(judged.losses.mean())


def _linear_figures(judged: Judged) -> tuple[float, float, float, float]:
    """The same of the linear head on the backbone's last features."""
    right, losses = judged.linear
    share = float(right.mean())
    return share, *share_interval(share, len(np.unique(judged.groups))), float(losses.mean())
