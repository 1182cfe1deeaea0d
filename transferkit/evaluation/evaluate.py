"""Evaluation: true labels and predicted probabilities in, every figure of merit out.

No TensorFlow: this is arithmetic on arrays that somebody else predicted, so that a saved
``predictions.csv`` can be evaluated anywhere, and so that the figures cannot depend on batch sizes or
on a distribution strategy: each sample is one row and counts exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.evaluation.evaluation import Evaluation
from transferkit.evaluation.multi_label import evaluate_multi_label
from transferkit.evaluation.samples import Samples
from transferkit.evaluation.single_label import evaluate_single_label
from transferkit.intervals.bootstrap import Bootstrap

__all__ = ["evaluate"]


def evaluate(
    labels: Any,
    probabilities: Any,
    classes: Sequence[str],
    paths: Sequence[str] | None = None,
    *,
    top: Sequence[int] = (3, 5),
    threshold: float | Sequence[float] = 0.5,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    complete: bool = True,
) -> Evaluation:
    """Computes every figure of an evaluation.

    Macro figures follow scikit-learn's convention: they average over the classes that occur in the truth
    or in the predictions, and an undefined figure among those counts as 0. The areas average over the
    classes for which they are defined.

    Args:
        labels: int ``[N]``, each 0 to C-1; or 0/1 (or bool) ``[N, C]`` for multi-label images.
        probabilities: ``[N, C]``, 0 to 1; the rows of single-label ones sum to 1.
        classes: the C class names.
        paths: N names of the images, for ``predictions.csv`` and the report.
        top: the k of the top-k accuracies to give; a k that reaches C says nothing and is left out.
        threshold: multi-label only: the probability from which a class counts as predicted, one for all
            or one a class.
        resamples: how many bootstrap resamples make an interval; 0 gives no intervals. That of the accuracy
            is computed without them (Wilson 1927), and is wide where images are few and all are right.
        confidence: the intervals' coverage, 0 to 1.
        seed: of the resampling. The same arguments give the same figures.
        complete: False where small probabilities are unknown and stand as 0. Figures that need them (areas,
            curves, the Brier score, with several labels also the losses) are None then.

    Raises:
        ValueError: shapes that do not fit, no sample at all, labels out of range, probabilities that are
            no probabilities (NaN among them).
    """
    names = tuple(str(name) for name in classes)
    truth = np.asarray(labels)
    given = np.asarray(probabilities, dtype=np.float32)
    _check(truth, given, names, paths, complete)
    where = None if paths is None else tuple(str(path) for path in paths)
    bootstrap = Bootstrap(resamples, confidence, seed)
    if truth.ndim == 2:
        samples = Samples(truth.astype(bool), given, names, where, complete)
        return evaluate_multi_label(samples, threshold, bootstrap)
    return evaluate_single_label(
        Samples(truth.astype(np.int64), given, names, where, complete), top, bootstrap
    )


def _check(
    labels: np.ndarray,
    given: np.ndarray,
    names: tuple[str, ...],
    paths: Sequence[str] | None,
    complete: bool,
) -> None:
    """Raises ValueError where the arrays cannot be what they are said to be."""
    if given.ndim != 2 or given.shape[1] != len(names):
        raise ValueError(f"probabilities have shape {given.shape}, expected [N, {len(names)}]")
    if labels.shape not in ((len(given),), given.shape):
        raise ValueError(f"labels have shape {labels.shape}, expected [{len(given)}] or {list(given.shape)}")
    if not len(given):
        raise ValueError("no samples to evaluate")
    if len(names) < (2 if labels.ndim == 1 else 1):
        raise ValueError(f"{len(names)} class: there is nothing to tell apart")
    if paths is not None and len(paths) != len(given):
        raise ValueError(f"{len(paths)} paths for {len(given)} samples")
    if not np.isfinite(given).all() or given.min() < -1e-6 or given.max() > 1 + 1e-6:
        raise ValueError("probabilities must be finite and lie between 0 and 1: are these logits?")
    if labels.ndim == 1:
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels are {labels.dtype}, expected integers")
        if labels.min() < 0 or labels.max() >= len(names):
            raise ValueError(f"labels lie in {labels.min()}..{labels.max()}, expected 0..{len(names) - 1}")
        sums = given.sum(axis=1, dtype=np.float64)
        if (np.abs(sums - 1) if complete else sums - 1).max() > 1e-2:
            raise ValueError("each row of probabilities must sum to 1; multi-label labels have shape [N, C]")
    elif not np.isin(labels, (0, 1)).all():
        raise ValueError("multi-label labels must be 0 or 1")
