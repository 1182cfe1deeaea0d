"""The figures of images that have any number of classes each, every class a decision of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.evaluation.bootstrap import count_interval, mean_interval
from transferkit.evaluation.curves import areas, one_curve
from transferkit.evaluation.evaluation import ClassFigures, Evaluation
from transferkit.evaluation.reliability import binned, curve_of, expected_calibration_error
from transferkit.evaluation.row_parts import row_parts
from transferkit.evaluation.single_label import LEAST_PROBABILITY, MOST_CURVES

__all__ = ["evaluate_multi_label"]


def evaluate_multi_label(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    paths: tuple[str, ...] | None,
    *,
    threshold: float | Sequence[float],
    resamples: int,
    confidence: float,
    seed: int,
    complete: bool = True,
) -> Evaluation:
    """As :func:`transferkit.evaluation.evaluate`, which checks the arguments.

    ``accuracy`` is the share of images whose classes are all right; ``hamming_accuracy`` the share of
    single decisions that are.

    Args:
        labels: 0/1 ``[N, C]``.
        probabilities: float32 ``[N, C]``.
        classes: their names, in order.
        paths: names of the images, or None.
        threshold: from which probability on a label counts, for all or for each.
        resamples: of the bootstrap; 0 gives no intervals.
        confidence: of the intervals, 0 to 1.
        seed: of the bootstrap.
        complete: False where only the likeliest classes have a probability: what needs the others is None.
    """
    from sklearn.metrics import multilabel_confusion_matrix, precision_recall_fscore_support

    limit = np.broadcast_to(np.asarray(threshold, dtype=np.float32), (len(classes),))
    predicted = probabilities >= limit
    confusion = multilabel_confusion_matrix(labels, predicted)
    # scikit-learn takes a single column for a binary problem and returns its two classes' tables.
    confusion = confusion[-len(classes) :]
    whole = (predicted == labels).all(axis=1)

    metrics: dict[str, Any] = {
        "samples": len(labels),
        "accuracy": float(whole.mean()),
        "hamming_accuracy": float((predicted == labels).mean()),
    }
    rows = _per_class(confusion, labels, probabilities, classes, complete)
    for average in ("micro", "macro", "weighted", "samples") if len(classes) > 1 else ():
        figures = precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), figures[:3], strict=True):
            metrics[f"{name}_{average}"] = float(value)
    losses, brier, bins = np.empty(len(labels)), np.empty(len(labels)), None
    for part in row_parts(probabilities):
        given, true, said = probabilities[part].astype(np.float64), labels[part], predicted[part]
        clipped = np.clip(given, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        losses[part] = -np.where(true, np.log(clipped), np.log1p(-clipped)).mean(axis=1)
        brier[part] = ((given - true) ** 2).mean(axis=1)
        bins = binned(np.where(said, given, 1 - given).ravel(), (said == true).ravel(), bins)
    metrics["log_loss"] = float(losses.mean()) if complete else None
    metrics["brier"] = float(brier.mean()) if complete else None
    for name, column in (("roc_auc_macro", "roc_auc"), ("average_precision_macro", "average_precision")):
        known = [getattr(row, column) for row in rows if getattr(row, column) is not None]
        metrics[name] = sum(known) / len(known) if known else None
    reliability = curve_of(bins)
    metrics["expected_calibration_error"] = expected_calibration_error(reliability) if complete else None

    if resamples:
        rng = np.random.default_rng(seed)
        right = np.array([whole.sum(), len(whole) - whole.sum()])
        intervals = {
            "accuracy": count_interval(
                right, lambda drawn: drawn[:, 0] / drawn.sum(axis=1), resamples, confidence, rng
            ),
            # An image's decisions hang together, so images are resampled, not decisions.
            "hamming_accuracy": mean_interval((predicted == labels).mean(axis=1), resamples, confidence, rng),
            **({"log_loss": mean_interval(losses, resamples, confidence, rng)} if complete else {}),
        }
        for name, (low, high) in intervals.items():
            metrics[f"{name}_low"], metrics[f"{name}_high"] = low, high
    drawn = []
    if complete:
        parts = (probabilities[part] for part in row_parts(probabilities))
        drawn.append(one_curve("micro", probabilities[labels], parts))
    if complete and len(classes) <= MOST_CURVES:
        drawn += [
            one_curve(name, probabilities[labels[:, i], i], [probabilities[:, i]])
            for i, name in enumerate(classes)
        ]
    return Evaluation(
        kind="multi", classes=classes, labels=labels, probabilities=probabilities, predicted=predicted,
        paths=paths, metrics=metrics, per_class=rows, confusion=confusion, reliability=reliability,
        curves=tuple(curve for curve in drawn if curve),
    )  # fmt: skip


def _per_class(
    confusion: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    complete: bool,
) -> tuple[ClassFigures, ...]:
    rows = []
    for i, name in enumerate(classes):
        (_, false), (missed, true) = confusion[i].tolist()
        roc, average = (complete and areas(labels[:, i], probabilities[:, i])) or (None, None)
        rows.append(
            ClassFigures(
                name=name,
                samples=true + missed,
                predicted=true + false,
                precision=_share(true, true + false),
                recall=_share(true, true + missed),
                f1=_share(2 * true, 2 * true + false + missed),
                roc_auc=roc,
                average_precision=average,
            )
        )
    return tuple(rows)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
