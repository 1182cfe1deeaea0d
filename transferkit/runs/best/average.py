"""What the mean of two networks' logits answers of images that neither of them saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferkit.heads import each_log_loss, shrunk_scale
from transferkit.runs.best.answers import Answers, rightly_answered
from transferkit.runs.best.fine_tune import Held, Tuned
from transferkit.runs.best.judge import Judged

__all__ = ["average_answers"]


def average_answers(judged: Judged, tuned: Sequence[Tuned], several: bool) -> tuple[Answers, float]:
    """The mean of a head's logits and a fine-tuned network's, each at its own scale.

    Args:
        judged: the head, with the logits of images that were held out.
        tuned: the fine-tuned network, fold by fold.
        several: an image may have any number of labels.

    Returns:
        What it answers, and what the mean is multiplied by for it, by the images that chose the fine-tuned
        networks' epochs.
    """
    place = {name: number for number, name in enumerate(judged.answers.names)}
    scale = _scale([_means(judged, place, fold.validated) for fold in tuned], several)
    names, right, losses = list[str](), [], []
    for fold in tuned:
        shared, means, targets = _means(judged, place, fold.held)
        names += shared
        losses.append(np.mean([each_log_loss(scale * one, targets, several) for one in means], axis=0))
        right.append(np.mean([rightly_answered(one, targets, several) for one in means], axis=0))
    here = np.array([place[name] for name in names], np.int64)
    groups, counted = judged.answers.groups[here], judged.answers.counted[here]
    answers = Answers(tuple(names), np.concatenate(right), np.concatenate(losses) * counted, groups, counted)
    return answers, scale


def _scale(found: Sequence[tuple[list[str], list[np.ndarray], np.ndarray]], several: bool) -> float:
    """Of all folds together, each way to leave out by itself: their mean would flatter every one of them."""
    logits = [one for _, means, _ in found for one in means]
    targets = [wanted for _, means, wanted in found for _ in means]
    ways = max(len(means) for _, means, _ in found)
    return shrunk_scale(np.concatenate(logits), np.concatenate(targets), several, ways)


def _means(
    judged: Judged, place: dict[str, int], held: Held
) -> tuple[list[str], list[np.ndarray], np.ndarray]:
    """Of the images that both answered: names, the mean of logits for each way to leave out, and targets."""
    some = [number for number, name in enumerate(held.names) if name in place]
    names = [held.names[number] for number in some]
    here = np.array([place[name] for name in names], np.int64)
    return names, [(way[here] + held.logits[some]) / 2 for way in judged.held], held.wanted[some]
