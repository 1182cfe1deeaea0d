"""What the trials of a sweep gave: a table, best first, and the files that hold it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault
from transferkit.files import csv_files
from transferkit.files.checksummed_json import read_sealed, sealed
from transferkit.files.whole_file import write_whole
from transferkit.recipe.metrics import less_is_better
from transferkit.type_names import NamedValues

__all__ = ["Results", "Trial", "read_results"]


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes:
        number: counted from 1.
        values: pairs of a dotted key and what it was.
        score: the sweep's metric on the validation images; None where it failed or is not defined.
        metrics: all figures of the validation images.
        epochs: evaluations that were made, over all phases, without those of the states before them.
        seconds: of the process that finished it.
        error: why it could not be run, or None.
    """

    number: int
    values: list[tuple[str, Any]]
    score: float | None
    metrics: NamedValues = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None

    def write(self, path: Path) -> None:
        """Writes the trial whole: that the file is there says that the trial is finished."""
        write_whole(path, sealed(vars(self)))

    @classmethod
    def read(cls, path: Path) -> Trial:
        """What :meth:`write` wrote.

        Raises:
            UserError: it was changed since.
        """
        facts = read_sealed(path)
        if facts is None:
            raise UserError(fault(str(path), hint="it was changed; remove it, and the trial is run again"))
        return cls(**{**facts, "values": [(key, value) for key, value in facts["values"]]})


@dataclass(frozen=True)
class Results:
    """All finished trials.

    Attributes:
        method: how they were chosen.
        metric: what orders them, measured on the validation images.
        trials: in the order in which they ran.
    """

    method: str
    metric: str
    trials: Sequence[Trial]

    @property
    def ordered(self) -> list[Trial]:
        """Best first; of equals the earlier; those without a score last."""
        sign = 1 if less_is_better(self.metric) else -1
        return sorted(self.trials, key=lambda one: (one.score is None, sign * (one.score or 0.0), one.number))

    @property
    def best(self) -> Trial | None:
        """The best trial, or None where none has a score."""
        first = self.ordered[:1]
        return first[0] if first and first[0].score is not None else None

    @property
    def header(self) -> list[str]:
        """Names of the columns of :attr:`rows`."""
        keys = [key for key, _ in self.trials[0].values] if self.trials else []
        others = [name for name in ("accuracy", "log_loss") if name != self.metric]
        return ["trial", *keys, self.metric, *others, "epochs", "seconds", "error"]

    @property
    def rows(self) -> list[list[Any]]:
        """One row a trial, best first, as text and numbers."""
        others = [name for name in ("accuracy", "log_loss") if name != self.metric]
        return [
            [
                one.number,
                *(_plain(value) for _, value in one.values),
                one.score,
                *(one.metrics.get(name) for name in others),
                one.epochs,
                round(one.seconds, 1),
                one.error,
            ]
            for one in self.ordered
        ]

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        best = self.best
        return {
            "method": self.method,
            "metric": self.metric,
            "measured_on": "val",
            "best": None if best is None else best.number,
            "trials": [{**vars(one), "values": dict(one.values)} for one in self.ordered],
        }

    def write(self, folder: Path) -> None:
        """Writes ``sweep.csv`` and ``sweep.json``."""
        text = io.StringIO()
        writer = csv_files.Writer(text)
        writer.writerow(self.header)
        writer.writerows(self.rows)
        write_whole(folder / "sweep.csv", text.getvalue())
        write_whole(folder / "sweep.json", json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")


def read_results(folder: Path) -> Results | None:
    """The results of a finished sweep, or None where the run was no sweep."""
    path = folder / "sweep.json"
    if not path.is_file():
        return None
    facts = json.loads(path.read_text("utf-8"))
    trials = [Trial(**{**one, "values": list(one["values"].items())}) for one in facts["trials"]]
    return Results(facts["method"], facts["metric"], sorted(trials, key=lambda one: one.number))


def _plain(value: Any) -> Any:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    return json.dumps(value, ensure_ascii=False)
