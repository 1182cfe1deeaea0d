"""The same training on one device or several replicas: ``replicas.py N STYLE STRATEGY``; prints JSON."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).parent))

import keras
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1


class Losses(v1.train.SessionRunHook):
    def __init__(self):
        self.values = []

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(run_context.original_args.fetches[1])

    def after_run(self, run_context, run_values):
        self.values.append(float(run_values.results))


def keras_model_fn(strategy):
    with strategy.scope() if strategy else contextlib.nullcontext():
        keras.utils.set_random_seed(1)
        layers = [
            keras.layers.Input((1,)),
            keras.layers.Dense(4, name="hidden"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(1, name="out"),
        ]
        model = keras.Sequential(layers)
        model.get_layer("norm").trainable = False
        optimizer = keras.optimizers.Adam(0.05)
        optimizer.build(model.trainable_variables)

    def model_fn(features, labels, mode):
        if mode == "infer":
            return EstimatorSpec(mode, predictions={"value": model(features["x"], training=False)})
        with tf.GradientTape() as tape:
            value = model(features["x"], training=mode == "train")
            loss = tf.reduce_mean((value - labels) ** 2)
            scaled = loss / tf.distribute.get_strategy().num_replicas_in_sync
        if mode == "eval":
            metric = keras.metrics.MeanAbsoluteError(name="mae")
            metric.update_state(labels, value)
            return EstimatorSpec(mode, loss=loss, eval_metric_ops={"mae": metric})
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, [v.value for v in variables])
        train_op = optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    return model_fn


if __name__ == "__main__":
    count, style, named = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    loop = int(sys.argv[4]) if len(sys.argv) > 4 else None
    if count > 1:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * count
        )
    import conftest

    from transferkit.estimator.distribution import strategy_of

    strategy = None if named == "none" else strategy_of(named)
    model_fn = conftest.tf1_model_fn if style == "tf1" else keras_model_fn(strategy)

    def data():
        return tf.data.Dataset.from_tensor_slices(({"x": conftest.X}, conftest.Y))

    hook = Losses()
    config = RunConfig(
        tf_random_seed=1, train_distribute=strategy, eval_distribute=strategy, steps_per_loop=loop
    )
    estimator = Estimator(model_fn, config=config, params={} if style == "tf1" else None)
    estimator.train(lambda: data().repeat().batch(8 // count), steps=12, hooks=[hook])
    # Five batches: over two or four replicas the last ones come alone.
    result = estimator.evaluate(lambda: data().batch(5))
    predicted = [float(one["value"][0]) for one in estimator.predict(lambda: data().batch(24))]
    weights = {
        name: estimator.get_variable_value(name).tolist()
        for name in estimator.get_variable_names()
        if "seed_generator" not in name
    }
    found = {
        "losses": hook.values,
        "mae": float(result["mae"]),
        "loss": float(result["loss"]),
        "weights": weights,
    }
    print(json.dumps({**found, "predicted": predicted, "traces": estimator.trace_counts}))
