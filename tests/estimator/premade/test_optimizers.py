"""A named optimizer takes the steps of Keras's optimizer of that name."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator.premade.optimizers import get_optimizer_instance_v2, optimizer_of, step_of

FIRST = np.array([[0.5], [-1.0], [2.0]], np.float32)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Adagrad", keras.optimizers.Adagrad),
        ("Adam", keras.optimizers.Adam),
        ("Ftrl", keras.optimizers.Ftrl),
        ("RMSProp", keras.optimizers.RMSprop),
        ("SGD", keras.optimizers.SGD),
    ],
)
@pytest.mark.parametrize("rate", [None, 0.3])
def test_the_steps_are_keras_s(name, same, rate):
    def step():
        weights = tf.compat.v1.get_variable("weights", initializer=FIRST)
        loss = tf.reduce_sum((weights - 1.0) ** 2)
        with tf.control_dependencies([step_of(optimizer_of(name, rate), loss, [weights], "sum")]):
            return tf.constant(0)

    wrapped = tf.compat.v1.wrap_function(step, [])
    plain, optimizer = keras.Variable(FIRST), same() if rate is None else same(rate)
    for _ in range(3):
        wrapped()
        optimizer.apply([2 * (plain.value - 1.0)], [plain])
    (weights,) = [one for one in wrapped.variables if one.name.startswith("weights:")]
    assert np.abs(weights.numpy() - FIRST).max() > 1e-4
    np.testing.assert_allclose(weights.numpy(), plain.numpy(), rtol=1e-4)


@pytest.mark.parametrize("name", ["Adagrad", "Adam", "RMSProp"])
def test_rows_of_an_embedding_move_as_in_a_whole_gradient(name):
    """Averages of rows that a batch does not name decay nevertheless, and repeated rows add up."""

    def weights_after(gather):
        def step():
            table = tf.compat.v1.get_variable(
                "table", initializer=np.array([[1.0], [2.0], [3.0]], np.float32)
            )
            rows = gather(table, tf.constant([2, 0, 2]))
            loss = tf.reduce_sum(rows**2)
            with tf.control_dependencies([step_of(optimizer_of(name, 0.1), loss, [table], "sum")]):
                return tf.constant(0)

        wrapped = tf.compat.v1.wrap_function(step, [])
        for _ in range(3):
            wrapped()
        return next(one.numpy() for one in wrapped.variables if one.name.startswith("table:"))

    whole = weights_after(lambda table, ids: tf.matmul(tf.one_hot(ids, 3), table))
    some = weights_after(tf.gather)
    np.testing.assert_allclose(some, whole, rtol=1e-5)
    assert some[1, 0] == 2.0


@pytest.mark.parametrize(
    ("name", "scalars", "slots"),
    [
        ("Adagrad", ["decay", "learning_rate"], ["accumulator"]),
        ("Adam", ["beta_1", "beta_2", "decay", "learning_rate"], ["m", "v"]),
        (
            "Ftrl",
            [
                "beta",
                "decay",
                "l1_regularization_strength",
                "l2_regularization_strength",
                "learning_rate",
                "learning_rate_power",
            ],
            ["accumulator", "linear"],
        ),
        ("RMSProp", ["decay", "learning_rate", "momentum", "rho"], ["rms"]),
        ("SGD", ["decay", "learning_rate", "momentum"], []),
    ],
)
def test_variables_are_named_as_tf_estimator_named_them(name, scalars, slots):
    optimizer = optimizer_of(name, 0.2)
    scope = "RMSprop" if name == "RMSProp" else name

    with tf.Graph().as_default():
        weights = tf.compat.v1.get_variable("part/weights", initializer=FIRST)
        with tf.name_scope("training"):
            step_of(optimizer, tf.reduce_sum(weights), [weights], "sum", counts=False)
            again = optimizer_of(name, 0.2)
            step_of(again, tf.reduce_sum(weights), [weights], "sum", counts=False)
        made = [one.name.removesuffix(":0") for one in tf.compat.v1.global_variables()]
        trainable = tf.compat.v1.trainable_variables()
    assert trainable == [weights]
    expected = ["part/weights"]
    for begin in (f"training/{scope}", f"training/{scope}_1"):
        expected += [f"{begin}/{scalar}" for scalar in ["iter", *scalars]]
        expected += [f"{begin}/part/weights/{slot}" for slot in slots]
    assert sorted(made) == sorted(expected)


@pytest.mark.parametrize("name", ["Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"])
def test_apply_gradients_and_minimize_take_the_same_steps_under_the_same_names(name):
    def after(take):
        optimizer = get_optimizer_instance_v2(name, 0.3)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            weights = tf.compat.v1.get_variable("weights", initializer=FIRST)
            count = tf.compat.v1.train.get_or_create_global_step()
            with tf.name_scope("training"):
                step = take(optimizer, tf.reduce_sum((weights - 1.0) ** 2), weights, count)
            names = {one.name for one in tf.compat.v1.global_variables()} - {"weights:0", "global_step:0"}
            session.run(tf.compat.v1.global_variables_initializer())
            for _ in range(3):
                session.run(step)
            return *session.run([weights, optimizer.iterations, count]), names

    def by_gradients(optimizer, loss, weights, count):
        (gradient,) = tf.gradients(loss, [weights])
        return optimizer.apply_gradients(zip([gradient], [weights], strict=True))

    def with_a_count_of_its_own(optimizer, loss, weights, count):
        optimizer.iterations = tf.Variable(0, dtype=tf.int64, name="own", trainable=False)
        return optimizer.minimize(loss, global_step=count, var_list=[weights])

    expected, _, _, names = after(lambda optimizer, loss, weights, _: optimizer.get_updates(loss, [weights]))
    assert all(one.startswith(f"training/{'RMSprop' if name == 'RMSProp' else name}/") for one in names)
    moved, steps, count, same = after(by_gradients)
    np.testing.assert_array_equal(moved, expected)
    assert (steps, count, same) == (3, 0, names)
    moved, steps, count, _ = after(with_a_count_of_its_own)
    np.testing.assert_array_equal(moved, expected)
    assert (steps, count) == (3, 3)
    moved, steps, count, same = after(
        lambda optimizer, loss, weights, count: optimizer.minimize(loss, count, [weights])
    )
    np.testing.assert_array_equal(moved, expected)
    assert (steps, count) == (3, 3)
    assert same == {one for one in names if not one.endswith("/iter:0")}


def test_a_second_step_of_one_optimizer_goes_on_with_what_the_first_keeps():
    optimizer = get_optimizer_instance_v2("Adam", 0.3)
    for _ in range(2):  # a program may hold it for two graphs
        _check_second_step(optimizer)


def _check_second_step(optimizer):
    with tf.Graph().as_default():
        first = tf.compat.v1.get_variable("first", initializer=FIRST)
        other = tf.compat.v1.get_variable("other", initializer=FIRST)
        optimizer.apply_gradients([(tf.ones_like(first), first)])
        kept = optimizer.get_slot(first, "m")
        optimizer.apply_gradients([(tf.ones_like(first), first), (tf.ones_like(other), other)])
        assert optimizer.get_slot(first, "m") is kept
        names = [one.name for one in tf.compat.v1.global_variables()]
    assert len(names) == 2 + 5 + 4
    assert all(one.startswith("Adam/") for one in names[2:])
