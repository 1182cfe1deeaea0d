"""Steps inside the graph give what single steps give."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, RunConfig


def final_weights(estimator):
    reader = tf.train.load_checkpoint(estimator.latest_checkpoint())
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize("style", ["tf1", "keras"])
def test_loops_end_with_the_weights_of_single_steps(style, tf1_model, keras_model, train_input, tmp_path):
    results = []
    for loop in (1, 5):
        model_fn, params = (tf1_model, {"dropout": 0.3}) if style == "tf1" else (keras_model(), None)
        config = RunConfig(tf_random_seed=1, steps_per_loop=loop, save_checkpoints_steps=7)
        estimator = Estimator(model_fn, str(tmp_path / str(loop)), config, params)
        estimator.train(train_input, max_steps=18)
        results.append(final_weights(estimator))
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], rtol=1e-6, atol=1e-7, err_msg=name)
    saved = tf.train.get_checkpoint_state(str(tmp_path / "5")).all_model_checkpoint_paths
    assert [path.rsplit("-", 1)[1] for path in saved] == ["0", "7", "14", "18"]


def test_hooks_see_the_last_step_of_each_loop(tf1_model, train_input):
    class Steps(tf.compat.v1.train.SessionRunHook):
        def __init__(self):
            self.seen = []

        def before_run(self, run_context):
            return tf.compat.v1.train.SessionRunArgs(tf.compat.v1.train.get_global_step())

        def after_run(self, run_context, run_values):
            self.seen.append(int(run_values.results) + 1)

    estimator = Estimator(tf1_model, config=RunConfig(steps_per_loop=4), params={})
    hook = Steps()
    estimator.train(train_input, steps=10, hooks=[hook])
    assert hook.seen == [4, 8, 10]


@pytest.mark.parametrize("batches", [3, 4, 6, 8])
def test_the_end_of_the_data_within_a_loop(batches, tf1_model, eval_input, tmp_path):
    estimator = Estimator(tf1_model, str(tmp_path), RunConfig(steps_per_loop=4), {})
    estimator.train(lambda: eval_input().unbatch().batch(3).take(batches))
    assert estimator.get_variable_value("global_step") == batches


def test_short_steps_are_put_into_loops_by_themselves(tf1_model, train_input, tmp_path, monkeypatch):
    from transferkit.estimator.loops import training

    # However slow the machine that runs this test, its steps count as short.
    monkeypatch.setattr(training, "_SLOW_STEP", 10.0)
    monkeypatch.setattr(training, "_LOOP_SECONDS", 100.0)
    calls = []
    monkeypatch.setattr(
        training.Training,
        "_looped",
        lambda self, loop, count, old=training.Training._looped: (
            calls.append(count) or old(self, loop, count)
        ),
    )
    estimator = Estimator(tf1_model, str(tmp_path), params={})
    estimator.train(train_input, steps=60)
    assert calls
    assert max(calls) > 20
    assert estimator.get_variable_value("global_step") == 60
    hook = tf.compat.v1.train.StopAtStepHook(num_steps=60)
    calls.clear()
    estimator.train(train_input, hooks=[hook], steps=60)
    assert not calls
