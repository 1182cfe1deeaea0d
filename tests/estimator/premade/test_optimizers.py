"""A named optimizer takes the steps of Keras's optimizer of that name."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator.premade.optimizers import optimizer_of, step_of

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
