"""The frozen prefix on accelerators: one program for one shape of batch, on one device or several at once.

Images go to a device as bytes and become numbers there. Each device has two threads: while one waits for the
outputs of its batch, the other's is on its way, so a device is never idle between two batches. Constants in
the weights' place are each device's own: nothing is copied from one to another.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.private.tensorflow_names import constants_of

__all__ = ["DeviceEngine"]

_EACH = 2  # batches that a device has at once: the one that it computes, and the next


class DeviceEngine:
    """Runs a traced prefix on some devices.

    Args:
        traced: what :func:`transferkit.activations.engines.prefix_engine.trace` gives, for any size of batch.
        devices: names of logical devices, such as ``"/device:GPU:0"``.
        jit: compile it with XLA.
        batch: images that a device gets at once; a smaller batch is filled up.

    Attributes:
        ahead: batches that are worth having under way.
    """

    def __init__(self, traced: Any, devices: Sequence[str], jit: bool = False, batch: int = 64) -> None:
        self.name = "tensorflow-xla" if jit else "tensorflow"
        self.ahead = _EACH * len(devices)
        self._batch = batch
        run = _folded(traced)
        self._run = tf.function(run, jit_compile=True, autograph=False) if jit else run
        self._pools = [ThreadPoolExecutor(_EACH, thread_name_prefix="transferkit-device") for _ in devices]
        self._turns = itertools.cycle(zip(self._pools, devices, strict=True))

    def submit(self, images: np.ndarray) -> Future[np.ndarray]:
        """Sends at most a batch of images to the next device.

        Args:
            images: uint8 ``[n, h, w, 3]``, ``n`` from 1 to the size of a batch.

        Returns:
            What will be float32 ``[n, *shape]``.
        """
        pool, device = next(self._turns)
        return pool.submit(self._pass, device, images)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), self._batch)
        waiting = [self.submit(images[start : start + self._batch]) for start in starts]
        parts = [one.result() for one in waiting]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _pass(self, device: str, images: np.ndarray) -> np.ndarray:
        short = self._batch - len(images)
        filled = np.concatenate([images, np.repeat(images[:1], short, 0)]) if short else images
        with tf.device(device):
            found: np.ndarray = self._run(tf.constant(filled)).numpy()
        return found[: len(images)]


def _folded(traced: Any) -> Any:
    """The traced prefix with constants in the weights' place, or as it is where that is too large."""
    try:
        folded = constants_of(traced)
    except Exception:  # a graph of more than 2 GiB; it is the same network
        return traced
    return lambda images: tf.nest.flatten(folded(images))[0]
