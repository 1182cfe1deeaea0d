"""A worker on a machine of a Ray cluster, and what each is given of the cluster; all of it without Ray."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest
from click.testing import CliRunner

from transferkit.cli.launch import command
from transferkit.errors import UserError
from transferkit.runs.launch import on_ray, worker
from transferkit.runs.launch.ray_actor import RayWorker
from transferkit.runs.launch.ray_resources import default_resources, read_resources

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no launch on Windows")


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts some Python as the worker, and ends it with the test."""
    made = []

    def begin(script, variables=None, cores=0, terminal=None, chief=True):
        real = worker.subprocess.Popen
        with monkeypatch.context() as patch:
            popen = lambda command, **how: real([sys.executable, "-S", "-c", script], **how)  # noqa: E731
            patch.setattr(worker.subprocess, "Popen", popen)
            one = RayWorker()
            made.append(one)
            one.start(["retrain"], variables or {}, str(tmp_path), cores, terminal, chief)
        return one

    yield begin
    for one in made:
        one.end()


def all_of(one):
    """What a worker says and prints until its end, and its exit status."""
    said, printed = b"", b""
    while True:
        more, out, code = one.poll()
        said, printed = said + more, printed + out
        if code is not None:
            return said.decode(), printed.decode(), code


def test_progress_and_results_of_the_chief_are_kept_apart_and_those_of_others_are_one(start, tmp_path):
    script = "import os, sys; print(os.getcwd()); print(os.environ['A'], file=sys.stderr); sys.exit(3)"
    assert all_of(start(script, {"A": "told"})) == ("told\n", f"{tmp_path}\n", 3)
    said, printed, _ = all_of(start(script, {"A": "told"}, chief=False))
    assert sorted(said.split()) == sorted(["told", str(tmp_path)])
    assert printed == ""


def test_it_is_heard_of_by_signals_though_ray_blocks_them(start):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        one = start("import sys, time; print('there', file=sys.stderr, flush=True); time.sleep(60)")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    while not one.poll()[0]:
        pass
    one.send(signal.SIGINT)
    said, _, code = all_of(one)
    assert "KeyboardInterrupt" in said
    assert code not in (0, None)


def test_a_terminal_of_the_launcher_is_one_there(start):
    try:
        for end in os.openpty():
            os.close(end)
    except OSError as error:
        pytest.skip(f"needs a terminal: {error}")
    script = "import os, sys; print(sys.stderr.isatty(), *os.get_terminal_size(2), file=sys.stderr)"
    assert all_of(start(script, terminal=(72, 30)))[0] == "True 72 30\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs a system that pins processes")
def test_two_on_a_machine_have_cores_of_their_own_while_there_are_any(start):
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("needs two cores")
    show = (
        "import json, os; print(json.dumps(sorted(os.sched_getaffinity(0))), os.environ['OMP_NUM_THREADS'])"
    )
    found = [all_of(start(show, cores=1))[1].rpartition(" ")[::2] for _ in range(2)]
    assert [threads.strip() for _, threads in found] == ["1", "1"]
    first, second = (json.loads(own) for own, _ in found)
    assert len(first) == len(second) == 1
    assert first != second
    assert set(json.loads(all_of(start(show, cores=len(cores)))[1].rpartition(" ")[0])) == cores


def test_its_end_is_that_of_all_that_it_has_started(start):
    one = start(
        "import subprocess, sys, time\n"
        "quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}\n"
        "made = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'], **quiet)\n"
        "print(made.pid, file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    said = b""
    while not said.endswith(b"\n"):
        said += one.poll()[0]
    one.end()
    for _ in range(100):
        try:
            with open(f"/proc/{int(said)}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.05)
    raise AssertionError("it goes on")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "received '', expected NAME=AMOUNT"),
        ("CPU", "received 'CPU', expected NAME=AMOUNT, such as CPU=8"),
        ("CPU=many", "received 'CPU=many'"),
        ("CPU=-1", "received 'CPU=-1'"),
        ("CPU=inf", "received 'CPU=inf'"),
        ("cpu=2", "received 'cpu', expected Ray's spelling, CPU"),
        ("CPU=1,CPU=2", "each resource once"),
        ("GPU=2", "a worker computes on one GPU"),
        ("CPU=0", "received 'CPU=0', expected more than 0 of at least one resource"),
        ("CPU=0,GPU=0.0", "received 'CPU=0,GPU=0.0', expected more than 0"),
        ("CPU=1,GPU=0.00009", "received 'GPU=0.00009', expected 0, or at least 0.0001"),
        ("memory=0.5", "received 'memory=0.5', expected 0, or at least 1"),
    ],
)
def test_resources_that_cannot_be_read_are_one_fault_each(text, said):
    with pytest.raises(UserError) as raised:
        read_resources(text)
    assert len(raised.value.faults) == 1
    assert raised.value.faults[0].startswith("launch: --resources: ")
    assert said in raised.value.faults[0]


@pytest.mark.parametrize(
    ("machines", "workers", "each"),
    [
        ([{"CPU": 4}], 4, {"CPU": 1}),
        ([{}, {"CPU": 16}, {"CPU": 16}], 2, {"CPU": 16}),
        ([{"CPU": 16}] * 3, 4, {"CPU": 8}),
        ([{"CPU": 64, "GPU": 4}], 4, {"CPU": 16, "GPU": 1}),
        ([{"CPU": 64, "GPU": 3}], 4, {"CPU": 16}),
        ([{"GPU": 2}], 2, {"CPU": 1, "GPU": 1}),
        ([], 2, {"CPU": 1}),
    ],
)
def test_each_worker_is_given_an_equal_part_of_the_machines(machines, workers, each):
    assert default_resources(machines, workers) == each


def test_all_that_is_wrong_is_said_at_once_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(on_ray, "installed", lambda name: False)
    with pytest.raises(UserError) as raised:
        on_ray.launch_on_ray(["predict"], 0, "auto", "CPU", "RANDOM", tmp_path / "logs")
    lines = raised.value.faults
    assert len(lines) == 5
    assert lines[2].endswith("the package ray, which is not installed; pip install 'transferkit[ray]'")
    assert "expected one of SPREAD, PACK" in lines[3]
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    "address", ["", "head", "head:", "head:port", "ray://head", "http://head:1", "head:99999", "head:1/x"]
)
def test_what_is_no_address_is_refused(address, monkeypatch, tmp_path):
    monkeypatch.setattr(on_ray, "installed", lambda name: True)
    with pytest.raises(UserError, match="expected auto, local, HOST:PORT or ray://HOST:PORT") as raised:
        on_ray.launch_on_ray(["retrain"], 2, address, logs=tmp_path / "logs")
    assert len(raised.value.faults) == 1


def test_options_of_a_cluster_need_one():
    said = CliRunner().invoke(command, ["--workers", "2", "--resources", "CPU=2", "--", "retrain"]).exception
    assert str(said) == "launch: --resources: received 'CPU=2', expected --ray ADDRESS beside it"
