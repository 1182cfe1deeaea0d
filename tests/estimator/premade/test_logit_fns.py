"""The models of pre-made Estimators below a model_fn of one's own."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke
from transferkit.estimator.premade.logit_fns import dnn_logit_fn_builder_v2

v1 = tf.compat.v1
COLUMNS = [tf.feature_column.numeric_column("x")]


def model_fn(features, labels, mode, config):
    head = tke.RegressionHead()
    with v1.variable_scope("deep"):
        deep = tke.experimental.dnn_logit_fn_builder(1, [3], COLUMNS, tf.nn.relu, 0.1, None, True)
        logits = tke.experimental.call_logit_fn(deep, features, mode, {}, config)
    wide = tke.experimental.linear_logit_fn_builder(1, COLUMNS)
    logits += tke.experimental.call_logit_fn(wide, features, mode, {}, config)
    optimizer = v1.train.GradientDescentOptimizer(0.1)
    return head.create_estimator_spec(
        features,
        mode,
        logits,
        labels,
        train_op_fn=lambda loss: optimizer.minimize(loss, v1.train.get_global_step()),
        update_ops=v1.get_collection(v1.GraphKeys.UPDATE_OPS),
    )


def data():
    x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    return tf.data.Dataset.from_tensor_slices(({"x": x}, 2 * x)).repeat().batch(8)


def test_a_deep_and_a_wide_one_under_a_head(tmp_path):
    config = tke.RunConfig(tf_random_seed=7)
    model = tke.Estimator(model_fn, str(tmp_path), config).train(data, steps=2)
    assert model.get_variable_names() == [
        "deep/hiddenlayer_0/batchnorm_0/beta",
        "deep/hiddenlayer_0/batchnorm_0/gamma",
        "deep/hiddenlayer_0/batchnorm_0/moving_mean",
        "deep/hiddenlayer_0/batchnorm_0/moving_variance",
        "deep/hiddenlayer_0/bias",
        "deep/hiddenlayer_0/kernel",
        "deep/logits/bias",
        "deep/logits/kernel",
        "global_step",
        "linear_model/bias_weights",
        "linear_model/x/weights",
    ]
    # What the head's update_ops change.
    assert (model.get_variable_value("deep/hiddenlayer_0/batchnorm_0/moving_variance") != 1).all()
    before = model.evaluate(data, steps=1)["loss"]
    assert model.train(data, steps=30).evaluate(data, steps=1)["loss"] < before


def test_version_2_opens_a_scope_of_its_own():
    with tf.Graph().as_default():
        make = dnn_logit_fn_builder_v2(2, [], COLUMNS, None, None, False)
        assert make({"x": [[1.0]]}, "eval").shape == [1, 2]
        assert [one.name for one in v1.global_variables()] == ["dnn/logits/kernel:0", "dnn/logits/bias:0"]
    with pytest.raises(ValueError, match="whole number"):
        dnn_logit_fn_builder_v2(2.5, [], COLUMNS, None, None, False)
