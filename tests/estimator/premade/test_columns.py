"""Columns give what their definitions say, and models weigh them as theirs do."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.premade.columns import dense_input, weighted_sums

columns = tf.feature_column


def test_dense_columns_stand_side_by_side_in_the_order_of_their_names():
    features = {"b": tf.constant([[1.0, 2.0], [3.0, 4.0]]), "a": tf.constant([["x"], ["z"]])}
    names = columns.categorical_column_with_vocabulary_list("a", ["x", "y"])
    wanted = [columns.numeric_column("b", (2,)), columns.indicator_column(names)]
    made = tf.compat.v1.wrap_function(lambda: dense_input(features, wanted, False)[0], [])()
    assert made.numpy().tolist() == [[1.0, 0.0, 1.0, 2.0], [0.0, 0.0, 3.0, 4.0]]


def weighed(features, column, combiner, values):
    """The weighted sum of ``column``, with ``values`` for weights."""
    wrapped = tf.compat.v1.wrap_function(lambda: weighted_sums(features, [column], 1, combiner)[0][0], [])
    (weights,) = wrapped.variables
    assert not weights.numpy().any()
    weights.assign(np.reshape(values, [-1, 1]))
    return wrapped().numpy()


@pytest.mark.parametrize(("combiner", "expected"), [("sum", 3.0), ("mean", 1.5), ("sqrtn", 3 / 2**0.5)])
def test_classes_of_one_example_add_up(combiner, expected):
    features = {"ids": tf.constant([[0, 1], [3, -1]])}
    column = columns.categorical_column_with_identity("ids", 4)
    made = weighed(features, column, combiner, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(made, [[expected], [4.0]], rtol=1e-6)


def test_a_weighted_class_counts_by_its_weight():
    features = {"ids": tf.constant([[1], [2]]), "w": tf.constant([[0.5], [2.0]])}
    column = columns.weighted_categorical_column(columns.categorical_column_with_identity("ids", 3), "w")
    made = weighed(features, column, "sum", [1.0, 2.0, 3.0])
    np.testing.assert_allclose(made, [[1.0], [6.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "one column or more"),
        ({"a": 1}, "a list of feature columns"),
        (["a"], "columns of tf.feature_column"),
        ([columns.numeric_column("a"), columns.numeric_column("a")], "each name once"),
        (
            [columns.categorical_column_with_identity("a", 2)],
            "wrap it in embedding_column or indicator_column",
        ),
    ],
)
def test_columns_that_a_deep_model_cannot_take(given, said):
    with TracedGraph("columns").as_default(), pytest.raises(ValueError, match=said):
        dense_input({"a": tf.constant([[1]])}, given, True)
