"""Training: steps, both styles of model_fn, one trace, exact resumption."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig


class StopHere(Exception):
    pass


class Bomb(tf.compat.v1.train.SessionRunHook):
    """Ends training abruptly after so many steps."""

    def __init__(self, after):
        self.left = after

    def after_run(self, run_context, run_values):
        self.left -= 1
        if self.left == 0:
            raise StopHere


def weights(estimator):
    path = estimator.latest_checkpoint()
    reader = tf.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_steps_add_up_and_max_steps_is_a_total(tf1_model, train_input, tmp_path):
    estimator = Estimator(tf1_model, str(tmp_path), params={})
    assert estimator.train(train_input, steps=3) is estimator
    estimator.train(train_input, steps=4)
    assert estimator.get_variable_value("global_step") == estimator.get_variable_value("global_step:0") == 7
    estimator.train(train_input, max_steps=9)
    assert estimator.get_variable_value("global_step") == 9
    estimator.train(train_input, max_steps=9)
    assert estimator.get_variable_value("global_step") == 9


def test_the_end_of_the_data_ends_training(tf1_model, eval_input, tmp_path):
    estimator = Estimator(tf1_model, str(tmp_path), params={})
    estimator.train(eval_input)
    assert estimator.get_variable_value("global_step") == 4


@pytest.mark.parametrize("given", [{"steps": 1, "max_steps": 1}, {"steps": 0}, {"max_steps": -1}])
def test_impossible_numbers_of_steps_are_refused(tf1_model, train_input, given):
    with pytest.raises(ValueError, match="steps"):
        Estimator(tf1_model, params={}).train(train_input, **given)


def test_variables_made_beside_the_graph_are_named_by_its_scopes(train_input, tmp_path):
    """As the older Keras makes its rates and slots: by init_scope, some of them in a graph of its own."""
    other = tf.__internal__.FuncGraph("other")

    def model_fn(features, labels, mode):
        with tf.name_scope("outer"), tf.name_scope("SGD"), tf.init_scope():
            rate = tf.Variable(0.1, name="rate")
            again = tf.Variable(0.2, name="rate")
        with tf.name_scope("outer"), other.as_default(), tf.name_scope("layer"), tf.init_scope():
            kernel = tf.Variable(1.0, name="kernel")
        loss = tf.reduce_sum(features["x"]) * kernel * rate * again
        return EstimatorSpec(mode, loss=loss, train_op=kernel.assign_add(1.0))

    estimator = Estimator(model_fn, str(tmp_path)).train(train_input, steps=1)
    assert estimator.get_variable_names() == [
        "global_step",
        "outer/SGD/rate",
        "outer/SGD/rate_1",
        "outer_1/layer/kernel",
    ]


def test_tf1_variables_are_named_as_in_the_model_fn(tf1_model, train_input, tmp_path):
    estimator = Estimator(tf1_model, str(tmp_path), params={})
    estimator.train(train_input, steps=1)
    assert estimator.get_variable_names() == sorted(
        ["beta1_power", "beta2_power", "global_step", "weight", "bias", "scope/scale"]
        + [f"{v}/{slot}" for v in ("weight", "bias", "scope/scale") for slot in ("Adam", "Adam_1")]
    )


def test_keras_variables_are_named_by_their_path(keras_model, train_input, tmp_path):
    estimator = Estimator(keras_model(), str(tmp_path))
    estimator.train(train_input, steps=1)
    names = estimator.get_variable_names()
    assert {"net/hidden/kernel", "net/norm/moving_mean", "adam/net_out_bias_velocity", "global_step"} <= set(
        names
    )
    assert not [name for name in names if "mae" in name]


@pytest.mark.parametrize("style", ["tf1", "keras"])
def test_one_trace_a_mode_and_shared_weights(
    style, tf1_model, keras_model, train_input, eval_input, tmp_path
):
    estimator = Estimator(
        tf1_model if style == "tf1" else keras_model(0.0, 0.05, frozen_norm=True),
        str(tmp_path),
        params={} if style == "tf1" else None,
    )
    losses = []
    for _ in range(4):
        estimator.train(train_input, steps=60)
        losses.append(estimator.evaluate(eval_input)["loss"])
        predicted = np.array([one["value"] for one in estimator.predict(eval_input)])
    assert losses[-1] < losses[0] / 2
    assert predicted.shape == (24, 1)
    assert np.mean((predicted - (2 * np.linspace(-1, 1, 24).reshape(24, 1) + 0.5)) ** 2) < losses[0]
    assert estimator.trace_counts == {"train": 1, "eval": 1, "infer": 1}


@pytest.mark.parametrize("style", ["tf1", "keras"])
def test_an_interrupted_run_ends_with_the_very_same_weights(
    style, tf1_model, keras_model, train_input, tmp_path
):
    def make(folder):
        model_fn, params = (tf1_model, {"dropout": 0.3}) if style == "tf1" else (keras_model(), None)
        return Estimator(
            model_fn, str(tmp_path / folder), RunConfig(tf_random_seed=1, save_checkpoints_steps=5), params
        )

    whole = make("whole").train(train_input, max_steps=23)
    broken = make("broken")
    with pytest.raises(StopHere):
        broken.train(train_input, max_steps=23, hooks=[Bomb(13)])
    assert tf.train.load_variable(broken.latest_checkpoint(), "global_step") == 10
    resumed = make("broken").train(train_input, max_steps=23)
    expected, received = weights(whole), weights(resumed)
    assert expected.keys() == received.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, received[name], err_msg=name)


def test_tf1_update_ops_run_only_when_fetched(train_input, tmp_path):
    def model_fn(features, labels, mode):
        count = tf.Variable(0, name="unfetched", trainable=False)
        other = tf.Variable(0, name="fetched", trainable=False)
        tf.compat.v1.assign_add(count, 1)
        step = tf.compat.v1.train.get_global_step()
        loss = tf.reduce_mean(features["x"])
        train_op = tf.group(other.assign_add(1), step.assign_add(1))
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, str(tmp_path)).train(train_input, steps=3)
    assert estimator.get_variable_value("unfetched") == 0
    assert estimator.get_variable_value("fetched") == 3


def test_evaluating_after_training_reads_no_checkpoint(
    tf1_model, train_input, eval_input, tmp_path, monkeypatch
):
    from transferkit.estimator.checkpoints import checkpoint_files

    estimator = Estimator(tf1_model, str(tmp_path), params={}).train(train_input, steps=3)
    first = estimator.latest_checkpoint()
    before = estimator.evaluate(eval_input)
    estimator.train(train_input, steps=30)

    def refuse(*args, **kwargs):
        raise AssertionError("a checkpoint was read")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_files, "read", refuse)
        after = estimator.evaluate(eval_input)
        list(estimator.predict(eval_input))
        estimator.train(train_input, steps=1)
    assert after["mae"] < before["mae"]
    # A named checkpoint is read, and leaves the present weights as they are.
    now = estimator.evaluate(eval_input)
    np.testing.assert_allclose(estimator.evaluate(eval_input, checkpoint_path=first)["mae"], before["mae"])
    assert estimator.evaluate(eval_input)["mae"] == now["mae"]
    assert estimator.trace_counts == {"train": 1, "eval": 1, "infer": 1}
