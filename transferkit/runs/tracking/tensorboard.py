"""TensorBoard: one run with one curve a figure over all phases, in ``events/``.

Figures of an epoch have their names in the history; those of single steps, one in ``tracking.every``, begin
with ``step/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from transferkit.recipe import Recipe
from transferkit.runs.tracking import _base

__all__ = ["Tracker"]


class Tracker(_base.Tracker):
    """Writes event files."""

    def start(self, recipe: Recipe, folder: Path, name: str) -> None:
        # The writer of TensorFlow 1 needs TensorFlow alone; that of TensorFlow 2 wants TensorBoard installed.
        with tf.Graph().as_default():
            self._writer = tf.compat.v1.summary.FileWriter(str(folder / "events"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._write(step, values)
        self._writer.flush()

    def log_step(self, step: int, values: Mapping[str, float]) -> None:
        self._write(step, {f"step/{key}": value for key, value in values.items()})

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        summary = tf.compat.v1.Summary()
        for key, value in values.items():
            summary.value.add(tag=key, simple_value=value)
        self._writer.add_summary(summary, step)

    def finish(self, metrics: Mapping[str, Any], artefacts: Sequence[Path]) -> None:
        self._writer.close()
