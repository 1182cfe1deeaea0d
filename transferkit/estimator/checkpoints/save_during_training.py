"""When checkpoints are written during training, and what stands beside them.

A checkpoint written in the middle of a ``train`` call has a small file beside it that says how many batches
of that call's data are behind it; a later ``train`` call goes on from there. One written at a call's end has
none: the next call's data start anew.

A number of batches is kept, and not the iterator's own state, on purpose. The state of a tf.data iterator
holds whatever its buffers hold (a shuffle buffer of images is larger than the model), cannot be saved at all
for generators and Python functions, and is void once the pipeline is built otherwise. The number is some
bytes, and replaying it through seeded shuffles gives the same batches, parallel maps and prefetching
included. Its price is that the batches already seen are read and mapped once more, without the model's steps,
as fast as the pipeline gives them. Where that is too dear, train an epoch a call: a call that ended is not
replayed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.engine import Engine
from transferkit.private.tensorflow_attributes import saver_hook

__all__ = ["DataPosition", "Saver", "adopt"]


@dataclasses.dataclass
class DataPosition:
    """How far a train call is in its data.

    Attributes:
        start: the global step at which the call began; its data's seeds follow from it.
        batches: how many batches (a replica) it has taken.
        chance: what unseeded shuffles follow from where no seed is given; the same after a resumption.
    """

    start: int
    batches: int = 0
    chance: int = 0

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
        """Keeps the place of the input beside a checkpoint."""
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
        folder: where; None is the model_dir.

    Attributes:
        main: whether it writes into the model_dir.
        saved_step: the step of the last checkpoint.
        stop: whether a listener asked training to stop.
        session: what listeners are given.
    """

    def __init__(
        self,
        engine: Engine,
        listeners: Sequence[Any],
        steps: int | None,
        secs: float | None,
        writes: bool = True,
        folder: str | None = None,
    ) -> None:
        self._engine = engine
        self.listeners = list(listeners)
        self._steps, self._secs = steps, secs
        self._writes = writes
        self.main = folder is None or os.path.abspath(folder) == os.path.abspath(engine.model_dir)
        self._folder = folder or engine.model_dir
        self.saved_step: int | None = None
        self._saved_time = time.monotonic()
        self.session: Any = None
        self.stop = False

    def begin(self, step: int, position: DataPosition) -> None:
        """Tells the listeners, and writes the first checkpoint of a model that has none at this step."""
        for listener in self.listeners:
            listener.begin()
        self.saved_step, self._saved_time = step, time.monotonic()
        source = self._engine.source
        if not self.main or source is None or checkpoint_files.step_of(source) != step:
            self.save(step, position)

    @property
    def writes_here(self) -> bool:
        """Whether it writes checkpoints that this Estimator goes back to."""
        return self.main and self._writes

    def due(self, step: int) -> bool:
        """Whether a checkpoint is due at ``step``."""
        if step == self.saved_step:
            return False
        if self._steps:
            return step - (self.saved_step or 0) >= self._steps
        return bool(self._secs) and time.monotonic() - self._saved_time >= (self._secs or 0)

    def until_due(self, step: int) -> int | None:
        """Steps to go until the next checkpoint by steps, or None."""
        if not self._steps:
            return None
        return max(1, (self.saved_step or 0) + self._steps - step)

    def save(self, step: int, position: DataPosition | None) -> None:
        """Writes a checkpoint; ``position`` is None at the end of a call."""
        for listener in self.listeners:
            listener.before_save(self.session, step)
        if self._writes:
            prefix = os.path.join(self._folder, f"model.ckpt-{step}")
            # Nothing is behind a call's first checkpoint: there is nothing to note.
            behind = position is not None and position.batches
            if position is not None and behind:
                os.makedirs(self._folder, exist_ok=True)
                position.write(prefix)
            self._engine.save(None if self.main else self._folder)
            if not behind:
                forget_position(prefix)
        self.saved_step, self._saved_time = step, time.monotonic()
        for listener in self.listeners:
            # A listener that answers true asks training to stop.
            if listener.after_save(self.session, step):
                self.stop = True

    def end(self, step: int) -> None:
        """Writes the last checkpoint of a call, where the present step has none yet."""
        if step != self.saved_step:
            self.save(step, None)
        elif self._writes:
            forget_position(os.path.join(self._folder, f"model.ckpt-{step}"))
        for listener in self.listeners:
            listener.end(self.session, step)


def adopt(hooks: Sequence[Any], engine: Engine, config: Any) -> tuple[list[Any], list[Saver]]:
    """Takes TensorFlow's CheckpointSaverHooks out of ``hooks``: they save through a session, ours do it here.

    Args:
        hooks: of a call of ``train``.
        engine: what will be saved.
        config: the RunConfig: only a chief saves.

    Returns:
        The other hooks, and a :class:`Saver` for each one taken out.
    """
    rest, savers = [], []
    for hook in hooks:
        if isinstance(hook, tf.compat.v1.train.CheckpointSaverHook):
            made = saver_hook(hook)
            every = made.every_steps, made.every_secs
            savers.append(Saver(engine, made.listeners, *every, config.is_chief, made.folder))
        else:
            rest.append(hook)
    return rest, savers


def forget_position(prefix: str) -> None:
    """Removes the place of the input that was kept beside a checkpoint."""
    with contextlib.suppress(OSError):
        os.unlink(f"{prefix}.position.json")
