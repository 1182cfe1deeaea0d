"""Epochs of images: how many steps each takes, and in which order.

The order of an epoch is a function of (seed, epoch) and a batch of (order, step): any batch of any epoch can
be made without those before it. So a resumed run starts where it stopped, at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Epochs", "epoch_order", "epoch_steps"]


@dataclass(frozen=True)
class Epochs:
    """Which epochs, and in which order their items are.

    Attributes:
        first: number of the first one, counted from 0.
        count: how many; None goes on for ever.
        seed: shuffles every epoch in an order of its own; None keeps the order given (and the first view).
    """

    first: int = 0
    count: int | None = 1
    seed: int | None = None


def epoch_steps(count: int, batch_size: int) -> int:
    """Steps an epoch of ``count`` images takes; the last, smaller batch counts.

    Args:
        count: images, 0 or more.
        batch_size: images in a step.
    """
    return -(-count // batch_size)


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch: a permutation of ``0 … count - 1``, int64, a function of its arguments.

    Args:
        count: items.
        seed: of the run.
        epoch: counted from 0.
    """
    return np.random.default_rng((seed, epoch)).permutation(count)
