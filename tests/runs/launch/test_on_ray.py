"""Workers on a Ray cluster of this machine: they carry out one retraining, and begin and end together."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from transferkit.errors import UserError
from transferkit.runs.launch import on_ray
from transferkit.runs.launch.on_ray import launch_on_ray
from transferkit.runs.launch.ray_actor import RayWorker

pytestmark = pytest.mark.extra

SETTINGS = ["--backbone", "embedded", "--epochs", "4", "--batch-size", "8", "--set", "evaluation.grad_cam=0"]
SETTINGS += ["--set", "export.parity=false", "--set", 'freeze={ until = "stage2" }', "--lr", "1e-4"]


@pytest.fixture(scope="module")
def ray():
    """A cluster of two CPUs, which this process is connected with."""
    ray = pytest.importorskip("ray", reason="needs transferkit[ray]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, resources={"disk": 1})
        yield ray
        ray.shutdown()


@pytest.fixture
def as_worker(monkeypatch):
    """Makes every worker run some Python, where ``number`` is its own."""

    def use(script):
        # A class of a function goes to the other process whole.
        class Other(RayWorker):
            def start(self, command, variables, *given):
                import json
                import sys
                from unittest import mock

                from transferkit.runs.launch import worker

                number = json.loads(variables["TF_CONFIG"])["task"]["index"]
                real, text = worker.subprocess.Popen, f"number = {number}\n{script}"
                own = [sys.executable, "-S", "-c", text]
                with mock.patch.object(worker.subprocess, "Popen", lambda command, **how: real(own, **how)):
                    super().start(command, variables, *given)

        monkeypatch.setattr(on_ray, "RayWorker", Other)

    return use


def free(ray):
    """Waits until all of the cluster is free again."""
    until = time.monotonic() + 30
    while ray.available_resources().get("CPU") != 2:
        assert time.monotonic() < until, "room was not given back"
        time.sleep(0.1)


def test_each_worker_has_its_place_its_log_and_its_part_of_the_cluster(ray, as_worker, tmp_path, capsys):
    as_worker(
        "import json, os, sys\n"
        "told = json.loads(os.environ['TF_CONFIG'])\n"
        "print(told['task']['index'], len(set(told['cluster']['worker'])), file=sys.stderr)\n"
        "print(os.environ['TRANSFERKIT_OF_THIS_TEST'], os.environ['CUDA_VISIBLE_DEVICES'], file=sys.stderr)\n"
        "print('result of', number)"
    )
    os.environ["TRANSFERKIT_OF_THIS_TEST"] = "told"
    shown = io.StringIO()
    try:
        assert launch_on_ray(["retrain"], 2, "auto", logs=tmp_path / "logs", shown=shown) == (0, None)
    finally:
        del os.environ["TRANSFERKIT_OF_THIS_TEST"]
    about, *lines = shown.getvalue().splitlines()
    assert about.startswith("launch: 2 workers, CPU=1 each, the chief on ")
    assert lines == ["0 2", "told -1"]
    logs = [(tmp_path / "logs" / f"worker-{number}.log").read_text().splitlines() for number in range(2)]
    assert logs[0] == lines
    assert sorted(logs[1]) == sorted(["1 2", "told -1", "result of 1"])
    assert capsys.readouterr().out == "result of 0\n"
    free(ray)


def test_a_failure_ends_all_and_says_which_worker_it_was(ray, as_worker, tmp_path):
    as_worker("import sys, time\nif number == 1: sys.exit('transferkit: disk full')\ntime.sleep(90)")
    began = time.monotonic()
    status, line = launch_on_ray(["retrain"], 2, "auto", logs=tmp_path, shown=io.StringIO())
    assert time.monotonic() - began < 40
    assert status == 1
    assert line == f"worker 1 of 2 ended with the exit code 1: disk full ({tmp_path / 'worker-1.log'})"
    free(ray)


@pytest.mark.parametrize("killed", ["worker", "actor"])
def test_a_killed_worker_is_named_and_how_to_go_on(ray, as_worker, tmp_path, killed):
    victim = "os.getpid()" if killed == "worker" else "os.getppid()"
    as_worker(f"import os, time\nif number: os.kill({victim}, 9)\ntime.sleep(90)")
    began = time.monotonic()
    status, line = launch_on_ray(["retrain"], 2, "auto", logs=tmp_path, shown=io.StringIO())
    assert time.monotonic() - began < 40
    assert status == 137
    how = r"was ended by SIGKILL" if killed == "worker" else r"was lost \("
    assert line is not None
    assert line.startswith("worker 1 of 2 ")
    assert how.replace("\\", "") in line
    assert "continue with --resume" in line
    assert "\n" not in line
    free(ray)


def test_what_the_cluster_has_no_room_for_is_said(ray, monkeypatch, tmp_path):
    monkeypatch.setattr(on_ray, "_ROOM_SECONDS", 1.5)
    monkeypatch.setattr(on_ray, "_PATIENT_SECONDS", 0.2)
    shown = io.StringIO()
    with pytest.raises(
        UserError, match=r"the cluster has 2 of 2 CPU free on 1 machine', expected room for 3"
    ):
        launch_on_ray(["retrain"], 3, "auto", "CPU=1,disk=0.1", "PACK", tmp_path / "logs", shown)
    assert shown.getvalue().startswith("launch: waiting for room for 3 workers with CPU=1,disk=0.1 each; ")
    assert not (tmp_path / "logs").exists()
    free(ray)


def test_machines_of_another_version_or_without_the_folder_are_named(ray, monkeypatch, tmp_path):
    monkeypatch.setattr(on_ray, "__version__", "9.9.9")
    monkeypatch.setattr(on_ray.os, "getcwd", lambda: "/no/such/folder")
    with pytest.raises(UserError) as raised:
        launch_on_ray(["retrain"], 2, "auto", logs=tmp_path / "logs", shown=io.StringIO())
    assert len(raised.value.faults) == 2
    assert raised.value.faults[0].endswith("expected 9.9.9")
    assert (
        "expected the current folder /no/such/folder; start it in a folder that all" in raised.value.faults[1]
    )
    free(ray)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise OSError(24, 'Too many open files')", "Too many open files"),
        ("import os; os.kill(os.getpid(), 9)", "actor"),
        ("import time; time.sleep(60)", "timed out"),
    ],
    ids=["error", "killed", "silent"],
)
def test_a_worker_that_cannot_be_started_is_one_line(ray, monkeypatch, tmp_path, how, said):
    class Other(RayWorker):
        def start(self, *given):
            exec(how)

    monkeypatch.setattr(on_ray, "RayWorker", Other)
    if said == "timed out":
        monkeypatch.setattr(on_ray, "_START_SECONDS", 1.0)
        monkeypatch.setattr(on_ray, "_END_SECONDS", 1.0)
    with pytest.raises(UserError) as raised:
        launch_on_ray(["retrain"], 2, "auto", logs=tmp_path / "logs", shown=io.StringIO())
    (line,) = raised.value.faults
    assert re.match(r"launch: --ray: [\d.]+: expected a worker that starts there; ", line)
    assert said in line
    assert "\n" not in line
    free(ray)


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path):
    pytest.importorskip("ray", reason="needs transferkit[ray]")
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        with pytest.raises(UserError, match=r"--ray: received '.*127\.0\.0\.1:9', expected .*refused"):
            launch_on_ray(["retrain"], 2, address, logs=tmp_path / "logs", shown=io.StringIO())


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes whose photos are of one colour each."""
    folder = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(12):
            pixels = np.random.default_rng(50 * label + number).integers(0, 90, (40, 40, 3), dtype=np.uint8)
            pixels[4:30, 4:30, label] += 120
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    return folder


def launcher(ray, *words):
    """The command on the cluster, in a process of its own."""
    address = ray.get_runtime_context().gcs_address
    return subprocess.Popen(
        [sys.executable, "-c",
         "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "from transferkit.cli import command; command()",
         "launch", "--workers", "2", "--ray", address, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_retraining_on_the_cluster_is_continued_after_ctrl_c_to_the_weights_of_this_machine(
    ray, photos, tmp_path
):
    arguments = ["retrain", "--data", photos, *SETTINGS]
    cache = ["--set", f"activations.cache_dir='{tmp_path / 'cache'}'"]
    alone = [sys.executable, "-m", "transferkit", *map(str, [*arguments, "--run", tmp_path / "one"])]
    subprocess.run(alone, check=True, capture_output=True)
    job = launcher(ray, "--logs", tmp_path / "logs", "--", *arguments, *cache, "--run", tmp_path / "two")
    rows = tmp_path / ".two.partial" / "phases" / "1-train" / "history.jsonl"
    while not (rows.exists() and rows.read_text()):
        assert job.poll() is None, job.communicate()
        time.sleep(0.02)
    job.send_signal(signal.SIGINT)
    said = job.communicate(timeout=90)[1]
    assert job.returncode == 130, said
    assert "--resume" in said
    free(ray)
    again = launcher(
        ray, "--logs", tmp_path / "again", "--", "retrain", "--run", tmp_path / "two", "--resume"
    )
    printed, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert "accuracy" in printed
    assert "launch: 2 workers, CPU=1 each, the chief on " in said
    with np.load(tmp_path / "one" / "weights.npz") as one, np.load(tmp_path / "two" / "weights.npz") as two:
        for name in (name for name in one.files if "sha256" not in name):
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=2e-6, err_msg=name)
    free(ray)


def test_a_killed_launcher_leaves_nothing_on_the_cluster(ray, photos, tmp_path):
    job = launcher(
        ray, "--logs", tmp_path, "--", "retrain", "--data", photos, *SETTINGS, "--run", tmp_path / "r"
    )
    until = time.monotonic() + 120
    while not all((tmp_path / f"worker-{one}.log").exists() for one in range(2)):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1)
    job.kill()
    job.communicate()
    free(ray)
    until = time.monotonic() + 30
    while any(str(tmp_path / "r") in line for line in commands()):
        assert time.monotonic() < until, "a worker goes on"
        time.sleep(0.2)


def commands():
    """Command lines of all processes."""
    for one in os.listdir("/proc"):
        with contextlib.suppress(OSError), open(f"/proc/{one}/cmdline", "rb") as file:
            yield file.read().decode("utf-8", "replace")
