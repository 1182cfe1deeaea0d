"""The thresholds of a head for several labels: chosen once it is trained, kept with the run's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.evaluation import choose_thresholds
from transferkit.model_fn.network import Network

__all__ = ["settle_thresholds", "take_thresholds", "thresholds_of"]


def settle_thresholds(network: Network, batches: Any, labels: np.ndarray) -> None:
    """Gives the network's head the thresholds that do best, where the recipe leaves them open.

    Args:
        network: trained.
        batches: of the validation images, each once, in the order of ``labels``.
        labels: 0/1 ``[N, C]``; int ``[N]`` where an image has one label, and there is nothing to choose.
    """
    if not network.head.chooses_thresholds or not len(labels):
        return

    def answer(features: dict[str, tf.Tensor]) -> tf.Tensor:
        return network.predictions(network.logits(features))["probabilities"]

    run = tf.function(answer, autograph=False)
    probabilities = np.concatenate([run(features).numpy() for features, _ in batches])
    network.head.thresholds = choose_thresholds(labels, probabilities).tolist()


def thresholds_of(network: Network) -> dict[str, float] | None:
    """Label to threshold, ready for JSON; None where an image has one label."""
    head = network.head
    return dict(zip(head.classes, head.thresholds, strict=True)) if head.multi_label else None


def take_thresholds(network: Network, kept: Mapping[str, float] | None) -> None:
    """Gives a reopened network the thresholds that :func:`thresholds_of` told."""
    if network.head.multi_label and kept:
        network.head.thresholds = [float(kept[name]) for name in network.head.classes]
