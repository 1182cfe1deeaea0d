"""The figures that an evaluation of the validation images gives, by the names that a recipe may use.

The evaluation itself is made of arrays, further up; here are the names alone, so that a recipe that asks for
a figure that nothing computes is refused before anything runs. A test holds both to each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from transferkit.errors import did_you_mean

__all__ = ["STEERING", "class_of", "less_is_better", "metric_fault", "metric_names"]

# What every evaluation during training has anyway; all others are made from the predictions.
STEERING = ("loss", "accuracy")
_BOTH = (
    "average_precision_macro", "brier", "expected_calibration_error", "f1_macro", "f1_weighted", "log_loss",
    "precision_macro", "precision_weighted", "recall_macro", "recall_weighted", "roc_auc_macro",
)  # fmt: skip
_SINGLE = ("balanced_accuracy", "kappa")
_MULTI = (
    "f1_micro", "f1_samples", "hamming_accuracy", "precision_micro", "precision_samples", "recall_micro",
    "recall_samples",
)  # fmt: skip
_OF_A_CLASS = ("average_precision", "f1", "precision", "recall", "roc_auc")
_LESS_IS_BETTER = ("loss", "error", "brier")
_TOP = re.compile(r"top_(\d{1,6})_accuracy")


def metric_names(multi_label: bool = False) -> list[str]:
    """All names without a number or a class in them, sorted."""
    return sorted({*STEERING, *_BOTH, *(_MULTI if multi_label else _SINGLE)})


def less_is_better(metric: str) -> bool:
    """Whether a metric is better when it is smaller: losses, errors and the Brier score.

    >>> less_is_better("log_loss"), less_is_better("recall_macro"), less_is_better("recall.loss")
    (True, False, False)
    """
    return "." not in metric and metric.endswith(_LESS_IS_BETTER)


def class_of(metric: str) -> str | None:
    """The class of a figure of one class, such as ``recall.roses``; None for a figure of the whole."""
    figure, dot, name = metric.partition(".")
    return name if dot and figure in _OF_A_CLASS else None


def metric_fault(
    metric: str, multi_label: bool = False, classes: Sequence[str] | None = None
) -> tuple[str, str | None] | None:
    """What was expected in a metric's place, and the hint; None where an evaluation gives it.

    Args:
        metric: as the recipe has it.
        multi_label: an image may have several labels.
        classes: of the data, once they are known.
    """
    known = metric_names(multi_label)
    name = class_of(metric)
    if name is not None:
        if classes is None or name in classes:
            return None
        return f"a class of the data ({_listed(classes)})", did_you_mean(name, classes)
    top = None if multi_label else _TOP.fullmatch(metric)
    if top is not None:
        most = None if classes is None else len(classes) - 1
        if int(top[1]) > 1 and (most is None or int(top[1]) <= most):
            return None
        if most is not None and most >= 2:
            return f"top_2_accuracy to top_{most}_accuracy with {len(classes or ())} classes", None
        return "top_K_accuracy with K above 1 and below the number of classes", None
    if metric in known:
        return None
    more = "" if multi_label else ", top_K_accuracy"
    return f"one of {', '.join(known)}{more}, or one class's {'|'.join(_OF_A_CLASS)}.CLASS", did_you_mean(
        metric, known
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:20])
