"""A scaffold's saver fills an evaluation's variables: moving averages in place of weights."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


def input_fn():
    x = np.ones((4, 1), np.float32)
    return tf.data.Dataset.from_tensors((x, 3 * x)).repeat()


def make_model_fn(kind):
    def model_fn(features, labels, mode):
        w = v1.get_variable("w", [1, 1], initializer=v1.zeros_initializer())
        count = v1.get_variable("count", [], initializer=v1.zeros_initializer(), trainable=False)
        average = tf.train.ExponentialMovingAverage(0.5)
        loss = tf.reduce_mean((tf.matmul(features, w) - labels) ** 2)
        if mode == "train":
            step = v1.train.get_global_step()
            train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
            with tf.control_dependencies([train_op]):
                train_op = tf.group(average.apply([w]), count.assign_add(1.0))
            return tke.EstimatorSpec(mode, loss=loss, train_op=train_op)
        saver = v1.train.Saver(
            average.variables_to_restore() if kind == "all" else {average.average_name(w): w}
        )
        rest = None
        if kind == "local":
            rest = v1.variables_initializer([count, v1.train.get_global_step()])
        scaffold = v1.train.Scaffold(saver=saver, local_init_op=rest)
        return tke.EstimatorSpec(
            mode, loss=loss, scaffold=scaffold, eval_metric_ops={"w": v1.metrics.mean(w)}
        )

    return model_fn


@pytest.mark.parametrize("kind", ["all", "local", "some"])
def test_what_the_saver_leaves_out_must_come_from_elsewhere(kind, tmp_path):
    estimator = tke.Estimator(make_model_fn(kind), str(tmp_path))
    estimator.train(input_fn, steps=3)
    if kind == "some":
        with pytest.raises(RuntimeError, match="not initialized: global_step, count"):
            estimator.evaluate(input_fn, steps=1)
        return
    average = tf.train.load_variable(str(tmp_path), "w/ExponentialMovingAverage").item()
    found = estimator.evaluate(input_fn, steps=1)
    assert found["w"] == pytest.approx(average, rel=1e-5)
    # Afterwards the weights are the trained ones again.
    assert average < tf.train.load_variable(str(tmp_path), "w").item()
    assert estimator.train(input_fn, steps=1).get_variable_value("count") == 4
