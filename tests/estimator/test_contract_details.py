"""Details of the contract that code written for tf.estimator relies on."""

from __future__ import annotations

import json
import os

import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


def lines():
    x = tf.constant([[1.0], [2.0], [3.0], [4.0]])
    return tf.data.Dataset.from_tensors(({"x": x}, 2 * x)).repeat()


def spec(mode, loss, metrics=None, train_op=None, **more):
    step = v1.train.get_global_step()
    train_op = step.assign_add(1) if train_op is None else train_op
    return tke.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics, **more)


def test_an_assignment_itself_may_be_the_train_op_or_a_metric_s_update(tmp_path):
    def model_fn(features, labels, mode):
        count = v1.get_variable("count", [], initializer=v1.zeros_initializer())
        hits = v1.metrics.true_positives(labels > 3.0, labels > 3.0)
        return spec(mode, tf.reduce_mean(labels), {"hits": hits}, count.assign_add(1.0))

    estimator = tke.Estimator(model_fn, str(tmp_path)).train(lines, steps=3)
    assert estimator.get_variable_value("count") == 3
    assert estimator.evaluate(lines, steps=2)["hits"] == 6


def test_tables_of_the_model_fn_are_filled_in_each_mode(tmp_path):
    def model_fn(features, labels, mode):
        pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.0, 5.0])
        value = tf.lookup.StaticHashTable(pairs, 0.0).lookup(tf.constant(["b", "c"]))
        if mode == tke.ModeKeys.PREDICT:
            return tke.EstimatorSpec(mode, predictions={"value": value + 0 * features["x"][:2, 0]})
        return spec(mode, tf.reduce_sum(value))

    estimator = tke.Estimator(model_fn, str(tmp_path)).train(lines, steps=1)
    assert estimator.evaluate(lines, steps=1)["loss"] == 5
    assert [one["value"] for one in estimator.predict(lambda: lines().take(1))] == [5, 0]


def test_a_scaffold_s_init_fn_may_feed_placeholders(tmp_path):
    def model_fn(features, labels, mode):
        weight = v1.get_variable("weight", [], initializer=v1.zeros_initializer())
        given = v1.placeholder(tf.float32, [])
        assign = weight.assign(given)
        scaffold = v1.train.Scaffold(init_fn=lambda scaffold, session: session.run(assign, {given: 7.0}))
        return spec(mode, weight * 1.0, scaffold=scaffold)

    assert tke.Estimator(model_fn, str(tmp_path)).train(lines, steps=1).get_variable_value("weight") == 7


@pytest.mark.parametrize("name", ["loss", "global_step"])
def test_a_metric_may_not_take_the_name_of_a_result(name, tmp_path):
    def model_fn(features, labels, mode):
        return spec(mode, tf.reduce_mean(labels), {name: v1.metrics.mean(labels)})

    with pytest.raises(ValueError, match=name):
        tke.Estimator(model_fn, str(tmp_path)).evaluate(lines, steps=1)


def test_wrong_types_are_refused_where_they_are_given(tf1_model, tmp_path):
    estimator = tke.Estimator(tf1_model, str(tmp_path), params={})
    with pytest.raises(TypeError, match="saving_listeners"):
        estimator.train(lines, steps=1, saving_listeners=[1])
    never = tke.Estimator(tf1_model, config=tke.RunConfig(save_checkpoints_secs=None), params={})
    with pytest.raises(ValueError, match="CheckpointSaverHook"):
        never.train(lines, steps=1, saving_listeners=[v1.train.CheckpointSaverListener()])
    with pytest.raises(TypeError, match="an Estimator"):
        tke.train_and_evaluate(1, tke.TrainSpec(lines), tke.EvalSpec(lines))
    with pytest.raises(TypeError, match="loss"):
        tke.EstimatorSpec("eval", loss="0.5")
    with pytest.raises(ValueError, match="best_eval_result"):
        tke.BestExporter("best", lambda: None, compare_fn=lambda one, other: True)
    with pytest.raises(AttributeError, match="replace"):
        tke.RunConfig().tf_random_seed = 5


def test_an_evaluator_works_alone_and_keeps_the_platform_s_part(monkeypatch):
    content = {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "service": {"here": 1}}
    content["task"] = {"type": "evaluator", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps(content))
    config = tke.RunConfig()
    monkeypatch.delenv("TF_CONFIG")
    assert (config.num_worker_replicas, config.is_chief, config.service) == (0, False, {"here": 1})
    monkeypatch.setenv("TF_CONFIG", json.dumps({"task": {"type": "chief", "index": 0}}))
    with pytest.raises(ValueError, match="TF_CONFIG"):
        tke.RunConfig()


def test_the_first_checkpoint_is_evaluated_and_later_ones_throttled(tf1_model, tmp_path):
    estimator = tke.Estimator(tf1_model, str(tmp_path), tke.RunConfig(save_checkpoints_steps=2), {})
    evaluated = []

    class Note(v1.train.SessionRunHook):
        def end(self, session):
            evaluated.append(int(session.run(v1.train.get_global_step())))

    evaluation = tke.EvalSpec(lines, steps=1, hooks=[Note()], throttle_secs=600)
    tke.train_and_evaluate(estimator, tke.TrainSpec(lines, max_steps=8), evaluation)
    assert evaluated == [2, 8]


def test_serialized_examples_reach_classification_under_the_servers_name(tmp_path):
    def model_fn(features, labels, mode):
        score = features["x"] * 1.0
        outputs = {"serving_default": tke.ClassificationOutput(scores=score)}
        return spec(mode, tf.reduce_mean(score), predictions={"score": score}, export_outputs=outputs)

    estimator = tke.Estimator(model_fn, str(tmp_path / "model")).train(lines, steps=1)
    parse = tke.export.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([1], tf.float32)})
    served = tf.saved_model.load(os.fsdecode(estimator.export_saved_model(tmp_path / "export", parse)))
    assert list(served.signatures["serving_default"].structured_input_signature[1]) == ["inputs"]


def test_names_stand_where_tf_estimator_had_them():
    assert tke.experimental.stop_if_lower_hook is tke.stop_if_lower_hook
    assert tke.export.PredictOutput is tke.PredictOutput
    assert tke.LoggingTensorHook is v1.train.LoggingTensorHook


def test_added_metrics_leave_params_config_and_warm_start_as_they_are(tmp_path):
    seen = []

    def data(params):
        seen.append(params)
        return lines()

    def model_fn(features, labels, mode, params):
        start = params["start"]
        weight = v1.get_variable("weight", [], initializer=v1.constant_initializer(start))
        return spec(mode, tf.reduce_mean(features["x"] * weight))

    old = tke.Estimator(model_fn, str(tmp_path / "old"), params={"start": 5.0}).train(lines, steps=1)
    config = tke.RunConfig(save_checkpoints_steps=3)
    warm = tke.Estimator(model_fn, str(tmp_path / "new"), config, {"start": 0.0}, old.model_dir)
    made = tke.add_metrics(warm, lambda labels: {"mean_label": v1.metrics.mean(labels)})
    assert made.train(data, steps=1).get_variable_value("weight") == 5.0
    assert made.evaluate(data, steps=1)["mean_label"] == 5.0
    assert seen == [{"start": 0.0}] * 2
    assert made.config.save_checkpoints_steps == 3


def test_a_nested_metric_is_evaluated_and_has_no_summary(tmp_path):
    def model_fn(features, labels, mode):
        nested = ((tf.constant(2.0), tf.constant(1)), tf.constant([3.0, 4.0]))
        return spec(mode, tf.reduce_mean(labels), {"nested": (nested, tf.no_op())})

    (two, one), pair = tke.Estimator(model_fn, str(tmp_path)).evaluate(lines, steps=1)["nested"]
    assert (two, one, list(pair)) == (2.0, 1, [3.0, 4.0])


def test_a_model_fn_that_takes_no_mode_gives_none(tmp_path):
    """The spec has the call's mode then, and what that needs is looked at."""

    def model_fn(features):
        step = v1.train.get_global_step()
        loss = tf.reduce_mean(features)
        return tke.EstimatorSpec(None, {"mean": features}, loss, v1.assign_add(step, 1))

    def data():
        return tf.data.Dataset.from_tensors([1.0, 3.0]).repeat(2)

    model = tke.Estimator(model_fn, str(tmp_path))
    model.train(data, steps=2)
    assert model.evaluate(data, steps=1) == {"loss": 2.0, "global_step": 2}
    assert [one["mean"] for one in model.predict(data)] == [1.0, 3.0, 1.0, 3.0]
    lacking = tke.Estimator(lambda features: tke.EstimatorSpec(None, features), str(tmp_path / "lacking"))
    with pytest.raises(ValueError, match="Missing loss"):
        lacking.train(data, steps=1)
