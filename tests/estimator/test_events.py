"""Event files: what TensorBoard finds in them."""

from __future__ import annotations

import time

import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1


def scalars(folder):
    found = {}
    for path in sorted(folder.glob("*tfevents*")):
        for event in v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_training_writes_loss_rate_and_speed(tf1_model, train_input, eval_input, tmp_path):
    config = RunConfig(save_summary_steps=5, log_step_count_steps=10)
    estimator = Estimator(tf1_model, str(tmp_path), config, {"learning_rate": 0.03})
    estimator.train(train_input, steps=20)
    written = scalars(tmp_path)
    assert [step for step, _ in written["loss"]] == [1, 6, 11, 16]
    assert {round(value, 6) for _, value in written["learning_rate"]} == {0.03}
    assert [step for step, _ in written["global_step/sec"]] == [10, 20]
    steps_per_second, images_per_second = written["global_step/sec"][-1][1], written["examples/sec"][-1][1]
    assert 3.9 < images_per_second / steps_per_second < 4.1
    result = estimator.evaluate(eval_input)
    estimator.evaluate(eval_input, name="other")
    for folder in ("eval", "eval_other"):
        metrics = scalars(tmp_path / folder)
        assert metrics["mae"] == [(20, float(result["mae"]))]
        assert metrics["loss"] == [(20, float(result["loss"]))]


def test_a_keras_optimizers_rate_is_written(keras_model, train_input, tmp_path):
    config = RunConfig(save_summary_steps=1)
    Estimator(keras_model(learning_rate=0.02), str(tmp_path), config).train(train_input, steps=2)
    assert [round(value, 6) for _, value in scalars(tmp_path)["learning_rate"]] == [0.02, 0.02]


def test_summaries_of_the_model_fn_are_collected(train_input, tmp_path, recwarn):
    def model_fn(features, labels, mode):
        weight = v1.get_variable("weight", [], initializer=v1.ones_initializer())
        loss = tf.reduce_mean((features["x"] * weight - labels) ** 2)
        v1.summary.scalar("twice", 2 * loss)
        train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    Estimator(model_fn, str(tmp_path), RunConfig(save_summary_steps=1)).train(train_input, steps=2)
    written = scalars(tmp_path)
    for (_, loss), (_, twice) in zip(written["loss"], written["twice"], strict=True):
        assert abs(twice - 2 * loss) < 1e-5
    # TensorFlow's own words would say that they are not.
    assert not [str(one.message) for one in recwarn if "summary" in str(one.message)]


def test_what_two_evaluations_gave_is_in_the_file_a_second_later(
    tf1_model, train_input, eval_input, tmp_path
):
    estimator = Estimator(tf1_model, str(tmp_path), params={"learning_rate": 0.03})
    estimator.train(train_input, steps=1)
    for _ in range(2):
        estimator.evaluate(eval_input)
    end = time.monotonic() + 20
    while (found := len(scalars(tmp_path / "eval").get("loss", []))) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert found == 2
