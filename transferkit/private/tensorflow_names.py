"""TensorFlow's private names that transferkit uses beside the public ones.

What has no public name stands here, so that a newer TensorFlow is met in one place.

The classes of feature columns tell one kind of column from another; ``FeatureTransformationCache`` computes
what columns share once, and ``StateManager`` is what they ask for variables and tables.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.core.framework.variable_pb2 import VariableDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph
from tensorflow.python.client.session import SessionInterface
from tensorflow.python.data.ops.iterator_ops import OwnedIterator
from tensorflow.python.distribute import distribute_utils as _distribute
from tensorflow.python.eager import context as _context
from tensorflow.python.eager.polymorphic_function import atomic_function as _atomic_function
from tensorflow.python.feature_column.feature_column_v2 import (
    CategoricalColumn,
    NumericColumn,
    StateManager,
)
from tensorflow.python.framework import stack as _stack
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.ops import gen_random_ops as random_functions
from tensorflow.python.ops.control_flow_v2_func_graphs import (
    CondBranchFuncGraph,
    WhileBodyFuncGraph,
    WhileCondFuncGraph,
)
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable, ResourceVariable
from tensorflow.python.ops.resource_variable_ops import _UnreadVariable as UnreadVariable
from tensorflow.python.ops.summary_ops_v2 import _ResourceSummaryWriter as SummaryWriter
from tensorflow.python.trackable.resource import CapturableResource, ResourceTracker
from tensorflow.python.trackable.resource import resource_tracker_scope as tracking_resources

from transferkit.private.tested import warn_if_untested

__all__ = [
    "MIRRORED_RUN",
    "REASONS",
    "BaseResourceVariable",
    "CapturableResource",
    "CategoricalColumn",
    "CondBranchFuncGraph",
    "DenseColumn",
    "FeatureColumn",
    "FeatureTransformationCache",
    "FuncGraph",
    "NumericColumn",
    "OwnedIterator",
    "ResourceTracker",
    "ResourceVariable",
    "SavedModel",
    "SessionInterface",
    "StateManager",
    "SummaryWriter",
    "TrackableObjectGraph",
    "UnreadVariable",
    "VariableDef",
    "WhileBodyFuncGraph",
    "WhileCondFuncGraph",
    "constants_of",
    "default_session",
    "eager_context",
    "eagerly",
    "function_of_graph",
    "loss_reduction",
    "random_functions",
    "regrouped",
    "tflite_schema",
    "tracking_resources",
]

warn_if_untested(tf.__version__)

# Where replicas under MirroredStrategy wait for each other: the frame that has their threads.
MIRRORED_RUN = "tensorflow.python.distribute.mirrored_run"

# Each name: why it is needed, and since which version it is there.
REASONS = {
    "BaseResourceVariable": "to compare variables by identity in a model_fn, as TensorFlow 1 did; 2.0",
    "CapturableResource": "what tables and iterators are, to find those that a graph captured; 2.10",
    "CategoricalColumn": "which kind a feature column is; 1.15",
    "CondBranchFuncGraph": "whether an operation is made in a branch; 2.0",
    "DenseColumn": "which kind a feature column is; exported for Keras since 2.7",
    "FeatureColumn": "which kind a feature column is; exported for Keras since 2.7",
    "FeatureTransformationCache": "feature columns outside of a layer; exported for Keras since 2.7",
    "FuncGraph": "the graph that a model_fn is traced in; its public face, tf.Graph, captures nothing; 2.0",
    "MIRRORED_RUN": "to know whose code makes an operation where replicas meet; 2.2",
    "NumericColumn": "which kind a feature column is; 1.15",
    "OwnedIterator": "an iterator over a dataset that is not rewritten first; 2.0",
    "ResourceTracker": "to keep the tables of a model_fn alive as long as its graph; 2.2",
    "ResourceVariable": "a variable of no strategy inside of one, and one with TensorFlow 1's methods; 1.4",
    "SavedModel": "the message in saved_model.pb, to tell its format, or to write it as text; 1.0",
    "SessionInterface": "what makes Tensor.eval and Operation.run take our session; 1.0",
    "StateManager": "variables of feature columns outside of a layer; 1.15",
    "SummaryWriter": "which writers a model_fn made; 2.0",
    "TrackableObjectGraph": "the message in a checkpoint that says which object holds which variable; 1.13",
    "UnreadVariable": "what assign returns in a graph: asking for it runs the assignment; 1.8",
    "VariableDef": "the message of a variable in a graph's collections; 1.0",
    "WhileBodyFuncGraph": "whether an operation is made in a loop, for its count; 2.0",
    "WhileCondFuncGraph": "whether an operation is made in a loop, for its count; 2.0",
    "constants_of": "a frozen prefix as one graph for OpenVINO; its TensorFlow 1 kin needs a session; 2.0",
    "default_session": "Tensor.eval without a session; a public one must be a tf.compat.v1.Session; 1.0",
    "eager_context": "the global seed without throwing away every compiled kernel, as set_seed does; 2.0",
    "eagerly": "eager execution where the program has switched it off; 2.0",
    "function_of_graph": "a traced graph as a function with chosen inputs and outputs; 2.13",
    "loss_reduction": "sums or means of losses, as tf.estimator had them; 1.13",
    "random_functions": "what tf.random.* call: replaced while a model_fn is traced, to resume; 1.0",
    "regrouped": "batches for replicas of one process; 2.2",
    "tflite_schema": "to correct the biases of a quantised model; of LiteRT's package since 2.20; 2.3",
    "tracking_resources": "to keep the tables of a model_fn alive as long as its graph; 2.2",
}

DenseColumn: Any = tf.__internal__.feature_column.DenseColumn
FeatureColumn: Any = tf.__internal__.feature_column.FeatureColumn
FeatureTransformationCache: Any = tf.__internal__.feature_column.FeatureTransformationCache


def default_session(session: Any) -> Any:
    """A context in which ``eval`` and ``run`` without a session use ``session``."""
    return _stack.default_session(session)


def eagerly() -> Any:
    """A context in which TensorFlow executes eagerly, whatever the program has switched off."""
    return _context.eager_mode()


def constants_of(function: Any) -> Any:
    """A traced function with the values of its variables in it as constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function)


def tflite_schema() -> Any:
    """The classes that a TFLite file is read into and written from."""
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def eager_context() -> Any:
    """The state of eager execution in this process, which holds the global seed."""
    return _context.context()


def function_of_graph(name: str, graph: Any, attributes: dict[str, Any]) -> Any:
    """A callable of a traced graph, as ``tf.function`` makes one.

    Args:
        name: of the function.
        graph: a FuncGraph with inputs and outputs.
        attributes: of the function.
    """
    return _atomic_function.from_func_graph(name, graph, attributes)


def regrouped(values: tuple[Any, ...]) -> Any:
    """One value for each replica, as ``call_for_each_replica`` takes them."""
    return _distribute.regroup(values, always_wrap=True)


def loss_reduction() -> tf.distribute.ReduceOp:
    """How replicas' losses make up one, by what TensorFlow 1's optimizers were told of the loss."""
    return _distribute.get_loss_reduction()
