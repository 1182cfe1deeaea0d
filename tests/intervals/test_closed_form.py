"""Intervals hold the true share about as often as they say, with few images and at the edges too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from transferkit.intervals import difference_interval, share_interval


@pytest.mark.parametrize("count", [10, 40, 500])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_share_is_covered(count, confidence):
    """On the average over shares: of each alone the coverage of any interval swings, as counts are whole."""
    shares = np.linspace(0.02, 0.98, 49)
    ends = [share_interval(right / count, count, confidence) for right in range(count + 1)]
    chances = binom.pmf(np.arange(count + 1), count, shares[:, None])
    inside = [[low <= share <= high for low, high in ends] for share in shares]
    assert (chances * inside).sum(axis=1).mean() == pytest.approx(confidence, abs=0.02)


@pytest.mark.parametrize("count", [1, 5, 1000])
def test_the_edges_leave_doubt(count):
    low, high = share_interval(1.0, count)
    assert high == pytest.approx(1)
    assert 0.2 < low < 1
    assert share_interval(0.0, count) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    assert difference_interval([count, 0, 0, 0]) == difference_interval([0, 0, 0, count])
    low, high = difference_interval([count, 0, 0, 0])
    assert low == -high < 0


@pytest.mark.parametrize(
    "chances", [(0.7, 0.05, 0.15, 0.1), (0.9, 0.02, 0.05, 0.03), (0.25, 0.25, 0.25, 0.25)]
)
@pytest.mark.parametrize("count", [30, 300])
def test_a_difference_is_covered(chances, count):
    drawn = np.random.default_rng(0).multinomial(count, chances, 4000)
    found = [difference_interval(one.tolist()) for one in drawn]
    covered = np.mean([low <= chances[2] - chances[1] <= high for low, high in found])
    assert covered > 0.93
    widths = [high - low for low, high in found]
    assert np.mean(widths) < 1.2 * 2 * 1.96 * np.sqrt((chances[1] + chances[2]) / count)
