"""Checkpoints on the disk: names, how many stay, frozen weights written once."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf

from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.checkpoints.checkpoint_writer import CheckpointWriter


def read(prefix):
    return checkpoint_files.values_of(prefix)


def test_the_oldest_leave(tmp_path):
    writer = CheckpointWriter(str(tmp_path), keep=2)
    for step in (1, 2, 3):
        writer.save(step, {"a": tf.constant(float(step))})
    assert checkpoint_files.latest(str(tmp_path)) == tf.train.latest_checkpoint(str(tmp_path))
    assert [checkpoint_files.step_of(p) for p in checkpoint_files.known(str(tmp_path))] == [2, 3]
    assert not list(tmp_path.glob("model.ckpt-1.*"))


def test_one_in_so_many_hours_stays_for_good(tmp_path):
    writer = CheckpointWriter(str(tmp_path), keep=1, keep_hours=1)
    for step in (1, 2, 3, 4):
        prefix = writer.save(step, {"a": tf.constant(float(step))})
        # As if each were written 40 minutes after the one before.
        stamp = os.path.getmtime(f"{prefix}.index") + step * 2390
        os.utime(f"{prefix}.index", (stamp, stamp))
    left = sorted(int(path.name.split("-")[1].split(".")[0]) for path in tmp_path.glob("*.index"))
    assert left == [2, 4]


def test_frozen_weights_are_written_once(tmp_path):
    variable = tf.Variable(tf.random.normal([400_000]))
    head = tf.Variable([1.0])
    writer = CheckpointWriter(str(tmp_path), keep=None)

    def save(step):
        return writer.save(
            step, {"frozen": variable.read_value(), "head": head.read_value()}, frozenset(["frozen"])
        )

    first = save(1)
    head.assign([2.0])
    second = save(2)
    nodes = [os.stat(f"{prefix}.data-00000-of-00002").st_ino for prefix in (first, second)]
    assert nodes[0] == nodes[1]
    assert read(first)["head"] == [1.0]
    assert read(second)["head"] == [2.0]
    np.testing.assert_array_equal(read(second)["frozen"], variable.numpy())
    # Whatever changes it is seen.
    variable.assign_add(tf.ones([400_000]))
    third = save(3)
    np.testing.assert_array_equal(read(third)["frozen"], variable.numpy())
    assert not np.array_equal(read(second)["frozen"], read(third)["frozen"])
    assert os.stat(f"{third}.data-00000-of-00002").st_ino != nodes[0]
    writer.close()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_list_that_another_process_wrote_is_seen(tmp_path):
    one, other = (CheckpointWriter(str(tmp_path), keep=3) for _ in range(2))
    for step, writer in enumerate((one, other, one, other), 1):
        writer.save(step, {"a": tf.constant(float(step))})
    assert [checkpoint_files.step_of(p) for p in checkpoint_files.known(str(tmp_path))] == [2, 3, 4]
    # What a user removed is not named any more.
    for path in tmp_path.glob("model.ckpt-3.*"):
        path.unlink()
    other.save(5, {"a": tf.constant(5.0)})
    assert [checkpoint_files.step_of(p) for p in checkpoint_files.known(str(tmp_path))] == [2, 4, 5]


def test_nothing_temporary_stays(tmp_path):
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    dead = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    left = [f".writing-frozen-{dead}-1.index", f".writing-{dead}-model.ckpt-3.index"]
    mine = f".writing-frozen-{os.getppid()}-1.index"
    for name in (*left, mine):
        (tmp_path / name).write_text("of a process that was killed, or works here")
    writer = CheckpointWriter(str(tmp_path), keep=1)
    writer.save(1, {"frozen": tf.zeros([400_000]), "head": tf.zeros([])}, frozenset(["frozen"]))
    hidden = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert not hidden & set(left)
    assert len(hidden) == 3
    # The shard of frozen weights goes with its writer, and so at the end of the process.
    del writer
    gc.collect()
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == {mine}


def test_a_folder_without_checkpoints(tmp_path):
    assert checkpoint_files.latest(str(tmp_path)) is None
    assert checkpoint_files.newest_whole(str(tmp_path), set()) is None
