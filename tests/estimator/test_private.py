"""TensorFlow's private names still are what the Estimator takes them for."""

from __future__ import annotations

import tensorflow as tf

from transferkit.estimator import private

columns = tf.feature_column


def test_the_kinds_of_feature_columns():
    number = columns.numeric_column("a")
    classes = columns.categorical_column_with_identity("b", 3)
    assert isinstance(number, private.NumericColumn)
    assert isinstance(number, private.DenseColumn)
    assert not isinstance(number, private.CategoricalColumn)
    assert isinstance(classes, private.CategoricalColumn)
    assert isinstance(columns.embedding_column(classes, 2), private.DenseColumn)
    assert all(isinstance(one, private.FeatureColumn) for one in (number, classes))


def test_a_cache_computes_a_column_from_features():
    column = columns.numeric_column("a", normalizer_fn=lambda x: x * 2)
    cache = private.FeatureTransformationCache({"a": tf.constant([1.0, 2.0])})
    assert cache.get(column, None).numpy().tolist() == [[2.0], [4.0]]


def test_a_column_asks_its_state_manager_for_variables():
    class Manager(private.StateManager):
        def create_variable(self, feature_column, name, shape, **more):
            self.asked = name, tuple(shape)

    manager = Manager()
    columns.embedding_column(columns.categorical_column_with_identity("b", 3), 2).create_state(manager)
    assert manager.asked == ("embedding_weights", (3, 2))
