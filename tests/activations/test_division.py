"""Batches divided into equal parts."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.activations.division import Division, real_rows


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 17])
@pytest.mark.parametrize("parts", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 4, 5, 8])
def test_parts_are_equal_and_hold_each_image_once_in_order(count, parts, size):
    division = Division(size, parts)
    whole = tf.data.Dataset.range(count).batch(size).map(lambda x: ({"x": x, "batch": x[0]}, x + 100))
    made = list(division.apply(whole, count))
    steps = -(-count // size)
    assert len(made) == steps * parts
    rows = division.rows(count)
    assert {tuple(features["x"].shape) for features, _ in made} == {(rows,)}
    assert {tuple(features["batch"].shape) for features, _ in made} == {()}
    weighed = "weights" in made[0][0]
    assert weighed == division.filled(count)
    kept = np.concatenate([real_rows(features, features["x"].numpy()) for features, _ in made])
    assert kept.tolist() == list(range(count))
    labels = np.concatenate([real_rows(features, labels.numpy()) for features, labels in made])
    assert labels.tolist() == list(range(100, 100 + count))
    # What fills up is an image of the same batch.
    for number, (features, _) in enumerate(made):
        assert set(features["x"].numpy() // size) == {number // parts}


def test_batches_that_are_not_filled_up_stay_as_they_are():
    division = Division(4, fills=False)
    whole = tf.data.Dataset.range(6).batch(4).map(lambda x: ({"x": x}, x))
    assert [len(features["x"]) for features, _ in division.apply(whole, 6)] == [4, 2]
    assert division.rows(6) is None
    assert division.rows(8) == 4
    assert not division.filled(6)
