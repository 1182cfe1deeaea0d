"""The report's first sentences: is the model good, and what should be done about it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from transferkit.errors import GateError
from transferkit.evaluation import Evaluation, gates
from transferkit.report.facts import ReportFacts
from transferkit.report.rendering import counted, listed

__all__ = ["Verdict", "baseline", "doubtful_classes", "names_of", "verdict", "worst_mistakes"]

Level = Literal["good", "fair", "poor", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """One sentence on the whole, and the remarks that a careful colleague would make.

    Attributes:
        leak: what comes before all else: evaluated images that the training saw.
    """

    level: Level
    sentence: str
    remarks: tuple[str, ...]
    leak: str | None = None


def verdict(facts: ReportFacts) -> Verdict | None:
    """Judges a run, or gives None where nothing was evaluated.

    With gates they decide. Without, the model is measured by what answering the most frequent class always
    would have reached: it is good where it makes less than a third of those mistakes.
    """
    found = facts.evaluation
    if found is None:
        return None
    accuracy = found.metrics["accuracy"]
    base = baseline(found)
    leak = _leak(facts, found)
    level, reasons = _judge(facts, accuracy if leak is None else leak.accuracy_of_others, base)
    sentence = f"{accuracy:.1%} of {found.metrics['samples']} {facts.split} images are answered right"
    if found.kind == "multi":
        sentence += " in every label"
    if facts.chose:
        sentence += f" (the {facts.split} images also chose {listed(facts.chose)})"
    if interval := found.interval("accuracy"):
        sentence += f" (95% interval {interval[0]:.1%} to {interval[1]:.1%})"
    sentence += f"; always giving the most frequent answer would reach {base:.1%}."
    if found.kind == "multi":
        sentence += f" Label by label, {found.metrics['hamming_accuracy']:.1%} of the decisions are right."
    remarks = (*reasons, *_remarks(facts, found))
    return Verdict(level, sentence, remarks, leak.sentence if leak is not None else None)


@dataclass(frozen=True)
class _Leak:
    sentence: str
    accuracy_of_others: float | None


def _leak(facts: ReportFacts, found: Evaluation) -> _Leak | None:
    """What evaluated images that were trained on leave of the figures."""
    if facts.copied is None or not facts.copied.any():
        return None
    copies, images = int(facts.copied.sum()), len(facts.copied)
    seen = "training" if facts.split == "validation" else "training or validation"
    sentence = f"{copies} of {images} {facts.split} images are copies of {seen} images"
    others = found.correct[~facts.copied]
    if not len(others):
        return _Leak(f"{sentence}: the figures below say nothing about new images.", None)
    accuracy = float(others.mean())
    return _Leak(f"{sentence}; {accuracy:.1%} of the {len(others)} others are answered right.", accuracy)


def worst_mistakes(evaluation: Evaluation, most: int = 24) -> list[int]:
    """Rows of the evaluation that are wrong, the surest mistakes first."""
    wrong = np.flatnonzero(~evaluation.correct)
    given = evaluation.probabilities
    if evaluation.kind == "single":
        rows = np.arange(len(given))
        doubt = given[rows, evaluation.labels] - given.max(axis=1)
    else:
        # The most wrong single decision of each image; thresholds decide which are wrong.
        off = np.abs(given - evaluation.labels)
        doubt = -np.where(evaluation.predicted != evaluation.labels, off, 0).max(axis=1)
    return sorted(wrong.tolist(), key=lambda row: (doubt[row], row))[:most]


def doubtful_classes(evaluation: Evaluation, rows: Sequence[int]) -> np.ndarray:
    """The class that each wrong image's answer is to be asked about, int64 ``[len(rows)]``.

    It is the class that was answered, or with several labels the one whose decision is furthest off.
    """
    chosen = np.asarray(rows, np.int64)
    if evaluation.kind == "single":
        return evaluation.predicted[chosen].astype(np.int64)
    off = np.abs(evaluation.probabilities[chosen] - evaluation.labels[chosen])
    wrong = evaluation.predicted[chosen] != evaluation.labels[chosen]
    result: np.ndarray = np.where(wrong, off, -1.0).argmax(axis=1).astype(np.int64)
    return result


def names_of(evaluation: Evaluation, answer: Any) -> str:
    """A truth or an answer in words: a class (its number), or the labels that are marked (bool ``[C]``)."""
    if evaluation.kind == "single":
        return evaluation.classes[int(answer)]
    return ", ".join(name for name, on in zip(evaluation.classes, answer, strict=True) if on) or "none"


def baseline(found: Evaluation) -> float:
    """What always giving the most frequent answer reaches, 0 to 1."""
    if found.kind == "single":
        return float(np.bincount(found.labels).max() / len(found.labels))
    _, counts = np.unique(found.labels, axis=0, return_counts=True)
    return float(counts.max() / len(found.labels))


def _judge(facts: ReportFacts, accuracy: float | None, base: float) -> tuple[Level, list[str]]:
    """The level and its reasons; ``accuracy`` is that on images that the training did not see, if any."""
    if accuracy is None:
        return "unknown", ["Take the copies out of one of the splits, and train again."]
    if facts.gates and facts.evaluation is not None:
        try:
            gates.check(facts.evaluation, facts.gates)
        except GateError as error:
            return "poor", list(error.faults)
        demands = ", ".join(f"{gate.name} {gate.bound:g}" for gate in facts.gates)
        return "good", [f"All gates are met: {demands}."]
    if accuracy <= base:
        return "poor", ["The model is no better than the most frequent answer: it has learned nothing."]
    kept = (1 - accuracy) / (1 - base) if base < 1 else 1.0
    return ("good" if kept < 1 / 3 else "fair"), []


def _remarks(facts: ReportFacts, found: Evaluation) -> list[str]:
    remarks = [*facts.plan.discarded] if facts.plan is not None else []
    interval = found.interval("accuracy")
    if interval and interval[1] - interval[0] > 0.1:
        remarks.append(
            f"{found.metrics['samples']} images leave an interval of "
            f"{100 * (interval[1] - interval[0]):.0f} points: smaller differences need more images to be "
            "measured."
        )
    known = [row for row in found.per_class if row.recall is not None]
    if known:
        worst = min(known, key=lambda row: row.recall or 0.0)
        typical = float(np.median([row.recall for row in known if row.recall is not None]))
        if typical - (worst.recall or 0.0) > 0.15:
            remarks.append(
                f"The weakest class is {worst.name}: {worst.recall:.0%} of its {worst.samples} images are "
                f"found, compared with {typical:.0%} for the median class."
            )
    unseen = [row.name for row in found.per_class if not row.samples]
    if unseen:
        remarks.append(f"No {facts.split} image of {_few(unseen)}: nothing is known about these classes.")
    error = found.metrics["expected_calibration_error"]
    if error > 0.1 and facts.temperature is None:
        stated = float(np.mean(found.probabilities.max(axis=1)))
        side = "overconfident" if stated > found.metrics["accuracy"] else "underconfident"
        if found.kind == "single":
            remarks.append(
                f"Probabilities are off by {error:.0%} on average ({side}): evaluation.calibrate fixes that."
            )
    remarks += _overfitting(facts)
    if facts.data is not None:
        if facts.data.quarantined:
            remarks.append(
                f"{counted(len(facts.data.quarantined), 'file')} could not be used; the list is below."
            )
        remarks += facts.data.warnings
    if facts.export is not None:
        remarks += [
            f"{row.artefact} does not answer as the evaluated model does."
            for row in facts.export.parity
            if not row.passed
        ]
    return remarks


def _overfitting(facts: ReportFacts) -> list[str]:
    """A remark where validation loss has long turned up while training loss fell on."""
    losses = [row["val_loss"] for row in facts.history if row.get("val_loss") is not None]
    if len(losses) < 4 or losses[-1] <= 1.2 * min(losses):
        return []
    best = int(np.argmin(losses)) + 1
    return [
        f"Validation loss was lowest at point {best} of {len(losses)} and rose by "
        f"{losses[-1] / min(losses) - 1:.0%} after it: training went on for too long."
    ]


def _few(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
