"""One task of a cluster: ``worker.py MODEL_DIR MAX_STEPS SLEEP STRATEGY``, its part in TF_CONFIG."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).parent))

import tensorflow as tf

from transferkit.estimator import Estimator, RunConfig

if __name__ == "__main__":
    pause, strategy = float(sys.argv[3]), sys.argv[4]
    # The strategy has to be there before anything else of TensorFlow runs.
    if strategy == "itself":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    config = RunConfig(
        tf_random_seed=1, train_distribute=strategy, save_checkpoints_steps=5, save_summary_steps=1
    )
    import conftest

    class Slow(tf.compat.v1.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            time.sleep(pause)

    def input_fn(input_context):
        data = tf.data.Dataset.from_tensor_slices(({"x": conftest.X}, conftest.Y)).repeat().batch(4)
        return data.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)

    estimator = Estimator(conftest.tf1_model_fn, sys.argv[1], config, {})
    estimator.train(input_fn, max_steps=int(sys.argv[2]), hooks=[Slow()])
    estimator.evaluate(lambda: tf.data.Dataset.from_tensor_slices(({"x": conftest.X}, conftest.Y)).batch(8))
    print("done", flush=True)
