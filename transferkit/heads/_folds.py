"""Folds of training images: what belongs together stays together, each fold has its share of each class."""

from __future__ import annotations

import numpy as np

__all__ = ["fold_numbers"]


def fold_numbers(wanted: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each image, int64 ``[N]``.

    Groups are dealt out from the largest down, each to the fold that lacks its first image's class most.

    Args:
        wanted: float ``[N, C]`` of 0 and 1, the labels.
        groups: int ``[N]``, the same for images that must not be divided.
        folds: how many; fewer where there are fewer groups.
        seed: draws the order.
    """
    names, first, number, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    folds = max(1, min(folds, len(names)))
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    classes = wanted[first].argmax(axis=1)
    of_class = np.zeros((wanted.shape[1], folds))
    of_fold = np.zeros(folds)
    found = np.empty(len(names), np.int64)
    for group in order:
        row = of_class[classes[group]]
        fold = int(np.lexsort((of_fold, row))[0])
        found[group] = fold
        row[fold] += sizes[group]
        of_fold[fold] += sizes[group]
    return found[number]
