"""A model_fn of tf.compat.v1.layers, which TensorFlow gives where TF_USE_LEGACY_KERAS is set: prints JSON."""

from __future__ import annotations

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    training = mode == tke.ModeKeys.TRAIN
    net = tf.reshape(features["image"], [-1, 8, 8, 1])
    net = v1.layers.conv2d(net, 4, 3, padding="same", use_bias=False)
    net = v1.layers.batch_normalization(net, momentum=0.9, training=training, fused=True)
    net = v1.layers.max_pooling2d(tf.nn.relu(net), 2, 2)
    net = v1.layers.dropout(v1.layers.flatten(net), rate=0.2, training=training)
    logits = v1.layers.dense(net, 2, name="logits")
    predictions = {"classes": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits, name="softmax")}
    if mode == tke.ModeKeys.PREDICT:
        exports = {"serving_default": tke.PredictOutput(predictions)}
        return tke.EstimatorSpec(mode, predictions=predictions, export_outputs=exports)
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
    loss += 1e-4 * tf.add_n(
        [tf.nn.l2_loss(v) for v in v1.trainable_variables() if "batch_normalization" not in v.name]
    )
    accuracy = v1.metrics.accuracy(labels, predictions["classes"])
    v1.summary.scalar("train_accuracy", accuracy[1])
    if not training:
        mean = tf.keras.metrics.Mean(name="mean")
        mean.update_state(labels)
        return tke.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy, "mean": mean})
    step = v1.train.get_or_create_global_step()
    rate = v1.train.piecewise_constant(step, [40, 50], [0.1, 0.01, 0.001])
    tf.identity(rate, name="learning_rate")
    optimizer = v1.train.MomentumOptimizer(rate, 0.9)
    minimize = optimizer.apply_gradients(optimizer.compute_gradients(loss), step)
    train_op = tf.group(minimize, v1.get_collection(v1.GraphKeys.UPDATE_OPS))
    hook = v1.train.LoggingTensorHook({"learning_rate": "learning_rate"}, every_n_iter=20)
    return tke.EstimatorSpec(mode, predictions, loss, train_op, training_hooks=[hook])


def input_fn():
    labels = np.arange(64) % 2
    images = np.random.default_rng(0).normal(labels[:, None, None], 0.5, (64, 8, 8)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(16)


if __name__ == "__main__":
    estimator = tke.Estimator(model_fn, sys.argv[1], params={})
    estimator.train(lambda: input_fn().repeat(), steps=60)
    result = estimator.evaluate(input_fn)
    means = "batch_normalization/moving_mean"
    print(
        json.dumps(
            {
                "accuracy": float(result["accuracy"]),
                "mean": float(result["mean"]),
                "names": estimator.get_variable_names(),
                "moved": bool(np.any(estimator.get_variable_value(means) != 0)),
                "predicted": len(list(estimator.predict(input_fn))),
                "traces": estimator.trace_counts,
            }
        )
    )
