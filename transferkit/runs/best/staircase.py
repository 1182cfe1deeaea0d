"""The steps of a choice, as a file of the run: what was tried, what it gave, and whether it was kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files.whole_file import write_whole
from transferkit.type_names import NamedValues

__all__ = ["FILE", "Staircase", "Step"]

FILE = "best.json"


@dataclass(frozen=True)
class Step:
    """One thing that was tried, judged on folds of the training images.

    Attributes:
        name: for people.
        accuracy: of held-out images, 0 to 1; None where it was not tried.
        low: the lower end of its 95 % interval.
        high: the upper end.
        log_loss: of held-out images, in nats.
        gain: by how much the log loss of what was kept until then is higher; None for the first step.
        error: the standard error of that.
        kept: it became part of the run.
        seconds: that it took.
        note: why it was not tried.
    """

    name: str
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    log_loss: float | None = None
    gain: float | None = None
    error: float | None = None
    kept: bool = False
    seconds: float = 0.0
    note: str = ""

    def describe(self) -> str:
        """In a line."""
        if self.accuracy is None:
            return f"{self.name}: not tried: {self.note}"
        line = f"{self.name}: accuracy {self.accuracy:.3f} ({self.low:.3f} to {self.high:.3f})"
        if self.gain is None:
            return f"{line}, log loss {self.log_loss:.3f}"
        verdict = "kept" if self.kept else "not kept"
        way = "lower" if self.gain >= 0 else "higher"
        change = f"log loss {way} by {abs(self.gain):.4f} (standard error {self.error:.4f})"
        return f"{line}, {change}: {verdict}"


@dataclass(frozen=True)
class Staircase:
    """All steps, and what they lead to.

    Attributes:
        steps: in their order.
        values: of the recipe, dotted key to value: what was chosen.
        images: training images that were judged.
    """

    steps: Sequence[Step]
    values: NamedValues
    images: int

    @property
    def sentence(self) -> str:
        """What came of it."""
        first, head, *more = [one for one in self.steps if one.accuracy is not None]
        paid = [one for one in more if one.kept]
        if paid:
            names = ", ".join(one.name for one in paid)
            return (
                f"kept beside the head: {names}. Held-out accuracy {head.accuracy:.3f} with the head alone, "
                f"{paid[-1].accuracy:.3f} with what was kept last"
            )
        tried = (
            "nothing that was tried after the head improved it"
            if more
            else "nothing was tried after the head"
        )
        linear = "" if head.kept else ", whose head is the linear one"
        return f"{tried}: the model is the one of --recipe auto on {first.name.rpartition(' ')[2]}{linear}"

    def write(self, folder: Path) -> None:
        """Writes ``best.json``."""
        write_whole(folder / FILE, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Staircase | None:
        """What :meth:`write` wrote; None where there is none.

        Raises:
            UserError: the file is damaged.
        """
        file = folder / FILE
        try:
            read = json.loads(file.read_text(encoding="utf-8"))
            return cls([Step(**one) for one in read["steps"]], dict(read["values"]), int(read["images"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                fault(str(file), None, "the steps of a choice", f"it is damaged: {error}")
            ) from None
