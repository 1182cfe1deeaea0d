"""Progress: bars for people, plain lines for logs, silence on demand."""

from __future__ import annotations

import io

from transferkit.runs.progress import Progress


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


def test_quiet_shows_nothing_and_keeps_the_times():
    stream = Terminal()
    progress = Progress(quiet=True, stream=stream)
    work(progress)
    work(progress)
    progress.say("hello")
    assert stream.getvalue() == ""
    assert progress.seconds["train"] > 0
