"""Epochs of images: how many steps each takes, and in which order.

The order of an epoch is a function of (seed, epoch) and a batch of (order, step): any batch of any epoch can
be made without those before it. So a resumed run starts where it stopped, at no cost.
"""

from __future__ import annotations

import numpy as np

__all__ = ["epoch_order", "epoch_steps"]


def epoch_steps(count: int, batch_size: int, drop_remainder: bool = False) -> int:
    """Steps an epoch of ``count`` images takes; the last, smaller batch counts unless it is dropped.

    Args:
        count: images, 0 or more.
        batch_size: images in a step.
        drop_remainder: leave the last batch out where it is smaller.
    """
    return count // batch_size if drop_remainder else -(-count // batch_size)


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch: a permutation of ``0 … count - 1``, int64, a function of its arguments.

    Args:
        count: items.
        seed: of the run.
        epoch: counted from 0.
    """
    return np.random.default_rng((seed, epoch)).permutation(count)
