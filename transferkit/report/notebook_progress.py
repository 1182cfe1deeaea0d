"""A run as a notebook watches it: what is being done, and curves that grow, in one output of a cell."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from transferkit.drawing.html_pieces import block
from transferkit.report.charts import curves
from transferkit.training.epoch_lines import HEADER, epoch_line, time_left
from transferkit.training.progress import Progress
from transferkit.training.progress_event import ProgressEvent
from transferkit.training.progress_stage import Bar
from transferkit.type_names import NamedValues

__all__ = ["NotebookProgress", "open_progress"]

# A notebook's page is sent and drawn anew each time.
_LEAST_SECONDS = 0.5


def open_progress(quiet: bool, listener: Callable[[ProgressEvent], None] | None = None) -> Progress:
    """What shows a run's progress here: a display where a notebook's cell runs, else stderr.

    Args:
        quiet: show nothing.
        listener: a program's, that is told of each step.
    """
    progress = NotebookProgress() if not quiet and _in_notebook() else Progress(quiet)
    progress.listener = listener
    return progress


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this; IPython in a terminal is none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class _ShownBar:
    """A bar of the display, with the members of tqdm's that stages use."""

    def __init__(self, display: NotebookProgress, name: str, total: int | None, unit: str) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.n = 0
        self.leave: bool | None = False
        self.facts: Mapping[str, Any] = {}
        self._display, self._began = display, time.monotonic()

    def set_postfix(self, facts: Any, /, *, refresh: bool) -> None:
        self.facts = dict(facts)

    def update(self, units: int, /) -> None:
        self.n += units
        self._display.draw()

    def clear(self) -> None:
        """Nothing: a display has room for several."""

    def refresh(self) -> None:
        self._display.draw()

    def close(self) -> None:
        self._display.close_bar(self)

    def html(self) -> Markup:
        """Name, share and time; what is not counted moves all the same."""
        seconds = time.monotonic() - self._began
        words = [f"{self.n}/{self.total} {self.unit}s"] if self.total else []
        words.append(time_left(seconds))
        words += [f"{key} {value}" for key, value in self.facts.items()]
        share = Markup(' value="{}" max="{}"').format(self.n, self.total) if self.total else ""
        return Markup("<div>{} <progress{}></progress> {}</div>").format(self.name, share, ", ".join(words))


class NotebookProgress(Progress):
    """Shows stages, curves and lines in one output of a cell, which stays as it was in the end."""

    def __init__(self) -> None:
        super().__init__(quiet=False)
        self._lines: list[str] = []
        self._rows: list[NamedValues] = []
        self._bars: list[_ShownBar] = []
        self._epoch = ""
        self._phase = ""
        self._drawn = 0.0
        self._lock = threading.RLock()
        self._handle = _handle()

    def say(self, line: str, style: str | None = None) -> None:
        with self._lock:
            self._lines.append(line)
            self.draw(now=True)

    def begin_epochs(self, phase: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            if any(row["phase"] == phase for row in self._rows):
                self._rows.clear()  # another trial of a sweep
            self._phase = phase
            self._rows += [{"phase": phase, **row} for row in rows]
            self._lines.append(HEADER)

    def epoch(self, row: Mapping[str, Any], epochs: int, best: bool, left: float | None) -> None:
        with self._lock:
            self._rows.append({"phase": self._phase, **row})
            if row["epoch"]:
                self._epoch = epoch_line(row, epochs, best, left)
                self._lines.append(self._epoch)
            self.draw(now=True)

    def open_bar(self, name: str, total: int | None, unit: str, start: int = 0) -> Bar | None:
        with self._lock:
            bar = _ShownBar(self, name, total, unit)
            bar.n = start
            self._bars.append(bar)
            self.draw(now=True)
            return bar

    def close_bar(self, bar: _ShownBar) -> None:
        """Takes a bar away, unless it is to say how far an interrupted work came."""
        with self._lock:
            if not bar.leave and bar in self._bars:
                self._bars.remove(bar)
            self.draw(now=True)

    def draw(self, now: bool = False) -> None:
        """Shows how things are, at most twice a second where nothing has ended or begun."""
        with self._lock:
            if not now and time.monotonic() - self._drawn < _LEAST_SECONDS:
                return
            self._drawn = time.monotonic()
            self._handle.update({"text/html": self._html(), "text/plain": self._plain()}, raw=True)

    def _html(self) -> str:
        parts = [bar.html() for bar in self._bars]
        if self._bars and self._epoch:
            parts.append(Markup("<pre>{}\n{}</pre>").format(HEADER, self._epoch))
        parts.append(curves(self._rows))
        lines = Markup("<details><summary>{}</summary><pre>{}</pre></details>").format(
            self._lines[-1] if self._lines else "", "\n".join(self._lines)
        )
        return block(*parts, lines)

    def _plain(self) -> str:
        return "\n".join(self._lines)


def _handle() -> Any:
    from IPython.display import display

    return display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
