"""Progress: bars for people, plain lines for logs, silence on demand."""

from __future__ import annotations

import io
import os
import select
import sys

import pytest

from transferkit.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(progress: Progress) -> None:
    with progress.stage("train", total=10, unit="step", start=4) as stage:
        for done in range(5, 11):
            stage.update(done, loss=1 / done)


def test_a_log_gets_one_plain_line_a_stage():
    stream = io.StringIO()
    work(Progress(stream=stream))
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("train: 6 steps, ")
    assert "steps/s" in line
    assert "loss 0.1" in line
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_a_bar_with_rate_loss_and_time_left():
    stream = Terminal()
    work(Progress(stream=stream))
    shown = stream.getvalue()
    assert "train" in shown
    assert "10/10" in shown
    assert "steps/s" in shown or "s/ step" in shown
    assert "loss=0.1" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
def test_a_terminal_without_a_size_gets_a_bar_all_the_same(monkeypatch):
    import pty

    try:
        reader, writer = pty.openpty()  # as in a container: 0 columns, 0 lines
    except OSError as error:
        pytest.skip(f"needs a pseudo terminal, which this system does not give: {error}")
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)  # tqdm asks for the size of these alone
        work(Progress())
        shown = ""
        while "10/10" not in shown and select.select([reader], [], [], 1)[0]:
            shown += os.read(reader, 65536).decode()
    os.close(reader)
    assert "10/10" in shown


def test_quiet_shows_nothing_and_keeps_the_times():
    stream = Terminal()
    progress = Progress(quiet=True, stream=stream)
    work(progress)
    work(progress)
    progress.say("hello")
    assert stream.getvalue() == ""
    assert progress.seconds["train"] > 0
