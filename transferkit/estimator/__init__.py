"""The Estimator contract of tf.estimator 2.15, on today's TensorFlow."""

from transferkit.estimator.estimator import Estimator
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.training import NanLossDuringTrainingError
from transferkit.model_fn.spec import EstimatorSpec, ModeKeys

__all__ = ["Estimator", "EstimatorSpec", "ModeKeys", "NanLossDuringTrainingError", "RunConfig"]
