"""Runs side by side: figures, classes, confusions, recipes, and whether they differ by more than chance."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING

from transferkit.errors import UserError, fault
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.evaluation import Comparison, Evaluation
    from transferkit.recipe.value_origins import Difference
    from transferkit.runs.finished.run import Run

__all__ = ["ComparedRuns", "compare_runs"]

# What a person looks at; all figures are in `to_dict`.
_MAIN = {
    "accuracy": "accuracy",
    "hamming_accuracy": "label accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "F1 macro",
    "log_loss": "log loss",
    "expected_calibration_error": "calibration error",
    "samples": "images",
}


@dataclass(frozen=True, eq=False, repr=False)
class ComparedRuns:
    """Runs, each held against the first one.

    Attributes:
        runs: in the order given.
        against: one comparison with the first run for each of the others.
        recipes: the keys in which their recipes differ from the first one's.
    """

    runs: tuple[Run, ...]
    against: tuple[Comparison, ...]
    recipes: tuple[tuple[Difference, ...], ...]

    def __repr__(self) -> str:
        return "\n".join(self.verdicts())

    def _repr_html_(self) -> str:
        """What a notebook shows: verdicts, curves, what differs most, photos that one alone has right."""
        from transferkit.drawing.html_pieces import block, html_table, paragraph
        from transferkit.inspection.compared_html import curves_of, photos_of
        from transferkit.recipe.value_origins import as_text

        header = ("", *self.names)
        parts = [paragraph(*verdict.splitlines()) for verdict in self.verdicts()]
        parts.append(paragraph("next", self.next_step()))
        parts.append(curves_of(self.runs, self.names))
        parts.append(html_table([(words, *values) for words, values in self.main_metrics], header))
        recall = [(name, *values) for name, values in self.recall]
        parts.append(html_table(recall, ("recall of class", *self.names), 20))
        if pairs := self.confusions():
            rows = [(f"{true} → {said}", *counts) for true, said, counts in pairs]
            parts.append(html_table(rows, ("true → predicted", *self.names)))
        for name, lines in zip(self.names[1:], self.recipes, strict=True):
            if lines:
                rows = [(line.key, as_text(line.one), as_text(line.other)) for line in lines]
                parts.append(html_table(rows, ("recipe", self.names[0], name)))
        parts += [photos_of(self, number) for number in range(1, len(self.runs))]
        return block(*parts)

    def next_step(self) -> str:
        """Which run to go on with, or what would tell them apart."""
        others = list(zip(self.names[1:], self.against, strict=True))
        better = [(one.difference, name) for name, one in others if one.significant and one.difference > 0]
        alike = [name for name, one in others if not one.significant]
        if better:
            return f"go on with {max(better)[1]}: its lead over {self.names[0]} is more than chance"
        if not alike:
            return f"go on with {self.names[0]}: its lead over the others is more than chance"
        images = max(one.images for one in self.against)
        return (
            f"{images} images do not tell {self.names[0]} and {', '.join(alike)} apart: take what is cheaper "
            "to use, or compare on more images (transferkit evaluate RUN --data MORE)"
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Each run's shortest name that tells it apart: the last parts of its path."""
        paths = [PurePath(run.path).parts or (".",) for run in self.runs]
        for count in range(1, max(map(len, paths)) + 1):
            names = tuple(str(PurePath(*path[-count:])) for path in paths)
            if len(set(names)) == len(set(paths)):
                return names
        return tuple(str(run.path) for run in self.runs)

    @property
    def metrics(self) -> dict[str, list[float]]:
        """Every figure that all runs have, a value a run."""
        return {
            name: [run.metrics[name] for run in self.runs]
            for name in self.runs[0].metrics
            if all(_is_number(run.metrics.get(name)) for run in self.runs)
        }

    @property
    def main_metrics(self) -> list[tuple[str, list[float]]]:
        """The figures that a person looks at, in words."""
        found = self.metrics
        return [(words, found[name]) for name, words in _MAIN.items() if name in found]

    @property
    def recall(self) -> list[tuple[str, list[float | None]]]:
        """Each class with its recall in every run; those in which the runs differ most come first."""
        by_run = [{row.name: row.recall for row in one.per_class} for one in self._evaluations]
        rows = [(name, [one.get(name) for one in by_run]) for name in self.runs[0].classes]
        return sorted(rows, key=lambda row: -_spread(row[1]))

    def confusions(self, most: int = 5) -> list[tuple[str, str, list[int]]]:
        """True class, predicted class and how often in each run; those that differ most come first."""
        if any(one.kind == "multi" for one in self._evaluations):
            return []
        counts: dict[tuple[str, str], list[int]] = {}
        for number, one in enumerate(self._evaluations):
            for row, column in zip(*one.confusion.nonzero(), strict=True):
                if row != column:
                    pair = one.classes[row], one.classes[column]
                    counts.setdefault(pair, [0] * len(self.runs))[number] = int(one.confusion[row, column])
        pairs = sorted(counts.items(), key=lambda item: (-_spread(item[1]), -max(item[1]), item[0]))
        return [(true, said, each) for (true, said), each in pairs if max(each) > 1][:most]

    def verdicts(self) -> list[str]:
        """For each run but the first: whether it differs from that by more than chance."""
        return [
            f"{name} against {self.names[0]}, on {one.images} common images: "
            f"{one.sentence(self.names[0], name)}\n"
            f"  accuracy {one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f}); images that only "
            f"{name} gets right: {one.only_second_right}, only {self.names[0]}: {one.only_first_right}"
            for name, one in zip(self.names[1:], self.against, strict=True)
        ]

    def to_dict(self) -> NamedValues:
        """All of it, ready for JSON."""
        return {
            "runs": [str(run.path) for run in self.runs],
            "metrics": self.metrics,
            "recall": dict(self.recall),
            "against_first": [one.to_dict() for one in self.against],
            "recipes": [
                [{"key": str(line.key), "first": line.one, "other": line.other} for line in lines]
                for lines in self.recipes
            ],
        }

    @cached_property
    def _evaluations(self) -> tuple[Evaluation, ...]:
        return tuple(run.evaluation for run in self.runs)


def compare_runs(runs: Sequence[str | os.PathLike[str] | Run]) -> ComparedRuns:
    """Compares finished runs on the images that they were evaluated on.

    Each run is held against the first one on the images that both evaluated: McNemar's exact test on the
    pairs, and an interval of the difference in accuracy (Agresti and Min 2005).

    Args:
        runs: two or more, opened or as folders.

    Raises:
        UserError: fewer than two, one that is no finished run, other classes, or no common images.

    >>> compared = compare_runs(["runs/probe", "runs/finetuned"])  # doctest: +SKIP
    >>> compared.against[0].p_value  # doctest: +SKIP
    0.5
    """
    from transferkit.evaluation import compare, read_predictions
    from transferkit.recipe.value_origins import diff
    from transferkit.runs.finished.run import Run

    if isinstance(runs, str | os.PathLike) or len(runs) < 2:
        raise UserError(fault("compare", runs if isinstance(runs, str) else list(runs), "two runs or more"))
    opened = tuple(run if isinstance(run, Run) else Run(run) for run in runs)
    found = [read_predictions(run.path / "predictions.csv", run.classes) for run in opened]
    return ComparedRuns(
        opened,
        tuple(compare(found[0], other) for other in found[1:]),
        tuple(tuple(diff(opened[0].recipe, run.recipe)) for run in opened[1:]),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spread(values: Sequence[float | None]) -> float:
    known = [one for one in values if one is not None]
    return max(known) - min(known) if known else 0.0
