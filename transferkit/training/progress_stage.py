"""One stage of a run: how far it is, what it shows, how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Bar", "ProgressStage"]

_LOOK_SECONDS = 0.5


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


class ProgressStage:
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

    def line(self, unit: str, start: int, doing: str) -> str:
        """How it went, for those who see no bar.

        Args:
            unit: of what is counted.
            start: units that an earlier process did.
            doing: what it does, where nothing is counted.
        """
        parts = [doing] if doing else []
        done = self.done - start
        if done:
            rate = f", {_rate(done / self.seconds)} {unit}s/s" if self.seconds and not doing else ""
            parts.append(f"{done} {unit if done == 1 else unit + 's'}{rate}")
        parts += [f"{key} {value}" for key, value in self.facts.items()]
        parts += [self.note] if self.note else []
        parts.append(f"{self.seconds:.1f} s")
        return f"{self.name}: {', '.join(parts)}"


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


def _rate(value: float) -> str:
    """Four digits, and never a power of ten."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
