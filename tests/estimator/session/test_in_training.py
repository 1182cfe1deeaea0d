"""Hooks that evaluate or look at checkpoints while training goes on."""

from __future__ import annotations

import glob
import json

import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


def model_fn(features, labels, mode):
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    train_op = v1.train.GradientDescentOptimizer(0.5).minimize((w - 1) ** 2, v1.train.get_global_step())
    return tke.EstimatorSpec(mode, {"w": w}, (w - 1) ** 2, train_op)


def input_fn():
    return tf.data.Dataset.from_tensors([1.0]).repeat()


def test_an_evaluation_of_the_weights_as_they_are(tmp_path):
    estimator = tke.Estimator(model_fn, str(tmp_path), tke.RunConfig(save_checkpoints_steps=100))
    hook = tke.experimental.InMemoryEvaluatorHook(estimator, input_fn, steps=1, name="seen", every_n_iter=3)
    estimator.train(input_fn, hooks=[hook], steps=8)
    files = glob.glob(str(tmp_path / "eval_seen" / "*"))
    events = [event for file in files for event in v1.train.summary_iterator(file)]
    losses = {event.step: v.simple_value for event in events for v in event.summary.value if v.tag == "loss"}
    assert losses == {0: 1.0, 3: 0.0, 6: 0.0, 8: 0.0}
    with pytest.raises(ValueError, match="every_n_iter=0"):
        tke.experimental.InMemoryEvaluatorHook(estimator, input_fn, every_n_iter=0)


def test_an_evaluation_of_other_values_is_refused(tmp_path):
    def with_saver(features, labels, mode):
        spec = model_fn(features, labels, mode)
        return spec if mode == "train" else spec._replace(scaffold=v1.train.Scaffold(saver=v1.train.Saver()))

    estimator = tke.Estimator(with_saver, str(tmp_path))
    hook = tke.experimental.InMemoryEvaluatorHook(estimator, input_fn, steps=1)
    with pytest.raises(ValueError, match="custom saver"):
        estimator.train(input_fn, hooks=[hook], steps=1)


def test_a_worker_stops_at_the_chief_s_checkpoint(tmp_path, monkeypatch):
    chief = tke.Estimator(model_fn, str(tmp_path))
    make = tke.experimental.make_stop_at_checkpoint_step_hook
    assert isinstance(make(chief, 4), v1.train.StopAtStepHook)
    with pytest.raises(ValueError, match="must be specified"):
        make(chief, None)
    chief.train(input_fn, steps=4)
    cluster = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    worker = tke.Estimator(model_fn, str(tmp_path))
    monkeypatch.delenv("TF_CONFIG")
    hook = make(worker, 5, wait_after_file_check_secs=0)
    late = make(worker, 4, wait_after_file_check_secs=0)
    for one, expected in ((hook, 7), (late, 5)):
        trainer = tke.Estimator(model_fn, str(tmp_path / str(expected)), warm_start_from=str(tmp_path))
        trainer.train(input_fn, hooks=[one, v1.train.StopAtStepHook(last_step=7)])
        step = trainer.evaluate(input_fn, steps=1)["global_step"]
        assert step == (7 if one is hook else 4)


def test_a_logit_fn_gets_what_it_takes():
    call = tke.experimental.call_logit_fn
    with tf.Graph().as_default():
        x = tf.constant(2.0)
        assert call(lambda features: features, x, "train", {}, None) is x
        assert call(lambda features, params: params["a"], x, "train", {"a": x}, None) is x
        assert call(lambda features, mode: {mode: x}, x, "train", {}, None) == {"train": x}
        with pytest.raises(ValueError, match="logit_fn"):
            call(lambda features: [x], x, "train", {}, None)
