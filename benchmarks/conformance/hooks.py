"""Hooks, listeners and early stopping."""

from __future__ import annotations

import logging
import os
from typing import Any

import tensorflow as tf

from conformance.catalogue import (
    checkpoints,
    error_of,
    errors_of,
    event_tags,
    four,
    linear,
    number,
    shows,
)

v1 = tf.compat.v1
Args = v1.train.SessionRunArgs


class _Diary(v1.train.SessionRunHook):
    """Notes the calls of its life, and what it asked for."""

    def __init__(self, fetches: Any = None, stop_after: int = 0, fail_after: int = 0) -> None:
        self.calls: list[str] = []
        self.seen: list[Any] = []
        self._fetches, self._stop, self._fail = fetches, stop_after, fail_after

    def begin(self) -> None:
        self.calls.append("begin")

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.calls.append("after_create_session")

    def before_run(self, run_context: Any) -> Any:
        self.calls.append("before_run")
        return Args(self._fetches() if callable(self._fetches) else self._fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.calls.append("after_run")
        self.seen.append(run_values.results)
        if len(self.seen) == self._stop:
            run_context.request_stop()
        if len(self.seen) == self._fail:
            raise LookupError("mine")

    def end(self, session: Any) -> None:
        self.calls.append("end")


def _train(E: Any, folder: str, hooks: Any, steps: int = 3, config: Any = None, **more: Any) -> Any:
    return E.Estimator(linear(E, **more), folder, config).train(four(), hooks=hooks, steps=steps)


@shows("hooks", "the order of a life")
def _(E: Any, folder: str) -> Any:
    diary = _Diary()
    _train(E, folder, [diary], steps=2)
    return diary.calls


@shows("hooks", "the order of a life in which the data end: training, evaluation, predictions")
def _(E: Any, folder: str) -> Any:
    made, lives = E.Estimator(linear(E), folder), [_Diary() for _ in range(3)]
    data = four(repeat=False, size=2)
    made.train(data, hooks=[lives[0]])
    made.evaluate(data, hooks=[lives[1]])
    list(made.predict(data, hooks=[lives[2]]))
    return [life.calls for life in lives]


@shows("hooks", "a step's data are read within the step")
def _(E: Any, folder: str) -> Any:
    diary = _Diary()

    def reads(place: Any) -> Any:
        diary.calls.append("read")
        return place

    def input_fn() -> Any:
        def read(features: Any, labels: Any) -> Any:
            return tf.numpy_function(reads, [features], tf.float32), labels

        given = four(keyed=False)().map(read)
        return given.map(lambda features, labels: (tf.ensure_shape(features, [4, 1]), labels))

    E.Estimator(linear(E), folder).train(input_fn, hooks=[diary], steps=2)
    # The pipeline reads ahead once it has begun.
    return [diary.calls[:4], diary.calls[-1]]


@shows("hooks", "anything else in the list is refused")
def _(E: Any, folder: str) -> Any:
    return errors_of(lambda: _train(E, folder, [1]), lambda: _train(E, folder, _Diary))


@shows("hooks", "a tensor of the graph by name, in a dictionary, a list, alone")
def _(E: Any, folder: str) -> Any:
    diary = _Diary({"loss": "the_loss:0", "more": ["the_loss:0", "global_step:0"]})
    _train(E, folder, [diary])
    return [[number(one["loss"]), number(one["more"][0])] for one in diary.seen]


@shows("hooks", "the global step that a hook reads in before_run's fetches, after three steps")
def _(E: Any, folder: str) -> Any:
    diary = _Diary(lambda: v1.train.get_global_step())
    _train(E, folder, [diary])
    return [len(diary.seen), type(diary.seen[-1]).__name__]


@shows("hooks", "a variable's value by session.run between steps and at the end")
def _(E: Any, folder: str) -> Any:
    seen: list[Any] = []

    class Reader(v1.train.SessionRunHook):
        def begin(self) -> None:
            self.weight = v1.trainable_variables()[0]

        def after_run(self, run_context: Any, run_values: Any) -> None:
            seen.append(number(run_context.session.run(self.weight)))

        def end(self, session: Any) -> None:
            seen.append(number(session.run(self.weight)))

    _train(E, folder, [Reader()], steps=2)
    return seen


@shows("hooks", "tensors added to the graph in begin")
def _(E: Any, folder: str) -> Any:
    class Adder(_Diary):
        def begin(self) -> None:
            weight = v1.trainable_variables()[0]
            self.doubled = 2.0 * tf.convert_to_tensor(weight)
            self._fetches = self.doubled

    diary = Adder()
    _train(E, folder, [diary], steps=1)
    return len(diary.seen)


@shows("hooks", "a feed_dict in before_run replaces a tensor's value")
def _(E: Any, folder: str) -> Any:
    class Feeder(_Diary):
        def before_run(self, run_context: Any) -> Any:
            given = v1.get_default_graph().get_tensor_by_name("given:0")
            return Args("given:0", feed_dict={given: 5.0})

    def noted(loss: Any, mode: str) -> Any:
        v1.placeholder_with_default(1.0, [], "given")
        return None

    diary = Feeder()
    _train(E, folder, [diary], steps=2, scaffold=noted)
    return [number(one) for one in diary.seen]


@shows("hooks", "request_stop ends training after that step, and a checkpoint is there")
def _(E: Any, folder: str) -> Any:
    diary = _Diary(stop_after=2)
    made = _train(E, folder, [diary], steps=9)
    return [int(made.get_variable_value("global_step")), diary.calls[-1], checkpoints(folder)]


@shows("hooks", "request_stop in evaluation ends it")
def _(E: Any, folder: str) -> Any:
    made = _train(E, folder, None)
    diary = _Diary(stop_after=2)
    made.evaluate(four(), steps=9, hooks=[diary])
    return len(diary.seen)


@shows("hooks", "an error in a hook comes out, without its end and without a new checkpoint")
def _(E: Any, folder: str) -> Any:
    diary = _Diary(fail_after=2)
    return [error_of(lambda: _train(E, folder, [diary], steps=9)), "end" in diary.calls, checkpoints(folder)]


@shows("hooks", "of the spec: training_hooks and training_chief_hooks")
def _(E: Any, folder: str) -> Any:
    one, chief = _Diary(), _Diary()
    _train(E, folder, None, training_hooks=[one], training_chief_hooks=[chief])
    return [len(one.seen), len(chief.seen)]


@shows("hooks", "StopAtStepHook by number and by last step")
def _(E: Any, folder: str) -> Any:
    seen = []
    for given in ({"num_steps": 2}, {"last_step": 3}, {"last_step": 3}):
        made = _train(E, folder, [v1.train.StopAtStepHook(**given)], steps=9)
        seen.append(int(made.get_variable_value("global_step")))
    return seen


@shows("hooks", "NanTensorHook stops, or raises")
def _(E: Any, folder: str) -> Any:
    seen = []
    for fail in (False, True):
        hook = v1.train.NanTensorHook("nan:0", fail_on_nan_loss=fail)

        def noted(loss: Any, mode: str) -> Any:
            tf.multiply(loss, float("nan"), name="nan")
            return None

        place = os.path.join(folder, str(fail))
        seen.append(error_of(lambda: _train(E, place, [hook], steps=5, scaffold=noted)))  # noqa: B023
        seen.append(checkpoints(place))
    return seen


@shows("hooks", "LoggingTensorHook logs every second step")
def _(E: Any, folder: str) -> Any:
    lines: list[str] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    catch, logger = Catch(), logging.getLogger("tensorflow")
    level = logger.level
    logger.addHandler(catch)
    logger.setLevel(logging.INFO)
    try:
        _train(E, folder, [v1.train.LoggingTensorHook({"mine": "the_loss:0"}, every_n_iter=2)], steps=5)
    finally:
        logger.removeHandler(catch)
        logger.setLevel(level)
    return [line.split(" (")[0] for line in lines if line.startswith("mine")]


@shows("hooks", "SummarySaverHook and StepCounterHook write into their folders")
def _(E: Any, folder: str) -> Any:
    def written(place: str) -> Any:
        def hooks(loss: Any, mode: str) -> Any:
            if mode != "train":
                return None
            summary = v1.summary.scalar("seen", loss)
            return [
                v1.train.SummarySaverHook(save_steps=2, output_dir=place + "/a", summary_op=summary),
                v1.train.StepCounterHook(every_n_steps=2, output_dir=place + "/b"),
            ]

        _train(E, place, None, steps=5, training_hooks=hooks)
        return [event_tags(place + "/a"), event_tags(place + "/b")]

    # In a session the step that the counter reads may lag by one, and a line be missing: of three runs the
    # one with the most lines is observed.
    return max((written(f"{folder}/{number}") for number in range(3)), key=lambda found: len(str(found)))


@shows("hooks", "a CheckpointSaverHook of one's own takes the place of the default one")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig(save_checkpoints_steps=1, keep_checkpoint_max=0)
    hook = v1.train.CheckpointSaverHook(folder, save_steps=3)
    _train(E, folder, [hook], steps=7, config=config)
    return checkpoints(folder)


@shows("hooks", "FinalOpsHook runs at the end")
def _(E: Any, folder: str) -> Any:
    class Final(v1.train.SessionRunHook):
        def begin(self) -> None:
            weight = v1.trainable_variables()[0]
            self.inner = v1.train.FinalOpsHook(tf.convert_to_tensor(weight))

        def end(self, session: Any) -> None:
            self.inner.end(session)

    hook = Final()
    _train(E, folder, [hook], steps=2)
    return number(hook.inner.final_ops_values)


@shows("hooks", "ProfilerHook")
def _(E: Any, folder: str) -> Any:
    def hooks(loss: Any, mode: str) -> Any:
        return [v1.train.ProfilerHook(save_steps=2, output_dir=folder)] if mode == "train" else None

    return error_of(lambda: _train(E, folder, None, steps=2, training_hooks=hooks))


class _Listener(v1.train.CheckpointSaverListener):
    def __init__(self, stop_at: int | None = None) -> None:
        self.calls: list[Any] = []
        self._stop_at = stop_at

    def begin(self) -> None:
        self.calls.append("begin")

    def before_save(self, session: Any, global_step_value: Any) -> None:
        self.calls.append(["before", int(global_step_value)])

    def after_save(self, session: Any, global_step_value: Any) -> Any:
        self.calls.append(["after", int(global_step_value)])
        return global_step_value == self._stop_at

    def end(self, session: Any, global_step_value: Any) -> None:
        self.calls.append(["end", int(global_step_value)])


@shows("listeners", "the order of calls around checkpoints")
def _(E: Any, folder: str) -> Any:
    listener, config = _Listener(), E.RunConfig(save_checkpoints_steps=2)
    made = E.Estimator(linear(E), folder, config)
    made.train(four(), steps=3, saving_listeners=[listener])
    return listener.calls


@shows("listeners", "an answer of True after a checkpoint ends training")
def _(E: Any, folder: str) -> Any:
    listener, config = _Listener(stop_at=4), E.RunConfig(save_checkpoints_steps=2)
    made = E.Estimator(linear(E), folder, config)
    made.train(four(), steps=9, saving_listeners=[listener])
    return int(made.get_variable_value("global_step"))


@shows("listeners", "anything else in the list is refused")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    return error_of(lambda: made.train(four(), steps=1, saving_listeners=[1]))


def _metrics(folder: str, values: list[float]) -> None:
    """Evaluation results in event files, as an evaluation beside training would leave them."""
    with tf.Graph().as_default():
        writer = v1.summary.FileWriter(folder)
        for place, value in enumerate(values):
            part = v1.Summary.Value(tag="loss", simple_value=value)
            writer.add_summary(v1.Summary(value=[part]), place * 10)
        writer.close()


def _stopped(made: Any, steps: int) -> bool:
    """Whether training ended before ``steps``; in a session the step that hooks read may lag by one."""
    return int(made.get_variable_value("global_step")) < steps


@shows("early stopping", "by no decrease, no increase, a value too high or too low")
def _(E: Any, folder: str) -> Any:
    cases = (
        (
            "stop_if_no_decrease_hook",
            {"max_steps_without_decrease": 20},
            [3.0, 2.0, 2.5, 2.4, 2.3],
            [3.0, 2.0, 1.0],
        ),
        (
            "stop_if_no_increase_hook",
            {"max_steps_without_increase": 20},
            [1.0, 2.0, 1.5, 1.4, 1.3],
            [1.0, 2.0, 3.0],
        ),
        ("stop_if_higher_hook", {"threshold": 0.5}, [0.1, 0.6], [0.1, 0.2]),
        ("stop_if_lower_hook", {"threshold": 0.5}, [0.9, 0.4], [0.9, 0.8]),
    )
    seen = []
    for name, given, *runs in cases:
        for number_of, values in enumerate(runs):
            place = os.path.join(folder, f"{name}{number_of}")
            made = E.Estimator(linear(E), place)
            _metrics(made.eval_dir(), values)
            hook = getattr(E, name)(made, "loss", run_every_secs=None, run_every_steps=1, **given)
            made.train(four(), hooks=[hook], steps=4)
            seen.append([name, number_of, _stopped(made, 4)])
    return seen


@shows("early stopping", "not before min_steps")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    _metrics(made.eval_dir(), [0.1, 0.6])
    hook = E.stop_if_higher_hook(made, "loss", 0.5, min_steps=100, run_every_secs=None, run_every_steps=1)
    made.train(four(), hooks=[hook], steps=4)
    return int(made.get_variable_value("global_step"))


@shows("early stopping", "by a function of one's own, and what is refused")
def _(E: Any, folder: str) -> Any:
    made, calls = E.Estimator(linear(E), folder), []
    make = E.make_early_stopping_hook
    hook = make(made, lambda: calls.append(1) or len(calls) == 3, run_every_secs=None, run_every_steps=1)
    made.train(four(), hooks=[hook], steps=9)
    refused = errors_of(
        lambda: make(made, lambda: True, run_every_secs=None, run_every_steps=None),
        lambda: make(made, lambda: True, run_every_secs=1, run_every_steps=1),
        lambda: make(1, lambda: True),
    )
    return [_stopped(made, 9), refused]
