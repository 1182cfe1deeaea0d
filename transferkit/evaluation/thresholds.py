"""From which probability a label counts as given: chosen on validation images, for each label by itself."""

from __future__ import annotations

import numpy as np

__all__ = ["LEAST_EXAMPLES", "MIDDLE", "choose_thresholds"]

# Where there is nothing to choose by.
MIDDLE = 0.5
# With fewer images that have a label, or lack it, the best threshold is the place of one lucky image.
LEAST_EXAMPLES = 5


def choose_thresholds(
    labels: np.ndarray, probabilities: np.ndarray, precision: float | None = None
) -> np.ndarray:
    """The threshold of each label with the best F1, the one nearest to a half among equals.

    With a wanted ``precision``: the one from which the label is right that often and given most often.

    Each lies in the middle between two probabilities that occurred, so that rounding moves no image across
    it, and F1 leaves out what is rightly not given: a rare label is not bought by never giving it.

    Args:
        labels: 0/1 or bool ``[N, C]``, of images that nothing was trained on.
        probabilities: ``[N, C]``.
        precision: the wanted share of right ones among a label's, 0 to 1.

    Returns:
        float32 ``[C]``, each above 0 and below 1; :data:`MIDDLE` where fewer than :data:`LEAST_EXAMPLES`
        images have the label or lack it. NaN where no threshold gives ``precision`` on as many images.

    Raises:
        ValueError: shapes that do not fit.
    """
    truth, given = np.asarray(labels).astype(bool), np.asarray(probabilities, dtype=np.float64)
    if truth.shape != given.shape or truth.ndim != 2:
        raise ValueError(f"labels have shape {truth.shape}, probabilities {given.shape}, expected one [N, C]")
    return np.array([_best(truth[:, i], given[:, i], precision) for i in range(truth.shape[1])], np.float32)


def _best(truth: np.ndarray, given: np.ndarray, precision: float | None) -> float:
    present = int(truth.sum())
    if precision is None and min(present, len(truth) - present) < LEAST_EXAMPLES:
        return MIDDLE
    order = np.argsort(-given, kind="stable")
    values = given[order]
    right = np.cumsum(truth[order])
    said = np.arange(1, len(values) + 1)
    worth = 2 * right / (said + present)
    below = np.append(values[1:], 0.0)
    # Equal probabilities are given together, and float32 must be able to tell the two sides apart.
    middles = (values + below) / 2
    cut = values - below > 1e-6
    if precision is not None:
        # A threshold that two lucky images pass proves nothing.
        cut &= (right >= precision * said) & (said >= LEAST_EXAMPLES)
        if not cut.any():
            return float("nan")
        worth = said.astype(np.float64)
    worth, middles = worth[cut], middles[cut]
    # A label that is best given to everything, or that nothing is said of, has no place to cut.
    if not len(worth):
        return MIDDLE
    best = middles[worth >= worth.max() - 1e-9]
    return float(best[np.abs(best - MIDDLE).argmin()])
