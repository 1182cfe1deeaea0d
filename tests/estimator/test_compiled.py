"""Steps compile under XLA, and layers compute in bfloat16 where that is asked for."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig


@pytest.fixture
def static(arrays):
    def data():
        return tf.data.Dataset.from_tensor_slices(({"x": arrays[0]}, arrays[1])).batch(4, drop_remainder=True)

    return data


@pytest.mark.parametrize("style", ["tf1", "keras"])
@pytest.mark.parametrize("loop", [1, 3])
def test_compiled_steps_give_the_same_weights(style, loop, tf1_model, keras_model, static, tmp_path):
    found = []
    for compiled in (False, True):
        model_fn, params = (tf1_model, {}) if style == "tf1" else (keras_model(0.0, frozen_norm=True), None)
        config = RunConfig(tf_random_seed=1, jit_compile=compiled, steps_per_loop=loop)
        estimator = Estimator(model_fn, str(tmp_path / str(compiled)), config, params)
        estimator.train(lambda: static().repeat(), steps=7)
        result = estimator.evaluate(static)
        traced = next(iter(estimator._engine._traces.values()))
        functions = [f for f in traced._functions.values() if f.graph.name == "model_fn_train"]
        marked = [bool(f._function.cached_definition.attr["_XlaMustCompile"].b) for f in functions]
        assert any(marked) == compiled
        found.append((float(result["loss"]), estimator.get_variable_value("global_step")))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_bfloat16_by_the_run_config(static, tmp_path):
    dtypes = []

    def model_fn(features, labels, mode):
        hidden = keras.layers.Dense(4, name="hidden")(features["x"])
        value = keras.layers.Dense(1, name="out", dtype="float32")(hidden)
        dtypes.append(hidden.dtype)
        loss = tf.reduce_mean((value - labels) ** 2)
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step()) if mode == "train" else None
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, str(tmp_path), RunConfig(mixed_precision="bfloat16"))
    estimator.train(lambda: static().repeat(), steps=60)
    assert dtypes == [tf.bfloat16]
    assert estimator.get_variable_value("hidden/kernel").dtype == np.float32
    assert estimator.evaluate(static)["loss"] < 0.1
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_layers_made_outside_compute_as_they_were_made(policy, static, tmp_path, caplog):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        hidden = keras.layers.Dense(4, name="hidden")
        out = keras.layers.Dense(1, name="out", dtype="float32")
        model = keras.Sequential([keras.Input((1,)), hidden, out], name="net")
    finally:
        keras.config.set_dtype_policy(before)

    def model_fn(features, labels, mode):
        loss = tf.reduce_mean((model(features["x"]) - labels) ** 2)
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step()) if mode == "train" else None
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, str(tmp_path), RunConfig(mixed_precision="bfloat16"))
    with caplog.at_level("WARNING", "transferkit"):
        estimator.train(lambda: static().repeat(), steps=60)
    assert estimator.evaluate(static)["loss"] < 0.1
    named = "2 layers made outside of model_fn (hidden, out): they compute in float32" in caplog.text
    assert named == (policy == "float32")
    assert ("mixed_precision" in caplog.text) == named
    assert hidden.compute_dtype == ("float32" if named else "bfloat16")
    assert estimator.get_variable_value("net/hidden/kernel").dtype == np.float32
