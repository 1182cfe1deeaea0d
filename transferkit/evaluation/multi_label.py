"""The figures of images that have any number of classes each, every class a decision of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferkit.evaluation.curves import Curve, areas, one_curve
from transferkit.evaluation.evaluation import ClassFigures, Evaluation, mean_of_known
from transferkit.evaluation.reliability import ReliabilityBin, binned, curve_of, expected_calibration_error
from transferkit.evaluation.samples import LEAST_PROBABILITY, Samples
from transferkit.intervals import share_interval
from transferkit.intervals.bootstrap import Bootstrap, Interval, mean_interval, named_bounds
from transferkit.type_names import NamedValues

__all__ = ["evaluate_multi_label"]


def evaluate_multi_label(
    samples: Samples, threshold: float | Sequence[float], bootstrap: Bootstrap
) -> Evaluation:
    """As :func:`transferkit.evaluation.evaluate`, which checks the arguments.

    ``accuracy`` is the share of images whose classes are all right; ``hamming_accuracy`` the share of
    single decisions that are.

    Args:
        samples: with labels bool ``[N, C]``.
        threshold: from which probability on a label counts, for all or for each.
        bootstrap: of the intervals.
    """
    from sklearn.metrics import multilabel_confusion_matrix

    labels, probabilities, classes = samples.labels, samples.probabilities, samples.classes
    limit = np.broadcast_to(np.asarray(threshold, dtype=np.float32), (len(classes),))
    predicted = probabilities >= limit
    # scikit-learn takes a single column for a binary problem and returns its two classes' tables.
    confusion = multilabel_confusion_matrix(labels, predicted)[-len(classes) :]
    rows = _per_class(samples, confusion)
    decisions = _decisions(samples, predicted)

    metrics: NamedValues = {
        "samples": len(labels),
        "accuracy": float(decisions.whole.mean()),
        "hamming_accuracy": float((predicted == labels).mean()),
    }
    metrics |= _averages(samples, predicted)
    metrics["log_loss"] = float(decisions.losses.mean()) if samples.complete else None
    metrics["brier"] = float(decisions.brier.mean()) if samples.complete else None
    metrics["roc_auc_macro"] = mean_of_known(row.roc_auc for row in rows)
    metrics["average_precision_macro"] = mean_of_known(row.average_precision for row in rows)
    calibration = expected_calibration_error(decisions.reliability)
    metrics["expected_calibration_error"] = calibration if samples.complete else None
    metrics |= _bounds(decisions, samples.complete, bootstrap)
    return Evaluation(
        kind="multi", classes=classes, labels=labels, probabilities=probabilities, predicted=predicted,
        paths=samples.paths, metrics=metrics, per_class=rows, confusion=confusion,
        reliability=decisions.reliability, curves=_curves(samples),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Decisions:
    """What the single decisions of each image come to.

    Attributes:
        whole: bool ``[N]``: whether all of an image's decisions are right.
        right: float64 ``[N]``: the share of them that is.
        losses: float64 ``[N]``: their mean log loss, in nats.
        brier: float64 ``[N]``: their mean squared error.
        reliability: of all decisions together.
    """

    whole: np.ndarray
    right: np.ndarray
    losses: np.ndarray
    brier: np.ndarray
    reliability: tuple[ReliabilityBin, ...]


def _decisions(samples: Samples, predicted: np.ndarray) -> _Decisions:
    labels, probabilities = samples.labels, samples.probabilities
    losses, brier, bins = np.empty(len(labels)), np.empty(len(labels)), None
    for part in samples.parts():
        given, true, said = probabilities[part].astype(np.float64), labels[part], predicted[part]
        clipped = np.clip(given, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        losses[part] = -np.where(true, np.log(clipped), np.log1p(-clipped)).mean(axis=1)
        brier[part] = ((given - true) ** 2).mean(axis=1)
        bins = binned(np.where(said, given, 1 - given).ravel(), (said == true).ravel(), bins)
    right = predicted == labels
    return _Decisions(right.all(axis=1), right.mean(axis=1), losses, brier, curve_of(bins))


def _averages(samples: Samples, predicted: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 over classes and images; of a single class there is nothing to average."""
    from sklearn.metrics import precision_recall_fscore_support

    found = {}
    for average in ("micro", "macro", "weighted", "samples") if len(samples.classes) > 1 else ():
        figures = precision_recall_fscore_support(samples.labels, predicted, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), figures[:3], strict=True):
            found[f"{name}_{average}"] = float(value)
    return found


def _bounds(decisions: _Decisions, complete: bool, bootstrap: Bootstrap) -> dict[str, float | None]:
    """``NAME_low`` and ``NAME_high`` of the main figures."""
    if not bootstrap.resamples:
        return {}
    drawn = bootstrap.resamples, bootstrap.confidence, np.random.default_rng(bootstrap.seed)
    whole = decisions.whole
    intervals: dict[str, Interval] = {
        "accuracy": share_interval(float(whole.mean()), len(whole), bootstrap.confidence),
        # An image's decisions hang together, so images are resampled, not decisions.
        "hamming_accuracy": mean_interval(decisions.right, *drawn),
    }
    if complete:
        intervals["log_loss"] = mean_interval(decisions.losses, *drawn)
    return named_bounds(intervals)


def _curves(samples: Samples) -> tuple[Curve, ...]:
    """Those of all decisions pooled, then of each class."""
    if not samples.complete:
        return ()
    labels, probabilities = samples.labels, samples.probabilities
    parts = (probabilities[part] for part in samples.parts())
    curves = [one_curve("micro", probabilities[labels], parts)]
    if samples.drawn:
        curves += [
            one_curve(name, probabilities[labels[:, i], i], [probabilities[:, i]])
            for i, name in enumerate(samples.classes)
        ]
    return tuple(curve for curve in curves if curve)


def _per_class(samples: Samples, confusion: np.ndarray) -> tuple[ClassFigures, ...]:
    rows = []
    for i, name in enumerate(samples.classes):
        (_, false), (missed, true) = confusion[i].tolist()
        roc, average = (samples.complete and areas(samples.labels[:, i], samples.probabilities[:, i])) or (
            None,
            None,
        )
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
