"""Hooks see the model's graph without a session, and cost no trace."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, RunConfig

v1 = tf.compat.v1


class Recorder(v1.train.SessionRunHook):
    """Asks for tensors, variables and names; assigns through the session."""

    def __init__(self, stop_after=None):
        self.calls, self.values, self.stop_after = [], [], stop_after

    def begin(self):
        self.calls.append("begin")
        self.step = v1.train.get_global_step()
        self.loss = v1.get_default_graph().get_tensor_by_name("mean_squared_error/value:0")
        self.value = v1.placeholder(tf.float32, [])
        (weight,) = [v for v in v1.trainable_variables() if v.op.name == "weight"]
        self.assign = v1.assign(weight, self.value[None])

    def after_create_session(self, session, coord):
        self.calls.append("created")
        self.first_step = session.run(self.step)

    def before_run(self, run_context):
        return v1.train.SessionRunArgs({"loss": self.loss, "step": self.step, "weight": "weight:0"})

    def after_run(self, run_context, run_values):
        after = run_context.session.run([self.step])[0]
        self.values.append((run_values.results["step"], after, run_values.results["weight"][0]))
        if len(self.values) == self.stop_after:
            run_context.session.run(self.assign, {self.value: 7.0})
            run_context.request_stop()

    def end(self, session):
        self.calls.append(("end", int(session.run("global_step:0"))))


def test_the_life_cycle_of_a_users_hook(tf1_model, train_input, tmp_path):
    hook = Recorder(stop_after=3)
    estimator = Estimator(tf1_model, str(tmp_path), params={}).train(train_input, hooks=[hook], steps=9)
    assert hook.calls == ["begin", "created", ("end", 3)]
    assert hook.first_step == 0
    assert [(before, after) for before, after, _ in hook.values] == [(0, 1), (1, 2), (2, 3)]
    assert estimator.get_variable_value("weight")[0] == 7.0
    estimator.train(train_input, hooks=[Recorder(stop_after=1)], steps=5)
    assert estimator.get_variable_value("global_step") == 4
    assert estimator.trace_counts == {"train": 1}


class Diary(v1.train.SessionRunHook):
    """Notes what happens around a step."""

    def __init__(self):
        self.calls = []

    def before_run(self, run_context):
        self.calls.append("before")

    def after_run(self, run_context, run_values):
        self.calls.append("after")

    def end(self, session):
        self.calls.append("end")


@pytest.mark.parametrize("call", ["train", "evaluate", "predict"])
def test_a_steps_data_are_taken_between_the_hooks(call, tf1_model, arrays, tmp_path):
    diary = Diary()

    def noted(x):
        diary.calls.append("read")
        return x

    def data():
        def read(x, y):
            return {"x": tf.ensure_shape(tf.numpy_function(noted, [x], tf.float32), x.shape)}, y

        rows = tf.data.Dataset.from_tensor_slices(arrays).batch(8).take(2).map(read)
        one_by_one = tf.data.Options()
        one_by_one.experimental_optimization.apply_default_optimizations = False
        return rows.with_options(one_by_one)

    estimator = Estimator(tf1_model, str(tmp_path), params={})
    result = getattr(estimator, call)(data, hooks=[diary])
    assert call != "predict" or len(list(result)) == 16
    # A hook that times steps sees the wait for data; where they have ended it is asked in vain.
    assert diary.calls == ["before", "read", "after"] * 2 + ["before", "end"]


def test_a_hook_that_makes_a_variable_begins_in_each_call(tf1_model, train_input):
    class Making(v1.train.SessionRunHook):
        def begin(self):
            self.own = v1.get_variable("own", [1], initializer=v1.ones_initializer())

    estimator = Estimator(tf1_model, params={})
    for _ in range(2):
        estimator.train(train_input, hooks=[Making()], steps=1)
    assert estimator.get_variable_value("global_step") == 2
    # A name of the model's is taken, as ever.
    with pytest.raises(ValueError, match="own already exists"):
        Estimator(tf1_model, params={}).train(train_input, hooks=[Making(), Making()], steps=1)


def test_what_depends_on_a_batch_is_refused_between_steps(tf1_model, train_input):
    class Curious(v1.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            run_context.session.run("mean_squared_error/value:0")

    with pytest.raises(ValueError, match="before_run"):
        Estimator(tf1_model, params={}).train(train_input, hooks=[Curious()], steps=2)


def test_tensorflows_own_hooks(tf1_model, train_input, tmp_path):
    said = []
    hooks = [
        v1.train.LoggingTensorHook(
            ["mean_squared_error/value:0", "global_step"],
            every_n_iter=2,
            formatter=lambda values: said.append(values) or "",
        ),
        v1.train.StopAtStepHook(num_steps=6),
        v1.train.NanTensorHook("mean_squared_error/value:0"),
        v1.train.StepCounterHook(every_n_steps=2, output_dir=str(tmp_path / "count")),
        v1.train.SummarySaverHook(
            save_steps=2, output_dir=str(tmp_path / "sum"), scaffold=v1.train.Scaffold()
        ),
        v1.train.CheckpointSaverHook(str(tmp_path / "own"), save_steps=2),
        v1.train.FinalOpsHook(["global_step"]),
    ]
    estimator = Estimator(tf1_model, str(tmp_path / "model"), params={}).train(
        train_input, hooks=hooks, steps=50
    )
    assert estimator.get_variable_value("global_step") == 6
    assert [int(values["global_step"]) for values in said] == [0, 2, 4]
    assert hooks[-1].final_ops_values == [6]
    tags = {
        v.tag
        for path in (tmp_path / "count").iterdir()
        for e in v1.train.summary_iterator(str(path))
        for v in e.summary.value
    }
    assert "global_step/sec" in tags
    own = tf.train.get_checkpoint_state(str(tmp_path / "own"))
    assert [path.rsplit("-", 1)[1] for path in own.all_model_checkpoint_paths] == ["0", "2", "4", "6"]


def test_saving_listeners_are_told_and_may_stop(tf1_model, train_input, tmp_path):
    told = []

    class Listener(v1.train.CheckpointSaverListener):
        def begin(self):
            told.append("begin")

        def before_save(self, session, global_step_value):
            told.append(("before", global_step_value))

        def after_save(self, session, global_step_value):
            told.append(("after", global_step_value))
            return global_step_value >= 4

        def end(self, session, global_step_value):
            told.append(("end", global_step_value))

    config = RunConfig(save_checkpoints_steps=2)
    Estimator(tf1_model, str(tmp_path), config, {}).train(
        train_input, steps=50, saving_listeners=[Listener()]
    )
    assert told == [
        "begin",
        *[(when, step) for step in (0, 2, 4) for when in ("before", "after")],
        ("end", 4),
    ]


def test_a_profiler_hook_writes_timelines(tf1_model, train_input, tmp_path):
    with tf.Graph().as_default():
        profiler = v1.train.ProfilerHook(save_steps=2, output_dir=str(tmp_path / "profile"))
    Estimator(tf1_model, params={}).train(train_input, hooks=[profiler], steps=5)
    files = sorted(path.name for path in (tmp_path / "profile").glob("timeline*"))
    assert files == ["timeline-2.json", "timeline-4.json"]
    events = json.loads((tmp_path / "profile" / files[1]).read_text())["traceEvents"]
    assert {"MatMul", "Mul", "ReadVariableOp"} & {event["name"] for event in events}


def test_objects_that_are_no_hooks_are_refused(tf1_model, train_input):
    with pytest.raises(TypeError, match="SessionRunHook"):
        Estimator(tf1_model, params={}).train(train_input, hooks=[object()], steps=1)


def test_hooks_of_evaluation_and_prediction(tf1_model, eval_input):
    class Sums(v1.train.SessionRunHook):
        total = 0

        def before_run(self, run_context):
            return v1.train.SessionRunArgs(run_context.original_args.fetches)

        def after_run(self, run_context, run_values):
            Sums.total += np.size(run_values.results[0])

    estimator = Estimator(tf1_model, params={})
    estimator.evaluate(eval_input, hooks=[Sums()])
    assert Sums.total == 4
    assert len(list(estimator.predict(eval_input, hooks=[Sums()]))) == 24
    assert Sums.total == 28


@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_hooks_see_the_weights_of_the_checkpoint_that_is_named(call, tf1_model, train_input, tmp_path):
    class Reader(v1.train.SessionRunHook):
        seen = ()

        def before_run(self, run_context):
            self.seen = (*self.seen, run_context.session.run("weight:0")[0])

        def after_run(self, run_context, run_values):
            self.seen = (*self.seen, run_context.session.run("weight:0")[0])
            run_context.request_stop()

    estimator = Estimator(tf1_model, str(tmp_path), params={})
    first = estimator.train(train_input, steps=1).latest_checkpoint()
    named = estimator.get_variable_value("weight")[0]
    estimator.train(train_input, steps=3)
    assert estimator.get_variable_value("weight")[0] != named
    hook = Reader()
    result = getattr(estimator, call)(train_input, hooks=[hook], checkpoint_path=first)
    assert call != "predict" or next(result)
    assert hook.seen == (named, named)
