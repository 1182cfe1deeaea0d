"""An evaluation in a terminal's words: its headline, its classes from the worst on, what is confused."""

from __future__ import annotations

from transferkit.evaluation.confusions import confused_pairs
from transferkit.evaluation.evaluation import Evaluation

__all__ = ["class_rows", "confusion_rows", "headline", "weakest"]

CLASS_HEADER = ("class", "images", "recall", "precision", "F1")
CONFUSION_HEADER = ("true", "predicted", "images", "of the class")


def headline(found: Evaluation, split: str, confidence: float = 0.95) -> list[str]:
    """The main figure with its interval and what it was measured on, and the figures beside it.

    Args:
        found: the evaluation.
        split: of which images, ``""`` for all that were given.
        confidence: coverage of the intervals, 0 to 1.
    """
    several = found.kind == "multi"
    interval = found.interval("accuracy")
    between = f" ({100 * confidence:g} % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    rule = "all labels right" if several else "accuracy"
    count = f"{found.metrics['samples']} {split}".rstrip()
    what = "labels" if several else "classes"
    lines = [
        f"{rule} {found.metrics['accuracy']:.3f}{between} on {count} images, {len(found.classes)} {what}"
    ]
    named = {
        "hamming_accuracy": "label accuracy",
        "balanced_accuracy": "balanced accuracy",
        "f1_macro": "F1 macro",
        "log_loss": "log loss",
        "expected_calibration_error": "calibration error",
    }
    beside = [
        f"{words} {found.metrics[name]:.3f}"
        for name, words in named.items()
        if found.metrics.get(name) is not None
    ]
    return [*lines, ", ".join(beside)]


def class_rows(found: Evaluation) -> list[tuple[str, int, str, str, str]]:
    """A row a class as ``CLASS_HEADER`` has it, those found least often first; unseen ones last."""
    order = sorted(found.per_class, key=lambda row: (row.recall is None, row.recall or 0.0, row.name))
    return [
        (row.name, row.samples, _figure(row.recall), _figure(row.precision), _figure(row.f1)) for row in order
    ]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def confusion_rows(found: Evaluation, most: int = 5) -> list[tuple[str, str, int, str]]:
    """The most frequent confusions as ``CONFUSION_HEADER`` says; none where an image has several labels.

    Single images are left out where a class is taken for another more often than once.
    """
    if found.kind == "multi":
        return []
    pairs = confused_pairs(found.confusion, found.classes, most)
    several = [pair for pair in pairs if pair.count > 1]
    return [(pair.true, pair.said, pair.count, f"{pair.share:.0%}") for pair in several or pairs]


def weakest(found: Evaluation) -> str | None:
    """The class that is found least often, in a line; None where all are found, or nothing is known."""
    known = [row for row in found.per_class if row.recall is not None]
    worst = min(known, key=lambda row: (row.recall or 0.0, -row.samples), default=None)
    if worst is None or worst.recall == 1.0:
        return None
    right = round((worst.recall or 0.0) * worst.samples)
    line = f"{worst.name}: {right} of {worst.samples} found"
    if found.kind == "single":
        place = found.classes.index(worst.name)
        row = found.confusion[place].copy()
        row[place] = 0
        line += f", most often confused with {found.classes[int(row.argmax())]} ({int(row.max())})"
    return line
