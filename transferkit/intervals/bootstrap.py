"""Percentile bootstrap intervals, at a cost that hardly grows with the number of samples.

Resampling N samples with replacement draws the counts of a confusion matrix's cells from one multinomial
distribution, so resamples of counts are drawn directly: exactly the same distribution as resampling the
samples, without touching them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Bootstrap", "Interval", "mean_interval", "named_bounds", "table_interval"]

# Undefined where all resamples agree, as when every image is right: resampling cannot tell what it never saw.
Interval = tuple[float, float] | tuple[None, None]

# Above this many samples the mean's bootstrap distribution is normal to all digits that are shown.
CENTRAL_LIMIT = 20_000


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn.

    Attributes:
        resamples: how many; 0 gives no intervals.
        confidence: the intervals' coverage, 0 to 1.
        seed: of the source of chance.
    """

    resamples: int
    confidence: float
    seed: int


def table_interval(
    confusion: np.ndarray,
    figures: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """The interval of a figure of a confusion matrix that depends on its diagonal and margins alone.

    Of thousands of classes nearly all cells are empty, and only the others are drawn.

    Args:
        confusion: whole numbers ``[C, C]``, rows the truth.
        figures: takes the diagonal, the sums of rows and those of columns, ``[B, C]`` each, and gives the
            figure ``[B]``.
        resamples: how many.
        confidence: the coverage, 0 to 1.
        rng: the source of chance.
    """
    from scipy.sparse import csr_array

    truth, said = np.nonzero(confusion)
    counts = confusion[truth, said]
    total, cells, classes = int(counts.sum()), len(counts), len(confusion)
    places, one = np.arange(cells), np.ones(cells)
    right = truth == said
    margins = [
        csr_array((one[chosen], (at[chosen], places[chosen])), shape=(classes, cells))
        for chosen, at in ((right, truth), (slice(None), truth), (slice(None), said))
    ]
    at_once = max(1, 4_000_000 // (cells + 3 * classes))
    found = []
    for start in range(0, resamples, at_once):
        drawn = rng.multinomial(total, counts / total, size=min(at_once, resamples - start))
        found.append(figures(*((margin @ drawn.T).T for margin in margins)))
    return _percentiles(np.concatenate(found), confidence)


def mean_interval(
    values: np.ndarray, resamples: int, confidence: float, rng: np.random.Generator
) -> Interval:
    """The interval of the mean of ``values [N]``.

    Args:
        values: float ``[N]``.
        resamples: draws, 1 or more.
        confidence: 0 to 1.
        rng: draws them.
    """
    if len(values) > CENTRAL_LIMIT:
        from statistics import NormalDist

        reach = NormalDist().inv_cdf(0.5 + confidence / 2) * float(values.std()) / len(values) ** 0.5
        centre = float(values.mean())
        return centre - reach, centre + reach
    at_once = max(1, 4_000_000 // len(values))
    found = [
        values[rng.integers(0, len(values), size=(min(at_once, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, at_once)
    ]
    return _percentiles(np.concatenate(found), confidence)


def named_bounds(intervals: Mapping[str, Interval]) -> dict[str, float | None]:
    """``NAME_low`` and ``NAME_high`` of each figure's interval."""
    return {
        f"{name}_{end}": bound
        for name, interval in intervals.items()
        for end, bound in zip(("low", "high"), interval, strict=True)
    }


def _percentiles(found: np.ndarray, confidence: float) -> Interval:
    if found.min() == found.max():
        return None, None
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
