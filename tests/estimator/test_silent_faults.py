"""Faults that gave no error: assignments of hooks, turns on one folder, failed trainings, chance, the log."""

from __future__ import annotations

import json
import logging
import os

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import (
    Estimator,
    EstimatorSpec,
    EvalSpec,
    LatestExporter,
    RunConfig,
    TrainSpec,
    export,
    train_and_evaluate,
)

v1 = tf.compat.v1


def toward_one(features, labels, mode):
    """One weight, 0 at first, that each step moves a fifth of its way to 1 (or to what the data say)."""
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean((w - features) ** 2)
    train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
    return EstimatorSpec(mode, {"w": tf.reshape(w, [1])}, loss, train_op)


def ones():
    return tf.data.Dataset.from_tensors([1.0]).repeat()


def after(start: float, steps: int) -> float:
    return 1 + (start - 1) * 0.8**steps


class Assigning(v1.train.SessionRunHook):
    """Sets the weight to 7, by a constant or a placeholder, at one moment of the training."""

    def __init__(self, moment: str, feed: bool = False) -> None:
        self.moment, self.feed, self.asked = moment, feed, 0

    def begin(self):
        self.value = v1.placeholder(tf.float32, [])
        (weight,) = v1.trainable_variables()
        self.assign = v1.assign(weight, self.value if self.feed else 7.0)

    def _run(self, session):
        return session.run(self.assign, {self.value: 7.0} if self.feed else None)

    def after_create_session(self, session, coord):
        if self.moment == "created":
            assert self._run(session) == 7.0

    def before_run(self, run_context):
        self.asked += 1
        if self.moment == "before" and self.asked == 2:
            self._run(run_context.session)
        if self.moment == "fetched" and self.asked == 2:
            return v1.train.SessionRunArgs(tf.group(self.assign) if self.feed else self.assign)
        return None

    def after_run(self, run_context, run_values):
        if self.moment == "after" and self.asked == 2:
            self._run(run_context.session)


@pytest.mark.parametrize(
    ("moment", "feed", "expected"),
    [
        ("created", False, after(7, 4)),
        ("created", True, after(7, 4)),
        ("before", False, after(7, 3)),
        ("before", True, after(7, 3)),
        ("after", True, after(7, 2)),
        ("fetched", False, after(7, 2)),
        ("never", True, after(0, 4)),
    ],
)
def test_what_a_hook_assigns_once_runs_once(moment, feed, expected):
    estimator = Estimator(toward_one).train(ones, [Assigning(moment, feed)], steps=4)
    assert estimator.get_variable_value("w") == pytest.approx(expected, rel=1e-5)
    estimator.train(ones, steps=3)
    assert estimator.get_variable_value("w") == pytest.approx(after(expected, 3), rel=1e-5)


def test_an_assignment_of_the_model_fn_that_nothing_asks_for_does_not_run():
    def model_fn(features, labels, mode):
        spec = toward_one(features, labels, mode)
        (weight,) = v1.trainable_variables()
        # For a hook, say: made, read, and never asked for.
        tf.identity(v1.assign(weight, 7.0), "reset")
        return spec

    estimator = Estimator(model_fn).train(ones, steps=2)
    assert estimator.get_variable_value("w") == pytest.approx(after(0, 2), rel=1e-5)


def test_an_evaluation_of_an_older_checkpoint_is_entered_at_its_step(tmp_path):
    config = RunConfig(str(tmp_path / "model"), save_checkpoints_steps=2)
    Estimator(toward_one, config=config).train(ones, steps=4)
    old = str(tmp_path / "model" / "model.ckpt-2")
    for folder in ("model", "other"):
        fresh = Estimator(toward_one, str(tmp_path / folder))
        assert fresh.evaluate(ones, steps=1, checkpoint_path=old)["global_step"] == 2
        from transferkit.estimator.summaries import flush_now

        flush_now(fresh.eval_dir())
        (file,) = (tmp_path / folder / "eval").iterdir()
        events = [(e.step, v.tag) for e in v1.train.summary_iterator(str(file)) for v in e.summary.value]
        assert sorted(events) == [(2, "checkpoint_path"), (2, "loss")]


def test_two_estimators_take_turns_on_one_folder(tmp_path):
    first, second = Estimator(toward_one, str(tmp_path)), Estimator(toward_one, str(tmp_path))
    for number, estimator in enumerate((first, second, first, first, second), start=1):
        estimator.train(ones, steps=2)
        assert estimator.get_variable_value("global_step") == 2 * number
    assert first.evaluate(ones, steps=1)["global_step"] == 10
    assert first.get_variable_value("w") == pytest.approx(after(0, 10), rel=1e-5)
    # An Estimator that is alone reads no checkpoint.
    assert first._engine.live is False
    assert second._engine.live is True


def failing(hook_error):
    class Failing(v1.train.SessionRunHook):
        steps = 0

        def after_run(self, run_context, run_values):
            self.steps += 1
            if self.steps == 5:
                raise hook_error

    return Failing()


@pytest.mark.parametrize("fault", ["nan", ValueError("a hook's"), KeyboardInterrupt()])
def test_after_a_failed_training_the_newest_checkpoint_counts(fault, tmp_path):
    def spoilt():
        return tf.data.Dataset.from_tensor_slices([[1.0]] * 4 + [[np.nan]])

    estimator = Estimator(toward_one, str(tmp_path), RunConfig(save_checkpoints_steps=2))
    kind = v1.train.NanLossDuringTrainingError if fault == "nan" else type(fault)
    data, hooks = (spoilt, None) if fault == "nan" else (ones, [failing(fault)])
    with pytest.raises(kind):
        estimator.train(data, hooks, steps=9)
    result = estimator.evaluate(ones, steps=1)
    assert result["global_step"] == 4
    assert result["loss"] == pytest.approx((1 - after(0, 4)) ** 2, rel=1e-4)
    # The data begin anew after a fault: three batches are enough for three steps.
    few = ones if isinstance(fault, KeyboardInterrupt) else lambda: ones().take(3)
    estimator.train(few, steps=3)
    assert estimator.get_variable_value("global_step") == 7
    assert estimator.get_variable_value("w") == pytest.approx(after(0, 7), rel=1e-5)


def test_after_a_failed_training_without_checkpoints_the_values_before_count():
    config = RunConfig(save_checkpoints_secs=None)
    estimator = Estimator(toward_one, config=config).train(ones, steps=2)
    with pytest.raises(ValueError, match="a hook's"):
        estimator.train(ones, [failing(ValueError("a hook's"))], steps=9)
    assert estimator.evaluate(ones, steps=1)["global_step"] == 2


def random_weight(features, labels, mode):
    w = v1.get_variable("w", [3])
    drawn = tf.random.uniform([])
    loss = tf.reduce_sum(w) + drawn
    train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
    return EstimatorSpec(mode, {"drawn": tf.reshape(drawn, [1]), "x": features}, loss, train_op)


def shuffled(seed=None):
    return lambda: tf.data.Dataset.range(50).shuffle(50, seed=seed).batch(10)


def test_without_a_seed_everything_is_chance():
    assert RunConfig().tf_random_seed is None
    weights, draws, orders, pinned = [], [], [], []
    for _ in range(3):
        estimator = Estimator(random_weight).train(shuffled(), steps=1)
        weights.append(tuple(estimator.get_variable_value("w")))
        for _ in range(2):
            found = list(estimator.predict(shuffled(), yield_single_examples=False))
            draws.append(float(found[0]["drawn"][0]))
            orders.append(tuple(found[0]["x"]))
        pinned.append(tuple(next(estimator.predict(shuffled(5), yield_single_examples=False))["x"]))
    assert len(set(weights)) == 3
    assert len(set(draws)) == 6
    assert len(set(orders)) == 6
    # A shuffle's own seed settles its order.
    assert len(set(pinned)) == 1


def test_an_operations_own_seed_counts_without_a_seed_of_the_run():
    def model_fn(features, labels, mode):
        w = v1.get_variable("w", [3], initializer=v1.random_uniform_initializer(seed=3))
        loss = tf.reduce_sum(w)
        train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, {"w": w}, loss, train_op)

    found = [tuple(Estimator(model_fn).train(ones, steps=1).get_variable_value("w")) for _ in range(2)]
    assert found[0] == found[1]


def test_tensorflows_logger_tells_of_training(caplog):
    config = RunConfig(log_step_count_steps=10)
    with caplog.at_level(logging.INFO, "tensorflow"):
        Estimator(toward_one, config=config).train(ones, steps=40).evaluate(ones, steps=2)
    said = [record.getMessage() for record in caplog.records if record.name == "tensorflow"]
    assert [line.split(" (")[0].split("step = ")[1] for line in said if line.startswith("loss = ")] == [
        "0",
        "10",
        "20",
        "30",
        "40",
    ]
    for begin in (
        "Calling model_fn.",
        "Saving checkpoints for 0 into ",
        "Saving checkpoints for 40 into ",
        "global_step/sec: ",
        "Loss for final step: ",
        "Evaluation [2/2]",
        "Saving dict for global step 40: global_step = 40, loss = ",
    ):
        assert any(line.startswith(begin) for line in said), begin


def receiver():
    value = v1.placeholder(tf.float32, [None])
    return export.TensorServingInputReceiver(value, value)


@pytest.mark.parametrize(("task", "evaluates"), [("chief", False), ("master", True)])
def test_a_chief_beside_an_evaluator_only_trains(task, evaluates, tmp_path, monkeypatch):
    cluster = {"cluster": {task: ["localhost:1"]}, "task": {"type": task, "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    estimator = Estimator(toward_one, config=RunConfig(str(tmp_path)))
    eval_spec = EvalSpec(ones, steps=1, exporters=LatestExporter("latest", receiver), throttle_secs=0)
    metrics, exports = train_and_evaluate(estimator, TrainSpec(ones, max_steps=3), eval_spec)
    assert (metrics is not None, exports is not None) == (evaluates, evaluates)
    assert estimator.get_variable_value("global_step") == 3
    assert os.path.exists(tmp_path / "export") == evaluates
    assert os.path.exists(tmp_path / "eval") == evaluates


def test_exports_written_at_once_do_not_harm_each_other(tmp_path, monkeypatch):
    estimator = Estimator(toward_one, str(tmp_path / "model")).train(ones, steps=1)
    base = tmp_path / "export"
    # Another process is writing its export of the same second, and has just taken the name too.
    for name in ("temp-1000", "1000"):
        (base / name).mkdir(parents=True)
        (base / name / "of_another").write_text("x")
    exists = os.path.exists
    monkeypatch.setattr("time.time", lambda: 1000.5)
    monkeypatch.setattr("os.path.exists", lambda path: str(path) != str(base / "1000") and exists(path))
    folders = [os.fsdecode(estimator.export_saved_model(base, receiver)) for _ in range(2)]
    monkeypatch.undo()
    assert folders == [str(base / "1001"), str(base / "1002")]
    assert sorted(os.listdir(base)) == ["1000", "1001", "1002", "temp-1000"]
    assert os.listdir(base / "1000") == os.listdir(base / "temp-1000") == ["of_another"]
    for folder in folders:
        assert tf.saved_model.load(folder).signatures["serving_default"](input=tf.zeros([1]))
