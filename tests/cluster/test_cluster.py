"""Two workers on loopback: what they add up, hand over and agree on; what is said when one dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from transferkit.runs.launch.worker import environment_of, free_ports

SCRIPT = str(Path(__file__).with_name("worker.py"))


def start(count, *arguments, of=None):
    ports = free_ports(of or count)
    return [
        subprocess.Popen(
            [sys.executable, SCRIPT, *map(str, arguments)],
            env=environment_of(number, ports, os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(count)
    ]


@pytest.mark.slow
def test_workers_add_up_hand_over_and_agree():
    one, other = (json.loads(task.communicate(timeout=200)[0]) for task in start(2, "all", 120))
    assert one == other
    assert one["small"] == [[1, 2]]
    assert one["empty"] == [0, 3]
    assert one["large"] is True
    assert one["gathered"] == [{"number": 0, "text": "ä"}, {"number": 1, "text": "ää"}]
    assert one["shared"] == {"loss": 0.1}
    assert one["bytes"] == "0001ff"
    assert one["none"] == ""
    assert one["settled"] == np.float32([-0.0, 1.5, np.nan]).tobytes().hex()
    assert one["steps"] == [[3.0, 3.0, 3.0]] * 2


@pytest.mark.slow
@pytest.mark.parametrize("dying", [0, 1])
def test_a_death_is_said_in_one_line_within_a_minute(dying):
    tasks = start(2, "die", 120, dying)
    assert tasks[dying].wait(200) == -9
    began = time.monotonic()
    text = tasks[1 - dying].communicate(timeout=60)[0]
    assert time.monotonic() - began < 60
    assert tasks[1 - dying].returncode == 1
    said = "worker 1 of 2 has ended" if dying else "another worker has ended, perhaps the chief"
    assert len(text.splitlines()) == 1
    assert text.startswith(f"cluster: {said}: worker {1 - dying} of 2 (127.0.0.1:")
    assert text.endswith("ends too; go on\n")


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_does(tmp_path):
    """TensorFlow's own answer to SIGTERM is to go on."""
    tasks = start(2, "wait", 120)
    for task in tasks:
        assert task.stdout.readline() == "here\n"
    for task in tasks:
        task.terminate()
    assert [task.wait(20) for task in tasks] == [-15, -15]


@pytest.mark.slow
def test_a_worker_that_never_comes_is_waited_for_no_longer_than_said():
    (alone,) = start(1, "all", 3, of=2)
    text = alone.communicate(timeout=120)[0]
    assert alone.returncode == 1
    assert "expected all workers within 3 s" in text
