"""The figures of images that have exactly one class each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.evaluation.bootstrap import mean_interval, table_interval
from transferkit.evaluation.curves import Curve, areas, one_curve
from transferkit.evaluation.evaluation import ClassFigures, Evaluation
from transferkit.evaluation.reliability import expected_calibration_error, reliability_curve
from transferkit.evaluation.row_parts import row_parts

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
    complete: bool = True,
) -> Evaluation:
    """As :func:`transferkit.evaluation.evaluate`, which checks the arguments.

    Args:
        labels: int64 ``[N]``.
        probabilities: float32 ``[N, C]``.
        classes: their names, in order.
        paths: names of the images, or None.
        top: which top-k accuracies to give.
        resamples: of the bootstrap; 0 gives no intervals.
        confidence: of the intervals, 0 to 1.
        seed: of the bootstrap.
        complete: False where only the likeliest classes have a probability: what needs the others is None.
    """
    from sklearn.metrics import precision_recall_fscore_support

    count, every = len(labels), np.arange(len(classes))
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    right = predicted == labels
    cells = np.bincount(labels * len(classes) + predicted, minlength=len(classes) ** 2)
    confusion = cells.reshape(len(classes), -1)
    rows, curves = _per_class(labels, predicted, probabilities, classes, complete)

    metrics: dict[str, Any] = {"samples": count, "accuracy": float(right.mean())}
    stated = probabilities[np.arange(count), labels]
    place, brier = np.empty(count, np.int64), np.empty(count)
    for part in row_parts(probabilities):
        given, true, own = probabilities[part], stated[part, None], labels[part, None]
        # Equal probabilities do not count as ahead: the class columns' order breaks ties, as argmax does.
        place[part] = ((given > true) | ((given == true) & (every < own))).sum(axis=1)
        brier[part] = ((given.astype(np.float64) - (every == own)) ** 2).sum(axis=1)
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
    metrics["brier"] = float(brier.mean()) if complete else None
    metrics["roc_auc_macro"] = _mean(row.roc_auc for row in rows)
    metrics["average_precision_macro"] = _mean(row.average_precision for row in rows)
    metrics["kappa"] = _kappa(confusion)
    reliability = reliability_curve(probabilities.max(axis=1).astype(np.float64), right)
    metrics["expected_calibration_error"] = expected_calibration_error(reliability)

    if resamples:
        rng = np.random.default_rng(seed)
        intervals = {
            "accuracy": table_interval(confusion, _accuracy, resamples, confidence, rng),
            "balanced_accuracy": table_interval(confusion, _macro_recall, resamples, confidence, rng),
            "f1_macro": table_interval(confusion, _macro_f1, resamples, confidence, rng),
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
    labels: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    complete: bool,
) -> tuple[tuple[ClassFigures, ...], tuple[Curve, ...]]:
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=np.nan
    )
    said = np.bincount(predicted, minlength=len(classes))
    draw = complete and len(classes) <= MOST_CURVES
    rows, curves = [], []
    for i, name in enumerate(classes):
        truth, scores = labels == i, probabilities[:, i]
        curve = one_curve(name, scores[truth], [scores]) if draw else None
        if curve:
            curves.append(curve)
        area = (curve.roc_auc, curve.average_precision) if curve else None
        if complete and not draw:
            area = areas(truth, scores)
        precision, recall, f1 = (None if np.isnan(part[i]) else float(part[i]) for part in figures[:3])
        roc, average = area if area else (None, None)
        rows.append(ClassFigures(name, int(figures[3][i]), int(said[i]), precision, recall, f1, roc, average))
    if not complete:
        return tuple(rows), ()
    stated = probabilities[np.arange(len(labels)), labels]
    pooled = one_curve("micro", stated, (probabilities[part] for part in row_parts(probabilities)))
    return tuple(rows), tuple(([pooled] if pooled else []) + curves)


def _kappa(confusion: np.ndarray) -> float | None:
    """Agreement beyond chance (Cohen 1960); None where all samples are of one class and called so (0/0)."""
    total = confusion.sum()
    chance = float((confusion.sum(axis=0) / total) @ (confusion.sum(axis=1) / total))
    return None if chance >= 1 else (float(np.trace(confusion) / total) - chance) / (1 - chance)


def macro_recall(confusion: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that have samples (balanced accuracy) of ``[B, C, C]`` -> ``[B]``."""
    return _macro_recall(*_margins(confusion))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes in truth or prediction of ``[B, C, C]`` -> ``[B]``."""
    return _macro_f1(*_margins(confusion))


def _margins(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)


def _accuracy(hits: np.ndarray, samples: np.ndarray, said: np.ndarray) -> np.ndarray:
    result: np.ndarray = hits.sum(axis=1) / samples.sum(axis=1)
    return result


def _macro_recall(hits: np.ndarray, samples: np.ndarray, said: np.ndarray) -> np.ndarray:
    recall = np.where(samples > 0, hits / np.maximum(samples, 1), 0)
    result: np.ndarray = recall.sum(axis=1) / (samples > 0).sum(axis=1)
    return result


def _macro_f1(hits: np.ndarray, samples: np.ndarray, said: np.ndarray) -> np.ndarray:
    both = samples + said
    f1 = np.where(both > 0, 2 * hits / np.maximum(both, 1), 0)
    result: np.ndarray = f1.sum(axis=1) / (both > 0).sum(axis=1)
    return result


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
