"""Specs by which ``tf.io.parse_example`` reads features, label and weight of one example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.private.tensorflow_names import NumericColumn

__all__ = ["classifier_parse_example_spec", "regressor_parse_example_spec"]


def classifier_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: Any = tf.int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """Feature's name -> FixedLenFeature or VarLenFeature, for a classifier.

    Args:
        feature_columns: what the classifier takes.
        label_key: under which name examples hold their label.
        label_dtype: tf.string where the classifier has a label_vocabulary.
        label_default: the label of an example without one; None where each has one.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.

    Raises:
        ValueError: where label or weight are features too, or one of the arguments has the wrong type.
    """
    label = tf.io.FixedLenFeature((1,), label_dtype, label_default)
    return _spec(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: Any = tf.float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """Feature's name -> FixedLenFeature or VarLenFeature, for a regressor.

    Args:
        feature_columns: what the regressor takes.
        label_key: under which name examples hold their labels.
        label_dtype: of the labels.
        label_default: the labels of an example without any; None where each has them.
        label_dimension: how many labels an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples.

    Raises:
        ValueError: where label or weight are features too, or one of the arguments has the wrong type.
    """
    label = tf.io.FixedLenFeature((label_dimension,), label_dtype, label_default)
    return _spec(feature_columns, label_key, label, weight_column)


def _spec(columns: Iterable[Any], label_key: str, label: Any, weight_column: Any) -> dict[str, Any]:
    spec: dict[str, Any] = tf.feature_column.make_parse_example_spec(columns)
    if label_key in spec:
        raise ValueError(fault("label_key", label_key, "no feature of feature_columns"))
    spec[label_key] = label
    if weight_column is None:
        return spec
    if isinstance(weight_column, str):
        weight_column = tf.feature_column.numeric_column(weight_column)
    if not isinstance(weight_column, NumericColumn):
        raise ValueError(fault("weight_column", weight_column, "a feature's name or a numeric_column"))
    if weight_column.key in spec:
        raise ValueError(fault("weight_column", weight_column.key, "neither a feature nor the label"))
    return {**spec, **weight_column.parse_example_spec}
