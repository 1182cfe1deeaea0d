"""The thresholds of a head for several labels: chosen once it is trained, kept with the run's figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.evaluation import choose_thresholds
from transferkit.transfer.network import Network

__all__ = ["settle_thresholds", "take_thresholds", "thresholds_of"]


def settle_thresholds(
    network: Network, logits: np.ndarray, labels: np.ndarray, precision: float | None = None
) -> str | None:
    """Gives the network's head the thresholds that do best.

    Args:
        network: trained, at its temperature; its head chooses thresholds.
        logits: of the validation images, in the order of ``labels``, before the temperature.
        labels: 0/1 ``[N, C]``, one row at least.
        precision: what share of the answers with a label shall be right.

    Returns:
        Which labels no threshold gives that precision, as a fault; they keep the one of the best F1.
    """
    probabilities = network.predictions(tf.constant(logits))["probabilities"].numpy()
    best = choose_thresholds(labels, probabilities)
    wanted = best if precision is None else choose_thresholds(labels, probabilities, precision)
    missed = [name for name, value in zip(network.head.classes, wanted, strict=True) if np.isnan(value)]
    network.head.thresholds = np.where(np.isnan(wanted), best, wanted).tolist()
    if not missed:
        return None
    hint = f"no threshold reaches it for {', '.join(missed)}; theirs are the ones of the best F1"
    return fault("evaluation.precision", precision, hint=hint)


def thresholds_of(network: Network) -> dict[str, float] | None:
    """Label to threshold, ready for JSON; None where an image has one label."""
    head = network.head
    return dict(zip(head.classes, head.thresholds, strict=True)) if head.multi_label else None


def take_thresholds(network: Network, kept: Mapping[str, float] | None) -> None:
    """Gives a reopened network the thresholds that :func:`thresholds_of` told."""
    if network.head.multi_label and kept:
        network.head.thresholds = [float(kept[name]) for name in network.head.classes]
