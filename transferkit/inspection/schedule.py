"""The learning rate of every step of a run, known before anything trains."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.code_permission import allowing
from transferkit.errors import UserError, fault
from transferkit.files import csv_files
from transferkit.files.whole_file import write_whole
from transferkit.recipe import Phase, Recipe, admit_code, check_with, load
from transferkit.schedules import Span, make_schedule, rates
from transferkit.type_names import NamedValues, Override

__all__ = ["PhaseRates", "schedule_rates", "write_rates"]


@dataclass(frozen=True)
class PhaseRates:
    """One phase's learning rates.

    Attributes:
        name: of the phase.
        kind: of its schedule.
        rates: float64 ``[steps]``, by the steps of the phase from 0.
        uses_metrics: the rate falls further at every plateau of a metric, which only the run can tell.
    """

    name: str
    kind: str
    rates: np.ndarray
    uses_metrics: bool

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return {
            "phase": self.name,
            "schedule": self.kind,
            "uses_metrics": self.uses_metrics,
            "rates": self.rates.tolist(),
        }


def schedule_rates(
    recipe: str | os.PathLike[str] | None = None,
    overrides: Sequence[Override] = (),
    *,
    data: str | os.PathLike[str] | None = None,
    images: int | None = None,
    allow_code: bool = False,
    **values: Any,
) -> list[PhaseRates]:
    """The learning rates of a recipe's phases, exactly those that reach the optimizer.

    Args:
        recipe: a recipe's name or file.
        overrides: as of :func:`transferkit.retrain`.
        data: images to count; only their training split matters.
        images: the number of training images, instead of ``data``.
        allow_code: as of :func:`transferkit.retrain`.
        **values: top-level keys of the recipe.

    Raises:
        UserError: the recipe is unsound, or counts in epochs while the number of images is unknown; a
            schedule reaches beyond its phase.
    """
    if data is not None:
        overrides = [("data.path", os.fspath(data)), *overrides]
    with allowing(allow_code):
        resolved = admit_code(load(recipe, overrides, **values))
    if images is None and resolved.data.path is not None:
        from transferkit.training.prepare_images import prepare
        from transferkit.training.progress import Progress

        images = len(prepare(resolved, Progress(quiet=True)).of_split("train"))
    if images is not None and images < 1:
        raise UserError(fault("--images", images, "a number of training images"))
    if images is not None:
        check_with(resolved, images=images)
    return [_of_phase(resolved, phase, images) for phase in resolved.resolved_phases]


def _of_phase(recipe: Recipe, phase: Phase, images: int | None) -> PhaseRates:
    if images is None and (phase.steps is None or phase.schedule.options.get("unit") == "epochs"):
        hint = "name the images with --data DIR, or their number with --images N"
        raise UserError(fault(f"phase {phase.name}", "epochs", "a known number of training images", hint))
    per_epoch = 1 if images is None else -(-images // phase.batch_size)
    steps = phase.steps or (phase.epochs or 1) * per_epoch
    schedule = make_schedule(phase.schedule)
    found = rates(schedule, Span(phase.optimizer.learning_rate, steps, per_epoch))
    return PhaseRates(phase.name, phase.schedule.kind, found, schedule.uses_metrics)


def write_rates(phases: Sequence[PhaseRates], png: str | os.PathLike[str], title: str) -> tuple[Path, Path]:
    """Draws the rates, and writes them beside the picture as numbers: ``step,phase,learning_rate``.

    Args:
        phases: their rates, step by step.
        png: file of the picture.
        title: above it.

    Returns:
        The paths of the PNG and of the CSV file.
    """
    from transferkit.inspection.plots import draw_rates

    picture = Path(png)
    draw_rates(picture, [(one.name, one.rates) for one in phases], title)
    text = io.StringIO()
    writer = csv_files.Writer(text)
    writer.writerow(["step", "phase", "learning_rate"])
    step = 0
    for one in phases:
        for rate in one.rates.tolist():
            writer.writerow([step, one.name, rate])
            step += 1
    table = picture.with_suffix(".csv")
    write_whole(table, text.getvalue())
    return picture, table
