"""The models below the heads: a deep one, a linear one, and one that knows no features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.premade.columns import checked_features, dense_input, weighted_sums
from transferkit.estimator.spec import ModeKeys
from transferkit.keras_import import keras
from transferkit.type_names import Tensor, Tensors, Variable

__all__ = [
    "DeepPart",
    "Logits",
    "activation_summary",
    "baseline_logits",
    "dnn_layers",
    "dnn_logits",
    "linear_logits",
    "linear_sums",
]

v1 = tf.compat.v1

# Of Keras's BatchNormalization as the deep models used it.
_MOMENTUM, _EPSILON = 0.999, 1e-3


class Logits(NamedTuple):
    """What a model gives a head.

    Attributes:
        tensor: float32 of shape ``[batch, units]``.
        variables: what training changes.
        updates: operations that a training step runs besides.
    """

    tensor: Tensor
    variables: list[Variable]
    updates: list[Any]


@dataclass(frozen=True)
class DeepPart:
    """Dense layers over dense columns.

    Attributes:
        hidden_units: width of each hidden layer, the first next to the input.
        columns: feature columns that give a dense input.
        activation_fn: of hidden layers: a function, Keras's name of one, or None.
        dropout: share of a hidden layer's values that training leaves out, 0 to 1; None for none.
        batch_norm: whether hidden layers are normalized, after dropout.
    """

    hidden_units: tuple[int, ...]
    columns: tuple[Any, ...]
    activation_fn: Any
    dropout: float | None
    batch_norm: bool


def dnn_logits(deep: DeepPart, features: Tensors, mode: str, units: int) -> Logits:
    """Dense layers over dense columns; names as ``dnn/hiddenlayer_0/kernel``.

    Args:
        deep: the layers.
        features: the batch's features by name.
        mode: one of ModeKeys.
        units: the last dimension of the logits.
    """
    with v1.variable_scope("dnn"):
        return dnn_layers(deep, features, mode, units, "dnn/")


def dnn_layers(deep: DeepPart, features: Tensors, mode: str, units: int, tag: str = "") -> Logits:
    """As :func:`dnn_logits`, in the variable scope that is open; names of summaries begin with ``tag``.

    Args:
        deep: the layers.
        features: tensors by names.
        mode: a value of ModeKeys.
        units: width of the logits.
        tag: see above.
    """
    features, training = checked_features(features), mode == ModeKeys.TRAIN
    updates: list[Any] = []
    with v1.variable_scope("input_from_feature_columns"), v1.variable_scope("input_layer"):
        net, variables = dense_input(features, deep.columns, training)
    for number, width in enumerate(deep.hidden_units):
        with v1.variable_scope(f"hiddenlayer_{number}"):
            net = keras.activations.get(deep.activation_fn)(_dense(net, width, variables))
            if deep.dropout is not None and training:
                net = tf.nn.dropout(net, rate=deep.dropout)
            if deep.batch_norm:
                with v1.variable_scope(f"batchnorm_{number}"):
                    net = _normalized(net, training, variables, updates)
        activation_summary(net, f"{tag}hiddenlayer_{number}")
    with v1.variable_scope("logits"):
        logits = _dense(net, units, variables)
    activation_summary(logits, f"{tag}logits")
    return Logits(logits, variables, updates)


def linear_logits(features: Tensors, units: int, columns: Iterable[Any], combiner: str) -> Logits:
    """A weighted sum of columns; names as ``linear/linear_model/COLUMN/weights``.

    Args:
        features: the batch's features by name.
        units: the last dimension of the logits.
        columns: dense or categorical.
        combiner: how several classes of one example add up: ``sum``, ``mean`` or ``sqrtn``.
    """
    with v1.variable_scope("linear"):
        return linear_sums(features, units, columns, combiner)


def linear_sums(features: Tensors, units: int, columns: Iterable[Any], combiner: str) -> Logits:
    """As :func:`linear_logits`, in the variable scope that is open.

    Args:
        features: tensors by names.
        units: width of the logits.
        columns: feature columns.
        combiner: of columns with several values: ``sum``, ``mean`` or ``sqrtn``.
    """
    features = checked_features(features)
    with v1.variable_scope("linear_model"):
        sums, variables = weighted_sums(features, columns, units, combiner)
        bias = v1.get_variable("bias_weights", [units], initializer=v1.zeros_initializer())
        logits = tf.nn.bias_add(tf.add_n(sums), bias)
    with v1.name_scope(""):
        if units > 1:
            v1.summary.histogram("bias", bias)
        else:
            v1.summary.scalar("bias", bias[0])
        zeros = tf.add_n([tf.math.count_nonzero(tf.equal(one, 0)) for one in variables])
        size = sum(one.shape.num_elements() for one in variables)
        v1.summary.scalar("fraction_of_zero_weights", tf.cast(zeros, tf.float32) / size)
    return Logits(logits, [*variables, bias], [])


def baseline_logits(features: Tensors, units: int, weight_column: str | None) -> Logits:
    """One number a unit, whatever the features are; named ``baseline/bias``.

    Args:
        features: the batch's features by name, which tell how many examples there are.
        units: the last dimension of the logits.
        weight_column: the feature that weighs examples, and is not counted.

    Raises:
        ValueError: there are none.
    """
    features = checked_features(features)
    sizes = [v1.shape(value)[0] for key, value in features.items() if key != weight_column]
    if not sizes:
        raise ValueError(fault("features", sorted(features), "a feature beside the weights"))
    checks = [v1.debugging.assert_equal(sizes[0], size) for size in sizes[1:]]
    with tf.control_dependencies([check for check in checks if check is not None]):
        size = tf.identity(sizes[0])
    with v1.variable_scope("baseline"):
        bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
    return Logits(bias * tf.ones([size, units]), [bias], [])


def activation_summary(value: Any, tag: str) -> None:
    """The share of zeros among a layer's values, and how they are spread."""
    with v1.name_scope(""):
        v1.summary.scalar(f"{tag}/fraction_of_zero_values", tf.math.zero_fraction(value))
        v1.summary.histogram(f"{tag}/activation", value)


def _dense(net: Tensor, units: int, variables: list[Variable]) -> Tensor:
    kernel = v1.get_variable("kernel", [net.shape[-1], units], initializer=v1.glorot_uniform_initializer())
    bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
    variables += [kernel, bias]
    return tf.nn.bias_add(tf.matmul(net, kernel), bias)


def _normalized(net: Tensor, training: bool, variables: list[Variable], updates: list[Any]) -> Tensor:
    """``net`` by its batch's mean and variance, or by their moving averages where it does not train."""
    ones, zeros = v1.ones_initializer(), v1.zeros_initializer()
    gamma = v1.get_variable("gamma", [net.shape[-1]], initializer=ones)
    beta = v1.get_variable("beta", [net.shape[-1]], initializer=zeros)
    variables += [gamma, beta]
    moving = [
        v1.get_variable(
            name,
            [net.shape[-1]],
            initializer=first,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        for name, first in (("moving_mean", zeros), ("moving_variance", ones))
    ]
    mean, variance = tf.nn.moments(net, [0]) if training else moving
    if training:
        pairs = zip(moving, (mean, variance), strict=True)
        updates += [average.assign_sub((average - now) * (1 - _MOMENTUM)) for average, now in pairs]
    return tf.nn.batch_normalization(net, mean, variance, beta, gamma, _EPSILON)
