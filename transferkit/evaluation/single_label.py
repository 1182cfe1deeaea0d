"""The figures of images that have exactly one class each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferkit.evaluation.curves import Curve, areas, one_curve
from transferkit.evaluation.evaluation import ClassFigures, Evaluation, mean_of_known
from transferkit.evaluation.reliability import expected_calibration_error, reliability_curve
from transferkit.evaluation.samples import LEAST_PROBABILITY, Samples
from transferkit.intervals import share_interval
from transferkit.intervals.bootstrap import Bootstrap, mean_interval, named_bounds, table_interval
from transferkit.type_names import NamedValues

__all__ = ["evaluate_single_label", "macro_f1", "macro_recall"]


def evaluate_single_label(samples: Samples, top: Sequence[int], bootstrap: Bootstrap) -> Evaluation:
    """As :func:`transferkit.evaluation.evaluate`, which checks the arguments.

    Args:
        samples: with labels int64 ``[N]``.
        top: which top-k accuracies to give.
        bootstrap: of the intervals.
    """
    labels, probabilities, classes = samples.labels, samples.probabilities, samples.classes
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    right = predicted == labels
    cells = np.bincount(labels * len(classes) + predicted, minlength=len(classes) ** 2)
    confusion = cells.reshape(len(classes), -1)
    rows, curves = _per_class(samples, predicted)
    place, brier = _places_and_brier(samples)
    stated = probabilities[np.arange(len(labels)), labels]
    losses = -np.log(np.clip(stated.astype(np.float64), LEAST_PROBABILITY, 1))
    reliability = reliability_curve(probabilities.max(axis=1).astype(np.float64), right)

    metrics: NamedValues = {"samples": len(labels), "accuracy": float(right.mean())}
    for k in sorted({k for k in top if 1 < k < len(classes)}):
        metrics[f"top_{k}_accuracy"] = float((place < k).mean())
    metrics |= _averages(labels, predicted)
    metrics["balanced_accuracy"] = float(macro_recall(confusion[None])[0])
    metrics["log_loss"] = float(losses.mean())
    metrics["brier"] = float(brier.mean()) if samples.complete else None
    metrics["roc_auc_macro"] = mean_of_known(row.roc_auc for row in rows)
    metrics["average_precision_macro"] = mean_of_known(row.average_precision for row in rows)
    metrics["kappa"] = _kappa(confusion)
    metrics["expected_calibration_error"] = expected_calibration_error(reliability)
    metrics |= _bounds(confusion, losses, bootstrap)
    return Evaluation(
        kind="single", classes=classes, labels=labels, probabilities=probabilities, predicted=predicted,
        paths=samples.paths, metrics=metrics, per_class=rows, confusion=confusion, reliability=reliability,
        curves=curves,
    )  # fmt: skip


def _places_and_brier(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """How many classes stand ahead of the true one, int64 ``[N]``, and the Brier score, float64 ``[N]``."""
    labels, probabilities = samples.labels, samples.probabilities
    count, every = len(labels), np.arange(len(samples.classes))
    stated = probabilities[np.arange(count), labels]
    place, brier = np.empty(count, np.int64), np.empty(count)
    for part in samples.parts():
        given, true, own = probabilities[part], stated[part, None], labels[part, None]
        # Equal probabilities do not count as ahead: the class columns' order breaks ties, as argmax does.
        place[part] = ((given > true) | ((given == true) & (every < own))).sum(axis=1)
        brier[part] = ((given.astype(np.float64) - (every == own)) ** 2).sum(axis=1)
    return place, brier


def _averages(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 over the classes."""
    from sklearn.metrics import precision_recall_fscore_support

    found = {}
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        found[f"precision_{average}"] = float(precision)
        found[f"recall_{average}"] = float(recall)
        found[f"f1_{average}"] = float(f1)
    return found


def _bounds(confusion: np.ndarray, losses: np.ndarray, bootstrap: Bootstrap) -> dict[str, float | None]:
    """``NAME_low`` and ``NAME_high`` of the main figures."""
    if not bootstrap.resamples:
        return {}
    accuracy = float(np.trace(confusion)) / len(losses)
    drawn = bootstrap.resamples, bootstrap.confidence, np.random.default_rng(bootstrap.seed)
    return named_bounds(
        {
            "accuracy": share_interval(accuracy, len(losses), bootstrap.confidence),
            "balanced_accuracy": table_interval(confusion, _macro_recall, *drawn),
            "f1_macro": table_interval(confusion, _macro_f1, *drawn),
            "log_loss": mean_interval(losses, *drawn),
        }
    )


def _per_class(samples: Samples, predicted: np.ndarray) -> tuple[tuple[ClassFigures, ...], tuple[Curve, ...]]:
    """Each class's figures, and the curves to draw."""
    from sklearn.metrics import precision_recall_fscore_support

    labels, probabilities, classes = samples.labels, samples.probabilities, samples.classes
    figures = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=np.nan
    )
    said = np.bincount(predicted, minlength=len(classes))
    rows, curves = [], []
    for i, name in enumerate(classes):
        truth, scores = labels == i, probabilities[:, i]
        curve = one_curve(name, scores[truth], [scores]) if samples.drawn else None
        if curve:
            curves.append(curve)
        area = (curve.roc_auc, curve.average_precision) if curve else None
        if samples.complete and not samples.drawn:
            area = areas(truth, scores)
        precision, recall, f1 = (None if np.isnan(part[i]) else float(part[i]) for part in figures[:3])
        roc, average = area if area else (None, None)
        rows.append(ClassFigures(name, int(figures[3][i]), int(said[i]), precision, recall, f1, roc, average))
    if not samples.complete:
        return tuple(rows), ()
    stated = probabilities[np.arange(len(labels)), labels]
    pooled = one_curve("micro", stated, (probabilities[part] for part in samples.parts()))
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


def _macro_recall(hits: np.ndarray, samples: np.ndarray, said: np.ndarray) -> np.ndarray:
    recall = np.where(samples > 0, hits / np.maximum(samples, 1), 0)
    result: np.ndarray = recall.sum(axis=1) / (samples > 0).sum(axis=1)
    return result


def _macro_f1(hits: np.ndarray, samples: np.ndarray, said: np.ndarray) -> np.ndarray:
    both = samples + said
    f1 = np.where(both > 0, 2 * hits / np.maximum(both, 1), 0)
    result: np.ndarray = f1.sum(axis=1) / (both > 0).sum(axis=1)
    return result
