"""A training job of its own process: ``job.py MODEL_DIR MAX_STEPS STYLE [SLEEP]``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_DETERMINISTIC_OPS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import tensorflow as tf

from transferkit.estimator import Estimator, RunConfig

if __name__ == "__main__":
    import conftest

    folder, steps, style = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0

    class Slow(tf.compat.v1.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            time.sleep(pause)

    def input_fn():
        data = tf.data.Dataset.from_tensor_slices(({"x": conftest.X}, conftest.Y))
        return data.shuffle(24).repeat().batch(4)

    keras_style = style == "keras"
    model_fn = conftest.make_keras_model_fn() if keras_style else conftest.tf1_model_fn
    params = None if keras_style else {"dropout": 0.3}
    estimator = Estimator(model_fn, folder, RunConfig(tf_random_seed=1, save_checkpoints_steps=7), params)
    print("ready", flush=True)
    estimator.train(input_fn, max_steps=steps, hooks=[Slow()] if pause else None)
    print("done", flush=True)
