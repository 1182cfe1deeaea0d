"""TensorBoard: one curve over all phases, in ``events/`` of the run.

The Estimator writes its own event files within each phase, every ``tracking.every`` steps.
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
        self._writer = tf.summary.create_file_writer(str(folder / "events"))
        with self._writer.as_default():
            tf.summary.text("recipe", f"```toml\n{recipe.to_toml()}```", step=0)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        with self._writer.as_default():
            for key, value in values.items():
                tf.summary.scalar(key, value, step=step)
        self._writer.flush()

    def finish(self, metrics: Mapping[str, Any], artefacts: Sequence[Path]) -> None:
        self._writer.close()
