"""How unlike the training photos a photo is, and from which score on it is none of the classes.

The score is the squared Mahalanobis distance to the nearest class mean, with one covariance for all classes,
of features brought to length 1 (Lee et al., arXiv 1807.03888; length 1 as in arXiv 2505.18032). The
covariance is shrunk (Ledoit and Wolf, 2004), and beyond its largest axes it is taken to be the same in every
direction, so that width times 64 numbers hold it.

Measured by benchmarks/bench_novelty.py: photos of flowers, of which 500 were trained on, told from other data
sets; area under the ROC for refuse, CIFAR-10, digits, and the mean for a kind of flower that was left out.

* EfficientNet-Lite0: 0.992, 1.000, 0.982, 0.775 in 0.35 MB; with 256 axes 0.997, 1.000, 0.990, 0.759 in
  1.34 MB; ViM (arXiv 2203.10807) 0.992, 0.999, 0.981, 0.726 in 1.28 MB; one less the largest probability
  0.897, 0.869, 0.907, 0.762.
* MobileNetV2: 0.983, 0.983, 0.913, 0.747; ViM 0.978, 0.994, 0.974, 0.714.
* The embedded backbone: 0.999, 1.000, 1.000, 0.883; ViM 0.999, 1.000, 1.000, 0.848.

ViM also needs a linear head. It is better on CIFAR-10 and digits with MobileNetV2, and worse on classes that
were left out with every backbone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

__all__ = ["NoveltyModel", "area", "fit_novelty", "left_out_area", "threshold_of"]

_AXES = 64
_EPSILON = 1e-12


@dataclass(frozen=True)
class NoveltyModel:
    """What gives a photo's score.

    Attributes:
        means: float32 ``[C, D]``, of the classes; one row where a photo may have several labels.
        axes: float32 ``[D, K]``, the largest axes of the covariance, of length 1.
        weights: float32 ``[K]``: inverse variance along each axis, less ``rest``.
        rest: inverse variance in every other direction.
        threshold: the largest score that is not unknown; scores are given in units of it.
    """

    means: np.ndarray
    axes: np.ndarray
    weights: np.ndarray
    rest: float
    threshold: float = 1.0

    def score(self, features: np.ndarray) -> np.ndarray:
        """float64 ``[N]``: 0 for the mean of a class, above 1 for a photo that is unknown.

        Args:
            features: ``[N, D]``, standardised as the head takes them.
        """
        rows, means = lengths_1(features), self.means.astype(np.float64)
        turned, turned_means = rows @ self.axes, means @ self.axes
        best = np.full(len(rows), np.inf)
        for mean, there in zip(means, turned_means, strict=True):
            flat = np.sum(np.square(rows - mean), axis=1) * self.rest
            best = np.minimum(best, flat + np.square(turned - there) @ self.weights)
        return best / self.threshold

    def flat(self) -> dict[str, np.ndarray]:
        """The score as two products, which any graph holds, float32.

        Of a row ``u`` of length 1 it is ``sum(signs * (u axes + shift)^2) + min(u kernel + bias)``, the least
        over the classes. What all classes share is worked out about the middle of their means, so that the
        terms stay as small as the distances are.

        Returns:
            ``axes [D, K]``, ``shift [K]``, ``signs [K]``, ``kernel [D, C]`` and ``bias [C]``, in this order.
        """
        means = self.means.astype(np.float64)
        weights, rest = self.weights.astype(np.float64) / self.threshold, self.rest / self.threshold
        middle = means.mean(axis=0)
        axes = self.axes.astype(np.float64) * np.sqrt(np.abs(weights))
        signs, apart = np.sign(weights), means - middle
        turned = apart @ axes
        # |u - middle|^2 is 1 - 2 u.middle + |middle|^2, as u has length 1.
        kernel = -2 * (rest * apart + (turned * signs) @ axes.T + rest * middle).T
        own = rest * np.sum(apart**2, axis=1) + np.sum(signs * turned**2, axis=1)
        at_middle = 2 * (rest * apart + (turned * signs) @ axes.T) @ middle
        bias = own + at_middle + rest * (1 + middle @ middle)
        found = {"axes": axes, "shift": -middle @ axes, "signs": signs, "kernel": kernel, "bias": bias}
        return {name: value.astype(np.float32) for name, value in found.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Ready for ``np.savez``."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> NoveltyModel:
        """What :meth:`arrays` gave."""
        read = {name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__}
        return cls(
            read["means"], read["axes"], read["weights"], float(read["rest"]), float(read["threshold"])
        )


def fit_novelty(features: np.ndarray, labels: np.ndarray) -> NoveltyModel:
    """Fits means and covariance to training photos.

    Args:
        features: float32 ``[N, D]``, standardised.
        labels: int ``[N]``, or ``[N, C]`` where a photo may have several: these have one mean together.
    """
    rows = lengths_1(features)
    classes = np.zeros(len(rows), np.int64) if labels.ndim == 2 else np.unique(labels, return_inverse=True)[1]
    means = np.stack([rows[classes == k].mean(axis=0) for k in range(int(classes.max()) + 1)])
    # Several threads only wait for each other on matrices of this size where others work too.
    with threadpool_limits(1):
        axes, variances, rest = _axes(rows - means[classes])
    weights = 1 / variances - 1 / rest
    return NoveltyModel(
        means.astype(np.float32), axes.astype(np.float32), weights.astype(np.float32), 1 / rest
    )


def _axes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The largest axes of the shrunken covariance of centred rows ``[N, D]``.

    Returns:
        Axes ``[D, K]``, the variance along each, and the mean variance in every other direction.
    """
    count, width = rows.shape
    shrinkage = ledoit_wolf_shrinkage(rows, assume_centered=True)
    total = float(np.sum(np.square(rows))) / count
    if count < width:
        values, turned = np.linalg.eigh(rows @ rows.T / count)
        values, turned = values[-_AXES:], turned[:, -_AXES:]
        there = values > 1e-9 * max(values[-1], _EPSILON)
        values = values[there]
        axes = rows.T @ (turned[:, there] / np.sqrt(values * count))
    else:
        values, axes = np.linalg.eigh(rows.T @ rows / count)
        values, axes = np.maximum(values[-_AXES:], 0), axes[:, -_AXES:]
    variances = np.maximum((1 - shrinkage) * values + shrinkage * total / width, _EPSILON)
    others = width - len(variances)
    # Shrinking leaves the sum of all variances as it is.
    rest = (total - float(variances.sum())) / others if others else float(variances.min())
    return axes, variances, max(rest, _EPSILON)


def threshold_of(scores: np.ndarray, false_alarms: float) -> float | None:
    """The least score above which at most this share of photos like these is expected.

    Args:
        scores: of photos that the model was not fitted to.
        false_alarms: the share, above 0 and below 1.

    Returns:
        The score that ``(n + 1) (1 - false_alarms)`` of ``n`` photos do not exceed, which holds for new
        photos of the same kind; None where there are too few to know.
    """
    place = math.ceil((len(scores) + 1) * (1 - false_alarms))
    return float(np.sort(scores)[place - 1]) if place <= len(scores) else None


def area(known: np.ndarray, other: np.ndarray) -> float:
    """Area under the ROC: how often a photo of ``other`` has the higher score, 0.5 by chance."""
    from sklearn.metrics import roc_auc_score

    marks = np.concatenate([np.zeros(len(known)), np.ones(len(other))])
    return float(roc_auc_score(marks, np.concatenate([known, other])))


def left_out_area(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, held_out_labels: np.ndarray, left_out: int
) -> float | None:
    """How well a class that the model was not fitted to is told from the others.

    Args:
        features: of training photos ``[N, D]``, with ``labels`` int ``[N]``.
        labels: theirs.
        held_out: of other photos ``[M, D]``, with ``held_out_labels``.
        held_out_labels: theirs.
        left_out: the class.

    Returns:
        The area under the ROC; None where there are no photos to tell it with.
    """
    known, other = held_out_labels != left_out, held_out_labels == left_out
    kept = labels != left_out
    if not (known.any() and other.any() and kept.sum() > 1):
        return None
    model = fit_novelty(features[kept], labels[kept])
    return area(model.score(held_out[known]), model.score(held_out[other]))


def lengths_1(rows: np.ndarray) -> np.ndarray:
    """float64, each row brought to length 1."""
    rows = rows.astype(np.float64)
    result: np.ndarray = rows / np.sqrt(np.maximum(np.sum(np.square(rows), axis=1, keepdims=True), _EPSILON))
    return result
