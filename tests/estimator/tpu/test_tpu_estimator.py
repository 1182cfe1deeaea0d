"""Programs written with TPUEstimator, without a TPU."""

from __future__ import annotations

import glob

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke
from transferkit.estimator import tpu

v1 = tf.compat.v1

X = np.arange(32, dtype=np.float32).reshape(16, 2) / 32


def input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(({"x": X}, X.sum(1, keepdims=True)))
    return data.repeat().batch(params["batch_size"], drop_remainder=True)


def make_model_fn(folder, seen):
    def model_fn(features, labels, mode, params):
        seen.append((mode, params.get("batch_size"), params["use_tpu"], "context" in params))
        w = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
        y = tf.matmul(features["x"], w)
        if mode == "infer":
            return tpu.TPUEstimatorSpec(mode, predictions={"y": y})
        loss = tf.reduce_mean((y - labels) ** 2)
        step = v1.train.get_or_create_global_step()

        def host_call(step, loss):
            with tf.summary.create_file_writer(folder).as_default():
                tf.summary.scalar("squared", loss[0], step=step[0])
            return v1.summary.all_v2_summary_ops()

        if mode == "train":
            optimizer = v1.train.GradientDescentOptimizer(0.1)
            if params["use_tpu"]:
                optimizer = v1.tpu.CrossShardOptimizer(optimizer)
            call = (host_call, [tf.reshape(step, [1]), tf.reshape(loss, [1])])
            train_op = optimizer.minimize(loss, step)
            return tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op, host_call=call)

        def metric_fn(labels, y):
            return {"mae": v1.metrics.mean_absolute_error(labels, y)}

        return tpu.TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, {"labels": labels, "y": y}))

    return model_fn


def run(tmp_path, use_tpu, **config):
    seen = []
    estimator = tpu.TPUEstimator(
        make_model_fn(str(tmp_path / "host"), seen),
        str(tmp_path / "model"),
        tpu.RunConfig(tpu_config=tpu.TPUConfig(iterations_per_loop=4), tf_random_seed=1, **config),
        {"rate": 1},
        use_tpu=use_tpu,
        train_batch_size=8,
        eval_batch_size=4,
        predict_batch_size=2,
    )
    estimator.train(input_fn, max_steps=10)
    return estimator, seen


def receiver():
    x = v1.placeholder(tf.float32, [None, 2])
    return tke.export.ServingInputReceiver({"x": x}, {"x": x})


def test_without_a_tpu(tmp_path):
    estimator, seen = run(tmp_path, False)
    # As tf.estimator 2.15 has it.
    np.testing.assert_allclose(estimator.get_variable_value("w").ravel(), [0.74011904, 0.7763875], rtol=1e-5)
    results = estimator.evaluate(input_fn, steps=4)
    assert results["mae"] == pytest.approx(0.23362544, rel=1e-4)
    assert next(estimator.predict(input_fn))["y"] == pytest.approx(0.02426211, rel=1e-4)
    served = tf.saved_model.load(estimator.export_saved_model(str(tmp_path / "export"), receiver))
    assert served.signatures["serving_default"](x=tf.ones([3, 2]))["y"].shape == (3, 1)
    assert seen == [
        ("train", 8, False, False),
        ("eval", 4, False, False),
        ("infer", 2, False, False),
        ("infer", None, False, False),
    ]
    files = glob.glob(str(tmp_path / "host" / "*"))
    events = [event for file in files for event in v1.train.summary_iterator(file)]
    assert sorted(event.step for event in events if event.summary.value) == list(range(10))


def test_under_a_strategy_in_place_of_a_tpu(tmp_path):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    estimator, seen = run(tmp_path, True, train_distribute=strategy)
    np.testing.assert_allclose(estimator.get_variable_value("w").ravel(), [0.74011904, 0.7763875], rtol=1e-5)
    assert estimator.config.steps_per_loop == 4
    assert seen == [("train", 8, True, True)]
    with pytest.raises(ValueError, match="must be set on TPU"):
        estimator.evaluate(input_fn)
    with pytest.raises(ValueError, match="one of `steps` or `max_steps` must be set"):
        estimator.train(input_fn)
    with pytest.raises(ValueError, match="does not include params"):
        estimator.train(lambda: None, steps=1)


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        ({"params": {"batch_size": 3}}, ValueError, "reserved"),
        ({"config": None}, ValueError, "RunConfig"),
        ({"config": tke.RunConfig()}, ValueError, "RunConfig"),
        ({"train_batch_size": None}, ValueError, "cannot be `None`"),
        ({"train_batch_size": -1}, ValueError, "must be positive"),
        ({"train_batch_size": 2.5}, TypeError, "integer"),
        ({"export_saved_model_api_version": 3}, ValueError, "1 or 2"),
        ({}, ValueError, "can be reached"),
    ],
)
def test_faults_of_the_estimator_are_named(changed, kind, text, monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    given = {"model_fn": make_model_fn("x", []), "config": tpu.RunConfig(), "train_batch_size": 8}
    with pytest.raises(kind, match=text):
        tpu.TPUEstimator(**{**given, **changed})


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"iterations_per_loop": 0}, ValueError, "must be positive"),
        ({"iterations_per_loop": "-1h"}, ValueError, "must be positive"),
        ({"num_shards": 0}, ValueError, "must be positive"),
        ({"num_shards": 1.5}, TypeError, "integer"),
        ({"num_cores_per_replica": 7}, ValueError, "must be 1, 2, 4, 8"),
        ({"input_partition_dims": [[1], None, None]}, ValueError, "one or two"),
        ({"input_partition_dims": [[1]]}, ValueError, "PER_HOST_V2"),
        ({"eval_training_input_configuration": 1}, ValueError, "SLICED"),
    ],
)
def test_faults_of_the_settings_are_named(given, kind, text):
    with pytest.raises(kind, match=text):
        tpu.TPUConfig(**given)


def test_the_settings_of_a_tpu(monkeypatch):
    assert tpu.TPUConfig(iterations_per_loop="5m").iterations_per_loop == "5m"
    assert tpu.TPUConfig(per_host_input_for_training=False).per_host_input_for_training == 1
    config = tpu.RunConfig(master="grpc://one")
    assert (config.master, config.evaluation_master) == ("grpc://one", "grpc://one")
    kept = config.replace(save_summary_steps=3)
    assert (kept.master, kept.tpu_config.iterations_per_loop) == ("grpc://one", 2)
    monkeypatch.setenv("TF_CONFIG", '{"service": {"tpu_worker_job_name": "mine"}}')
    assert tpu.RunConfig().tpu_config.tpu_job_name == "mine"


def test_a_spec_is_checked():
    with tf.Graph().as_default():
        loss = tf.constant(1.0)
        for wrong, kind in (
            ({"eval_metrics": [1]}, ValueError),
            ({"eval_metrics": (1, [loss])}, TypeError),
            ({"host_call": (len, loss)}, ValueError),
            ({"host_call": (lambda a, b: None, [loss])}, RuntimeError),
            ({"training_hooks": [1]}, TypeError),
        ):
            with pytest.raises(kind):
                tpu.TPUEstimatorSpec("eval", loss=loss, **wrong)
        spec = tpu.TPUEstimatorSpec(
            "eval", loss=loss, eval_metrics=(lambda v: {"m": v1.metrics.mean(v)}, [loss])
        )
        assert list(spec.as_estimator_spec().eval_metric_ops) == ["m"]
