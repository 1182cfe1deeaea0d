"""What a run says while it works: bars in a terminal, one plain line a stage elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

from transferkit.errors import printable

__all__ = ["Progress", "Stage"]

_LOOK_SECONDS = 0.5


class Stage:
    """One stage of a run, such as the pass of the photos through the backbone.

    Attributes:
        seconds: how long it took, once it has ended.
        done: units done so far.
    """

    def __init__(self, name: str, bar: tqdm | None) -> None:
        self.name = name
        self.done = 0
        self.seconds = 0.0
        self.facts: dict[str, str] = {}
        self._bar = bar

    @contextmanager
    def watching(self, look: Callable[[], tuple[int, dict[str, float]]]) -> Iterator[None]:
        """Looks twice a second, beside the work, how far it is; only where there is a bar to show it.

        Args:
            look: gives the units done in all, and facts; it must be safe to call from another thread.
        """
        if self._bar is None:
            yield
            return
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK_SECONDS):
                done, facts = look()
                self.update(max(done, self.done), **facts)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def update(self, done: int, **facts: float) -> None:
        """Says how many units are done in all, and facts worth showing, such as the loss."""
        self.facts.update({key: f"{value:.4g}" for key, value in facts.items()})
        if self._bar is not None:
            if self.facts:
                self._bar.set_postfix(self.facts, refresh=False)
            self._bar.update(done - self.done)
        self.done = done


class Progress:
    """Shows stages on a stream and keeps their times.

    Args:
        quiet: show nothing; times are kept all the same.
        stream: where to write; stderr, so that stdout carries results alone.

    Attributes:
        seconds: how long each stage took.
        counts: how many units each stage did in this process, and of what; 0 where it does not count any.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream if stream is not None else sys.stderr
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, tuple[int, str]] = {}

    def say(self, line: str) -> None:
        """Writes one line, above any bar."""
        if not self.quiet:
            tqdm.write(printable(line), file=self.stream)

    @contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "image", start: int = 0
    ) -> Iterator[Stage]:
        """Opens a stage of ``total`` units, of which ``start`` were done by an earlier process."""
        terminal = not self.quiet and self.stream.isatty()
        bar = None
        if terminal:
            how = {"file": self.stream, "initial": start, "leave": True, **_size(self.stream)}
            bar = tqdm(total=total, desc=name, unit=f" {unit}s", **how)
        stage = Stage(name, bar)
        stage.done = start
        began = time.perf_counter()
        try:
            yield stage
        finally:
            stage.seconds = time.perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + stage.seconds
            self.counts[name] = self.counts.get(name, (0, unit))[0] + stage.done - start, unit
            if bar is not None:
                bar.close()
        if not terminal and not self.quiet:
            self.say(_plain(stage, unit, start))


def _size(stream: TextIO) -> dict[str, int]:
    """For tqdm: 80 x 24 where a terminal says it has no size, as some in containers do; no bar would show."""
    try:
        told = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return {}
    return {} if told.columns and told.lines else {"ncols": told.columns or 80, "nrows": told.lines or 24}


def _plain(stage: Stage, unit: str, start: int) -> str:
    parts = []
    done = stage.done - start
    if done:
        rate = f", {done / stage.seconds:.4g} {unit}s/s" if stage.seconds else ""
        parts.append(f"{done} {unit}s{rate}")
    parts += [f"{key} {value}" for key, value in stage.facts.items()]
    parts.append(f"{stage.seconds:.1f} s")
    return f"{stage.name}: {', '.join(parts)}"
