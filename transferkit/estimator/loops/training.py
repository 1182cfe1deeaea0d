"""The training loop."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints.save_during_training import DataPosition, Saver, adopt
from transferkit.estimator.distribution import input_context, replicas_here
from transferkit.estimator.engine import Engine
from transferkit.estimator.inputs.call import call_input_fn, seeded, signature_of
from transferkit.estimator.loops.signals import Termination
from transferkit.estimator.loops.stepping import Batches, GraphLoop
from transferkit.estimator.session.hooks import HookRunner, check_hooks
from transferkit.estimator.session.scaffold import kept_by
from transferkit.estimator.session.training_log import LossLog, progress
from transferkit.estimator.spec import ModeKeys
from transferkit.estimator.summaries import LearningRate, Speed, SummaryLog, merged_summary
from transferkit.private.tensorflow_attributes import folder_of_hook

__all__ = ["NanLossDuringTrainingError", "Training"]

_log = logging.getLogger("transferkit")

NanLossDuringTrainingError = tf.compat.v1.train.NanLossDuringTrainingError

# How long a loop inside the graph may last, in seconds, where its length is chosen here; and the step time
# from which on Python is no burden.
_LOOP_SECONDS, _SLOW_STEP = 0.05, 0.003
_LONGEST_LOOP = 100


class Training:
    """One ``train`` call.

    Args:
        engine: whose model.
        input_fn: gives the data.
        hooks: the user's hooks.
        listeners: the user's checkpoint listeners.
        steps: how many more steps, or None.
        max_steps: up to which step in all, or None.
    """

    def __init__(
        self,
        engine: Engine,
        input_fn: Callable[..., Any],
        hooks: Sequence[Any],
        listeners: Sequence[Any],
        steps: int | None,
        max_steps: int | None,
    ) -> None:
        self._engine, self._config = engine, engine.config
        engine.look_again()
        live = engine.live
        found = None if live or engine.failed else engine.newest()
        engine.failed = False
        # A checkpoint from the middle of a call that was ended: its data go on where they were.
        self._position = DataPosition.of(found) or DataPosition(engine.step(), chance=engine.chance)
        strategy = engine.strategy(ModeKeys.TRAIN)
        seed = _data_seed(self._config.tf_random_seed, self._position.start)
        chance = self._position.chance + self._position.start
        with seeded(seed, chance):
            context = input_context(strategy)
            dataset, labelled = call_input_fn(input_fn, ModeKeys.TRAIN, engine.params, self._config, context)
        self._traced = engine.traced(ModeKeys.TRAIN, signature_of(dataset.element_spec, labelled), strategy)
        engine.training = self._traced
        engine.keep = kept_by(self._traced.spec.scaffold.saver)
        engine.load_latest()
        engine.initialize(self._traced)
        engine.begin(self._traced)
        self._step = self._position.start if live else engine.step()
        self._last = max_steps if max_steps is not None else self._step + steps if steps is not None else None
        if self._position.batches:
            progress.info("Going on after %d batches of the data", self._position.batches)
            dataset = dataset.skip(self._position.batches)
        with seeded(seed, chance):
            self._batches = Batches(dataset, replicas_here(strategy))
        self._prepare_hooks(hooks, listeners)
        self._loss: Any = None
        self._increment = 1

    def _prepare_hooks(self, hooks: Sequence[Any], listeners: Sequence[Any]) -> None:
        engine, config, traced = self._engine, self._config, self._traced
        spec = traced.spec
        chief = spec.training_chief_hooks if config.is_chief else ()
        rest, savers = adopt(check_hooks([*hooks, *spec.training_hooks, *chief]), engine, config)
        if not any(saver.main for saver in savers):
            every = config.save_checkpoints_steps, config.save_checkpoints_secs
            if listeners and not any(every):
                hint = "set save_checkpoints_steps or _secs of RunConfig, or give a CheckpointSaverHook"
                raise ValueError(fault("saving_listeners", None, None, f"no checkpoints are saved: {hint}"))
            savers.append(Saver(engine, listeners, *every, writes=config.is_chief and any(every)))
        else:
            next(saver for saver in savers if saver.main).listeners.extend(listeners)
        self._savers = savers
        self._user_hooks = bool(rest)
        self._journal = engine.summary_log(engine.model_dir, config.is_chief)
        self._runner = HookRunner(rest, traced)
        for saver in savers:
            saver.session = self._runner.session
        if rest:
            _open_writers(rest, self._journal)
        self._rate = engine.once(("rate", id(traced)), lambda: LearningRate(traced, engine.store))
        self._summary = engine.once(
            ("summary", id(traced)), lambda: merged_summary(traced.graph, spec.scaffold)
        )
        # A head's summary of the loss, or the user's own, takes the place of this one.
        named = any(
            t.op.name == "loss" for t in traced.graph.get_collection(tf.compat.v1.GraphKeys.SUMMARIES)
        )
        self._summarizes_loss = named and not config.jit_compile

    def run(self) -> None:
        """Trains to the end, writes the last checkpoint.

        Where it fails, what follows starts from the newest checkpoint, as in a session; where none is
        written, from the values before.

        Raises:
            NanLossDuringTrainingError: for a loss that is no number.
            SystemExit: with 143 after SIGTERM, once a checkpoint is written.
            KeyboardInterrupt: after Ctrl-C, in the same way.
        """
        engine = self._engine
        before = None if any(saver.writes_here for saver in self._savers) else engine.values()
        try:
            self._run()
        except BaseException as error:
            self._batches.close()
            # One that was ended from outside goes on in its data; after a fault the caller gives data anew.
            engine.forget(before, anew=isinstance(error, Exception))
            raise

    def _run(self) -> None:
        runner = self._runner
        with Termination() as termination:
            runner.begin()
            self._engine.live = True
            for saver in self._savers:
                saver.begin(self._step, self._position)
            runner.created()
            self._speed, self._time = Speed(self._step), time.perf_counter()
            self._logged = self._summed = self._step
            self._said = LossLog(self._step)
            self._first = True
            loop: GraphLoop | None = None
            length = self._config.steps_per_loop or 1
            while self._last is None or self._step < self._last:
                if length > 1 and self._increment == 1:
                    loop = loop or self._engine.loop(self._traced, self._batches)
                    more = self._looped(loop, self._allowed(length))
                else:
                    more = self._one(self._batches.take)
                if not more:
                    break
                self._after()
                if termination.asked is not None:
                    self._terminate(termination)
                if runner.stop or any(saver.stop for saver in self._savers):
                    break
                if self._config.steps_per_loop is None and not self._user_hooks and length == 1:
                    length = self._choose_length()
            self._batches.close()
            self._journal.flush()
            runner.end()
            for saver in self._savers:
                saver.end(self._step)
            if self._loss is not None:
                progress.info("Loss for final step: %s.", self._loss)
            if termination.asked is not None:
                raise termination.ending()

    def _one(self, take: Callable[[], list[Any] | None]) -> bool:
        """One step on the batch that ``take`` gives; False at the end of the data."""
        traced, position = self._traced, self._position
        fetches = [traced.step, traced.loss]
        summing = self._first or self._due(self._config.save_summary_steps, self._summed)
        if summing:
            # Summaries are strings, which XLA cannot compile.
            summary = None if self._config.jit_compile else self._summary
            fetches += [t for t in (self._rate.tensor, summary) if t is not None]
        asked = self._runner.ask(fetches)
        batch = take()
        if batch is None:
            return False
        number = tf.constant(position.start + position.batches, tf.int64)
        outputs = self._runner.run(asked, [number, *batch], self._config.jit_compile)
        position.batches += 1
        step, self._loss = int(outputs[0]), outputs[1].numpy()
        self._increment, self._step = step - self._step, step
        self._speed.count(_examples(batch))
        self._check_loss()
        if summing:
            self._summarize(outputs[2:])
        if self._first and self._config.log_step_count_steps:
            self._said.first(self._loss)
        self._first = False
        return True

    def _looped(self, loop: GraphLoop, count: int) -> bool:
        """``count`` steps, all but the last inside the graph; False at the end of the data."""
        position = self._position
        done, loss, batch, _ = loop.run(self._batches, position.start + position.batches, count - 1)
        position.batches += done
        self._step += done
        if done:
            self._loss = np.float32(loss)
            self._check_loss()
            if batch is not None:
                self._speed.count(done * _examples(batch))
        return self._one(lambda: batch)

    def _allowed(self, length: int) -> int:
        """How many steps may pass until Python has something to do."""
        limits = [length]
        if self._last is not None:
            limits.append(self._last - self._step)
        every = self._config.log_step_count_steps
        if every:
            limits.append(every - (self._step - self._logged))
        limits.extend(n for n in (saver.until_due(self._step) for saver in self._savers) if n is not None)
        return max(1, min(limits))

    def _choose_length(self) -> int:
        """A loop length for steps so short that Python would hold them up; 1 as long as that is not clear."""
        taken = self._position.batches
        if taken == 5:
            self._time = time.perf_counter()
        if taken < 25 or (taken - 25) % 100:
            return 1
        seconds = (time.perf_counter() - self._time) / max(taken - 5, 1)
        if seconds > _SLOW_STEP:
            return 1
        return max(1, min(_LONGEST_LOOP, math.ceil(_LOOP_SECONDS / seconds)))

    def _check_loss(self) -> None:
        if not np.isnan(self._loss):
            return
        message = f"Model diverged with loss = NaN at step {self._step}"
        _log.error(message)
        self._journal.flush()
        raise NanLossDuringTrainingError

    def _due(self, every: int | None, last: int) -> bool:
        return bool(every) and self._step + self._increment - last >= (every or 0)

    def _summarize(self, extra: list[Any]) -> None:
        if not self._config.save_summary_steps:
            return
        values = {} if self._summarizes_loss else {"loss": self._loss}
        rate = self._rate.value()
        extra = list(extra)
        if self._rate.tensor is not None:
            rate = float(extra.pop(0))
        if rate is not None:
            values["learning_rate"] = rate
        self._journal.scalars(self._step, values)
        if extra:
            self._journal.merged(self._step, extra[0].numpy())
        self._summed = self._step

    def _after(self) -> None:
        every = self._config.log_step_count_steps
        if every and self._step - self._logged >= every:
            speed = self._speed.read(self._step)
            self._logged = self._step
            self._journal.scalars(self._step, speed)
            self._said.write(self._loss, self._step, speed["global_step/sec"])
        for saver in self._savers:
            if saver.due(self._step):
                saver.save(self._step, self._position)

    def _terminate(self, termination: Termination) -> None:
        # Whoever pressed Ctrl-C knows; SIGTERM comes from elsewhere.
        level = logging.INFO if termination.asked == signal.SIGINT else logging.WARNING
        name = signal.Signals(termination.asked or signal.SIGTERM).name
        _log.log(level, "%s: writing a checkpoint at step %d, then ending", name, self._step)
        for saver in self._savers:
            if saver.main and saver.saved_step != self._step:
                saver.save(self._step, self._position)
        self._journal.flush()
        raise termination.ending()


def _examples(batch: Sequence[Any]) -> int:
    return int(batch[0].shape[0]) if batch and batch[0].shape.rank else 1


def _open_writers(hooks: Sequence[Any], journal: SummaryLog) -> None:
    """TensorFlow's own hooks find their folder's writer open, and so write no graph."""
    journal.prepare()
    for hook in hooks:
        folder = folder_of_hook(hook)
        if isinstance(folder, str):
            _ = SummaryLog(folder).writer


def _data_seed(seed: int | None, start: int) -> int | None:
    return None if seed is None else (seed * 1_000_003 + start * 7_919) % (2**31 - 1)


def check_steps(steps: int | None, max_steps: int | None) -> None:
    """Raises ValueError for both at once, or a number that is not positive.

    Raises:
        ValueError: both are given, or one is not above 0.
    """
    if steps is not None and max_steps is not None:
        raise ValueError(fault("train", None, None, "Can not provide both steps and max_steps."))
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is not None and value <= 0:
            raise ValueError(fault(f"train.{name}", value, "a positive number, or None"))
