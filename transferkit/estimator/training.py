"""The training loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.estimator.engine import Engine
from transferkit.estimator.hooks import HookRunner
from transferkit.estimator.inputs import call_input_fn, seeded, signature_of
from transferkit.estimator.saving import DataPosition, Saver
from transferkit.model_fn.spec import ModeKeys

__all__ = ["NanLossDuringTrainingError", "train"]

_log = logging.getLogger("transferkit")

NanLossDuringTrainingError = tf.compat.v1.train.NanLossDuringTrainingError


def train(
    engine: Engine,
    input_fn: Callable[..., Any],
    hooks: Sequence[Any],
    listeners: Sequence[Any],
    steps: int | None,
    max_steps: int | None,
) -> None:
    """Trains until ``steps`` more or ``max_steps`` in all are done, the data end, or a hook stops it."""
    config = engine.config
    start = engine.step()
    # A checkpoint from the middle of a call that was ended: its data go on where they were.
    position = None if engine.live else DataPosition.of(engine.source or _latest(engine))
    position = position or DataPosition(start)
    with seeded(_data_seed(config.tf_random_seed, position.start)):
        dataset, labelled = call_input_fn(input_fn, ModeKeys.TRAIN, engine.params, config)
    traced = engine.traced(ModeKeys.TRAIN, signature_of(dataset.element_spec, labelled))
    engine.load_latest()
    step = engine.step()
    last = max_steps if max_steps is not None else (step + steps if steps is not None else None)
    if position.batches:
        _log.info("Going on after %d batches of the data", position.batches)
        dataset = dataset.skip(position.batches)
    saver = Saver(engine, listeners, config.save_checkpoints_steps, config.save_checkpoints_secs)
    runner = HookRunner(hooks, traced)
    saver.session = runner.session
    runner.begin()
    engine.live = True
    saver.begin(step, position)
    runner.created()
    default = [traced.step, traced.loss]
    with seeded(_data_seed(config.tf_random_seed, position.start)):
        iterator = iter(dataset)

    while last is None or step < last:
        try:
            batch = tf.nest.flatten(next(iterator), expand_composites=True)
        except StopIteration:
            break
        number = tf.constant(position.start + position.batches, tf.int64)
        outputs = runner.run(default, [number, *batch])
        position.batches += 1
        step = int(outputs[0].numpy())
        loss = outputs[1].numpy()
        if np.isnan(loss):
            raise NanLossDuringTrainingError
        if saver.due(step):
            saver.save(step, position)
        if runner.stop or saver.stop:
            break
    runner.end()
    saver.end(step)


def _latest(engine: Engine) -> str | None:
    from transferkit.estimator import checkpoints

    return checkpoints.latest(engine.model_dir)


def _data_seed(seed: int | None, start: int) -> int | None:
    return None if seed is None else (seed * 1_000_003 + start * 7_919) % (2**31 - 1)
