"""Two processes on loopback train as one device does; a death is noticed, and the job goes on."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, RunConfig

SCRIPT = str(Path(__file__).with_name("worker.py"))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(folder, other, steps, pause=0.0, strategy="itself"):
    """Two tasks, each told a folder of its own: what the second one writes is seen.

    ``strategy`` is a name, or ``"itself"`` for the object.
    """
    workers = [f"localhost:{port}" for port in free_ports(2)]
    tasks = []
    for index in range(2):
        part = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(part), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, SCRIPT, str((folder, other)[index]), str(steps), str(pause), strategy]
        tasks.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    return tasks


def contents(folder):
    """Every file below ``folder``, its time and size."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in found]


def values(folder):
    reader = tf.train.load_checkpoint(str(folder))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize("strategy", ["multi_worker", "auto"])
def test_a_cluster_is_joined_by_the_strategy_s_name(strategy, tmp_path):
    tasks = start(tmp_path / "two", tmp_path / "other", 2, strategy=strategy)
    for task in tasks:
        out, error = task.communicate(timeout=180)
        assert "done" in out, error[-2000:]
    assert int(tf.train.load_variable(str(tmp_path / "two"), "global_step")) == 2
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_two_workers_train_as_one_device_and_go_on_after_a_death(tf1_model, arrays, tmp_path):
    other = tmp_path / "other"
    tasks = start(tmp_path / "two", other, 40, 0.2, "multi_worker")
    while not list((tmp_path / "two").glob("model.ckpt-1*.index")):
        assert all(task.poll() is None for task in tasks), [
            task.stderr.read()[-2000:] for task in tasks if task.poll()
        ]
        time.sleep(0.2)
    tasks[1].kill()
    # The chief does not wait for a dead worker for ever, and does not end as if all were well.
    assert tasks[0].wait(timeout=120) != 0
    step = int(tf.train.load_variable(str(tmp_path / "two"), "global_step"))
    assert 10 <= step < 40
    # Only the chief writes: no checkpoint, no event file, nothing that is hidden.
    assert not other.exists()
    shutil.copytree(tmp_path / "two", other)
    before = contents(other)
    tasks = start(tmp_path / "two", other, 40)
    for task in tasks:
        out, error = task.communicate(timeout=180)
        assert "done" in out, error[-2000:]
    assert contents(other) == before
    assert int(tf.train.load_variable(str(tmp_path / "two"), "global_step")) == 40
    assert list((tmp_path / "two").glob("events.*"))
    assert list((tmp_path / "two" / "eval").glob("events.*"))
    # The chief was ended in its middle once; what it had begun to write is gone too.
    assert not list((tmp_path / "two").glob(".*"))

    def data():
        return tf.data.Dataset.from_tensor_slices(({"x": arrays[0]}, arrays[1])).repeat().batch(8)

    config = RunConfig(tf_random_seed=1)
    Estimator(tf1_model, str(tmp_path / "one"), config, {}).train(data, max_steps=40)
    one, two = values(tmp_path / "one"), values(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], rtol=1e-5, atol=1e-6, err_msg=name)
