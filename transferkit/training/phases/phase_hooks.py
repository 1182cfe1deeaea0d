"""What runs beside the steps of a phase: the bar of an evaluation, and a rate that follows the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from transferkit.training.history import History
from transferkit.training.optimizer import Rate

__all__ = ["CountImages", "FollowHistory"]


class CountImages(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Tells a bar how many images of an evaluation are done."""

    def __init__(self, count: Callable[[int], None], batch: int) -> None:
        self._count, self._batch, self._done = count, batch, 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._done += self._batch
        self._count(self._done)


class FollowHistory(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Sets a listening schedule's rate once a checkpoint has been read, which may hold an earlier one.

    Only the history says what the rate is: a process may have been killed after a checkpoint and before the
    evaluation that ends a plateau.
    """

    def __init__(self, rate: Rate, history: History) -> None:
        self._rate, self._history = rate, history

    def after_create_session(self, session: Any, coord: Any) -> None:
        with tf.init_scope():
            self._rate.follow(self._history)
