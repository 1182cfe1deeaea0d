"""The trackers of a run, as one."""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.discovery import own_modules
from transferkit.errors import Faults, fault
from transferkit.packages import installed
from transferkit.recipe import Recipe
from transferkit.runs.tracking._base import Tracker

__all__ = ["Trackers", "check_tracking", "open_trackers"]

_log = logging.getLogger("transferkit")


def check_tracking(recipe: Recipe) -> None:
    """Refuses trackers whose packages are not installed, before anything runs.

    Raises:
        UserError: one line for each.
    """
    Faults(
        fault(
            f"tracking.{name}",
            True,
            f"the package {name}, which is not installed",
            f'pip install "transferkit[{name}]", or leave it out',
        )
        for name in _wanted(recipe)
        if not installed(name)
    ).refuse()


def open_trackers(recipe: Recipe, folder: Path, name: str, say: Callable[[str], None]) -> Trackers:
    """Starts TensorBoard's and those that the recipe asks for."""
    made = {}
    for one in ("tensorboard", *_wanted(recipe)):
        made[one] = importlib.import_module(f"{__package__}.{one}").Tracker()
    trackers = Trackers(made, say)
    trackers.start(recipe, folder, name)
    return trackers


class Trackers:
    """Several trackers. One that fails is named once and left out from there on.

    Args:
        trackers: by name.
        say: is given the line about one that failed.
    """

    def __init__(self, trackers: Mapping[str, Tracker], say: Callable[[str], None]) -> None:
        self._trackers = dict(trackers)
        self._say = say

    def start(self, recipe: Recipe, folder: Path, name: str) -> None:
        """As :meth:`Tracker.start`."""
        self._each(lambda one: one.start(recipe, folder, name))

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """As :meth:`Tracker.log`; what is no finite number is left out."""
        finite = _finite(values)
        self._each(lambda one: one.log(step, finite))

    def log_step(self, step: int, values: Mapping[str, Any]) -> None:
        """As :meth:`Tracker.log_step`; what is no finite number is left out."""
        finite = _finite(values)
        self._each(lambda one: one.log_step(step, finite))

    def finish(self, metrics: Mapping[str, Any], artefacts: Sequence[Path]) -> None:
        """As :meth:`Tracker.finish`."""
        there = [path for path in artefacts if path.is_file()]
        self._each(lambda one: one.finish(metrics, there))

    def _each(self, do: Callable[[Tracker], None]) -> None:
        for name, one in list(self._trackers.items()):
            try:
                do(one)
            except Exception as error:  # whatever another package raises, the training is worth more
                del self._trackers[name]
                line = f"tracking.{name}: left out from here on: {type(error).__name__}: {error}"
                _log.warning(line)
                self._say(line)


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _wanted(recipe: Recipe) -> list[str]:
    """The modules of this folder that ``[tracking]`` switches on; TensorBoard's has no switch."""
    return [name for name in own_modules("runs.tracking") if getattr(recipe.tracking, name, False)]
