"""Small models in both styles, and their data."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import EstimatorSpec, ModeKeys

v1 = tf.compat.v1

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(24, 1)
Y = (2 * X + 0.5).astype(np.float32)


def tf1_model_fn(features, labels, mode, params):
    """A linear model in TensorFlow 1's style, with random initial values and dropout."""
    weight = tf.Variable(tf.random.normal([1]), name="weight")
    bias = tf.Variable(tf.zeros([1]), name="bias")
    with v1.variable_scope("scope"):
        scale = v1.get_variable("scale", [1], initializer=v1.ones_initializer())
    value = features["x"] * weight * scale + bias
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"value": value})
    if mode == ModeKeys.TRAIN and params.get("dropout"):
        value = v1.nn.dropout(value, rate=params["dropout"])
    loss = v1.losses.mean_squared_error(labels, value)
    if mode == ModeKeys.EVAL:
        metrics = {"mae": v1.metrics.mean_absolute_error(labels, value)}
        return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
    optimizer = v1.train.AdamOptimizer(params.get("learning_rate", 0.05))
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def make_keras_model_fn(dropout=0.2, learning_rate=0.01, seed=3, frozen_norm=False):
    """A Keras model and optimizer built once outside, and the model_fn that captures them."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.layers.Input((1,)),
            keras.layers.Dense(4, name="hidden"),
            keras.layers.BatchNormalization(momentum=0.5, name="norm"),
            keras.layers.Dropout(dropout, seed=7, name="drop"),
            keras.layers.Dense(1, name="out"),
        ],
        name="net",
    )
    # A frozen batch normalisation reads its statistics and never moves them.
    model.get_layer("norm").trainable = not frozen_norm
    optimizer = keras.optimizers.Adam(learning_rate, name="adam")
    optimizer.build(model.trainable_variables)

    def model_fn(features, labels, mode):
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions={"value": model(features["x"], training=False)})
        with tf.GradientTape() as tape:
            value = model(features["x"], training=mode == ModeKeys.TRAIN)
            loss = tf.reduce_mean((value - labels) ** 2)
        if mode == ModeKeys.EVAL:
            metric = keras.metrics.MeanAbsoluteError(name="mae")
            metric.update_state(labels, value)
            return EstimatorSpec(mode, loss=loss, eval_metric_ops={"mae": metric})
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [v.value for v in variables])
        return EstimatorSpec(
            mode, loss=loss, train_op=optimizer.apply_gradients(zip(gradients, variables, strict=True))
        )

    model_fn.model, model_fn.optimizer = model, optimizer
    return model_fn


@pytest.fixture
def arrays():
    return X, Y


@pytest.fixture
def train_input():
    return lambda: tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).shuffle(24).repeat().batch(4)


@pytest.fixture
def eval_input():
    return lambda: tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(7)


@pytest.fixture
def tf1_model():
    return tf1_model_fn


@pytest.fixture
def keras_model():
    return make_keras_model_fn
