"""Ctrl-C: heard within two seconds, says how to go on, keeps the running epoch's state, status 130."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import transferkit
from transferkit.cli import main
from transferkit.interruption import _say, resumable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")

# A shell may have started the tests with SIGINT ignored, which programs inherit.
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
COMMAND = START + "from transferkit.cli import command; command()"
SETTINGS = ["epochs=2", "batch_size=1", "freeze=none", "batch_norm=train", "early_stopping=false"]
SETTINGS += ["export.parity=false", "evaluation.grad_cam=0", "data.validation=0.1", "data.test=0.1"]


@pytest.fixture(scope="module")
def photos(noise_photos):
    return noise_photos({"left": 100, "right": 130}, count=14, spread=60, seed=6)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def interrupt(process):
    """What the process says, and how long it takes to end."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    return text, time.monotonic() - began


@pytest.mark.slow
def test_a_run_keeps_the_running_epoch_and_ends_as_one_that_was_not_interrupted(photos, tmp_path):
    settings = [part for one in SETTINGS for part in ("--set", one)]
    place = tmp_path / "run"
    process = start("retrain", "--backbone", "embedded", "--data", photos, "--run", place, "-q", *settings)
    rows = tmp_path / ".run.partial" / "phases" / "1-train" / "history.jsonl"
    deadline = time.monotonic() + 120
    while not rows.exists() or len(rows.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    time.sleep(0.1)  # into the second epoch
    text, seconds = interrupt(process)
    assert process.returncode == 130, text
    assert text.strip().splitlines()[-1] == (
        f"transferkit: interrupted; continue with: transferkit retrain --run {place} --resume"
    )
    assert "Traceback" not in text
    # Two seconds on a machine that is free.
    assert seconds < 6
    assert not (tmp_path / ".run.lock").exists() or sys.platform == "win32"
    run = transferkit.retrain(run=place, resume=True, quiet=True)
    whole = transferkit.retrain(
        backbone="embedded", data=photos, run=tmp_path / "whole", quiet=True, overrides=SETTINGS
    )
    one, other = np.load(run.path / "weights.npz"), np.load(whole.path / "weights.npz")
    assert all(np.array_equal(one[name], other[name]) for name in other.files)


def test_every_verb_ends_with_130_and_one_line(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    # A run that was cut short earlier in the process is not what this interruption is about.
    with pytest.raises(OSError, match="full"), resumable(lambda: "continue with something else"):
        raise OSError("full")
    monkeypatch.setattr("transferkit.recipe.recipe_files", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["recipes", "list"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "transferkit: interrupted\n"


def test_a_terminal_shows_the_line_below_that_of_the_key(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("transferkit.recipe.recipe_files", interrupted)
    monkeypatch.setattr(sys, "stderr", Terminal("^C"))
    sys.stderr.seek(2)
    with pytest.raises(SystemExit):
        main(["recipes", "list"])
    assert sys.stderr.getvalue() == "^C\ntransferkit: interrupted\n"


def test_the_watching_thread_starts_a_new_line_only_in_a_terminal(tmp_path):
    import pty

    try:
        reader, writer = pty.openpty()
    except OSError as error:
        pytest.skip(f"needs a pseudo terminal, which this system does not give: {error}")
    _say(writer, "interrupted")
    assert os.read(reader, 99) == b"\r\ninterrupted\r\n"
    os.close(reader)
    os.close(writer)
    with open(tmp_path / "log", "wb") as log:
        _say(log.fileno(), "interrupted")
    assert (tmp_path / "log").read_bytes() == b"interrupted\n"


WRAPPED = (
    START
    + """
import os, time
from transferkit import cli

def verb(*args, **kwargs):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        time.sleep(0.2)
        raise ValueError("as Keras words it")

cli.cli.invoke = verb
cli.command()
"""
)


def test_an_error_that_a_library_makes_of_an_interruption_is_none():
    ended = subprocess.run([sys.executable, "-c", WRAPPED, "recipes"], capture_output=True, text=True)
    assert ended.returncode == 130
    assert ended.stderr == "transferkit: interrupted\n"


STUCK = (
    START
    + """
import hashlib, sys
from transferkit import interruption
with interruption.watching(), interruption.resumable(lambda: "go on with: it"):
    print("stuck", flush=True)
    with interruption.{mode}():
        hashlib.pbkdf2_hmac("sha256", b"", b"", 500_000_000)
"""
)


@pytest.mark.parametrize("times", [1, 2])
def test_one_long_call_is_ended_and_one_that_finishes_a_step_only_by_the_second(times):
    """A call that returns to Python only after minutes, as a large fit or pass may."""
    code = (
        STUCK.replace("{mode}", "finishing")
        if times == 2
        else STUCK.replace("interruption.{mode}()", "open('/dev/null')")
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "stuck\n"
    time.sleep(0.5)  # until it is in the call
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    if times == 2:
        while "finished first; Ctrl-C again" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "transferkit: interrupted; go on with: it" in text
    assert time.monotonic() - began < 10
