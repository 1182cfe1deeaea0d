"""Random operations draw by seed and step: other numbers each step, the same in each run."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1

DRAWS = {
    "uniform": lambda: tf.random.uniform([3]),
    "normal": lambda: tf.random.normal([3]),
    "truncated": lambda: tf.random.truncated_normal([3]),
    "integers": lambda: tf.cast(tf.random.uniform([3], 0, 1000, tf.int32), tf.float32),
    "shuffle": lambda: tf.random.shuffle(tf.range(64.0)),
    "categorical": lambda: tf.cast(tf.random.categorical(tf.zeros([1, 500]), 3), tf.float32)[0],
    "dropout": lambda: v1.nn.dropout(tf.ones([32]), rate=0.5),
    "gamma": lambda: tf.random.gamma([3], tf.constant([0.5, 2.0]), beta=3.0),
    "poisson": lambda: tf.random.poisson([2], tf.constant([30.0, 400.0])),
}


def a_branch(draw):
    step = v1.train.get_global_step()
    return tf.cond(step >= 0, draw, lambda: draw() + 1.0)


def a_case(draw):
    step = v1.train.get_global_step()
    return tf.switch_case(tf.cast(step >= 0, tf.int32), [lambda: draw() + 1.0, draw])


def a_loop(draw):
    """Draws of three rounds, each in a branch inside the loop's body."""
    drawn = tf.map_fn(lambda n: tf.cond(n > -1.0, draw, lambda: draw() + 1.0), tf.range(3.0))
    return tf.reshape(drawn, [3, -1])


PLACES = {"branch": a_branch, "case": a_case, "loop": a_loop}


class Fetch(v1.train.SessionRunHook):
    def __init__(self):
        self.values = []

    def before_run(self, run_context):
        return v1.train.SessionRunArgs("drawn:0")

    def after_run(self, run_context, run_values):
        self.values.append(run_values.results)


def draw(draws, train_input, seed=1, steps=3, folder=None):
    def model_fn(features, labels, mode):
        drawn = tf.identity(draws(), name="drawn")
        step = v1.train.get_global_step()
        return EstimatorSpec(mode, loss=tf.reduce_sum(drawn) * 0.0, train_op=step.assign_add(1))

    hook = Fetch()
    config = RunConfig(folder, tf_random_seed=seed, save_checkpoints_steps=1)
    Estimator(model_fn, config=config).train(train_input, hooks=[hook], steps=steps)
    return np.array(hook.values)


def check_draws(draws, train_input):
    """Repeatable, another for each seed and step."""
    first, again, other = (draw(draws, train_input, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    return first


@pytest.mark.parametrize("kind", sorted(DRAWS))
def test_each_kind_of_draw(kind, train_input, caplog):
    with caplog.at_level("WARNING", "transferkit"):
        check_draws(DRAWS[kind], train_input)
    assert "count of its own" not in caplog.text


@pytest.mark.parametrize("kind", sorted(DRAWS))
@pytest.mark.parametrize(
    "place",
    [pytest.param(one, marks=pytest.mark.slow if at else ()) for at, one in enumerate(sorted(PLACES))],
)
def test_draws_inside_control_flow(kind, place, train_input, caplog):
    with caplog.at_level("WARNING", "transferkit"):
        drawn = check_draws(lambda: PLACES[place](DRAWS[kind]), train_input)
    assert "count of its own" not in caplog.text
    if place == "loop":
        for rounds in drawn:
            assert not np.array_equal(rounds[0], rounds[1])
            assert not np.array_equal(rounds[1], rounds[2])


def test_two_branches_draw_different_numbers(train_input):
    def draws():
        return tf.stack([a_branch(lambda: tf.random.uniform([3])) for _ in range(2)])

    for one, other in draw(draws, train_input):
        assert not np.array_equal(one, other)


def test_an_interrupted_run_draws_on_where_it_was(train_input, tmp_path):
    def draws():
        return tf.concat([place(lambda: tf.random.normal([2]))[..., :1] for place in (a_branch, a_case)], 0)

    def parts(folder, *lengths):
        return np.concatenate([draw(draws, train_input, 1, n, str(tmp_path / folder)) for n in lengths])

    whole = parts("whole", 6)
    assert len(np.unique(whole)) == whole.size
    # As a process that was ended after three steps: a checkpoint from the middle of its call is the last one.
    parts("ended", 3)
    position = tmp_path / "ended" / "model.ckpt-3.position.json"
    position.write_text('{"start": 0, "batches": 3}')
    np.testing.assert_array_equal(parts("ended", 3), whole[3:])


@pytest.mark.parametrize(("alpha", "rate"), [(0.5, 3.0), (4.0, 20.0)])
def test_gamma_and_poisson_have_their_moments(alpha, rate, train_input):
    def draws():
        return tf.stack([tf.random.gamma([20_000], alpha), tf.random.poisson([20_000], rate)])

    gamma, poisson = draw(draws, train_input, steps=1)[0]
    assert gamma.mean() == pytest.approx(alpha, rel=0.05)
    assert gamma.var() == pytest.approx(alpha, rel=0.1)
    assert poisson.mean() == pytest.approx(rate, rel=0.05)
    assert poisson.var() == pytest.approx(rate, rel=0.1)


def test_gradients_pass_through_draws(train_input):
    """Of a gamma's parameter, and of what a branch multiplies by noise."""

    def model_fn(features, labels, mode):
        alpha = v1.get_variable("alpha", initializer=2.0)
        scale = v1.get_variable("scale", initializer=1.0)
        step = v1.train.get_global_step()
        noise = tf.cond(step >= 0, lambda: scale * tf.random.uniform([], 1.0, 2.0), lambda: 0.0)
        loss = tf.reduce_mean(tf.random.gamma([50], alpha)) + noise
        train_op = v1.train.GradientDescentOptimizer(0.01).minimize(loss, step)
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn).train(train_input, steps=1)
    assert estimator.get_variable_value("alpha") == pytest.approx(2.0 - 0.01, abs=0.005)
    assert 1.0 - 0.02 <= estimator.get_variable_value("scale") <= 1.0 - 0.01


def test_a_function_of_its_own_is_named_and_left_alone(train_input, caplog):
    shared = tf.function(lambda: tf.random.uniform([3]))

    def draws():
        return a_branch(lambda: shared())

    with caplog.at_level("WARNING", "transferkit"):
        drawn = draw(draws, train_input)
    assert "RandomUniform" in caplog.text
    assert "stateless" in caplog.text
    assert not np.array_equal(drawn[0], drawn[1])
    # It draws as before for whoever else calls it.
    assert not np.array_equal(shared(), shared())
