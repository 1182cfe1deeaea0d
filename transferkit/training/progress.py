"""What a run says while it works: bars in a terminal, one plain line a stage elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO, cast

from tqdm import tqdm

from transferkit.errors import printable
from transferkit.training.epoch_lines import HEADER, epoch_line
from transferkit.training.progress_event import ProgressEvent

__all__ = ["Bar", "Progress", "Stage"]

_LOOK_SECONDS = 0.5
# Where nothing is counted, the time alone moves.
_TIMED = "{desc}: {elapsed}{postfix}"
# Select Graphic Rendition: what a name of the terminal's own palette looks like is the user's choice.
_STYLES = {"good": "32", "name": "36", "bad": "31"}


class Bar(Protocol):
    """What shows how far one piece of work is: tqdm's bar in a terminal.

    Attributes:
        total: units in all; None where nothing is counted.
        n: units done.
        leave: whether it stays once it is closed.
    """

    total: Any
    n: Any
    leave: bool | None

    def set_postfix(self, facts: Any, /, *, refresh: bool) -> Any: ...

    def update(self, units: int, /) -> Any: ...

    def clear(self) -> Any: ...

    def refresh(self) -> Any: ...

    def close(self) -> Any: ...


class Stage:
    """One stage of a run, such as the pass of the photos through the backbone.

    Attributes:
        seconds: how long it took, once it has ended.
        done: units done so far.
        note: how it ended, where that is worth saying.
    """

    def __init__(
        self,
        name: str,
        bar: Bar | None,
        open_bar: Callable[..., Bar | None],
        went_on: Callable[[Mapping[str, float]], None] = lambda facts: None,
    ) -> None:
        self.name = name
        self._went_on = went_on
        self.note = ""
        self.done = 0
        self.seconds = 0.0
        self.facts: dict[str, str] = {}
        self._bar, self._open_bar = bar, open_bar

    @contextmanager
    def watching(self, look: Callable[[], tuple[int, dict[str, float]]]) -> Iterator[None]:
        """Looks twice a second, beside the work, how far it is; only where there is a bar to show it.

        Args:
            look: gives the units done in all, and facts; it must be safe to call from another thread.
        """
        if self._bar is None:
            yield
            return

        def watch() -> None:
            done, facts = look()
            self._show(max(done, self.done), facts)

        with _beside(watch):
            yield

    def update(self, done: int, **facts: float) -> None:
        """Says how many units are done in all, and facts worth showing, such as the loss."""
        self._show(done, facts)
        self._went_on(facts)

    def _show(self, done: int, facts: Mapping[str, float]) -> None:
        self.facts.update({key: f"{value:.4g}" for key, value in facts.items()})
        if self._bar is not None:
            if self.facts:
                short = {key: f"{float(value):.3g}" for key, value in facts.items()}
                self._bar.set_postfix(short, refresh=False)
            self._bar.update(done - self.done)
        self.done = done

    @contextmanager
    def counting(self, name: str, total: int, unit: str = "image") -> Iterator[Callable[[int], None] | None]:
        """A bar of its own in this one's place, for work within the stage, such as a validation.

        Yields:
            What takes the units done so far; None where there is no bar.
        """
        bar = self._bar
        inner = self._open_bar(name, total, unit) if bar is not None else None
        if bar is None or inner is None:
            yield None
            return
        bar.clear()
        inner.refresh()
        try:
            yield lambda done: inner.update(min(done, total) - inner.n) and None
        finally:
            inner.refresh()
            inner.close()
            bar.refresh()

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Shows the time as it passes, where there is nothing to count."""
        bar = self._bar
        if bar is None or bar.total is not None:
            yield
            return
        with _beside(bar.refresh):
            yield


@contextmanager
def _beside(do: Callable[[], object]) -> Iterator[None]:
    """Does something twice a second, in another thread."""
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(_LOOK_SECONDS):
            do()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Lenient:
    """A stream that goes silent where it can no longer be written: a run is worth more than what it says.

    A pipe whose reader has ended, a full disk, a stream that was closed before the start.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._try(lambda stream: stream.write(text)) or len(text)

    def write_styled(self, text: str) -> int:
        """Writes text with our own styles, where the stream would spell out escape sequences."""

        def do(stream: TextIO) -> Any:
            return getattr(stream, "write_styled", stream.write)(text)

        return self._try(do) or len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def _try(self, do: Callable[[TextIO], Any]) -> Any:
        if self._stream is None:
            return None
        try:
            return do(self._stream)
        except (OSError, ValueError):
            self._stream = None
            return None

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Progress:
    """Shows stages on a stream and keeps their times.

    Args:
        quiet: show nothing; times are kept all the same.
        stream: where to write; stderr, so that stdout carries results alone.

    Attributes:
        seconds: how long each stage took.
        counts: how many units each stage did in this process, and of what; 0 where it does not count any.
        listener: told of each step, in the thread that works; what it raises ends the run.
    """

    listener: Callable[[ProgressEvent], None] | None = None
    phase = ""  # of the epochs that are told

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        given = stream if stream is not None else sys.stderr
        self.stream = cast(TextIO, _Lenient(given))
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, tuple[int, str]] = {}

    def say(self, line: str, style: str | None = None) -> None:
        """Writes one line, above any bar.

        Args:
            line: the text; what a terminal would obey is spelled out.
            style: ``"good"`` or ``"bad"`` colours it, ``"name"`` what stands before its first colon, where
                the terminal has colours and ``NO_COLOR`` is not set; None leaves it as it is.
        """
        if self.quiet:
            return
        text = _fitting(printable(line), self.stream)
        if style is not None and self.colours:
            head, colon, rest = text.partition(":") if style == "name" else (text, "", "")
            text = f"\x1b[{_STYLES[style]}m{head}\x1b[0m{colon}{rest}"
        with tqdm.external_write_mode(file=self.stream):
            cast(Any, self.stream).write_styled(text + "\n")

    @property
    def colours(self) -> bool:
        """Whether the stream is a terminal that shows colours, and nobody asked for none."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return not plain and self.stream.isatty()

    def begin_epochs(self, phase: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """The epochs of a phase are about to be told, those after the rows of an earlier process."""
        self.say(HEADER)

    def epoch(self, row: Mapping[str, Any], epochs: int, best: bool, left: float | None) -> None:
        """Says how an epoch went; arguments as of :func:`~transferkit.training.epoch_lines.epoch_line`.

        Epoch 0 is the state before the phase, of which a stream says nothing.
        """
        if row["epoch"]:
            self.say(epoch_line(row, epochs, best, left), "good" if best else None)

    def end_epoch(self, row: Mapping[str, Any], epochs: int, best: bool, left: float | None) -> None:
        """An epoch has ended: it is shown, as :meth:`epoch` says, and told."""
        self.epoch(row, epochs, best, left)
        if row["epoch"]:
            self._tell(ProgressEvent("epoch", self.phase, row["epoch"], epochs, "epoch", dict(row)))

    def _tell(self, event: ProgressEvent) -> None:
        if self.listener is not None:
            self.listener(event)

    def open_bar(self, name: str, total: int | None, unit: str, start: int = 0) -> Bar | None:
        """A bar of so many units; None where there is nothing to show one on."""
        terminal = not self.quiet and self.stream.isatty()
        return _bar(self.stream, name, total, unit, start) if terminal else None

    @contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "image", start: int = 0, doing: str = ""
    ) -> Iterator[Stage]:
        """Opens a stage of ``total`` units, of which ``start`` were done by an earlier process.

        In a terminal a bar shows how far it is, and what it is ``doing`` where nothing is counted; a line of
        the stage's figures stays.
        """
        bar = self.open_bar(f"{name}, {doing}" if doing else name, total, unit, start)

        def went_on(facts: Mapping[str, float]) -> None:
            self._tell(ProgressEvent("update", name, stage.done, total, unit, dict(facts)))

        stage = Stage(name, bar, self.open_bar, went_on)
        stage.done = start
        self._tell(ProgressEvent("begin", name, start, total, unit))
        began = time.perf_counter()
        ended = False
        try:
            with stage.ticking():
                yield stage
            ended = True
        finally:
            stage.seconds = time.perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + stage.seconds
            self.counts[name] = self.counts.get(name, (0, unit))[0] + stage.done - start, unit
            if bar is not None:
                bar.refresh()
                bar.leave = not ended  # where it was interrupted the bar says how far it came
                bar.close()
        self.say(_plain(stage, unit, start, doing), "name")
        self._tell(ProgressEvent("end", name, stage.done, total, unit, dict(stage.facts), stage.seconds))


def _bar(stream: TextIO | None, name: str, total: int | None, unit: str, start: int) -> tqdm:
    how: dict[str, Any] = {"file": stream, "initial": start, "leave": False, "position": 0, **_size(stream)}
    if total is None:
        how["bar_format"] = _TIMED
    return tqdm(total=total, desc=name, unit=f" {unit}s", **how)


def _fitting(line: str, stream: TextIO) -> str:
    """A line as a terminal has room for it: it goes on below itself, between words.

    A command at its end stands on a line of its own, to be copied in one piece.
    """
    room = _size(stream).get("ncols") if stream.isatty() else None
    if room is None or len(line) <= room:
        return line
    words, colon, command = line.partition(": transferkit ")
    parts = textwrap.wrap(
        words + colon[:1], room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join([*parts, *([f"  {colon[2:]}{command}"] if colon else [])])


def _size(stream: TextIO | None) -> dict[str, int]:
    """For tqdm: 80 x 24 where a terminal says it has no size, as some in containers do; no bar would show.

    tqdm asks for the width of the standard streams alone.
    """
    try:
        told = os.get_terminal_size(cast(TextIO, stream).fileno())
    except (OSError, ValueError, AttributeError):
        return {}
    return {"ncols": told.columns or 80, "nrows": told.lines or 24}


def _rate(value: float) -> str:
    """Four digits, and never a power of ten."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def _plain(stage: Stage, unit: str, start: int, doing: str) -> str:
    parts = [doing] if doing else []
    done = stage.done - start
    if done:
        rate = f", {_rate(done / stage.seconds)} {unit}s/s" if stage.seconds and not doing else ""
        parts.append(f"{done} {unit if done == 1 else unit + 's'}{rate}")
    parts += [f"{key} {value}" for key, value in stage.facts.items()]
    parts += [stage.note] if stage.note else []
    parts.append(f"{stage.seconds:.1f} s")
    return f"{stage.name}: {', '.join(parts)}"
