"""Modes with strategies of their own, called in several orders: ``mode_strategies.py CASES``; prints JSON.

CASES is a list in JSON of ``[train_distribute, eval_distribute, order]``; ``order`` holds a letter a call:
t(rain), e(valuate), p(redict), s(top early, as the evaluations before it demand), and x where XLA compiles.
Answered are the evaluations after the first training, or the error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).parent))

import keras
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig
from transferkit.estimator.experimental import stop_if_lower_hook

v1 = tf.compat.v1


def make_model_fn(careless):
    """Weights of both styles, and metrics in every mode; where it is ``careless``, the train_op too."""

    def model_fn(features, labels, mode):
        scale = v1.get_variable("scale", [1], initializer=v1.random_normal_initializer(seed=1))
        dense = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(2))
        value = dense(features["x"]) * scale
        if mode == "infer":
            return EstimatorSpec(mode, predictions=value)
        loss = tf.reduce_mean((value - labels) ** 2)
        error = keras.metrics.MeanAbsoluteError(name="mae")
        error.update_state(labels, value)
        metrics, train_op = {"mae": error, "mean": v1.metrics.mean(value)}, None
        if careless or mode == "train":
            train_op = v1.train.AdamOptimizer(0.05).minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)

    return model_fn


def evaluations(train, evaluate, order):
    config = RunConfig(train_distribute=train, eval_distribute=evaluate, jit_compile="x" in order)
    # TensorFlow's optimizers want the strategy that the weights live in, or none.
    estimator = Estimator(make_model_fn(careless=train is not None or evaluate is None), config=config)
    found, trained = [], False
    for call in order:
        if call == "t":
            estimator.train(lambda: data().repeat().batch(4), steps=3)
            trained = True
        elif call == "e":
            result = estimator.evaluate(lambda: data().batch(4))
            found += [{name: float(value) for name, value in result.items()}] if trained else []
        elif call == "s":
            stop = stop_if_lower_hook(estimator, "loss", 1e9, run_every_secs=None, run_every_steps=1)
            estimator.train(lambda: data().repeat().batch(4), hooks=[stop], steps=50)
        elif call == "p":
            list(estimator.predict(lambda: data().batch(4)))
    return found


def data():
    return tf.data.Dataset.from_tensor_slices(({"x": conftest.X}, conftest.Y))


if __name__ == "__main__":
    cpus = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], cpus)
    import conftest

    answers = []
    for case in json.loads(sys.argv[1]):
        try:
            answers.append(evaluations(*case))
        except ValueError as error:
            answers.append(str(error))
    print(json.dumps(answers))
