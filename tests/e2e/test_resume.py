"""A run that is killed goes on with --resume and ends with the very weights of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import transferkit
from transferkit.errors import UserError

SETTINGS = [
    "epochs=40",
    "batch_size=4",
    "accumulation=3",
    "data.test=0.2",
    "data.validation=0.2",
    "early_stopping=false",
]


def command(data, run, *more):
    settings = [part for one in SETTINGS for part in ("--set", one)]
    arguments = ["--backbone", "embedded", "--data", data, "--run", run, *settings, "--quiet", *more]
    return [sys.executable, "-m", "transferkit", "retrain", *map(str, arguments)]


def same_weights(one, other) -> bool:
    first, second = np.load(one / "weights.npz"), np.load(other / "weights.npz")
    return first.files == second.files and all(
        np.array_equal(first[name], second[name]) for name in first.files
    )


def history(folder):
    found = list(folder.glob("phases/*/history.jsonl"))
    return found[0].read_text().splitlines() if found else []


@pytest.fixture(scope="module")
def whole(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run(command(shapes, folder), check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    "sent",
    [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)],
    ids=["SIGKILL", "SIGTERM"],
)
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(shapes, whole, tmp_path, sent):
    place = tmp_path / "run"
    partial = tmp_path / ".run.partial"
    process = subprocess.Popen(command(shapes, place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(history(partial)) < 8 and process.poll() is None:
        assert time.monotonic() < deadline, "training never reached its eighth epoch"
        time.sleep(0.005)
    assert process.poll() is None, process.stderr.read().decode()
    os.kill(process.pid, sent)
    # SIGTERM in the midst of training writes a checkpoint and exits; elsewhere there is nothing to save.
    assert process.wait(60) in (-sent, 128 + sent)
    assert not place.exists()
    rows = len(history(partial))
    assert 8 <= rows < 41

    with pytest.raises(UserError, match="--resume"):
        transferkit.retrain(backbone="embedded", data=shapes, run=place, quiet=True)
    with pytest.raises(UserError, match=r"batch_size is 8, was 4"):
        transferkit.retrain(run=place, resume=True, quiet=True, batch_size=8)
    resumed = subprocess.run(
        [sys.executable, "-m", "transferkit", "retrain", "--resume", "--run", place, "--quiet"],
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert same_weights(place, whole)
    assert [row.split('"seconds"')[0] for row in history(place)] == [
        row.split('"seconds"')[0] for row in history(whole)
    ]
    assert transferkit.load_run(place).metrics == transferkit.load_run(whole).metrics


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(UserError, match="none was started there"):
        transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True)
    with pytest.raises(UserError, match="--run DIR"):
        transferkit.retrain(resume=True, quiet=True)
