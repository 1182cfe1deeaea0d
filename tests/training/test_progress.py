"""Progress: bars for people, plain lines for logs, silence on demand."""

from __future__ import annotations

import ast
import io
import os
import select
import sys
from pathlib import Path

import pytest

import transferkit
from transferkit.training.progress import Progress
from transferkit.training.terminal_stream import make_bar


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
def test_a_long_line_goes_on_below_itself_in_a_terminal_alone():
    import fcntl
    import pty
    import struct
    import termios

    try:
        reader, writer = pty.openpty()
    except OSError as error:
        pytest.skip(f"needs a pseudo terminal, which this system does not give: {error}")
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    words = "train: stopped early after epoch 17 of 40; kept epoch 12, val loss 0.3603, 18.9 s"
    command = "transferkit retrain --recipe auto --data photos/ --run runs/second"
    with os.fdopen(writer, "w") as stream:
        Progress(stream=stream).say(words)
        Progress(stream=stream).say(f"head.kind = 'auto' may be better here: {command}")
        shown = ""
        while command not in shown and select.select([reader], [], [], 1)[0]:
            shown += os.read(reader, 65536).decode()
    *first, last = shown.strip().replace("\r", "").split("\n")
    os.close(reader)
    assert " ".join(line.strip() for line in first).startswith(words)
    assert all(len(line) <= 40 for line in first)
    assert last == f"  {command}"
    log = io.StringIO()
    Progress(stream=log).say(words)
    assert log.getvalue() == words + "\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
def test_a_bar_follows_a_terminal_that_is_resized():
    import fcntl
    import pty
    import struct
    import termios

    try:
        reader, writer = pty.openpty()
    except OSError as error:
        pytest.skip(f"needs a pseudo terminal, which this system does not give: {error}")
    with os.fdopen(writer, "w") as stream:
        parts = []
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        bar = Progress(stream=stream).open_bar("images", 10, "image")
        for columns in (80, 44):
            fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            bar.refresh()
            stream.write("@")
            stream.flush()
            shown = ""
            while not shown.endswith("@"):  # what is written arrives in pieces on a busy machine
                shown += os.read(reader, 65536).decode()
            parts.append(shown.strip("\r@").rpartition("\r")[2].strip())
        bar.close()
    os.close(reader)
    assert len(parts[0]) == 80
    assert 30 < len(parts[1]) <= 44


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_what_is_not_counted_takes_one_line_of_a_narrow_terminal_too(columns, monkeypatch):
    size = {"ncols": columns, "nrows": 24}
    monkeypatch.setattr("transferkit.training.terminal_stream._size", lambda stream: size)
    bar = make_bar(Terminal(), "parity, asking the export in a fresh process", None, "image", 0)
    shown = str(bar)
    bar.close()
    assert len(shown) <= columns
    assert shown.startswith("parity, as")
    assert shown.endswith(": 00:00")


def test_quiet_shows_nothing_and_keeps_the_times():
    stream = Terminal()
    progress = Progress(quiet=True, stream=stream)
    work(progress)
    work(progress)
    progress.say("hello")
    assert stream.getvalue() == ""
    assert progress.seconds["train"] > 0


def test_what_is_not_counted_says_what_it_does_and_its_seconds():
    for stream in (Terminal(), io.StringIO()):
        with Progress(stream=stream).stage("start", doing="loading TensorFlow"):
            pass
        assert "start" in stream.getvalue()
        assert "loading TensorFlow, 0.0 s" in stream.getvalue()
        assert "0 " not in stream.getvalue().replace("0.0 s", "").replace("00:00", "")


def test_a_terminal_keeps_a_line_a_stage_and_no_bar():
    stream = Terminal()
    work(Progress(stream=stream))
    *_, last = stream.getvalue().splitlines()
    assert "6 steps" in last
    assert "|" not in last


def test_an_interruption_leaves_the_bar_where_it_was():
    stream = Terminal()

    def interrupted() -> None:
        with Progress(stream=stream).stage("train", total=10) as stage:
            stage.update(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "3/10" in stream.getvalue().splitlines()[-1]


def test_work_within_a_stage_has_a_bar_of_its_own():
    stream = Terminal()
    with Progress(stream=stream).stage("train", total=10) as stage, stage.counting("validate", 50) as count:
        count(32)
        count(64)  # the last batch is a part of one
    assert "validate" in stream.getvalue()
    assert "50/50" in stream.getvalue()
    log = Progress(stream=io.StringIO())
    with log.stage("train", total=10) as stage, stage.counting("validate", 50) as count:
        assert count is None


def test_colours_are_the_terminals_and_no_color_is_heeded(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    Progress(stream=stream).say("best", "good")
    assert stream.getvalue() == "\x1b[32mbest\x1b[0m\n"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            plain = Terminal()
            Progress(stream=plain).say("best", "good")
            assert plain.getvalue() == "best\n"
    log = io.StringIO()
    Progress(stream=log).say("best", "good")
    assert log.getvalue() == "best\n"


def test_what_strangers_chose_colours_nothing(monkeypatch):
    from transferkit.cli._terminal import PrintableStream

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    Progress(stream=PrintableStream(stream, bars=True)).say("phase \x1b[8mtop: kept", "name")
    assert stream.getvalue() == "\x1b[36mphase \\x1b[8mtop\x1b[0m: kept\n"


def test_a_listener_hears_each_step_and_ends_the_work_by_raising():
    heard = []
    progress = Progress(quiet=True)
    progress.listener = heard.append
    work(progress)
    kinds = [(one.kind, one.done) for one in heard]
    assert kinds == [("begin", 4), *(("update", done) for done in range(5, 11)), ("end", 10)]
    assert heard[1].facts == {"loss": 1 / 5}
    assert (heard[1].total, heard[1].unit) == (10, "step")
    assert heard[-1].seconds > 0

    class Enough(Exception):
        pass

    def stop(event):
        if event.done == 7:
            raise Enough

    progress.listener = stop
    with pytest.raises(Enough):
        work(progress)


def test_each_stage_that_counts_nothing_says_what_it_does():
    """A bar without a count shows the time alone: the words beside it say what takes it."""
    found = 0
    for path in sorted(Path(transferkit.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "stage":
                continue
            if "progress" not in ast.unparse(node.func.value).lower():
                continue
            found += 1
            assert {"total", "doing"} & {one.arg for one in node.keywords}, f"{path}:{node.lineno}"
    assert found > 20
