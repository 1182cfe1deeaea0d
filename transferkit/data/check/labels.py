"""Likely wrong labels: confident learning (Northcutt, Jiang and Chuang 2021) on out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["cross_validated_probabilities", "suspects"]


def cross_validated_probabilities(
    features: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """What a linear model says of each image after training on the others: float64 ``[N, C]``.

    Args:
        features: float ``[N, D]``.
        labels: int ``[N]``, 0 to C-1, with at least two classes of two images.
        groups: content hashes: equal images share a fold, or each would vouch for the other's wrong label.
        folds: how many parts, fewer where a class has fewer images.
        seed: of the parts.

    Raises:
        ValueError: too few images to divide.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    present = np.unique(labels)
    counts = np.bincount(labels)[present]
    folds = int(min(folds, np.sort(counts)[-2:].min())) if len(present) > 1 else 1
    if folds < 2:
        raise ValueError("likely wrong labels need at least two classes of two images")
    if groups is None:
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, labels)
    else:
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(features, labels, groups)
    result = np.zeros((len(labels), int(labels.max()) + 1))
    for train, held_out in parts:
        # Strong shrinkage: the model must not learn single wrong labels by heart.
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200, tol=1e-3))
        if len(np.unique(labels[train])) < 2:
            continue
        model.fit(features[train], labels[train])
        result[np.ix_(held_out, model[-1].classes_)] = model.predict_proba(features[held_out])
    return result


def suspects(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[int, int, float]]:
    """(image, class that it looks like, margin 0 to 1), the clearest first.

    An image is suspect where another class is given more than that class's own images are given on average,
    and more than the label is.

    Args:
        probabilities: out of fold, ``[N, C]``.
        labels: int ``[N]``.
    """
    classes = probabilities.shape[1]
    usual = np.array(
        [probabilities[labels == c, c].mean() if (labels == c).any() else np.inf for c in range(classes)]
    )
    confident = probabilities >= usual
    rows = np.arange(len(labels))
    confident[rows, labels] = False
    best = np.where(confident, probabilities, -1).argmax(axis=1)
    margin = probabilities[rows, best] - probabilities[rows, labels]
    found = np.flatnonzero(confident[rows, best] & (margin > 0))
    order = sorted(found.tolist(), key=lambda i: (-margin[i], i))
    return [(i, int(best[i]), float(margin[i])) for i in order]
