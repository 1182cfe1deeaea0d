"""Workers on this machine: what each is given, what is shown, and how all end together."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from transferkit.errors import UserError
from transferkit.runs.launch import ending, job, worker
from transferkit.runs.launch.job import launch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no launch on Windows")

# What a worker does in these tests, in place of a retraining.
TALK = """
import json, os, sys
task = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
print("cores", sorted(os.sched_getaffinity(0)), file=sys.stderr)
print("worker", task, "done", file=sys.stderr)
"""
WAIT = "import time; time.sleep(60)"


@pytest.fixture
def as_worker(monkeypatch):
    """Makes every worker run some Python, where ``number`` is its own."""

    def use(script):
        real = worker.subprocess.Popen

        def popen(command, **how):
            if command[1:3] != ["-m", "transferkit"]:
                return real(command, **how)
            number = json.loads(how["env"]["TF_CONFIG"])["task"]["index"]
            text = f"number = {number}\n{textwrap.dedent(script)}"
            return real([sys.executable, "-S", "-c", text], **how)

        monkeypatch.setattr(worker.subprocess, "Popen", popen)

    return use


def test_each_worker_has_its_place_and_its_log_and_the_chief_alone_is_shown(as_worker, tmp_path):
    as_worker(TALK)
    shown = io.StringIO()
    assert launch(["retrain"], 3, tmp_path / "logs", shown) == (0, None)
    assert shown.getvalue().splitlines()[-1] == "worker 0 done"
    logs = [(tmp_path / "logs" / f"worker-{number}.log").read_text().splitlines() for number in range(3)]
    assert [lines[-1] for lines in logs] == [f"worker {number} done" for number in range(3)]
    cores = sorted(os.sched_getaffinity(0))
    given = [json.loads(lines[0].removeprefix("cores ")) for lines in logs]
    assert set().union(*given) == set(cores)
    assert len(cores) < 3 or sum(map(len, given)) == len(cores)


def test_a_failure_ends_all_within_seconds_and_says_which_worker_it_was(as_worker, tmp_path):
    as_worker("import sys, time\nif number == 2: sys.exit('transferkit: disk full')\ntime.sleep(60)")
    began = time.monotonic()
    status, line = launch(["retrain"], 3, tmp_path, io.StringIO())
    assert time.monotonic() - began < 20
    assert status == 1
    assert line == f"worker 2 of 3 ended with the exit code 1: disk full ({tmp_path / 'worker-2.log'})"


def test_a_killed_worker_is_named_with_its_signal_and_how_to_go_on(as_worker, tmp_path):
    as_worker("import os, time\nif number: os.kill(os.getpid(), 9)\ntime.sleep(60)")
    status, line = launch(["retrain"], 2, tmp_path, io.StringIO())
    assert status == 137
    assert line is not None
    assert line.startswith("worker 1 of 2 was ended by SIGKILL")
    assert "--resume" in line


def test_what_the_chief_says_of_being_ended_is_kept_and_not_shown(as_worker, tmp_path, monkeypatch):
    monkeypatch.setattr(ending, "_GRACE_SECONDS", 0.3)
    as_worker(
        """
        import os, signal, sys, time
        if number == 0:
            print("epoch 1", end="", file=sys.stderr, flush=True)
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                print("\\ninterrupted; continue with …", file=sys.stderr, flush=True)
                sys.exit(130)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    shown = io.StringIO()
    code, line = launch(["retrain"], 2, tmp_path / "logs", shown)
    assert code == 137
    assert "worker 1 of 2 was ended by SIGKILL" in line
    assert shown.getvalue() == "epoch 1\n"
    assert "interrupted" in (tmp_path / "logs" / "worker-0.log").read_text()


OF_ANOTHER = """
import os, signal, sys, time
if number == 0:
    print("epoch 1", file=sys.stderr, flush=True)
    print("transferkit: cluster: another worker has ended: worker 0 ends too", file=sys.stderr, flush=True)
    sys.exit(2)
{other}
"""


def test_the_end_of_another_worker_is_one_line_however_soon_the_chief_knows_of_it(as_worker, tmp_path):
    as_worker(OF_ANOTHER.format(other="os.kill(os.getpid(), signal.SIGKILL)"))
    for number in range(3):
        shown = io.StringIO()
        code, line = launch(["retrain"], 2, tmp_path / str(number), shown)
        # Whichever is seen first; the other one is not said.
        said = [one for one in (*shown.getvalue().splitlines(), line) if one and one != "epoch 1"]
        assert len(said) == 1, said
        assert (code, "SIGKILL" in said[0]) in [(137, True), (2, False)]
        assert "another worker has ended" in (tmp_path / str(number) / "worker-0.log").read_text()


def test_what_the_chief_alone_knows_of_another_worker_is_shown(as_worker, tmp_path):
    as_worker(OF_ANOTHER.format(other="time.sleep(60)"))
    shown = io.StringIO()
    assert launch(["retrain"], 2, tmp_path, shown) == (2, None)
    assert shown.getvalue().splitlines()[-1].startswith("transferkit: cluster: another worker has ended")


def test_what_the_chief_says_of_its_own_failure_is_not_said_twice(as_worker, tmp_path):
    as_worker("import sys\nsys.exit(2 if number == 0 else 0)")
    assert launch(["retrain"], 2, tmp_path, io.StringIO()) == (2, None)


def test_workers_that_go_on_after_the_chief_are_ended(as_worker, tmp_path, monkeypatch):
    monkeypatch.setattr(ending, "_LAST_SECONDS", 0.2)
    as_worker(f"if number:\n    {WAIT}")
    began = time.monotonic()
    assert launch(["retrain"], 2, tmp_path, io.StringIO()) == (0, None)
    assert time.monotonic() - began < 20


def test_no_process_of_a_worker_outlives_the_launch(as_worker, tmp_path):
    """Such as the one that checks exports."""
    as_worker(
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'],"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, file=sys.stderr)\n"
        "sys.stderr.flush()\n"
        "import time; time.sleep(1 if number else 60)\n"
        "sys.exit(3)"
    )
    assert launch(["retrain"], 2, tmp_path, io.StringIO())[0] == 3
    for number in range(2):
        assert ended(int((tmp_path / f"worker-{number}.log").read_text().split()[0]))


LAUNCHER = """
import signal, sys, textwrap
# Where the tests run in the background it is ignored, and a process hands that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
from transferkit.runs.launch import worker
real = worker.subprocess.Popen
worker.subprocess.Popen = lambda command, **how: real([sys.executable, "-S", "-c", {script!r}], **how)
from transferkit.runs.launch.job import launch
from transferkit.interruption import watching
with watching():
    sys.exit(launch(["retrain"], 2, {logs!r})[0])
"""
SLEEPER = "import os, sys, time\nprint(os.getpid(), file=sys.stderr, flush=True)\ntime.sleep(60)"


def ended(pid):
    """Whether a process has ended; one that nobody has waited for yet has."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def started(tmp_path):
    """A launcher with two workers that wait, and their process numbers."""
    script = LAUNCHER.format(script=SLEEPER, logs=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    logs = [tmp_path / f"worker-{number}.log" for number in range(2)]
    deadline = time.monotonic() + 60
    while not all(log.exists() and log.read_text().endswith("\n") for log in logs):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, [int(log.read_text()) for log in logs]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends processes with the one that began them")
def test_a_killed_launcher_takes_its_workers_along(tmp_path):
    process, workers = started(tmp_path)
    process.kill()
    process.wait()
    assert all(ended(pid) for pid in workers)


def test_ctrl_c_ends_all(tmp_path):
    process, workers = started(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert all(ended(pid) for pid in workers)


def test_in_a_terminal_the_chief_has_one_too_and_its_log_has_the_lines_without_bars(as_worker, tmp_path):
    as_worker(
        "import os, sys\n"
        "print('terminal', sys.stderr.isatty(), os.get_terminal_size(2).columns > 0, file=sys.stderr)\n"
        "sys.stderr.write('10%\\r\\x1b[32m100%\\x1b[0m\\n')"
    )
    try:
        reading, writing = pty.openpty()
    except OSError as error:
        pytest.skip(f"needs a terminal: {error}")
    with open(writing, "w") as shown:
        assert launch(["retrain"], 1, tmp_path, shown) == (0, None)
        text = os.read(reading, 65536).decode()
    os.close(reading)
    assert "terminal True True" in text
    assert "10%" in text
    assert (tmp_path / "worker-0.log").read_text() == "terminal True True\n100%\n"


@pytest.mark.parametrize(
    ("command", "workers", "said"),
    [
        ([], 2, "launch: expected a verb"),
        (["retrian"], 2, "did you mean 'retrain'?"),
        (["predict", "run"], 2, "received 'predict', expected a verb that runs on several workers: retrain"),
        (["retrain"], 0, "launch: workers: received 0, expected 1 to 64"),
    ],
)
def test_what_cannot_be_launched_is_refused_before_anything_is_started(command, workers, said, tmp_path):
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        launch(command, workers, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_more_workers_than_cards_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(job, "cards_here", lambda: ["0", "1"])
    with pytest.raises(UserError, match="received 3, expected at most 2, the GPUs here"):
        launch(["retrain"], 3, tmp_path)
