"""What ends a run, or spoils its files, does not spoil the run."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, NanLossDuringTrainingError, RunConfig
from transferkit.estimator.checkpoints.checkpoint_errors import (
    CheckpointError,
    DamagedCheckpointError,
    MissingCheckpointError,
)

JOB = str(Path(__file__).with_name("job.py"))


def start(folder, steps, style, pause=0.0):
    return subprocess.Popen(
        [sys.executable, JOB, str(folder), str(steps), style, str(pause)], stdout=subprocess.PIPE, text=True
    )


def weights(folder):
    reader = tf.train.load_checkpoint(str(folder))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def same(one, other):
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def killed(folder, style, moments, steps=60):
    """Runs the job, killing it after each of ``moments`` seconds of training, then to its end."""
    for moment in moments:
        job = start(folder, steps, style, 0.02)
        job.stdout.readline()
        time.sleep(moment)
        job.kill()
        job.communicate()
        state = tf.train.get_checkpoint_state(str(folder))
        if state is not None:
            tf.train.load_checkpoint(state.model_checkpoint_path).get_tensor("global_step")
    job = start(folder, steps, style)
    assert "done" in job.communicate()[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The checkpoints of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert start(folder, 60, "tf1").wait() == 0
    return folder


def test_a_killed_run_ends_with_the_very_same_weights(whole, tmp_path):
    killed(tmp_path / "killed", "tf1", [2.5])
    same(whole, tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.parametrize("style", ["tf1", "keras"])
def test_killed_at_ten_random_moments(style, tmp_path):
    assert start(tmp_path / "whole", 60, style).wait() == 0
    dice = random.Random(style)
    killed(tmp_path / "killed", style, [dice.uniform(0.1, 4.0) for _ in range(10)])
    same(tmp_path / "whole", tmp_path / "killed")


def test_sigterm_writes_a_checkpoint_and_exits_with_143(whole, tmp_path):
    job = start(tmp_path / "ended", 60, "tf1", 0.2)
    job.stdout.readline()
    while not tf.train.latest_checkpoint(str(tmp_path / "ended")):
        time.sleep(0.05)
    time.sleep(1.0)
    job.send_signal(signal.SIGTERM)
    assert job.wait() == 143
    step = int(tf.train.load_variable(str(tmp_path / "ended"), "global_step"))
    assert 0 < step < 60
    assert start(tmp_path / "ended", 60, "tf1").wait() == 0
    same(whole, tmp_path / "ended")


def test_a_truncated_checkpoint_is_passed_over(tf1_model, train_input, tmp_path, caplog):
    config = RunConfig(save_checkpoints_steps=3)
    Estimator(tf1_model, str(tmp_path), config, {}).train(train_input, steps=6)
    data = tmp_path / "model.ckpt-6.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:20])
    with caplog.at_level("WARNING", "transferkit"):
        Estimator(tf1_model, str(tmp_path), config, {}).train(train_input, steps=2)
    assert "model.ckpt-6" in caplog.text
    assert int(tf.train.load_variable(str(tmp_path), "global_step")) == 5


def test_a_truncated_checkpoint_without_another_is_an_error(tf1_model, train_input, eval_input, tmp_path):
    config = RunConfig(keep_checkpoint_max=1)
    Estimator(tf1_model, str(tmp_path), config, {}).train(train_input, steps=6)
    (tmp_path / "model.ckpt-6.data-00000-of-00001").write_bytes(b"")
    with pytest.raises(DamagedCheckpointError, match=r"model\.ckpt-6") as raised:
        Estimator(tf1_model, str(tmp_path), config, {}).evaluate(eval_input)
    # TensorFlow's own error of an operation, and a ValueError as other faults of a user are.
    assert isinstance(raised.value, tf.errors.OpError)
    assert isinstance(raised.value, ValueError)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (copy.faults, str(copy)) == (raised.value.faults, str(raised.value))


def test_a_warm_start_from_nowhere_is_an_error(tf1_model, train_input, tmp_path):
    nowhere = str(tmp_path / "nowhere" / "model.ckpt-1")
    model = Estimator(tf1_model, str(tmp_path / "model"), params={}, warm_start_from=nowhere)
    with pytest.raises(tf.errors.NotFoundError, match="nowhere"):
        model.train(train_input, steps=1)
    with pytest.raises(MissingCheckpointError):
        model.train(train_input, steps=1)


def test_the_model_dir_of_another_model_is_named(tf1_model, keras_model, train_input, tmp_path):
    Estimator(tf1_model, str(tmp_path), params={}).train(train_input, steps=1)
    with pytest.raises(
        CheckpointError, match=r"another model.*net/hidden/kernel \(not in the checkpoint\)"
    ) as raised:
        Estimator(keras_model(), str(tmp_path)).train(train_input, steps=1)
    # tf.estimator raised this kind, and programs that wait for checkpoints catch it.
    assert isinstance(raised.value, tf.errors.NotFoundError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value) == raised.value.message

    def wider(features, labels, mode):
        weight = tf.Variable([1.0, 2.0], name="weight")
        loss = tf.reduce_mean(features["x"] * weight)
        return EstimatorSpec(mode, loss=loss, train_op=tf.compat.v1.train.get_global_step().assign_add(1))

    with pytest.raises(CheckpointError, match=r"weight \(\[1\] in the checkpoint, \[2\] in the model\)"):
        Estimator(wider, str(tmp_path)).train(train_input, steps=1)


def test_a_nan_loss_ends_training(train_input, tmp_path):
    def model_fn(features, labels, mode):
        step = tf.compat.v1.train.get_global_step()
        loss = tf.where(step < 3, 1.0, float("nan"))
        return EstimatorSpec(mode, loss=loss, train_op=step.assign_add(1))

    for loop in (None, 4):
        with pytest.raises(NanLossDuringTrainingError):
            Estimator(model_fn, config=RunConfig(steps_per_loop=loop)).train(train_input, steps=9)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount command")
def test_a_full_disk_keeps_the_last_good_checkpoint(train_input, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this system does not let tests mount a tmpfs")
    try:

        def model_fn(features, labels, mode):
            big = tf.Variable(tf.zeros([90_000]), name="big")
            loss = tf.reduce_mean(features["x"]) + tf.reduce_mean(big)
            train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(
                loss, tf.compat.v1.train.get_global_step()
            )
            return EstimatorSpec(mode, loss=loss, train_op=train_op)

        config = RunConfig(save_checkpoints_steps=1, save_summary_steps=0, keep_checkpoint_max=None)
        with pytest.raises(CheckpointError, match="make room"):
            Estimator(model_fn, str(disk), config).train(train_input, steps=9)
        last = tf.train.latest_checkpoint(str(disk))
        assert tf.train.load_variable(last, "big").shape == (90_000,)
        assert not [path for path in disk.iterdir() if path.name.startswith(".writing")]
    finally:
        subprocess.run(["umount", str(disk)], check=False)
