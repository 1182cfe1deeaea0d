"""What a run says while it works: bars in a terminal, one plain line a stage elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

from tqdm import tqdm

from transferkit.errors import printable
from transferkit.training.epoch_lines import epoch_line, header
from transferkit.training.progress_event import ProgressEvent
from transferkit.training.progress_stage import Bar, ProgressStage
from transferkit.training.terminal_stream import LenientStream, fitting, make_bar, room_of

__all__ = ["Progress"]

# Select Graphic Rendition: what a name of the terminal's own palette looks like is the user's choice.
_STYLES = {"good": "32", "name": "36", "bad": "31"}


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
        self.stream = cast(TextIO, LenientStream(given))
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
        text = fitting(printable(line), self.stream)
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
        self.say(header(room_of(self.stream)))

    def epoch(self, row: Mapping[str, Any], epochs: int, best: bool, left: float | None) -> None:
        """Says how an epoch went; arguments as of :func:`~transferkit.training.epoch_lines.epoch_line`.

        Epoch 0 is the state before the phase, of which a stream says nothing.
        """
        if row["epoch"]:
            room = room_of(self.stream)
            self.say(epoch_line(row, epochs, best, left, room), "good" if best else None)

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
        return make_bar(self.stream, name, total, unit, start) if terminal else None

    @contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "image", start: int = 0, doing: str = ""
    ) -> Iterator[ProgressStage]:
        """Opens a stage of ``total`` units, of which ``start`` were done by an earlier process.

        In a terminal a bar shows how far it is, and what it is ``doing`` where nothing is counted; a line of
        the stage's figures stays.
        """
        bar = self.open_bar(f"{name}, {doing}" if doing else name, total, unit, start)

        def went_on(facts: Mapping[str, float]) -> None:
            self._tell(ProgressEvent("update", name, stage.done, total, unit, dict(facts)))

        stage = ProgressStage(name, bar, self.open_bar, went_on)
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
        self.say(stage.line(unit, start, doing), "name")
        self._tell(ProgressEvent("end", name, stage.done, total, unit, dict(stage.facts), stage.seconds))
