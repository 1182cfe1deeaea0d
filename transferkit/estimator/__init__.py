"""The Estimator contract of tf.estimator 2.15, on today's TensorFlow.

A ``model_fn`` written for ``tf.estimator`` moves here by changing the import: the names, arguments, defaults,
results and error types are the same. It may be written in TensorFlow 1's style (``tf.compat.v1`` variables,
optimizers, losses, metrics) or with Keras 3, whose layers may be made inside, or built once outside.

It stands for the whole namespace: ``tf.estimator = transferkit.estimator`` in a program, or :func:`install`
for one that cannot be edited. ``python -m transferkit.estimator check PROGRAM_OR_FOLDER`` lists what a code
base uses and what has to change. Programs that switch TensorFlow 2's behaviour off (``disable_v2_behavior()``
and its like) run as they are. In model_fn and hooks, ``==`` between tensors or variables asks whether they
are the same, and both can be keys of dictionaries, as in a graph.

What is other than there:

* ``model_fn`` is called once for a mode and input signature (once a replica under a distribution strategy),
  however many calls follow; ``Estimator.trace_counts`` says how often. All modes share the weights: an
  evaluation after training reads no checkpoint, unless ``checkpoint_path`` names one.
* A run that was ended goes on from its last checkpoint and ends with the very same weights, where
  ``tf_random_seed`` is set: checkpoints know how far their ``train`` call was in its data, and random
  operations draw by seed and step.
* After a ``train`` call that failed, what follows starts from the newest checkpoint, as it did; a NaN loss is
  raised before its weights are saved.
* What TensorFlow-1 code makes runs when it is fetched (the train_op, metrics' updates, and what they depend
  on), as in a session; what Keras code assigns runs always, in program order. A step reads every variable
  before it writes it, where nothing says otherwise. Where nothing moves the global step, it is moved by one.
* ``RunConfig`` takes besides: ``steps_per_loop`` (steps run inside the graph between two looks of Python, of
  which hooks see the last, its data taken already), ``jit_compile``, ``mixed_precision``, names for
  ``train_distribute``, and ``tpu``.
* Random operations of the model, those inside ``tf.cond``, ``tf.case``, ``tf.while_loop`` and ``tf.map_fn``
  among them, draw by seed and step. What a ``tf.function`` draws keeps a count that no checkpoint holds; a
  warning names it. Use ``tf.random.stateless_*`` there.
* Pre-made Estimators (``DNNClassifier`` and the like) take optimizers of Keras 3 and ``tf.compat.v1.train``;
  a name means TensorFlow's own operations with Keras's constants, whose variables a checkpoint names
  ``dnn/logits/kernel/Adagrad`` and the like. Losses are means over examples, as in ``tf.estimator``; the sums
  and rates of ``tf.compat.v1.estimator`` are in ``transferkit.estimator.v1``.
* Lookup tables of fixed contents may be made in model_fn, in the serving input receiver, or outside; exports
  carry them and their vocabulary files. A table that changes belongs outside of model_fn; checkpoints do not
  hold its contents.
* ``tpu`` is a thin layer: a TPUEstimator is an Estimator under a strategy, its host calls see the first
  replica's tensors, TPU embeddings and models over several cores are refused, and exports hold no graph that
  is rewritten for TPUs.
* ``model_to_estimator`` takes models of Keras 3 and of ``tf_keras``; its checkpoints are by variable names in
  either format.
* ``graph.pbtxt`` and ``.meta`` files give each variable zero as its first value; a checkpoint has the values.
* A classification or regression output whose receiver takes plain tensors, and no serialized examples, is
  exported as a prediction's signature; there it was left out.
* Event files are flushed once a second, not after each call.
* Slots of variables that were made outside of model_fn under one name are numbered in checkpoints.
* ``tf.compat.v1.layers`` are part of the older Keras: install ``tf_keras`` and set ``TF_USE_LEGACY_KERAS=1``
  before TensorFlow is imported, and a model_fn that uses them works as it is.

What has no meaning without a session:

* ``RunConfig.session_config``, ``master``, ``protocol`` and the other settings of a session are taken and
  kept, and change nothing.
* The session that hooks get runs what depends on variables, constants and fed placeholders; for a value of a
  batch between two steps it raises ``ValueError``: ask for it in ``before_run``. ``partial_run`` raises
  ``AttributeError``. A variable's name fetches its value, where a session gave the handle. What a hook asks
  to be assigned within a step is assigned after the step's own assignments.
* Of a ``Scaffold``, ``init_op``, ``init_feed_dict``, ``init_fn`` (each before a fresh model's first step),
  ``local_init_op`` (at the begin of a call), ``summary_op``, ``ready_op`` and ``ready_for_local_init_op``
  (asked once a call) count. A ``saver`` fills the variables that it names for an evaluation, a prediction or
  an export; in training, it says how many checkpoints stay, and these hold all variables.
* ``SyncReplicasOptimizer`` is the optimizer inside, on one worker; for more it raises.
* Parameter servers are not supported (``CentralStorageStrategy`` is, on one machine);
  ``train_and_evaluate`` refuses a ``ps`` task.
* The coordinator given to ``after_create_session`` coordinates no threads.

Under a distribution strategy a batch of ``input_fn`` is one replica's batch, as it was; the loss that is
reported is the mean over replicas. Optimizers of ``tf.compat.v1`` average gradients over replicas by
themselves; with a Keras optimizer, divide the loss that is differentiated by ``num_replicas_in_sync``.
Not run by the tests of this project, for want of the devices: real GPUs and TPUs. To check them there:
``python -m pytest tests/estimator -k distribution`` with ``TRANSFERKIT_TEST_STRATEGY=gpu`` (or ``tpu``).
"""

from typing import Any as _Any

import tensorflow as _tf

from transferkit.estimator import experimental, export, inputs, tpu
from transferkit.estimator.checkpoints.vocabularies import VocabInfo
from transferkit.estimator.checkpoints.warm_start import WarmStartSettings
from transferkit.estimator.early_stopping import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.export_output import (
    ClassificationOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)
from transferkit.estimator.exporters import BestExporter, Exporter, FinalExporter, LatestExporter
from transferkit.estimator.extenders import add_metrics
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.binary_class import BinaryClassHead
from transferkit.estimator.heads.multi import MultiHead
from transferkit.estimator.heads.multi_class import MultiClassHead
from transferkit.estimator.heads.multi_label import MultiLabelHead
from transferkit.estimator.heads.regression import (
    LogisticRegressionHead,
    PoissonRegressionHead,
    RegressionHead,
)
from transferkit.estimator.inputs.serving import (
    ServingInputReceiver,
    TensorServingInputReceiver,
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
)
from transferkit.estimator.loops.training import NanLossDuringTrainingError
from transferkit.estimator.namespace import install, missing
from transferkit.estimator.premade.baseline import (
    BaselineClassifier,
    BaselineEstimator,
    BaselineRegressor,
)
from transferkit.estimator.premade.combined import (
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
)
from transferkit.estimator.premade.dnn import (
    DNNClassifier,
    DNNEstimator,
    DNNRegressor,
)
from transferkit.estimator.premade.linear import (
    LinearClassifier,
    LinearEstimator,
    LinearRegressor,
)
from transferkit.estimator.premade.parsing import (
    classifier_parse_example_spec,
    regressor_parse_example_spec,
)
from transferkit.estimator.ready_models.keras_models import model_to_estimator
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.estimator.train_and_evaluate import EvalSpec, TrainSpec, train_and_evaluate

# The hooks are TensorFlow's own.
CheckpointSaverHook = _tf.compat.v1.train.CheckpointSaverHook
CheckpointSaverListener = _tf.compat.v1.train.CheckpointSaverListener
FeedFnHook = _tf.compat.v1.train.FeedFnHook
FinalOpsHook = _tf.compat.v1.train.FinalOpsHook
GlobalStepWaiterHook = _tf.compat.v1.train.GlobalStepWaiterHook
LoggingTensorHook = _tf.compat.v1.train.LoggingTensorHook
NanTensorHook = _tf.compat.v1.train.NanTensorHook
ProfilerHook = _tf.compat.v1.train.ProfilerHook
SecondOrStepTimer = _tf.compat.v1.train.SecondOrStepTimer
SessionRunArgs = _tf.compat.v1.train.SessionRunArgs
SessionRunContext = _tf.compat.v1.train.SessionRunContext
SessionRunHook = _tf.compat.v1.train.SessionRunHook
SessionRunValues = _tf.compat.v1.train.SessionRunValues
StepCounterHook = _tf.compat.v1.train.StepCounterHook
StopAtStepHook = _tf.compat.v1.train.StopAtStepHook
SummarySaverHook = _tf.compat.v1.train.SummarySaverHook

__all__ = [
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "BestExporter",
    "BinaryClassHead",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "ClassificationOutput",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "ExportOutput",
    "Exporter",
    "FeedFnHook",
    "FinalExporter",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "Head",
    "LatestExporter",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "LoggingTensorHook",
    "LogisticRegressionHead",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "PoissonRegressionHead",
    "PredictOutput",
    "ProfilerHook",
    "RegressionHead",
    "RegressionOutput",
    "RunConfig",
    "SecondOrStepTimer",
    "ServingInputReceiver",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "TensorServingInputReceiver",
    "TrainSpec",
    "VocabInfo",
    "WarmStartSettings",
    "add_metrics",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
    "classifier_parse_example_spec",
    "experimental",
    "export",
    "inputs",
    "install",
    "make_early_stopping_hook",
    "model_to_estimator",
    "regressor_parse_example_spec",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
    "tpu",
    "train_and_evaluate",
]


def __getattr__(name: str) -> _Any:
    """Says what to use for a name of tf.estimator that is not here."""
    hint = None if name.startswith("_") else missing(name)
    raise AttributeError(f"transferkit.estimator has no {name}" + (f": {hint}" if hint else ""))
