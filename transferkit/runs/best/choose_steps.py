"""Chooses backbone, mirror images, crops, views, joined backbones, fine-tuning, an average.

Each step is judged as ``auto`` judges heads: by the log loss of held-out images, on folds that copies and
groups do not straddle. A step is kept where it lowers the loss of the same images by more than noise does.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from transferkit.errors import UserError
from transferkit.find_card import card_of
from transferkit.recipe import Recipe
from transferkit.recipe.averaging import average_table
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best.answers import Answers, compare
from transferkit.runs.best.average import average_answers
from transferkit.runs.best.choice import NO_TIME, Choice
from transferkit.runs.best.fine_tune import (
    FEWEST,
    Tuned,
    fine_tune,
    tuned_answers,
    tuned_recipe,
    tuned_values,
)
from transferkit.runs.best.staircase import Staircase, Step
from transferkit.training.images import Images
from transferkit.training.progress import Progress
from transferkit.type_names import NamedValues

__all__ = ["choose_steps"]

# Crops that features are averaged over.
_CROPS = 5
# Augmented copies of each training image, and how they differ where the recipe does not say it.
_VIEWS = 3
_AUGMENTATION = {"flip": True, "crop": {"least": 0.6}}
# Times that images take to pass a backbone in which it is fine-tuned on them, at the least.
_TUNING_PASSES = 10
# What training on all images takes, beside a fold of them: the run that follows is to be near the budget too.
_WHOLE = 1.4


def choose_steps(recipe: Recipe, images: Images, progress: Progress, folder: Path | None = None) -> Staircase:
    """The steps and what they lead to.

    Args:
        recipe: with its section ``[best]``.
        images: the training images, and no others.
        progress: shows each step.
        folder: where decisions are kept, so that a process that was killed is taken up; None to keep none.

    Raises:
        UserError: the recipe's backbone cannot be used.
    """
    choice = Choice(recipe, images, progress, folder)
    wanted = choice.best.steps
    first, *others = _backbones(choice)
    choice.begin(first)
    if "backbones" in wanted:
        for name in others:
            choice.step(f"{name} instead", {"backbone.name": name})
    if "mirror" in wanted:
        choice.step("mirror images", {"backbone.mirror": True})
    if "crops" in wanted:
        choice.step(f"{_CROPS} crops", {"backbone.crops": _CROPS}, passes=_CROPS)
    if "views" in wanted and recipe.activations.views == 1:
        own = dict(recipe.augmentation.options) or _AUGMENTATION
        values = {"activations.views": _VIEWS, "augmentation": own}
        choice.step(f"{_VIEWS} augmented views", values, passes=_VIEWS)
    if "join" in wanted:
        second = choice.second() or next(iter(others), None)
        if second is not None:
            choice.step(f"{second} beside", {"backbone.join": [second]})
    if "finetune" in wanted:
        _fine_tuning(choice)
    return choice.staircase()


def _backbones(choice: Choice) -> list[str]:
    """Those to choose from, the recipe's first; a line for each that is not on this machine."""
    from transferkit.backbones.weights.pretrained import at_hand

    section = choice.recipe.backbone
    if section.options or section.weights != "imagenet":
        return [section.name]  # what is said of this one does not hold for another
    kept = at_hand()
    for name in choice.best.backbones:
        if name not in kept and name != section.name:
            choice.add(Step(f"{name} instead", note="its weights are not on this machine"))
    wanted = [name for name in choice.best.backbones or kept if name in kept]
    return list(dict.fromkeys([section.name, *wanted]))


def _fine_tuning(choice: Choice) -> None:
    """The last stages of the backbone trained with a linear head: in the place of what is kept, or averaged
    with it."""
    backbone, averages = choice.backbone, "average" in choice.best.steps
    name, mean = f"fine-tuning {backbone}", f"the average of fine-tuned {backbone} and the best head"
    if choice.is_done(name):
        return
    count = len(np.unique(choice.kept.answers.groups))
    if count < FEWEST:
        choice.add(Step(name, note=f"{count} different training images, expected at least {FEWEST}"))
        return
    if not _has_layers(backbone):
        choice.add(Step(name, note="its layers are not visible"))
        return
    if not choice.has_time(_TUNING_PASSES * choice.seconds_of(backbone)):
        choice.add(Step(name, note=NO_TIME))
        return
    began, recipe = time.monotonic(), choice.recipe
    try:
        found = _folds(choice, tuned_recipe(recipe, backbone), averages)
    except UserError as refused:
        choice.add(Step(name, note=refused.faults[0]))
        return
    if not found:
        choice.add(Step(name, note=NO_TIME))
        return
    alone, both = _answers(choice, found, averages)
    tuned: NamedValues = {"backbone.name": backbone, **tuned_values(recipe)}
    head = trial_recipe(recipe, list(choice.values.items()))
    seconds = time.monotonic() - began
    steps = [(name, alone, seconds, tuned)]
    if both is not None:
        own = {key: value for key, value in tuned.items() if key != "evaluation.calibrate"}
        steps.append((mean, both[0], 0.0, {**own, "average": average_table(head, both[1])}))
    choice.settle(*steps)


def _has_layers(name: str) -> bool:
    """Whether a backbone has stages to train, and is no network that is only called."""
    try:
        card = card_of(name)
    except UserError:
        return True  # whoever opens it says what is wrong
    handle = name if card is None else card.handle
    return handle is None or handle.partition(":")[0] not in ("saved_model", "hub")


def _folds(choice: Choice, recipe: Recipe, averages: bool) -> list[Tuned]:
    """Fine-tuned networks' answers, fold by fold, until it is known that neither they nor an average pay."""
    found: list[Tuned] = []
    for tuned in fine_tune(recipe, choice.images, choice.deadline, choice.progress):
        found.append(tuned)
        alone, both = _answers(choice, found, averages)
        # One fold can show that it is worse; to show that it is better takes all there is time for.
        hopeless = compare(choice.standing, alone).worse
        if both is not None:
            hopeless = hopeless and compare(choice.standing, both[0]).gain <= 0
        if hopeless or not choice.has_time((1 + _WHOLE) * tuned.seconds):
            break
    return found


def _answers(
    choice: Choice, found: list[Tuned], averages: bool
) -> tuple[Answers, tuple[Answers, float] | None]:
    """What the fine-tuned networks answer, and what their average with the head does, with its scale."""
    several, kept = choice.images.multi_label, choice.kept
    both = average_answers(kept, found, several) if averages else None
    return tuned_answers(found, kept.answers, several), both
