"""What ``tf.feature_column`` columns make of a batch's features, without the Keras layers that did it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.private.tensorflow_attributes import is_v2_column
from transferkit.private.tensorflow_names import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    FeatureTransformationCache,
    StateManager,
)
from transferkit.type_names import Tensor, Tensors

__all__ = ["checked_features", "dense_input", "weighted_sums"]

v1 = tf.compat.v1


class _Variables(StateManager):  # type: ignore[misc]
    """Makes the variables that columns ask for in the variable scope that is open."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self._found: dict[Any, Any] = {}
        self._resources: dict[Any, Any] = {}

    def create_variable(
        self,
        feature_column: Any,
        name: str,
        shape: Sequence[int],
        dtype: Any = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: Any = None,
    ) -> Any:
        variable = v1.get_variable(
            name, shape, dtype or tf.float32, initializer=initializer, trainable=trainable
        )
        self._found[feature_column, name] = variable
        if trainable:
            self.made.append(variable)
        return variable

    def get_variable(self, feature_column: Any, name: str) -> Any:
        return self._found[feature_column, name]

    def add_resource(self, feature_column: Any, name: str, resource: Any) -> Any:
        self._resources[feature_column, name] = resource
        return resource

    def has_resource(self, feature_column: Any, name: str) -> bool:
        return (feature_column, name) in self._resources

    def get_resource(self, feature_column: Any, name: str) -> Any:
        return self._resources[feature_column, name]


def checked_features(features: Tensors) -> Mapping[str, Any]:
    """``features``, or ValueError where they are no dictionary."""
    if not isinstance(features, dict):
        raise ValueError(fault("features", type(features).__name__, "a dictionary of tensors by name"))
    return features


def dense_input(features: Mapping[str, Any], columns: Iterable[Any], training: bool) -> tuple[Any, list[Any]]:
    """All columns side by side, in the order of their names.

    Args:
        features: tensors by name; each column transforms those that it names.
        columns: dense ones: numeric, bucketized, embedding, indicator.
        training: whether the model trains.

    Returns:
        float32 of shape ``[batch, width]``, and the trainable variables.

    Raises:
        ValueError: for a column of another kind, for none at all, or for two of one name.
    """
    columns = _sorted(columns)
    for column in columns:
        if not isinstance(column, DenseColumn):
            hint = "wrap it in embedding_column or indicator_column"
            raise ValueError(fault("feature_columns", column, "dense columns", hint))
    cache, state, parts = FeatureTransformationCache(features), _Variables(), []
    for column in columns:
        with v1.variable_scope(_scope_name(column)):
            column.create_state(state)
            tensor = _dense_tensor(column, cache, state, training)
            parts.append(tf.reshape(tensor, [tf.shape(tensor)[0], column.variable_shape.num_elements()]))
    return tf.concat(parts, axis=1), [*state.made, *_shared(columns)]


def weighted_sums(
    features: Mapping[str, Any], columns: Iterable[Any], units: int, combiner: str
) -> tuple[list[Any], list[Any]]:
    """A linear combination of each column, with weights that begin at zero.

    Args:
        features: tensors by name.
        columns: dense or categorical.
        units: how many combinations.
        combiner: how several classes of one example add up: ``sum``, ``mean`` or ``sqrtn``.

    Returns:
        A float32 tensor ``[batch, units]`` for each column, and the trainable variables.

    Raises:
        ValueError: for a column of another kind, for none at all, or for two of one name.
    """
    columns = _sorted(columns)
    cache, state, sums = FeatureTransformationCache(features), _Variables(), []
    for column in columns:
        if not isinstance(column, (DenseColumn, CategoricalColumn)):
            raise ValueError(fault("feature_columns", column, "dense or categorical columns"))
        with v1.variable_scope(_scope_name(column)):
            column.create_state(state)
            sparse = isinstance(column, CategoricalColumn)
            size = column.num_buckets if sparse else column.variable_shape.num_elements()
            weights = state.create_variable(
                column, "weights", [size, units], initializer=v1.zeros_initializer()
            )
            if sparse:
                sums.append(_of_classes(column, cache, state, weights, combiner))
            else:
                tensor = column.get_dense_tensor(cache, state)
                sums.append(tf.matmul(tf.reshape(tensor, [tf.shape(tensor)[0], size]), weights))
    return sums, [*state.made, *_shared(columns)]


def _of_classes(column: Any, cache: Any, state: Any, weights: Tensor, combiner: str) -> Tensor:
    """The rows of ``weights`` for each example's classes, combined; zero where it has none."""
    found = column.get_sparse_tensors(cache, state)
    ids, scales = (
        None if part is None else tf.sparse.reshape(part, [tf.shape(part)[0], -1])
        for part in (found.id_tensor, found.weight_tensor)
    )
    return tf.nn.safe_embedding_lookup_sparse(weights, ids, sparse_weights=scales, combiner=combiner)


def _sorted(columns: Iterable[Any]) -> list[Any]:
    columns = [columns] if isinstance(columns, FeatureColumn) else columns
    if isinstance(columns, Mapping):
        raise ValueError(fault("feature_columns", "a dictionary", "a list of feature columns"))
    columns = list(columns)
    if not columns:
        raise ValueError(fault("feature_columns", columns, "one column or more"))
    for column in columns:
        if not isinstance(column, FeatureColumn) or not is_v2_column(column):
            raise ValueError(fault("feature_columns", column, "columns of tf.feature_column"))
    names = [column.name for column in columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(fault("feature_columns", doubled, "each name once"))
    return sorted(columns, key=lambda column: str(column.name))


def _dense_tensor(column: Any, cache: Any, state: Any, training: bool) -> Tensor:
    try:
        return column.get_dense_tensor(cache, state, training=training)
    except TypeError:
        # Most columns do the same in all modes and are not told.
        return column.get_dense_tensor(cache, state)


def _shared(columns: Iterable[Any]) -> list[Any]:
    """The variables of embeddings that several columns share: these make them by themselves."""
    makers = [getattr(column, "shared_embedding_column_creator", None) for column in columns]
    return list({id(maker): maker.embedding_weights for maker in makers if maker is not None}.values())


def _scope_name(column: Any) -> str:
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", column.name)
