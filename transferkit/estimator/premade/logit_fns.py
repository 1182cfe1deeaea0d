"""The models of pre-made Estimators as functions of features, for a model_fn of one's own around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.premade.logits import DeepPart, dnn_layers, linear_sums
from transferkit.type_names import Tensor, Tensors

__all__ = ["dnn_logit_fn_builder", "dnn_logit_fn_builder_v2", "linear_logit_fn_builder"]

v1 = tf.compat.v1


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Iterable[int],
    feature_columns: Iterable[Any],
    activation_fn: Any,
    dropout: float | None,
    input_layer_partitioner: Any,
    batch_norm: bool,
) -> Callable[..., Any]:
    """A function of ``features`` and ``mode`` that gives the logits of a deep model, ``[batch, units]``.

    Its variables go into the variable scope that is open, as ``hiddenlayer_0/kernel``, and what batch
    normalization updates into the collection ``UPDATE_OPS``.

    Args:
        units: the last dimension of the logits.
        hidden_units: of each hidden layer.
        feature_columns: the input, dense columns.
        activation_fn: of hidden layers: a function, Keras's name of one, or None.
        dropout: the share of a hidden layer's values that training leaves out, or None.
        input_layer_partitioner: changes nothing: parameter servers held the parts that it made.
        batch_norm: whether hidden layers are normalized, after dropout.

    Raises:
        ValueError: where ``units`` is no whole number.
    """
    del input_layer_partitioner
    return _deep(units, hidden_units, feature_columns, activation_fn, dropout, batch_norm, None)


def dnn_logit_fn_builder_v2(
    units: int,
    hidden_units: Iterable[int],
    feature_columns: Iterable[Any],
    activation_fn: Any,
    dropout: float | None,
    batch_norm: bool,
) -> Callable[..., Any]:
    """As :func:`dnn_logit_fn_builder`; its variables are below ``dnn``, in the scope that is open.

    Args:
        units: width of the logits.
        hidden_units: width of each hidden layer.
        feature_columns: feature columns that give a dense input.
        activation_fn: of the hidden layers.
        dropout: share of values to drop while training, 0 to 1; None for none.
        batch_norm: normalise after each hidden layer.

    Returns:
        A function of ``features`` and ``mode``.
    """
    return _deep(units, hidden_units, feature_columns, activation_fn, dropout, batch_norm, "dnn")


def _deep(
    units: int,
    hidden_units: Iterable[int],
    feature_columns: Iterable[Any],
    activation_fn: Any,
    dropout: float | None,
    batch_norm: bool,
    scope: str | None,
) -> Callable[..., Any]:
    if not isinstance(units, int):
        raise ValueError(fault("dnn_logit_fn_builder.units", units, "a whole number"))
    deep = DeepPart(tuple(hidden_units), tuple(feature_columns), activation_fn, dropout, batch_norm)

    def dnn_logit_fn(features: Tensors, mode: str) -> Tensor:
        with v1.variable_scope(scope or v1.get_variable_scope()) as opened:
            tag = opened.name + "/" if opened.name else ""
            made = dnn_layers(deep, features, mode, units, tag)
        for update in made.updates:
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        return made.tensor

    return dnn_logit_fn


def linear_logit_fn_builder(
    units: int, feature_columns: Iterable[Any], sparse_combiner: str = "sum"
) -> Callable[..., Any]:
    """A function of ``features`` that gives the logits of a linear model, ``[batch, units]``.

    Its variables go into the variable scope that is open, as ``linear_model/COLUMN/weights``.

    Args:
        units: the last dimension of the logits.
        feature_columns: dense or categorical ones.
        sparse_combiner: how several classes of one example add up: ``sum``, ``mean`` or ``sqrtn``.
    """
    columns = tuple(feature_columns)

    def linear_logit_fn(features: Tensors) -> Tensor:
        return linear_sums(features, units, columns, sparse_combiner).tensor

    return linear_logit_fn
