"""Variables made outside of model_fn: collected in every trace, and nothing else of the process is held."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec
from transferkit.estimator.variables import variables

v1 = tf.compat.v1


def rows(batch):
    return lambda: tf.data.Dataset.from_tensors(np.ones((batch, 2), np.float32)).repeat()


def model_over(predict):
    """Trains what ``predict`` reads by a TensorFlow-1 optimizer, and notes what it finds to train."""

    def model_fn(features, labels, mode):
        loss = tf.reduce_mean((predict(features) - 1.0) ** 2)
        seen.append([v.name for v in v1.trainable_variables()])
        train_op = None
        if mode == "train":
            train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, {"loss": tf.reshape(loss, [1])}, loss, train_op)

    seen: list[list[str]] = []
    model_fn.seen = seen
    return model_fn


def test_each_trace_trains_a_captured_model(tmp_path):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.layers[0].trainable = False
    frozen, head = (layer.kernel.numpy() for layer in model.layers)
    model_fn = model_over(model)
    estimator = Estimator(model_fn, str(tmp_path))
    estimator.evaluate(rows(2), steps=1)
    for batch in (2, 4):
        estimator.train(rows(batch), steps=2)
    # Evaluation first, then two signatures: each finds the head's kernel and bias.
    assert [len(names) for names in model_fn.seen] == [2, 2, 2]
    np.testing.assert_array_equal(frozen, model.layers[0].kernel)
    assert not np.array_equal(head, model.layers[1].kernel)


INSIDE = {
    "a branch": lambda layer, x: tf.cond(tf.reduce_sum(x) > 0, lambda: layer(x), lambda: x[:, :1]),
    "a loop": lambda layer, x: tf.map_fn(lambda row: layer(row[None])[0], x),
}


@pytest.mark.parametrize("place", sorted(INSIDE))
def test_what_is_read_only_inside_is_trained_too(place, tmp_path):
    layer, beside = keras.layers.Dense(1), tf.Variable(1.0)
    layer.build((None, 2))
    before = layer.kernel.numpy()
    model_fn = model_over(lambda x: beside * INSIDE[place](layer, x))
    Estimator(model_fn, str(tmp_path)).train(rows(2), steps=2)
    assert [len(names) for names in model_fn.seen] == [3]
    assert not np.array_equal(before, layer.kernel)


def test_a_tensorflow_1_model_asks_for_no_keras_variable(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(variables, "live_instances", lambda kind: asked.append(kind) or iter(()))

    def predict(features):
        return tf.matmul(features, v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer()))

    Estimator(model_over(predict), str(tmp_path)).train(rows(2), steps=1)
    assert asked == []


def test_an_estimator_does_not_keep_other_models_alive(tmp_path):
    weight, other = tf.Variable([[1.0], [1.0]]), keras.layers.Dense(3)
    other.build((None, 2))
    estimator = Estimator(model_over(lambda features: tf.matmul(features, weight)), str(tmp_path))
    estimator.train(rows(2), steps=1)
    kernel = weakref.ref(other.kernel)
    del other
    gc.collect()
    assert kernel() is None
    assert estimator.get_variable_names()


def _train_both(estimator_folder, names, inside):
    """Two variables made outside, or one of them inside, after training with momentum."""
    first, second = (
        tf.Variable(np.full((2, 1), value, np.float32), name=name)
        for value, name in zip((1, 2), names, strict=True)
    )

    def model_fn(features, labels, mode):
        other = second
        y = tf.matmul(features, first)
        if inside:
            other = v1.get_variable(names[1], initializer=np.full((2, 1), 2, np.float32))
        loss = tf.reduce_mean((y + tf.matmul(features**2 * 3, other)) ** 2)
        train_op = v1.train.MomentumOptimizer(0.001, 0.9).minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, str(estimator_folder))
    for _ in range(2):
        estimator.train(rows(2), steps=2)
    kept = estimator.get_variable_names()
    values = [estimator.get_variable_value(name) for name in kept if "Momentum" not in name]
    return kept, sorted(float(value.ravel()[0]) for value in values)


@pytest.mark.parametrize("inside", [False, True])
def test_two_variables_of_one_name_have_slots_of_their_own(tmp_path, inside):
    apart, expected = _train_both(tmp_path / "apart", ("one", "two"), inside)
    names, values = _train_both(tmp_path / "same", ("Variable", "Variable"), inside)
    assert apart == ["global_step", "one", "one/Momentum", "two", "two/Momentum"]
    assert {"Variable", "Variable_1"} < set(names)
    assert len(names) == len(apart)
    assert values == pytest.approx(expected)
