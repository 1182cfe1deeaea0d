"""The Estimator contract of tf.estimator 2.15, on today's TensorFlow."""

from transferkit.estimator.estimator import Estimator
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.serving import (
    ServingInputReceiver,
    TensorServingInputReceiver,
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
)
from transferkit.estimator.training import NanLossDuringTrainingError
from transferkit.model_fn.export_output import (
    ClassificationOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)
from transferkit.model_fn.spec import EstimatorSpec, ModeKeys

__all__ = [
    "ClassificationOutput",
    "Estimator",
    "EstimatorSpec",
    "ExportOutput",
    "ModeKeys",
    "NanLossDuringTrainingError",
    "PredictOutput",
    "RegressionOutput",
    "RunConfig",
    "ServingInputReceiver",
    "TensorServingInputReceiver",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
]
