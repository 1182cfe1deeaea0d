"""Inside model_fn, input_fn and hooks tensors and variables are hashed and told apart as in a graph."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec

v1 = tf.compat.v1


def trained(look, hook=None, input_fn=None):
    """Trains w and b; ``look(w, b, y, loss)`` is called in model_fn, and may give an operation."""

    def model_fn(features, labels, mode):
        w = v1.get_variable("w", [2], initializer=v1.zeros_initializer())
        b = v1.get_variable("b", [], tf.int64, v1.ones_initializer(), trainable=False)
        y = features * w
        loss = tf.reduce_mean((y - 1.0) ** 2)
        extra = look(w, b, y, loss)
        train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
        if extra is not None:
            train_op = tf.group(train_op, extra)
        return EstimatorSpec(mode, {"y": y}, loss, train_op)

    data = input_fn or (lambda: tf.data.Dataset.from_tensors([1.0, 2.0]).repeat())
    return Estimator(model_fn).train(data, hooks=[hook] if hook else None, steps=2)


def test_sets_dictionaries_and_lists_in_a_model_fn():
    def look(w, b, y, loss):
        assert len({w, b, w}) == 2
        assert set(v1.global_variables()) - set(v1.trainable_variables()) == {b, v1.train.get_global_step()}
        assert [v for v in v1.global_variables() if v not in v1.trainable_variables()] != []
        assert {y: 1, loss: 2}[loss] == 2
        assert y in [loss, y]
        assert y not in [loss, w]
        assert w == w
        assert w != b
        assert (y == None) is False  # noqa: E711
        if y == loss:
            raise AssertionError("two tensors")
        average = tf.train.ExponentialMovingAverage(0.9, v1.train.get_global_step())
        update = average.apply([w])
        assert average.variables_to_restore()["w/ExponentialMovingAverage"] is w
        assert v1.train.Saver(v1.trainable_variables()) is not None
        return update

    trained(look)


def test_values_are_compared_where_they_are_meant():
    found = []

    def look(w, b, y, loss):
        same = tf.cast(tf.constant([1, 2]) == tf.constant([1, 3]), tf.int32)
        other = tf.cast(tf.constant([1, 2]) != tf.constant([1, 3]), tf.int32)
        number = tf.cast(tf.constant([1, 2]) == 2, tf.int32)
        found.append([tf.get_static_value(t).tolist() for t in (same, other, number)])

    trained(look)
    assert found == [[[1, 0], [0, 1], [0, 1]]]


def test_inside_a_branch_of_a_model_fn():
    def look(w, b, y, loss):
        def branch():
            assert len({y, loss}) == 2
            assert y in [y]
            return tf.constant(1.0)

        return tf.identity(tf.cond(loss > 0, branch, lambda: tf.constant(2.0))).op

    trained(look)


def test_in_an_input_fn():
    def input_fn():
        a, b = tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0])
        assert {a: "a", b: "b"}[b] == "b"
        assert a in [b, a]
        assert a not in [b]
        assert bool(tf.constant(2) == tf.constant(2))
        assert (a == 1.0).numpy().tolist() == [True, False]
        return tf.data.Dataset.from_tensors(a).filter(lambda x: x[0] == 1.0).repeat()

    trained(lambda *_: None, input_fn=input_fn)
    with pytest.raises(TypeError, match="unhashable"):
        hash(tf.constant(1.0))
    with pytest.raises(ValueError, match="truth value"):
        bool(tf.constant([1, 2]) == tf.constant([1, 2]))


class Setting(v1.train.SessionRunHook):
    """What TensorFlow-1 hooks do with variables and savers."""

    def __init__(self, folder):
        self.folder, self.seen = folder, []

    def begin(self):
        self.variables = {v: v.op.name for v in v1.trainable_variables()}
        (self.w,) = self.variables
        self.first = v1.variables_initializer([self.w])
        self.everything = v1.global_variables_initializer()
        self.saver = v1.train.Saver(v1.trainable_variables())

    def after_create_session(self, session, coord):
        self.w.load(np.array([3.0, 4.0]), session)
        self.seen.append(self.w.eval(session=session).tolist())
        self.saver.save(session, f"{self.folder}/saved", write_meta_graph=False)
        session.run(self.first)
        with session.as_default():
            self.seen.append(self.w.eval().tolist())
            self.seen.append((self.w + 1.0).eval().tolist())
        self.saver.restore(session, f"{self.folder}/saved")
        self.seen.append(session.run(self.w).tolist())
        assert session.graph.get_operations()
        assert session.make_callable(self.w)().tolist() == [3.0, 4.0]

    def before_run(self, run_context):
        return v1.train.SessionRunArgs({"w": self.w, "step": v1.train.get_global_step()})

    def after_run(self, run_context, run_values):
        self.seen.append((int(run_values.results["step"]), run_values.results["w"].tolist()))
        if len(self.seen) == 5:
            run_context.session.run(self.everything)


def test_variables_and_savers_in_a_hook(tmp_path):
    hook = Setting(tmp_path)
    trained(lambda *_: None, hook)
    assert hook.seen[:4] == [[3.0, 4.0], [0.0, 0.0], [1.0, 1.0], [3.0, 4.0]]
    # Before the first step; then all was set back, the global step among it.
    assert hook.seen[4:6] == [(0, [3.0, 4.0]), (0, [0.0, 0.0])]
