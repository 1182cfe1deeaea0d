"""A table of people: numbers, classes by name, several classes each, weights, and labels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

columns = tf.feature_column
ROWS = 48


def table():
    random = np.random.default_rng(0)
    age = random.uniform(18, 70, [ROWS, 1]).astype(np.float32)
    job = random.choice(["cook", "clerk", "smith"], [ROWS, 1])
    features = {
        "age": age,
        "job": job,
        "towns": random.integers(0, 5, [ROWS, 2]),
        "weight": random.uniform(0.5, 2, [ROWS, 1]).astype(np.float32),
    }
    labels = ((age > 40) ^ (job == "cook")).astype(np.int64)
    return features, labels


@pytest.fixture(scope="session")
def people():
    """An input_fn: batches of 16, once through."""
    return lambda: tf.data.Dataset.from_tensor_slices(table()).batch(16)


@pytest.fixture(scope="session")
def deep():
    job = columns.categorical_column_with_vocabulary_list("job", ["cook", "clerk", "smith"])
    towns = columns.categorical_column_with_identity("towns", 5)
    return [
        columns.numeric_column("age", normalizer_fn=lambda age: (age - 40) / 10),
        columns.indicator_column(job),
        columns.embedding_column(towns, 2),
    ]


@pytest.fixture(scope="session")
def wide():
    job = columns.categorical_column_with_vocabulary_list("job", ["cook", "clerk", "smith"])
    decades = columns.bucketized_column(columns.numeric_column("age"), [30.0, 40.0, 50.0])
    return [job, decades, columns.crossed_column(["job", decades], 24)]
