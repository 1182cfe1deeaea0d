"""A Keras metric is a pair of value and update in the spec, as tf.estimator's specs had it."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


def spec_in_a_graph(update=True):
    metric = keras.metrics.Mean()
    if update:
        metric.update_state(tf.constant([1.0, 3.0]))
    return tke.EstimatorSpec("eval", loss=tf.constant(1.0), eval_metric_ops={"mean": metric})


def test_a_session_updates_and_reads_it():
    with tf.Graph().as_default(), v1.Session() as session:
        value, update = spec_in_a_graph().eval_metric_ops["mean"]
        session.run(v1.global_variables_initializer())
        session.run([update, update])
        assert session.run(value) == 2.0
        assert len(v1.get_collection(v1.GraphKeys.METRIC_VARIABLES)) == 2
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Please call update_state"):
        spec_in_a_graph(update=False)


class InPython(keras.metrics.Mean):
    """A metric whose result is no tensor."""

    def result(self):
        return float(self.total) / float(self.count)


def test_a_model_fn_may_take_it_apart(tf1_model, train_input, tmp_path):
    seen = []

    def model_fn(features, labels, mode, params):
        spec = tf1_model(features, labels, mode, params)
        if mode != "eval":
            return spec
        mean, own = keras.metrics.Mean(), InPython()
        mean.update_state(labels)
        own.update_state(labels)
        spec = spec._replace(eval_metric_ops={"mean": mean, "own": own})
        for value, _ in (spec.eval_metric_ops["mean"],):
            v1.summary.scalar("value", value)
            seen.append(value.dtype)
        return spec._replace(
            eval_metric_ops={**spec.eval_metric_ops, "loss_mean": v1.metrics.mean(spec.loss)}
        )

    model = tke.Estimator(model_fn, str(tmp_path), params={}).train(train_input, steps=1)
    result = model.evaluate(train_input, steps=2)
    assert result["mean"] == pytest.approx(result["own"])
    assert seen == [tf.float32]
    assert result["loss_mean"] == pytest.approx(result["loss"], rel=1e-5)
