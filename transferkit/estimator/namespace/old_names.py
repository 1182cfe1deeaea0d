"""Names that tf.estimator's modules held beside the public ones, and that programs imported all the same."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["OLD_MODULES", "TWO_VERSIONS", "old_name"]

# Name -> module below transferkit.estimator, and what of it.
_NAMES = {
    "AVERAGE_LOSS_METRIC_KEY": "heads.keys:MetricKeys.LOSS_MEAN",
    "EstimatorV2": "estimator:Estimator",
    "EXPORT_TAG_MAP": "saved_models.several_modes:EXPORT_TAG_MAP",
    "LOSS_METRIC_KEY": "heads.keys:MetricKeys.LOSS",
    "MetricKeys": "heads.keys:MetricKeys",
    "PredictionKeys": "heads.keys:PredictionKeys",
    "SupervisedInputReceiver": "inputs.serving:SupervisedInputReceiver",
    "TaskType": "cluster:TaskType",
    "TrainOutput": "export_output:TrainOutput",
    "UnsupervisedInputReceiver": "inputs.serving:UnsupervisedInputReceiver",
    "_Head": "heads.first_version:FirstHead",
    "build_supervised_input_receiver_fn_from_input_fn": (
        "inputs.supervised:build_supervised_input_receiver_fn_from_input_fn"
    ),
    "classifier_parse_example_spec_v2": "premade.parsing:classifier_parse_example_spec",
    "dnn_logit_fn_builder": "premade.logit_fns:dnn_logit_fn_builder",
    "dnn_logit_fn_builder_v2": "premade.logit_fns:dnn_logit_fn_builder_v2",
    "get_optimizer_instance": "premade.first_version:get_optimizer_instance",
    "get_optimizer_instance_v2": "premade.optimizers:get_optimizer_instance_v2",
    "linear_logit_fn_builder": "premade.logit_fns:linear_logit_fn_builder",
    "linear_logit_fn_builder_v2": "premade.logit_fns:linear_logit_fn_builder",
    "read_eval_metrics": "early_stopping:read_eval_metrics",
    "regressor_parse_example_spec_v2": "premade.parsing:regressor_parse_example_spec",
}
# What below the old paths was a module or a folder; tf.estimator had more, of which nothing is here.
_MODULES_OF_OLD = """
_api _v1 _v2 api base_head baseline basic_session_run_hooks binary_class_head canned dnn
dnn_linear_combined early_stopping estimator estimator_lib experimental export export_lib
export_output exporter extenders head hooks inputs keras keras_lib linear metric_keys mode_keys model_fn
multi_class_head multi_head multi_label_head numpy_io optimizers pandas_io parsing_utils prediction_keys
python regression_head run_config session_run_hook tpu tpu_config tpu_context tpu_estimator training util
v1 v2
"""
OLD_MODULES = frozenset(_MODULES_OF_OLD.split())
# Of two versions each, of which the old paths held both.
_PREMADE = ("Baseline", "DNN", "DNNLinearCombined", "Linear")
_KINDS = ("Classifier", "Estimator", "Regressor")
TWO_VERSIONS = {begin + kind for begin in _PREMADE for kind in _KINDS}


def old_name(module: str, name: str) -> Any:
    """What ``name`` of the old ``module`` is here; None where nothing is known of it.

    A pre-made Estimator without ``V2`` at its end is TensorFlow 1's, except where a module is the public
    ``tf.estimator`` of TensorFlow 2.

    Args:
        module: a dotted path below ``tensorflow_estimator`` or ``tensorflow.python.estimator``.
        name: of one of its attributes.
    """
    if name in TWO_VERSIONS and not {"_v2", "v2"} & set(module.split(".")):
        return getattr(importlib.import_module("transferkit.estimator.v1"), name)
    if name.endswith("V2") and name[:-2] in TWO_VERSIONS:
        return getattr(importlib.import_module("transferkit.estimator"), name[:-2])
    if name not in _NAMES:
        return None
    place, _, path = _NAMES[name].partition(":")
    found: Any = importlib.import_module(f"transferkit.estimator.{place}")
    for part in path.split("."):
        found = getattr(found, part)
    return found
