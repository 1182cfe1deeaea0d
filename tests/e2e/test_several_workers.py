"""A retraining by several workers gives what one machine gives, whatever they have in common."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from transferkit.runs.launch.worker import environment_of, free_ports

COMMON = ["--backbone", "embedded", "--quiet", "--set", "export.parity=false"]
# The engine is named: the fastest one is chosen by the clock, and two engines agree to 1e-3 only.
COMMON += ["--set", "evaluation.grad_cam=0", "--set", "activations.engine=tensorflow"]
# A trained stage above the cut, dropout in the head, moments in the optimizer, and a last batch of few.
FINE = [
    *COMMON,
    "--epochs",
    "3",
    "--batch-size",
    "12",
    "--set",
    'freeze={ until = "stage2" }',
    "--lr",
    "1e-4",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of unequal size; of the smallest not every worker has a photo. One file is no image."""
    folder = tmp_path_factory.mktemp("photos")
    for label, (name, count) in enumerate((("many", 22), ("some", 14), ("few", 4))):
        (folder / name).mkdir()
        for number in range(count):
            rng = np.random.default_rng(100 * label + number)
            pixels = rng.integers(0, 60, (48, 48, 3), dtype=np.uint8)
            pixels[8 : 24 + 4 * label, 8:30, label] += 150
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    broken = (folder / "many" / "00.png").read_bytes()
    (folder / "many" / "broken.png").write_bytes(broken[: len(broken) // 2])
    return folder


def environment(cache, base=None):
    return {**(base or os.environ), "TRANSFERKIT_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}


def begin(arguments, caches):
    """Workers of one job, each with its cache."""
    ports = free_ports(len(caches))
    return [
        subprocess.Popen(
            [sys.executable, "-m", "transferkit", "retrain", *map(str, arguments)],
            env=environment(cache, environment_of(number, ports, os.environ)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for number, cache in enumerate(caches)
    ]


def ends(workers):
    """Exit codes of all, and what they say."""
    said = [worker.communicate(timeout=400)[1] for worker in workers]
    return [worker.returncode for worker in workers], said


def alone(arguments, cache):
    subprocess.run(
        [sys.executable, "-m", "transferkit", "retrain", *map(str, arguments)],
        env=environment(cache),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def weights(place):
    with np.load(place / "weights.npz") as found:
        return {name: found[name] for name in found.files if "sha256" not in name}


def history(place):
    rows = [json.loads(line) for line in (place / "history.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_equal(one, other, tolerance):
    own, others = weights(one), weights(other)
    assert list(own) == list(others)
    for name, value in own.items():
        np.testing.assert_allclose(others[name], value, rtol=0, atol=tolerance, err_msg=name)
    for row, again in zip(history(one), history(other), strict=True):
        assert row == pytest.approx(again, abs=1e-4)
    for name in ("split.csv", "quarantine.csv"):
        assert (one / name).read_text() == (other / name).read_text()
    answers = [
        np.genfromtxt(place / "predictions.csv", delimiter=",", skip_header=1)[:, 3:]
        for place in (one, other)
    ]
    np.testing.assert_allclose(*answers, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_what_they_train_is_what_one_machine_trains(photos, tmp_path, workers):
    """With a cache for each worker, so that the chief is sent what it evaluates."""
    arguments = [*FINE, "--data", photos]
    alone([*arguments, "--run", tmp_path / "one"], tmp_path / "cache-one")
    caches = [tmp_path / f"cache-{number}" for number in range(workers)]
    codes, said = ends(begin([*arguments, "--run", tmp_path / "all"], caches))
    assert codes == [0] * workers, said
    assert_equal(tmp_path / "one", tmp_path / "all", 2e-6)
    # The others leave nothing but their cache.
    assert sorted(one.name for one in tmp_path.iterdir() if "cache" not in one.name) == ["all", "one"]


@pytest.mark.slow
@pytest.mark.parametrize("head", ["ridge", "logistic", "auto"])
def test_a_head_in_closed_form_is_that_of_one_machine(photos, tmp_path, head):
    arguments = [*COMMON, "--head", head, "--data", photos]
    alone([*arguments, "--run", tmp_path / "one"], tmp_path / "cache-one")
    caches = [tmp_path / "cache"] * 2
    codes, said = ends(begin([*arguments, "--run", tmp_path / "two"], caches))
    assert codes == [0, 0], said
    assert_equal(tmp_path / "one", tmp_path / "two", 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_job_ends_on_all_and_goes_on_to_the_same_weights(photos, tmp_path, killed):
    arguments = [*FINE, "--epochs", "6", "--data", photos]
    caches = [tmp_path / "cache"] * 2
    assert ends(begin([*arguments, "--run", tmp_path / "whole"], caches))[0] == [0, 0]
    workers = begin([*arguments, "--run", tmp_path / "killed"], caches)
    rows = tmp_path / ".killed.partial" / "phases" / "1-train" / "history.jsonl"
    while not rows.exists() or len(rows.read_text().splitlines()) < 3:
        assert all(worker.poll() is None for worker in workers)
        time.sleep(0.01)
    os.killpg(workers[killed].pid, signal.SIGKILL)
    began = time.monotonic()
    codes, said = ends(workers)
    assert time.monotonic() - began < 60
    assert codes[1 - killed] == 1
    assert len(said[1 - killed].splitlines()) == 1
    assert "--resume" in said[1 - killed]
    again = ["--run", tmp_path / "killed", "--resume", "--quiet"]
    codes, said = ends(begin(again, caches))
    assert codes == [0, 0], said
    whole, found = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert {name: value.tobytes() for name, value in whole.items()} == {
        name: value.tobytes() for name, value in found.items()
    }
    assert history(tmp_path / "whole") == history(tmp_path / "killed")


@pytest.mark.slow
def test_workers_that_were_told_otherwise_say_so(photos, tmp_path):
    other = tmp_path / "other"
    for name in ("many", "some", "few"):
        (other / name).mkdir(parents=True)
        for path in sorted((photos / name).iterdir())[:4]:
            (other / name / path.name).write_bytes(path.read_bytes())
    ports = free_ports(2)
    workers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "transferkit", "retrain", *COMMON, "--seed", str(seed)),
                *("--data", str(data), "--run", str(tmp_path / "run")),
            ],
            env=environment(tmp_path / "cache", environment_of(number, ports, os.environ)),
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, (seed, data) in enumerate(((0, photos), (1, other)))
    ]
    codes, said = ends(workers)
    assert codes == [2, 2]
    for text in said:
        assert "recipe: received 'worker 1 of 2" in text
        assert "seed is 1, the chief's 0" in text
        assert "expected the chief's images" in text
    assert not (tmp_path / "run").exists()
