"""From what a recipe says to a schedule, and from a schedule to what an optimizer takes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from transferkit.registry import registry
from transferkit.schedules._base import Schedule, Span
from transferkit.type_names import NamedValues

__all__ = ["as_keras", "make_schedule", "rates"]


def make_schedule(spec: Any) -> Schedule:
    """The schedule that a recipe names.

    Args:
        spec: ``recipe.schedule``, a phase's, or a mapping with the key ``kind``.
    """
    values = dict(spec) if isinstance(spec, Mapping) else {"kind": spec.kind, **spec.options}
    word = registry("schedules").get(values.pop("kind"), "schedule.kind")
    return cast(Schedule, word.model_validate(values))


def rates(schedule: Schedule, span: Span) -> np.ndarray:
    """The learning rates of all steps of a phase, float64 ``[steps]``."""
    return np.array([schedule.value(step, span) for step in range(span.steps)], dtype=np.float64)


def as_keras(schedule: Schedule, span: Span, first_step: int = 0) -> Any:
    """The schedule as a ``keras.optimizers.schedules.LearningRateSchedule``.

    The rates of the phase are computed once, by the schedule's own formula, and looked up in the graph by the
    optimizer's step: what reaches the optimizer is the formula's value, rounded once to float32.

    Args:
        schedule: any schedule.
        span: the phase.
        first_step: the optimizer's step at which the phase begins; above 0 where an optimizer is carried
            over.

    Returns:
        A Keras schedule. It has a float32 variable ``factor``, 1 at first, that every rate is multiplied by:
        a schedule that listens to the evaluations works through it.
    """
    return _keras_class()(rates(schedule, span), first_step)


@functools.lru_cache(maxsize=1)
def _keras_class() -> Any:
    import tensorflow as tf

    from transferkit.keras3 import keras

    class Table(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """Rates by step; before the first and after the last step the nearest one holds."""

        def __init__(self, table: Any, first_step: int = 0) -> None:
            super().__init__()
            self.table = np.asarray(table, dtype=np.float32)
            self.first_step = int(first_step)
            self.factor = tf.Variable(1.0, trainable=False, dtype=tf.float32, name="schedule_factor")

        def __call__(self, step: Any) -> Any:
            row = tf.cast(tf.convert_to_tensor(step), tf.int64) - self.first_step
            row = tf.clip_by_value(row, 0, len(self.table) - 1)
            return tf.gather(tf.constant(self.table), row) * self.factor

        def get_config(self) -> NamedValues:
            return {"table": self.table.tolist(), "first_step": self.first_step}

    return Table
