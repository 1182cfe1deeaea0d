"""The log of training, evaluation and checkpoints, where people look for it: TensorFlow's own logger.

``tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)`` shows it, with the lines that tf.estimator
wrote. Warnings of this package go to the logger ``transferkit``.
"""

from __future__ import annotations

import time

import tensorflow as tf

__all__ = ["LossLog", "progress"]

progress = tf.get_logger()


class LossLog:
    """The lines ``loss = 0.5, step = 100 (0.2 sec)`` of one training.

    Args:
        step: where it begins.
    """

    def __init__(self, step: int) -> None:
        self._step, self._time = step, time.perf_counter()

    def first(self, loss: object) -> None:
        """Logs the loss of the first step."""
        progress.info("loss = %s, step = %d", loss, self._step)

    def write(self, loss: object, step: int, speed: float) -> None:
        """Speed in steps a second, then the loss with the seconds since the last line."""
        now = time.perf_counter()
        progress.info("global_step/sec: %g", speed)
        progress.info("loss = %s, step = %d (%.3f sec)", loss, step, now - self._time)
        self._time = now
