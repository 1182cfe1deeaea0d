"""Answers of networks that were never trained, for what decides between them."""

from __future__ import annotations

import dataclasses

import numpy as np

from transferkit.runs.best.answers import Answers
from transferkit.runs.best.fine_tune import Held, Tuned
from transferkit.runs.best.judge import Judged

COUNT = 400
NAMES = tuple(f"{number:03d}.jpg" for number in range(COUNT))
NOISE = np.random.default_rng(0).normal(size=(6, COUNT))


def judged(level, number=0, computed=0, seconds=0.0):
    """What is judged to have this log loss, with noise of its own for each image."""
    losses = level + 0.2 * NOISE[number]
    right = (np.arange(COUNT) < (1 - level) * COUNT).astype(float)
    candidate = {"kind": "logistic", "features": "last", "accuracy": 0.5, "accuracy_low": 0.4,
                 "accuracy_high": 0.6, "log_loss": 0.7}  # fmt: skip
    facts = {"accuracy": right.mean(), "accuracy_low": 0.0, "accuracy_high": 1.0, "log_loss": level,
             "members": ["ridge regression, all"], "candidates": [candidate]}  # fmt: skip
    groups, ones = np.arange(COUNT), np.ones(COUNT)
    answers = Answers(NAMES, right, losses, groups, ones)
    linear = Answers(NAMES, right, losses + 0.1, groups, ones)
    return Judged(facts, answers, linear, logits(right, 0.75)[None], seconds, computed, 1.0, 1.0)


def logits(right, sure):
    """Of two classes, the first being true: this probability for it where it is right, else for the other."""
    shares = np.where(right > 0, sure, 1 - sure)
    return np.stack([np.log(shares), np.log(1 - shares)], axis=1)


def tuned(sure, number, right, seconds=1.0):
    """A fold's answers with about this probability, and some of another fold as validation images."""
    wanted = np.tile([1.0, 0.0], (COUNT, 1))

    def held(chosen):
        names = tuple(NAMES[place] for place in chosen)
        noisy = np.clip(sure + 0.01 * NOISE[number, chosen], 0.01, 0.99)
        return Held(names, logits(right[chosen], noisy), wanted[chosen])

    return Tuned(held(np.arange(number, COUNT, 5)), held(np.arange((number + 1) % 5, COUNT, 5)), seconds)


@dataclasses.dataclass(frozen=True)
class Row:
    sha256: str
    name: str
    split: str


class Photos:
    multi_label = False

    def __init__(self, changed=None):
        self.rows = tuple(Row(f"{number:064x}", name, "train") for number, name in enumerate(NAMES))
        if changed is not None:
            self.rows = (dataclasses.replace(self.rows[0], **changed), *self.rows[1:])

    def __len__(self):
        return COUNT
