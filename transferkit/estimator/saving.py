"""When checkpoints are written during training, and what stands beside them.

A checkpoint written in the middle of a ``train`` call has a small file beside it that says how many batches
of that call's data are behind it; a later ``train`` call goes on from there. One written at a call's end has
none: the next call's data start anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from transferkit.estimator.engine import Engine

__all__ = ["DataPosition", "Saver"]


@dataclasses.dataclass
class DataPosition:
    """How far a train call is in its data.

    Attributes:
        start: the global step at which the call began; its data's seeds follow from it.
        batches: how many batches (a replica) it has taken.
    """

    start: int
    batches: int = 0

    @staticmethod
    def of(prefix: str | None) -> DataPosition | None:
        """The position beside checkpoint ``prefix``; None where it ends a call."""
        if prefix is None:
            return None
        try:
            with open(f"{prefix}.position.json") as file:
                return DataPosition(**json.load(file))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, prefix: str) -> None:
        temporary = f"{prefix}.position.json.{os.getpid()}"
        with open(temporary, "w") as file:
            json.dump(dataclasses.asdict(self), file)
        os.replace(temporary, f"{prefix}.position.json")


class Saver:
    """Writes checkpoints when they are due, and tells the listeners.

    Args:
        engine: whose variables are written.
        listeners: ``CheckpointSaverListener`` objects.
        steps: steps between two checkpoints, or None.
        secs: seconds between two checkpoints, or None.
        writes: whether this process is the one that writes.
    """

    def __init__(
        self,
        engine: Engine,
        listeners: Sequence[Any],
        steps: int | None,
        secs: float | None,
        writes: bool = True,
    ) -> None:
        self._engine = engine
        self._listeners = list(listeners)
        self._steps, self._secs = steps, secs
        self._saved_step: int | None = None
        self._saved_time = time.monotonic()
        self._writes = writes
        self.session: Any = None
        self.stop = False

    def begin(self, step: int, position: DataPosition) -> None:
        """Tells the listeners, and writes the first checkpoint of a model that has none at this step."""
        for listener in self._listeners:
            listener.begin()
        self._saved_step, self._saved_time = step, time.monotonic()
        source = self._engine.source
        if source is None or _step(source) != step:
            self.save(step, position)

    def due(self, step: int, ahead: int = 0) -> bool:
        """Whether a checkpoint is due at ``step``."""
        if step == self._saved_step:
            return False
        if self._steps:
            return step - (self._saved_step or 0) >= self._steps
        return bool(self._secs) and time.monotonic() - self._saved_time >= (self._secs or 0)

    def until_due(self, step: int) -> int | None:
        """Steps to go until the next checkpoint by steps, or None."""
        if not self._steps:
            return None
        return max(1, (self._saved_step or 0) + self._steps - step)

    def save(self, step: int, position: DataPosition | None) -> None:
        """Writes a checkpoint; ``position`` is None at the end of a call."""
        for listener in self._listeners:
            listener.before_save(self.session, step)
        if self._writes:
            prefix = os.path.join(self._engine.model_dir, f"model.ckpt-{step}")
            if position is not None:
                os.makedirs(self._engine.model_dir, exist_ok=True)
                position.write(prefix)
            self._engine.save()
            if position is None:
                forget_position(prefix)
        self._saved_step, self._saved_time = step, time.monotonic()
        for listener in self._listeners:
            # A listener that answers true asks training to stop.
            if listener.after_save(self.session, step):
                self.stop = True

    def end(self, step: int) -> None:
        """Writes the last checkpoint of a call, where the present step has none yet."""
        if step != self._saved_step:
            self.save(step, None)
        elif self._writes and self._engine.source is not None:
            forget_position(self._engine.source)
        for listener in self._listeners:
            listener.end(self.session, step)


def forget_position(prefix: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(f"{prefix}.position.json")


def _step(prefix: str) -> int:
    return int(prefix.rsplit("-", 1)[1]) if prefix.rsplit("-", 1)[-1].isdigit() else -1
