"""A Keras model under the Estimator trains as it does under a plain tf.function."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig


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


def _accumulating():
    return keras.optimizers.Adam(0.05, gradient_accumulation_steps=3)


def _averaging():
    return keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=4)


def _scaling():
    # The scale at the start is so large that the first steps are left out and halve it.
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), initial_scale=2.0**127)


class Counting(keras.layers.Layer):
    """Counts the batches of which the mean is positive, within a branch."""

    def build(self, shape):
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")
        self.spare = self.add_weight(shape=(), initializer="zeros", trainable=False, name="spare")

    def call(self, x):
        def count():
            self.seen.assign_add(1.0)
            return 0

        tf.cond(tf.reduce_mean(x) > 0, count, lambda: 0)
        return x


@pytest.mark.parametrize("steps_per_loop", [1, 5])
@pytest.mark.parametrize("optimizer", [_accumulating, _averaging, _scaling])
def test_what_keras_assigns_within_a_branch_is_assigned(optimizer, steps_per_loop, tmp_path):
    def make():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((1,)), Counting(), keras.layers.Dense(1)])
        chosen = optimizer()
        chosen.build(model.trainable_variables)

        def model_fn(features, labels, mode):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(features["x"], training=True) - labels) ** 2)
                scaled = chosen.scale_loss(loss)
            weights = model.trainable_variables
            gradients = tape.gradient(scaled, [one.value for one in weights])
            train_op = chosen.apply_gradients(zip(gradients, weights, strict=True))
            return EstimatorSpec(mode, loss=loss, train_op=train_op)

        return model_fn, [*model.variables, *chosen.variables]

    plain, expected = make()
    initial = [one.numpy() for one in expected]
    step = tf.function(lambda features, labels: plain(features, labels, "train").loss)
    for features, labels in batches().take(20):
        step(features, labels)
    ours, received = make()
    config = RunConfig(tf_random_seed=1, steps_per_loop=steps_per_loop)
    Estimator(ours, str(tmp_path), config).train(batches, steps=20)
    for one, other in zip(expected, received, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6, err_msg=one.path)
    moved = [not np.array_equal(one.numpy(), before) for one, before in zip(expected, initial, strict=True)]
    names = {one.path.split("/")[-1] for one, changed in zip(expected, moved, strict=True) if changed}
    assert {"kernel", "bias", "seen"} <= names


def _in_a_branch(apply):
    return tf.cond(tf.constant(1.0) > 0, lambda: (apply(), tf.constant(1))[1], lambda: tf.constant(0))


def _in_a_loop(apply):
    return tf.while_loop(lambda i: i < 1, lambda i: [(apply(), i + 1)[1]], [0])[0]


@pytest.mark.parametrize("where", [_in_a_branch, _in_a_loop])
def test_an_optimizer_that_is_called_within_a_branch_trains(where, tmp_path):
    """As those do that leave out a step whose gradients are not finite."""
    layer, optimizer = keras.layers.Dense(1), keras.optimizers.SGD(0.1)
    layer.build((None, 1))
    optimizer.build(layer.trainable_variables)

    def model_fn(features, labels, mode):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((layer(features["x"]) - labels) ** 2)
        gradients = tape.gradient(loss, [one.value for one in layer.trainable_variables])

        def apply():
            optimizer.apply_gradients(zip(gradients, layer.trainable_variables, strict=True))

        return EstimatorSpec(mode, loss=loss, train_op=where(apply))

    estimator = Estimator(model_fn, str(tmp_path)).train(batches, steps=40)
    assert int(optimizer.iterations) == estimator.get_variable_value("global_step") == 40
    assert float(layer.bias[0]) == pytest.approx(0.5, abs=0.05)
    assert float(layer.kernel[0, 0]) == pytest.approx(2.0, abs=0.2)


def test_layers_made_inside_model_fn_are_shared_between_modes(tmp_path):
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
