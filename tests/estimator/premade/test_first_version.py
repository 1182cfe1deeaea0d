"""The pre-made Estimators of version 1 add losses up and keep the arguments that they had."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensorflow.compat.v1 as tf1

import transferkit.estimator as tke
import transferkit.estimator.v1 as first


def test_losses_are_sums_over_a_batch(wide, people, tmp_path):
    made = first.LinearClassifier(wide, tmp_path / "sum", optimizer="SGD", partitioner=None)
    same = tke.LinearClassifier(
        wide, tmp_path / "same", optimizer=tf1.train.GradientDescentOptimizer(0.2), loss_reduction="sum"
    )
    for estimator in (made, same):
        estimator.train(people)
    name = "linear/linear_model/bias_weights"
    np.testing.assert_allclose(made.get_variable_value(name), same.get_variable_value(name), rtol=1e-6)
    results = made.evaluate(people)
    # Batches of 16.
    assert results["loss"] == pytest.approx(16 * results["average_loss"], rel=1e-5)
    assert isinstance(made, tke.LinearClassifier)


def test_arguments_stand_where_they_stood():
    names = list(inspect.signature(first.DNNClassifier).parameters)
    assert names[8:11] == ["dropout", "input_layer_partitioner", "config"]
    names = list(inspect.signature(first.LinearRegressor).parameters)
    assert names[5:8] == ["config", "partitioner", "warm_start_from"]
    names = list(inspect.signature(first.DNNLinearCombinedClassifier).parameters)
    assert names[10:13] == ["label_vocabulary", "input_layer_partitioner", "config"]


def test_what_both_versions_have_is_the_same():
    assert first.RunConfig is tke.RunConfig
    assert set(first.__all__) == set(tke.__all__)
    with pytest.raises(AttributeError, match="use TensorFlow Decision Forests or scikit-learn"):
        _ = first.BoostedTreesClassifier


def test_what_is_refused(wide):
    with pytest.raises(ValueError, match="did you mean 'Adagrad'"):
        first.LinearClassifier(wide, optimizer="Adagrid")
    with pytest.raises(ValueError, match="SUM or SUM_OVER_BATCH_SIZE"):
        first.LinearClassifier(wide, loss_reduction=tf1.losses.Reduction.MEAN)
