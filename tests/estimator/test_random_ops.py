"""Random operations draw by seed and step: other numbers each step, the same in each run."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1

DRAWS = {
    "uniform": lambda: tf.random.uniform([3]),
    "normal": lambda: tf.random.normal([3]),
    "truncated": lambda: tf.random.truncated_normal([3]),
    "integers": lambda: tf.cast(tf.random.uniform([3], 0, 1000, tf.int32), tf.float32),
    "shuffle": lambda: tf.random.shuffle(tf.range(64.0)),
    "categorical": lambda: tf.cast(tf.random.categorical(tf.zeros([1, 500]), 3), tf.float32)[0],
    "dropout": lambda: v1.nn.dropout(tf.ones([32]), rate=0.5),
}


class Fetch(v1.train.SessionRunHook):
    def __init__(self):
        self.values = []

    def before_run(self, run_context):
        return v1.train.SessionRunArgs("drawn:0")

    def after_run(self, run_context, run_values):
        self.values.append(run_values.results)


def draw(kind, train_input, seed=1, steps=3):
    def model_fn(features, labels, mode):
        drawn = tf.identity(DRAWS[kind](), name="drawn")
        step = v1.train.get_global_step()
        return EstimatorSpec(mode, loss=tf.reduce_sum(drawn) * 0.0, train_op=step.assign_add(1))

    hook = Fetch()
    Estimator(model_fn, config=RunConfig(tf_random_seed=seed)).train(train_input, hooks=[hook], steps=steps)
    return np.array(hook.values)


@pytest.mark.parametrize("kind", sorted(DRAWS))
def test_each_kind_of_draw(kind, train_input):
    first, again, other = draw(kind, train_input), draw(kind, train_input), draw(kind, train_input, seed=2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])


def test_a_random_operation_inside_a_branch_is_named(train_input, caplog):
    def model_fn(features, labels, mode):
        step = v1.train.get_global_step()
        drawn = tf.cond(step > 0, lambda: tf.random.uniform([]), lambda: 0.0)
        return EstimatorSpec(mode, loss=drawn, train_op=step.assign_add(1))

    with caplog.at_level("WARNING", "transferkit"):
        Estimator(model_fn).train(train_input, steps=2)
    assert "RandomUniform" in caplog.text
    assert "stateless" in caplog.text
