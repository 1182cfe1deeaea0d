"""One side of bench_estimator.py: an external loop of short calls, timed.

    python estimator_loop.py MODULE STYLE

Each line on standard input asks for a round and is answered with a line of JSON, so that the sides can take
turns; the end of the input ends the process.

MODULE is ``tensorflow.estimator`` or ``transferkit.estimator``. STYLE ``inside`` makes the network in
model_fn, which both can; ``captured`` makes it once outside, which tf.estimator could not.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
SIZE, BATCH, STEPS, CLASSES = 160, 8, 2, 5


class StepTime(v1.train.SessionRunHook):
    """Adds up the seconds between ``before_run`` and ``after_run``: the steps themselves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def before_run(self, run_context: Any) -> None:
        self._start = time.perf_counter()

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.seconds += time.perf_counter() - self._start


def backbone() -> Any:
    """MobileNetV2 up to its pooled features, frozen; random weights change no speed."""
    model = tf.keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None, pooling="avg"
    )
    model.trainable = False
    return model


def make_model_fn(E: Any, style: str) -> Callable[..., Any]:
    """A linear head on the frozen backbone, trained by Adam."""
    outside = backbone() if style == "captured" else None

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        network = outside or backbone()
        pooled = network(tf.cast(features, tf.float32) / 127.5 - 1.0, training=False)
        kernel = v1.get_variable("kernel", [1280, CLASSES], initializer=v1.zeros_initializer())
        bias = v1.get_variable("bias", [CLASSES], initializer=v1.zeros_initializer())
        logits = tf.matmul(pooled, kernel) + bias
        loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
        if mode == E.ModeKeys.EVAL:
            metrics = {"accuracy": v1.metrics.accuracy(labels, tf.argmax(logits, 1))}
            return E.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
        optimizer = v1.train.AdamOptimizer(1e-3)
        train_op = optimizer.minimize(loss, v1.train.get_global_step(), var_list=[kernel, bias])
        return E.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return model_fn


def timed(call: Callable[[list[Any]], Any]) -> dict[str, float]:
    """Seconds of a call and of the steps in it."""
    hook, start = StepTime(), time.perf_counter()
    call([hook])
    whole = time.perf_counter() - start
    return {"call": whole, "steps": hook.seconds, "besides": whole - hook.seconds}


def main() -> None:
    """Measures a round for each line that is read."""
    name, style = sys.argv[1:]
    # What libraries print must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    E = tf.estimator if name == "tensorflow.estimator" else importlib.import_module(name)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, BATCH)

    def input_fn() -> Any:
        return tf.data.Dataset.from_tensors((images, labels)).repeat()

    with tempfile.TemporaryDirectory() as folder:
        estimator = E.Estimator(make_model_fn(E, style), folder)
        for _ in sys.stdin:
            train = timed(lambda hooks: estimator.train(input_fn, hooks, steps=STEPS))
            evaluate = timed(lambda hooks: estimator.evaluate(input_fn, STEPS, hooks))
            traces = getattr(estimator, "trace_counts", None)
            facts = {"train": train, "evaluate": evaluate, "version": tf.__version__, "traces": traces}
            print(json.dumps(facts), file=answers, flush=True)


if __name__ == "__main__":
    main()
