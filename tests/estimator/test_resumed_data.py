"""A resumed call goes on with the very batches that an uninterrupted one would have seen."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1
Dataset = tf.data.Dataset


def examples():
    return Dataset.from_tensor_slices(np.arange(20, dtype=np.float32))


def batches_of_generator():
    return Dataset.from_generator(lambda: iter(range(20)), output_signature=tf.TensorSpec([], tf.float32))


PIPELINES = {
    "shuffled, repeated, mapped in parallel": lambda: (
        examples()
        .shuffle(20)
        .repeat()
        .map(lambda x: x * 2 + 1, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(3)
        .prefetch(tf.data.AUTOTUNE)
    ),
    "cached, then shuffled": lambda: examples().cache().shuffle(7).repeat().batch(3),
    "another order each epoch": lambda: (
        examples().shuffle(20, reshuffle_each_iteration=True).batch(5).repeat()
    ),
    "interleaved": lambda: (
        Dataset.range(4)
        .shuffle(4)
        .interleave(
            lambda n: Dataset.range(n * 5, n * 5 + 5).map(lambda x: tf.cast(x, tf.float32)),
            cycle_length=2,
            num_parallel_calls=2,
        )
        .shuffle(8)
        .repeat()
        .batch(3)
    ),
    "augmented by seed": lambda: (
        examples().shuffle(20).repeat().map(lambda x: x + tf.random.uniform([], seed=5)).batch(3)
    ),
    "a generator": lambda: batches_of_generator().shuffle(20).repeat().batch(3),
}


class Look(v1.train.SessionRunHook):
    def __init__(self):
        self.seen = []

    def before_run(self, run_context):
        return v1.train.SessionRunArgs("seen:0")

    def after_run(self, run_context, run_values):
        self.seen.append(run_values.results.tolist())


def model_fn(features, labels, mode):
    seen = tf.identity(features, name="seen")
    step = v1.train.get_global_step()
    return EstimatorSpec(mode, loss=tf.reduce_sum(seen), train_op=step.assign_add(1))


def seen(input_fn, folder, steps):
    look = Look()
    config = RunConfig(str(folder), tf_random_seed=1, save_checkpoints_steps=4)
    Estimator(model_fn, config=config).train(input_fn, [look], max_steps=steps)
    return look.seen


@pytest.mark.parametrize("kind", sorted(PIPELINES))
def test_the_same_batches(kind, tmp_path):
    whole = seen(PIPELINES[kind], tmp_path / "whole", 20)
    assert len({tuple(batch) for batch in whole}) > 10
    first = seen(PIPELINES[kind], tmp_path / "ended", 8)
    # As a process that was killed: the checkpoint is one from the middle of a call of more steps.
    position = {"start": 0, "batches": 8}
    (tmp_path / "ended" / "model.ckpt-8.position.json").write_text(json.dumps(position))
    rest = seen(PIPELINES[kind], tmp_path / "ended", 20)
    assert first == whole[:8]
    assert rest == whole[8:]
