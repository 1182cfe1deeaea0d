"""The head that a classifier means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.binary_class import BinaryClassHead
from transferkit.estimator.heads.multi_class import MultiClassHead

__all__ = ["classifier_head"]


def classifier_head(
    n_classes: int, weight_column: Any, label_vocabulary: Sequence[str] | None, loss_reduction: Any
) -> Head:
    """A BinaryClassHead for two classes, else a MultiClassHead.

    Args:
        n_classes: 2 or more.
        weight_column: names the feature that weighs examples, or None.
        label_vocabulary: the classes' names, where labels are strings.
        loss_reduction: how the losses of a batch become one.
    """
    if n_classes == 2:
        return BinaryClassHead(
            weight_column=weight_column, label_vocabulary=label_vocabulary, loss_reduction=loss_reduction
        )
    return MultiClassHead(
        n_classes,
        weight_column=weight_column,
        label_vocabulary=label_vocabulary,
        loss_reduction=loss_reduction,
    )
