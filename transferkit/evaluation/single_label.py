"""The figures of images that have exactly one class each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.evaluation.bootstrap import count_interval, mean_interval
from transferkit.evaluation.curves import Curve, areas, one_curve
from transferkit.evaluation.reliability import expected_calibration_error, reliability_curve
from transferkit.evaluation.result import ClassFigures, Evaluation

__all__ = ["evaluate_single_label", "macro_f1", "macro_recall"]

# Curves of more classes than this can no longer be told apart in one drawing.
MOST_CURVES = 50
# The smallest probability that a float32 softmax is trusted to state: one sure mistake costs 16 nats.
LEAST_PROBABILITY = 1e-7


def evaluate_single_label(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    paths: tuple[str, ...] | None,
    *,
    top: Sequence[int],
    resamples: int,
    confidence: float,
    seed: int,
) -> Evaluation:
    """As :func:`transferkit.evaluation.evaluate`, which checks the arguments."""
    from sklearn.metrics import cohen_kappa_score, confusion_matrix, precision_recall_fscore_support

    count, every = len(labels), np.arange(len(classes))
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    right = predicted == labels
    confusion = confusion_matrix(labels, predicted, labels=every)
    rows, curves = _per_class(labels, predicted, probabilities, classes)

    metrics: dict[str, Any] = {"samples": count, "accuracy": float(right.mean())}
    stated = probabilities[np.arange(count), labels]
    # Equal probabilities do not count as ahead: the class columns' order breaks ties, as argmax does.
    ahead = (probabilities > stated[:, None]) | (
        (probabilities == stated[:, None]) & (every[None, :] < labels[:, None])
    )
    place = ahead.sum(axis=1)
    for k in sorted({k for k in top if 1 < k < len(classes)}):
        metrics[f"top_{k}_accuracy"] = float((place < k).mean())
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        metrics[f"precision_{average}"] = float(precision)
        metrics[f"recall_{average}"] = float(recall)
        metrics[f"f1_{average}"] = float(f1)
    metrics["balanced_accuracy"] = float(macro_recall(confusion[None])[0])
    losses = -np.log(np.clip(stated.astype(np.float64), LEAST_PROBABILITY, 1))
    metrics["log_loss"] = float(losses.mean())
    truth = labels[:, None] == every[None, :]
    metrics["brier"] = float(((probabilities.astype(np.float64) - truth) ** 2).sum(axis=1).mean())
    metrics["roc_auc_macro"] = _mean(row.roc_auc for row in rows)
    metrics["average_precision_macro"] = _mean(row.average_precision for row in rows)
    # All samples of one class, all predicted so: agreement beyond chance is not defined (0/0).
    kappa = (
        float(cohen_kappa_score(labels, predicted, labels=every)) if len({*labels, *predicted}) > 1 else None
    )
    metrics["kappa"] = kappa
    reliability = reliability_curve(probabilities.max(axis=1).astype(np.float64), right)
    metrics["expected_calibration_error"] = expected_calibration_error(reliability)

    if resamples:
        rng = np.random.default_rng(seed)
        intervals = {
            "accuracy": count_interval(confusion, _accuracy, resamples, confidence, rng),
            "balanced_accuracy": count_interval(confusion, macro_recall, resamples, confidence, rng),
            "f1_macro": count_interval(confusion, macro_f1, resamples, confidence, rng),
            "log_loss": mean_interval(losses, resamples, confidence, rng),
        }
        for name, (low, high) in intervals.items():
            metrics[f"{name}_low"], metrics[f"{name}_high"] = low, high
    return Evaluation(
        kind="single", classes=classes, labels=labels, probabilities=probabilities, predicted=predicted,
        paths=paths, metrics=metrics, per_class=rows, confusion=confusion, reliability=reliability,
        curves=curves,
    )  # fmt: skip


def _per_class(
    labels: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]
) -> tuple[tuple[ClassFigures, ...], tuple[Curve, ...]]:
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=np.nan
    )
    draw = len(classes) <= MOST_CURVES
    rows, curves = [], []
    for i, name in enumerate(classes):
        truth, scores = labels == i, probabilities[:, i]
        curve = one_curve(name, truth, scores) if draw else None
        area = areas(truth, scores) if not draw else curve and (curve.roc_auc, curve.average_precision)
        if curve:
            curves.append(curve)
        precision, recall, f1 = (None if np.isnan(part[i]) else float(part[i]) for part in figures[:3])
        roc, average = area if area else (None, None)
        said = int((predicted == i).sum())
        rows.append(ClassFigures(name, int(figures[3][i]), said, precision, recall, f1, roc, average))
    pooled = one_curve("micro", (labels[:, None] == np.arange(len(classes))).ravel(), probabilities.ravel())
    return tuple(rows), tuple(([pooled] if pooled else []) + curves)


def _accuracy(confusion: np.ndarray) -> np.ndarray:
    return np.trace(confusion, axis1=1, axis2=2) / confusion.sum(axis=(1, 2))


def macro_recall(confusion: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that have samples (balanced accuracy) of ``[B, C, C]`` -> ``[B]``."""
    hits, samples = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2)
    recall = np.where(samples > 0, hits / np.maximum(samples, 1), 0)
    return recall.sum(axis=1) / (samples > 0).sum(axis=1)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes in truth or prediction of ``[B, C, C]`` -> ``[B]``."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    both = confusion.sum(axis=2) + confusion.sum(axis=1)
    f1 = np.where(both > 0, 2 * hits / np.maximum(both, 1), 0)
    return f1.sum(axis=1) / (both > 0).sum(axis=1)


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
