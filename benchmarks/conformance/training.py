"""Training: steps, data, checkpoints, summaries, variables."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tensorflow as tf

from conformance.catalogue import (
    X,
    Y,
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


def _step(made: Any) -> int:
    return int(made.get_variable_value("global_step"))


@shows("train", "returns the Estimator")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    return made.train(four(), steps=1) is made


@shows("train", "steps add up, max_steps is a total, and nothing happens beyond it")
def _(E: Any, folder: str) -> Any:
    made, seen = E.Estimator(linear(E), folder), []
    for given in ({"steps": 3}, {"steps": 2}, {"max_steps": 6}, {"max_steps": 6}, {"max_steps": 2}):
        made.train(four(), **given)
        seen.append(_step(made))
    return seen


@shows("train", "input_fn is not called where max_steps is reached")
def _(E: Any, folder: str) -> Any:
    made, calls = E.Estimator(linear(E), folder).train(four(), steps=2), []
    made.train(lambda: calls.append(1) or four()(), max_steps=2)
    return calls


@shows("train", "both kinds of steps, or none above zero, are refused")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    cases = ({"steps": 1, "max_steps": 1}, {"steps": 0}, {"steps": -1}, {"max_steps": 0}, {"max_steps": -1})
    return errors_of(*(lambda case=case: made.train(four(), **case) for case in cases))


@shows("train", "the end of the data ends it, the last short batch included")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder).train(four(repeat=False, size=3), steps=100)
    return [_step(made), number(made.get_variable_value("weight"))]


@shows("train", "data without a single batch")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    error = error_of(lambda: made.train(lambda: four()().take(0), steps=3))
    return [error, checkpoints(folder)]


@shows("train", "weights after five steps")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder).train(four(size=2), steps=5)
    return [number(made.get_variable_value(name), 5) for name in ("weight", "bias")]


@shows("train", "a new Estimator on the same folder goes on")
def _(E: Any, folder: str) -> Any:
    E.Estimator(linear(E), folder).train(four(), steps=3)
    made = E.Estimator(linear(E), folder).train(four(), steps=2)
    return [_step(made), number(made.get_variable_value("weight"), 5)]


@shows("input_fn", "may give features and labels as they are, endlessly")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    made.train(lambda: ({"x": tf.constant(X)}, tf.constant(Y)), steps=3)
    return [_step(made), number(made.get_variable_value("weight"), 5)]


@shows("input_fn", "is given mode, params and config where it takes them")
def _(E: Any, folder: str) -> Any:
    seen: list[Any] = []

    def input_fn(config: Any, params: Any, mode: str) -> Any:
        seen.append([mode, params["a"], config.tf_random_seed])
        return four()()

    def model_fn(features: Any, labels: Any, mode: str, params: Any) -> Any:
        return linear(E)(features, labels, mode)

    made = E.Estimator(model_fn, folder, E.RunConfig(tf_random_seed=4), {"a": 5})
    made.train(input_fn, steps=1).evaluate(input_fn, steps=1)
    next(made.predict(input_fn))
    return seen


@shows("input_fn", "what is no data is refused")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    three = tf.data.Dataset.from_tensors
    return errors_of(
        lambda: made.train(lambda: None, steps=1),
        lambda: made.train(lambda: (1, 2, 3), steps=1),
        lambda: made.train(lambda: three((1, 2, 3)), steps=1),
    )


@shows("checkpoints", "which steps are kept")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig(save_checkpoints_steps=2, keep_checkpoint_max=3)
    made = E.Estimator(linear(E), folder, config).train(four(), steps=7)
    seen = [checkpoints(folder), os.path.basename(made.latest_checkpoint())]
    made.train(four(), steps=1)
    return [*seen, checkpoints(folder)]


@shows("checkpoints", "one at the first step and one at the last by default")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    before = made.latest_checkpoint()
    made.train(four(), steps=3)
    return [before, checkpoints(folder)]


@shows("checkpoints", "none by save_checkpoints_steps=None and secs=None")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    made = E.Estimator(linear(E), folder, config)
    return [error_of(lambda: made.train(four(), steps=3)), checkpoints(folder)]


@shows("checkpoints", "variables under their names in the model_fn, slots included")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        with v1.variable_scope("outer"):
            weight = v1.get_variable("w", [1, 1], initializer=v1.ones_initializer())
        first, second = (tf.Variable(0.0, name="plain") for _ in range(2))
        loss = tf.reduce_mean(tf.matmul(features["x"], weight) + first + second)
        train_op = v1.train.AdamOptimizer().minimize(loss, v1.train.get_global_step())
        return E.EstimatorSpec(mode, loss=loss, train_op=train_op)

    made = E.Estimator(model_fn, folder).train(four(), steps=1)
    return [sorted(made.get_variable_names()), sorted(n for n, _ in tf.train.list_variables(folder))]


@shows("checkpoints", "reading variables that are not there, or before any training")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    before = errors_of(made.get_variable_names, lambda: made.get_variable_value("weight"))
    made.train(four(), steps=1)
    return [before, error_of(lambda: made.get_variable_value("missing"))]


@shows("checkpoints", "a checkpoint of another model in the folder is refused")
def _(E: Any, folder: str) -> Any:
    E.Estimator(linear(E), folder).train(four(), steps=1)

    def other(features: Any, labels: Any, mode: str) -> Any:
        weight = v1.get_variable("another", [1, 1], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean(tf.matmul(features["x"], weight))
        step = v1.train.get_global_step()
        return E.EstimatorSpec(
            mode, loss=loss, train_op=v1.train.GradientDescentOptimizer(1.0).minimize(loss, step)
        )

    return error_of(lambda: E.Estimator(other, folder).train(four(), steps=1)) != "no error"


@shows("summaries", "tags and steps of training's event files")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig(save_summary_steps=2, log_step_count_steps=2)

    def noted(loss: Any, mode: str) -> Any:
        v1.summary.scalar("mine", loss)
        return None

    E.Estimator(linear(E, scaffold=noted), folder, config).train(four(), steps=6)
    return event_tags(folder)


@shows("summaries", "none by save_summary_steps=0 or None")
def _(E: Any, folder: str) -> Any:
    seen = []
    for steps in (0, None):
        place = os.path.join(folder, str(steps))
        config = E.RunConfig(save_summary_steps=steps, log_step_count_steps=None)
        made = E.Estimator(linear(E), place, config)
        seen.append([error_of(lambda made=made: made.train(four(), steps=3)), event_tags(place)])
    return seen


@shows("graph", "the global step: int64, moved by minimize once a step, in its collection")
def _(E: Any, folder: str) -> Any:
    seen: list[Any] = []

    def noted(loss: Any, mode: str) -> Any:
        step = v1.train.get_or_create_global_step()
        names = [v.op.name for v in v1.trainable_variables()]
        seen.append([step.dtype.name, step.op.name, step is v1.train.get_global_step(), names])
        return None

    E.Estimator(linear(E, scaffold=noted), folder).train(four(), steps=2)
    return seen


@shows("graph", "a train_op that leaves the global step alone")
def _(E: Any, folder: str) -> Any:
    def train_op(loss: Any, mode: str) -> Any:
        return v1.train.GradientDescentOptimizer(0.05).minimize(loss) if mode == "train" else None

    made = E.Estimator(linear(E, train_op=train_op), folder).train(four(repeat=False, size=1))
    return _step(made)


@shows("graph", "update ops of batch normalisation run where the train_op waits for them")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        mean = v1.get_variable("moving", [], initializer=v1.zeros_initializer(), trainable=False)
        other = v1.get_variable("idle", [], initializer=v1.zeros_initializer(), trainable=False)
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign(mean, 0.5 * mean + 0.5))
        v1.assign_add(other, 1.0)
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            return linear(E)(features, labels, mode)

    made = E.Estimator(model_fn, folder).train(four(), steps=3)
    return [number(made.get_variable_value(name)) for name in ("moving", "idle")]


@shows("graph", "a shared variable in a reused scope is one variable")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        for _ in range(2):
            with v1.variable_scope("shared", reuse=v1.AUTO_REUSE):
                weight = v1.get_variable("w", [], initializer=v1.ones_initializer())
        loss = tf.reduce_mean(features["x"] * weight)
        step = v1.train.get_global_step()
        return E.EstimatorSpec(
            mode, loss=loss, train_op=v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
        )

    made = E.Estimator(model_fn, folder).train(four(), steps=2)
    return [sorted(made.get_variable_names()), number(made.get_variable_value("shared/w"))]


@shows("graph", "a lookup table of the model_fn is filled")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.0, 5.0])
        table = tf.lookup.StaticHashTable(pairs, 0.0)
        return E.EstimatorSpec(mode, predictions={"value": table.lookup(features)})

    words = E.Estimator(model_fn, folder)
    data = tf.data.Dataset.from_tensors
    return [number(one["value"]) for one in words.predict(lambda: data(["b", "a", "c"]))]


@shows("graph", "the seed decides the initial values")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        weight = v1.get_variable("w", [3], initializer=v1.random_normal_initializer())
        loss = tf.reduce_mean(weight) * 0.0
        train_op = v1.assign_add(v1.train.get_global_step(), 1)
        return E.EstimatorSpec(mode, loss=loss, train_op=train_op)

    def weight(place: str, seed: int) -> Any:
        made = E.Estimator(model_fn, os.path.join(folder, place), E.RunConfig(tf_random_seed=seed))
        return made.train(four(), steps=1).get_variable_value("w")

    one, same, other = weight("one", 1), weight("same", 1), weight("other", 2)
    return [bool((one == same).all()), bool((one == other).any()), bool(np.isfinite(one).all())]


@shows("graph", "dropout draws anew at each step")
def _(E: Any, folder: str) -> Any:
    seen: list[float] = []

    class Note(v1.train.SessionRunHook):
        def before_run(self, run_context: Any) -> Any:
            return v1.train.SessionRunArgs("drawn:0")

        def after_run(self, run_context: Any, run_values: Any) -> None:
            seen.append(float(run_values.results))

    def noted(loss: Any, mode: str) -> Any:
        tf.identity(v1.random_uniform([]), name="drawn")
        return None

    E.Estimator(linear(E, scaffold=noted), folder).train(four(), hooks=[Note()], steps=5)
    return [len(seen), len(set(seen))]


@shows("graph", "a scaffold's init_fn sets values in a fresh model and not in a restored one")
def _(E: Any, folder: str) -> Any:
    calls: list[int] = []

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        weight = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        given = v1.placeholder(tf.float32, [])
        assign = weight.assign(given)

        def init_fn(scaffold: Any, session: Any) -> None:
            calls.append(1)
            session.run(assign, {given: 7.0})

        train_op = v1.assign_add(v1.train.get_global_step(), 1)
        scaffold = v1.train.Scaffold(init_fn=init_fn)
        return E.EstimatorSpec(mode, loss=weight * 1.0, train_op=train_op, scaffold=scaffold)

    E.Estimator(model_fn, folder).train(four(), steps=1)
    made = E.Estimator(model_fn, folder).train(four(), steps=1)
    return [len(calls), number(made.get_variable_value("w"))]


@shows("graph", "model_fn is called once for two train calls")
def _(E: Any, folder: str) -> Any:
    calls: list[str] = []
    made = E.Estimator(linear(E, calls), folder)
    made.train(four(), steps=1).train(four(), steps=1)
    made.evaluate(four(), steps=1)
    made.evaluate(four(), steps=1)
    return calls


@shows("errors", "a NaN loss")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E, loss=lambda loss, mode: loss * float("nan")), folder)
    try:
        made.train(four(), steps=1)
    except E.NanLossDuringTrainingError as error:
        return type(error).__name__
    return "no error"


@shows("errors", "an error in the data comes out as it is")
def _(E: Any, folder: str) -> Any:
    def wrong() -> Any:
        return four()().map(lambda x, y: (x, tf.debugging.check_numerics(y / 0.0, "zero")))

    return error_of(lambda: E.Estimator(linear(E), folder).train(wrong, steps=1))
