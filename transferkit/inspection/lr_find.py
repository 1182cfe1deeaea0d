"""The learning-rate range test: how high a rate a phase tolerates, found in a few hundred cheap steps.

The rate rises from step to step, each time by the same factor, while the loss is watched (Smith 2017,
arXiv:1506.01186). Only what is above the cut computes, on cached activations, so it takes seconds.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from transferkit.code_permission import allowing
from transferkit.devices import check_devices
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.files import csv_files
from transferkit.files.whole_file import write_whole
from transferkit.recipe import Recipe, admit_code, load
from transferkit.registry import registry
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.progress import Progress
from transferkit.type_names import NamedValues, Override

__all__ = ["RULE", "RateTest", "find_rate"]

RULE = "the rate at which the smoothed loss falls fastest per decade of the rate, before its minimum"
# Memory of the smoothed loss, 1 / (1 - this) steps; it takes as long until it means something.
_SMOOTH = 0.9
_WARM = 10


@dataclass(frozen=True)
class RateTest:
    """What the test found.

    Attributes:
        phase: which phase was tested.
        rates: float64 ``[N]``, the rate of each step.
        losses: float64 ``[N]``, the training loss of each step's batch, before its update.
        smoothed: float64 ``[N]``, their running average.
        suggested: by :data:`RULE`; None where the loss never fell.
        used: the rate that the recipe has.
    """

    phase: str
    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggested: float | None
    used: float

    @property
    def lowest(self) -> float:
        """The rate at the minimum of the smoothed loss: from here on it is too high."""
        return float(self.rates[int(self.smoothed.argmin())])

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return {
            "phase": self.phase,
            "suggested": self.suggested,
            "rule": RULE,
            "lowest_loss_at": self.lowest,
            "recipe_has": self.used,
            "steps": [
                {"learning_rate": rate, "loss": loss, "smoothed": smooth}
                for rate, loss, smooth in zip(
                    self.rates.tolist(), self.losses.tolist(), self.smoothed.tolist(), strict=True
                )
            ],
        }

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Writes ``lr_find.png``, ``lr_find.csv`` and ``lr_find.json`` into a folder; returns it."""
        from transferkit.inspection.plots import draw_rate_test

        to = Path(folder)
        to.mkdir(parents=True, exist_ok=True)
        title = f"learning-rate range test, phase {self.phase}"
        draw_rate_test(to / "lr_find.png", self.rates, self.losses, self.smoothed, self.suggested, title)
        text = io.StringIO()
        writer = csv_files.Writer(text)
        writer.writerow(["step", "learning_rate", "loss", "smoothed"])
        rows = zip(self.rates.tolist(), self.losses.tolist(), self.smoothed.tolist(), strict=True)
        writer.writerows([step, *row] for step, row in enumerate(rows))
        write_whole(to / "lr_find.csv", text.getvalue())
        write_whole(to / "lr_find.json", json.dumps(self.to_dict(), indent=2) + "\n")
        return to


def find_rate(
    recipe: str | os.PathLike[str] | None = None,
    overrides: Sequence[Override] = (),
    *,
    data: str | os.PathLike[str] | None = None,
    phase: str | None = None,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 150,
    quiet: bool = True,
    allow_code: bool = False,
    **values: Any,
) -> RateTest:
    """Tests rising learning rates on one phase of a recipe.

    Args:
        recipe: a recipe's name or file.
        overrides: as of :func:`transferkit.retrain`.
        data: the images.
        phase: name of the phase to test; the first by default. Phases before it are trained first, as it
            starts from their weights.
        low: the first rate.
        high: the rate of the last step; the test ends sooner where the loss has grown past four times its
            minimum, or is no number.
        steps: from the one to the other.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.
        **values: top-level keys of the recipe.

    Raises:
        UserError: recipe, data or phase cannot be used; the head is found without gradient steps.
    """
    if not 0 < low < high:
        raise UserError(fault("--low", low, f"a rate above 0 and below the highest, {high:g}"))
    if steps < 2 * _WARM:
        raise UserError(fault("--steps", steps, f"{2 * _WARM} or more"))
    if data is not None:
        overrides = [("data.path", os.fspath(data)), *overrides]
    with allowing(allow_code):
        resolved = admit_code(load(recipe, overrides, **values))
        return _find(resolved, phase, low, high, steps, quiet)


def _find(resolved: Recipe, phase: str | None, low: float, high: float, steps: int, quiet: bool) -> RateTest:
    names = [one.name for one in resolved.resolved_phases]
    if phase is not None and phase not in names:
        raise UserError(fault("--phase", phase, f"one of {', '.join(names)}", did_you_mean(phase, names)))
    number = 0 if phase is None else names.index(phase)
    if cast(Any, registry("heads").get(resolved.head.kind)).closed_form:
        expected = "a head that gradient steps train"
        raise UserError(fault("head.kind", resolved.head.kind, expected, "this one needs no rate"))

    check_devices(resolved.devices)

    from transferkit.training.prepare_images import prepare

    progress = Progress(quiet)
    images = prepare(resolved, progress)
    with progress.stage("start", doing="loading TensorFlow and Keras"):
        start_tensorflow()
        from transferkit.inspection.range_test import range_test
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    with tempfile.TemporaryDirectory(prefix="transferkit-") as folder:
        losses = range_test(resolved.up_to(number + 1), images, rates, Path(folder), progress)
    smoothed = smooth(losses)
    return RateTest(
        names[number],
        rates[: len(losses)],
        losses,
        smoothed,
        suggest(rates[: len(losses)], smoothed),
        resolved.resolved_phases[number].optimizer.learning_rate,
    )


def smooth(losses: np.ndarray) -> np.ndarray:
    """The running average of losses, float64 ``[N]``, without the pull of its start."""
    average, made = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = _SMOOTH * average + (1 - _SMOOTH) * float(loss)
        made.append(average / (1 - _SMOOTH**step))
    return np.asarray(made)


def suggest(rates: np.ndarray, smoothed: np.ndarray) -> float | None:
    """The rate that :data:`RULE` gives, or None where the loss falls by less than a hundredth.

    >>> rates = 10.0 ** np.linspace(-5, 0, 51)
    >>> loss = 1 - 0.8 / (1 + np.exp(-4 * (np.log10(rates) + 2.5)))
    >>> f"{suggest(rates, loss):.1g}"
    '0.003'
    """
    lowest = int(smoothed.argmin())
    if lowest < _WARM or smoothed[lowest] > 0.99 * smoothed[:_WARM].mean():
        return None
    slope = np.gradient(smoothed, np.log10(rates))
    # The first steps' average is still that of a few batches.
    return float(rates[_WARM // 2 + int(slope[_WARM // 2 : lowest + 1].argmin())])
