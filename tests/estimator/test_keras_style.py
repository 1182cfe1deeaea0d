"""A Keras model under the Estimator trains as it does under a plain tf.function."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from transferkit.estimator import Estimator


def batches():
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(24, 1)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, 2 * x + 0.5)).repeat().batch(4)


def test_the_same_weights_as_a_plain_function(keras_model, tmp_path):
    plain = keras_model(0.2, 0.05)

    @tf.function
    def step(features, labels):
        return plain(features, labels, "train").loss

    for features, labels in batches().take(30):
        step(features, labels)
    ours = keras_model(0.2, 0.05)
    Estimator(ours, str(tmp_path)).train(batches, steps=30)
    for expected, received in zip(plain.model.variables, ours.model.variables, strict=True):
        np.testing.assert_allclose(
            expected.numpy(), received.numpy(), rtol=1e-5, atol=1e-6, err_msg=expected.path
        )
    assert int(ours.optimizer.iterations) == 30


def test_layers_made_inside_model_fn_are_shared_between_modes(tmp_path):
    from transferkit.estimator import EstimatorSpec

    def model_fn(features, labels, mode):
        value = keras.layers.Dense(1)(keras.layers.Dense(3)(features["x"]))
        loss = tf.reduce_mean((value - labels) ** 2)
        train_op = None
        if mode == "train":
            optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
            train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, str(tmp_path))
    estimator.train(batches, steps=60)
    assert estimator.evaluate(lambda: batches().take(6))["loss"] < 0.05
    names = estimator.get_variable_names()
    assert names == ["dense/bias", "dense/kernel", "dense_1/bias", "dense_1/kernel", "global_step"]
