"""Programs as they were written for tf.estimator, with what such programs lean on."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


class WeightDecayAdam(v1.train.Optimizer):
    """An optimizer that makes its slots by get_variable under the weights' own names, and moves no step."""

    def __init__(self, rate, spared):
        super().__init__(False, "WeightDecayAdam")
        self._rate, self._spared = rate, spared

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        assignments = []
        for gradient, weight in grads_and_vars:
            own = re.match(r"^(.*):\d+$", weight.name).group(1)
            shape = weight.shape.as_list()
            first, second = (
                v1.get_variable(f"{own}/{slot}", shape, trainable=False, initializer=v1.zeros_initializer())
                for slot in ("adam_m", "adam_v")
            )
            new_first = 0.9 * first + tf.multiply(0.1, gradient)
            new_second = 0.999 * second + 0.001 * tf.square(gradient)
            update = new_first / (tf.sqrt(new_second) + 1e-6)
            if not any(re.search(pattern, own) for pattern in self._spared):
                update += 0.01 * weight
            assignments += [
                weight.assign(weight - self._rate * update),
                first.assign(new_first),
                second.assign(new_second),
            ]
        return tf.group(*assignments, name=name)


def warmed_up(start, total, warm):
    step = v1.train.get_or_create_global_step()
    rate = v1.train.polynomial_decay(start, step, total, end_learning_rate=0.0, power=1.0)
    now = tf.cast(step, tf.float32)
    return tf.where(now < warm, start * now / warm, rate)


def text_model_fn(start_from=None, rate=0.05):
    """A small classifier of token sequences, its weights begun from another's checkpoint."""

    def dense(x, width, name):
        with v1.variable_scope(name):
            kernel = v1.get_variable(
                "kernel", [x.shape[-1], width], initializer=v1.truncated_normal_initializer(stddev=0.1)
            )
            return tf.matmul(x, kernel) + v1.get_variable("bias", [width], initializer=v1.zeros_initializer())

    def model_fn(features, labels, mode, params):
        with v1.variable_scope("encoder"):
            table = v1.get_variable("embeddings", [30, 8], initializer=v1.truncated_normal_initializer())
            pooled = tf.reduce_mean(tf.gather(table, features["ids"]), 1)
            if mode == tke.ModeKeys.TRAIN:
                pooled = v1.nn.dropout(pooled, keep_prob=0.9)
            pooled = tf.tanh(dense(pooled, 8, "pooler"))
        log_probabilities = tf.nn.log_softmax(dense(pooled, 2, "output"))
        each = -tf.reduce_sum(tf.one_hot(features["label"], 2) * log_probabilities, -1)
        loss = tf.reduce_mean(each)
        weights = v1.trainable_variables()
        if start_from:
            known = {name for name, _ in tf.train.list_variables(start_from)}
            shared = {v.name[:-2]: v.name[:-2] for v in weights if v.name[:-2] in known}
            v1.train.init_from_checkpoint(start_from, shared)
        if mode == tke.ModeKeys.PREDICT:
            return tke.EstimatorSpec(mode, predictions={"probabilities": tf.exp(log_probabilities)})
        if mode == tke.ModeKeys.EVAL:
            chosen = tf.argmax(log_probabilities, -1, output_type=tf.int32)
            real = tf.cast(features["is_real"], tf.float32)
            metrics = {
                "eval_accuracy": v1.metrics.accuracy(features["label"], chosen, weights=real),
                "eval_loss": v1.metrics.mean(each, weights=real),
            }
            return tke.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
        gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, weights), clip_norm=1.0)
        optimizer = WeightDecayAdam(warmed_up(rate, 120, 10), ["bias"])
        step = v1.train.get_global_step()
        applied = optimizer.apply_gradients(zip(gradients, weights, strict=True), global_step=step)
        train_op = tf.group(applied, [step.assign(step + 1)])
        return tke.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return model_fn


def texts():
    ids = np.random.default_rng(0).integers(1, 30, (64, 6)).astype(np.int32)
    ids[:, 1:] = ids[:, :1]
    features = {"ids": ids, "label": (ids[:, 0] > 15).astype(np.int32), "is_real": np.ones(64, np.int32)}
    return tf.data.Dataset.from_tensor_slices(features)


def test_a_classifier_with_its_own_optimizer_begun_from_a_checkpoint(tmp_path):
    estimator = tke.Estimator(text_model_fn(), str(tmp_path / "first"), params={})
    estimator.train(lambda: texts().shuffle(64).repeat().batch(16), max_steps=120)
    result = estimator.evaluate(lambda: texts().batch(10))
    assert result["global_step"] == 120
    assert result["eval_accuracy"] > 0.9
    names = estimator.get_variable_names()
    assert "encoder/pooler/kernel/adam_m" in names
    assert len(names) == 3 * 5 + 1

    # Evaluated as it begins, without a step of training: tf.estimator took the given values there too.
    warm_started = text_model_fn(estimator.latest_checkpoint(), rate=0.0)
    untrained = tke.Estimator(warm_started, str(tmp_path / "second"), params={})
    assert untrained.evaluate(lambda: texts().batch(10))["eval_loss"] == result["eval_loss"]
    predicted = next(untrained.predict(lambda: texts().batch(10)))["probabilities"]
    expected = next(estimator.predict(lambda: texts().batch(10)))["probabilities"]
    np.testing.assert_array_equal(predicted, expected)
    # Another checkpoint's values are those of the checkpoint.
    other = str(tmp_path / "first" / "model.ckpt-0")
    if tf.train.get_checkpoint_state(str(tmp_path / "first")) and Path(f"{other}.index").exists():
        assert untrained.evaluate(lambda: texts().batch(10), checkpoint_path=other)["eval_accuracy"] < 0.9
    untrained.train(lambda: texts().repeat().batch(16), steps=1)
    assert untrained.evaluate(lambda: texts().batch(10))["eval_loss"] == pytest.approx(
        result["eval_loss"], rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="tf.compat.v1.layers need tf_keras")
def test_layers_of_tensorflow_1(tmp_path):
    script = str(Path(__file__).with_name("legacy_layers.py"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["accuracy"] > 0.95
    assert found["mean"] == 0.5
    assert found["moved"]
    assert found["predicted"] == 64
    assert found["traces"] == {"train": 1, "eval": 1, "infer": 1}
    kinds = ["beta", "gamma", "moving_mean", "moving_variance"]
    assert set(found["names"]) == {
        "conv2d/kernel",
        "conv2d/kernel/Momentum",
        "logits/kernel",
        "logits/kernel/Momentum",
        "logits/bias",
        "logits/bias/Momentum",
        "global_step",
        "batch_normalization/beta/Momentum",
        "batch_normalization/gamma/Momentum",
        *(f"batch_normalization/{kind}" for kind in kinds),
    }


class MetricBoard(v1.train.SessionRunHook):
    """As recommenders write them: looks things up by collection, and asks the session between steps."""

    def __init__(self, every):
        self._timer = v1.train.SecondOrStepTimer(every_steps=every)
        self.seen, self.sizes, self.ended = [], None, None

    def begin(self):
        self._step = v1.train.get_global_step()
        self._losses = {op.name: op.outputs[0] for op in v1.get_collection("watched_losses")}
        self._ready = v1.report_uninitialized_variables()

    def after_create_session(self, session, coord):
        weights = v1.get_collection(v1.GraphKeys.TRAINABLE_VARIABLES)
        self.sizes = {v.op.name: value.size for v, value in zip(weights, session.run(weights), strict=True)}
        assert session.graph is v1.get_default_graph()

    def before_run(self, run_context):
        return v1.train.SessionRunArgs({"step": self._step, "losses": self._losses})

    def after_run(self, run_context, run_values):
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            self.seen.append((step, sorted(run_values.results["losses"])))
        if step >= 6:
            run_context.request_stop()

    def end(self, session):
        self.ended = int(session.run(self._step))


class Keeper(v1.train.CheckpointSaverListener):
    def __init__(self):
        self.steps = []

    def after_save(self, session, global_step_value):
        assert os.path.exists(f"{session.graph.folder}/model.ckpt-{global_step_value}.index")
        self.steps.append(int(global_step_value))


def test_hooks_that_look_around(train_input, tmp_path):
    def model_fn(features, labels, mode):
        with v1.variable_scope("tower", reuse=v1.AUTO_REUSE):
            weight = v1.get_variable("weight", [1, 2])
        value = features["x"] @ weight
        with v1.name_scope("losses"):
            one = tf.reduce_mean(tf.square(value[:, :1] - labels), name="one")
            other = tf.reduce_mean(tf.abs(value[:, 1:] - labels), name="other")
        for part in (one, other):
            v1.add_to_collection("watched_losses", part.op)
            v1.losses.add_loss(part)
        v1.get_default_graph().folder = str(tmp_path)
        step = v1.train.get_global_step()
        optimizer = v1.train.AdagradOptimizer(0.1)
        train_op = optimizer.minimize(v1.losses.get_total_loss(), step)
        averages = tf.train.ExponentialMovingAverage(0.9, step)
        with tf.control_dependencies([train_op]):
            train_op = averages.apply(v1.trainable_variables())
        return tke.EstimatorSpec(mode, loss=v1.losses.get_total_loss(), train_op=train_op)

    board, keeper = MetricBoard(2), Keeper()
    estimator = tke.Estimator(model_fn, str(tmp_path), tke.RunConfig(save_checkpoints_steps=4))
    estimator.train(train_input, hooks=[board], saving_listeners=[keeper], steps=20)
    assert [step for step, _ in board.seen] == [1, 3, 5]
    assert board.seen[0][1] == ["losses/one", "losses/other"]
    assert board.sizes == {"tower/weight": 2}
    assert board.ended == 6
    assert keeper.steps == [0, 4, 6]
    assert "tower/weight/ExponentialMovingAverage" in estimator.get_variable_names()
