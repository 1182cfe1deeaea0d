"""Whether the last stages of a backbone are worth training: told on folds of the training images."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from transferkit.heads import each_log_loss, fold_numbers, one_hot, shrunk_scale
from transferkit.recipe import Recipe, load
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best.answers import Answers, rightly_answered
from transferkit.runs.calibration.calibrate import logits_of
from transferkit.training.images import Images
from transferkit.training.loop import train
from transferkit.training.parts import open_parts
from transferkit.training.progress import Progress
from transferkit.training.training_job import TrainingJob
from transferkit.type_names import NamedValues

__all__ = ["FEWEST", "FOLDS", "Held", "Tuned", "fine_tune", "tuned_answers", "tuned_recipe", "tuned_values"]

FOLDS = 5
# The share of a fold's training images that choose the epoch and the temperature.
_VALIDATION = 10
# Images below which a fold has too few to train a stage and to choose an epoch.
FEWEST = 60
# What the recipe finetune_top says of training; the rest is the user's.
_KEYS = ("epochs", "freeze", "optimizer", "schedule", "early_stopping", "head", "phases")


class _LateError(Exception):
    """The time is up."""


@dataclass(frozen=True)
class Held:
    """Logits of images that a network was not fitted on.

    Attributes:
        names: of the images, as the ledger has them.
        logits: float64 ``[M, C]``, at the scale of probabilities.
        wanted: float64 ``[M, C]`` of 0 and 1.
    """

    names: tuple[str, ...]
    logits: np.ndarray
    wanted: np.ndarray


@dataclass(frozen=True)
class Tuned:
    """What a fine-tuned network answered of one fold that it never saw.

    Attributes:
        held: the fold's images.
        validated: the images that chose its epoch and the scale of its logits.
        seconds: that the fold took.
    """

    held: Held
    validated: Held
    seconds: float


def tuned_answers(found: Sequence[Tuned], before: Answers, several: bool) -> Answers:
    """What was answered of all folds, of the images that were judged before.

    Args:
        found: of each fold.
        before: says what images count and which belong together.
        several: an image may have any number of labels.
    """
    place = {name: number for number, name in enumerate(before.names)}
    names, right, losses = list[str](), [], []
    for one in (fold.held for fold in found):
        some = [number for number, name in enumerate(one.names) if name in place]
        names += [one.names[number] for number in some]
        logits, wanted = one.logits[some], one.wanted[some]
        losses.append(each_log_loss(logits, wanted, several))
        right.append(rightly_answered(logits, wanted, several))
    here = np.array([place[name] for name in names], np.int64)
    counted = before.counted[here]
    return Answers(
        tuple(names), np.concatenate(right), np.concatenate(losses) * counted, before.groups[here], counted
    )


def tuned_values(recipe: Recipe) -> NamedValues:
    """What makes a recipe fine-tune: the phases of ``finetune_top``, dotted key to value.

    Args:
        recipe: whose head says how many labels an image has.
    """
    said = load("finetune_top").values()
    values = {key: said[key] for key in _KEYS if key in said}
    if recipe.head.options.get("multi_label"):
        values["head"] = {**values["head"], "multi_label": True}
    # Held-out losses are those at a temperature that validation images chose; so the run has one.
    return {**values, "evaluation.calibrate": True}


def tuned_recipe(recipe: Recipe, backbone: str) -> Recipe:
    """The recipe that fine-tunes a backbone.

    Raises:
        UserError: the recipe does not let it, such as with networks that are joined.
    """
    return trial_recipe(recipe, [("backbone.name", backbone), *tuned_values(recipe).items()])


def fine_tune(recipe: Recipe, images: Images, deadline: float, progress: Progress) -> Iterator[Tuned]:
    """Fine-tunes without one fold after the other, as long as the time allows.

    Args:
        recipe: of :func:`tuned_recipe`.
        images: the training images, and no others.
        deadline: on :func:`time.monotonic`; what is not done by then is given up.
        progress: shows each fold.

    Raises:
        UserError: recipe, images and backbone do not go together.
    """
    wanted = one_hot(images.labels, len(images.classes))
    groups = images.groups_of(np.arange(len(images)))
    folds = fold_numbers(wanted, groups, FOLDS, recipe.seed)
    inner = fold_numbers(wanted, groups, _VALIDATION, recipe.seed + 1)
    for fold in range(int(folds.max()) + 1):
        parts = np.where(folds == fold, "test", np.where(inner == fold, "val", "train"))
        if not all((parts == name).any() for name in ("train", "val", "test")):
            continue
        rows = [replace(row, split=str(part)) for row, part in zip(images.rows, parts, strict=True)]
        with progress.stage("tuning", doing=f"fine-tuning without fold {fold + 1} of {FOLDS}"):
            try:
                tuned = _fold(recipe, replace(images, rows=tuple(rows)), deadline)
            except _LateError:
                return
        gc.collect()
        yield tuned


def _fold(recipe: Recipe, images: Images, deadline: float) -> Tuned:
    """Trains on what is train and val, and answers what is test."""
    began = time.monotonic()

    def tell(*_: Any) -> None:
        if time.monotonic() > deadline:
            raise _LateError

    with TemporaryDirectory() as folder:
        parts = open_parts(recipe, images.classes)
        job = TrainingJob(recipe, images, parts, lambda *_: Path(folder), Progress(quiet=True), tell)
        fitted = train(job)
        images = fitted.trained.images
        answers = []
        for split in ("val", "test"):
            chosen = images.of_split(split)
            batches = fitted.cut_features.in_order(chosen, images.labels[chosen])
            logits = logits_of(fitted.network, batches).astype(np.float64)
            answers.append((chosen, logits, one_hot(images.labels[chosen], len(images.classes))))
    _, logits, wanted = answers[0]
    scale = shrunk_scale(logits, wanted, images.multi_label)
    validated, held = (
        Held(tuple(images.rows[index].name for index in chosen), scale * logits, wanted)
        for chosen, logits, wanted in answers
    )
    return Tuned(held, validated, time.monotonic() - began)
