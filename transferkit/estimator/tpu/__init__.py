"""What ``tf.compat.v1.estimator.tpu`` holds, under the same names: a thin layer over the Estimator.

Programs written with ``TPUEstimator`` run as they are: with ``use_tpu=False`` on CPU or GPU, with
``use_tpu=True`` on a TPU, or on whatever strategy ``RunConfig.train_distribute`` names.
"""

from transferkit.estimator.tpu.config import InputPipelineConfig, RunConfig, TPUConfig
from transferkit.estimator.tpu.context import TPUContext
from transferkit.estimator.tpu.cross_shard import CrossShardOptimizer
from transferkit.estimator.tpu.spec import TPUEstimatorSpec
from transferkit.estimator.tpu.tpu_estimator import TPUEstimator

__all__ = [
    "CrossShardOptimizer",
    "InputPipelineConfig",
    "RunConfig",
    "TPUConfig",
    "TPUContext",
    "TPUEstimator",
    "TPUEstimatorSpec",
]
