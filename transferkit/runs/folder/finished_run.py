"""What is asked of a finished run where its folder is read again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from transferkit.recipe import Recipe
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.runs.calibration.calibrate import Calibrated
    from transferkit.runs.results.independence import Independence

__all__ = ["FinishedRun"]


class FinishedRun(Protocol):
    """A run's folder with what stands in it.

    :class:`transferkit.runs.finished.run.Run` is one; what reads the folder for it needs no more than this.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe, with its paths as they lead to the run's files."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""

    @property
    def thresholds(self) -> dict[str, float] | None:
        """Label to the probability from which it counts; None where an image has one label."""

    @property
    def calibrated(self) -> Calibrated:
        """What the validation images said of the probabilities."""

    @property
    def independence(self) -> Independence:
        """Whether the evaluated images are copies of training images."""

    @property
    def summary(self) -> NamedValues:
        """What the run was and gave."""

    def named(self, *parts: str) -> str:
        """What lies in the run's folder, as a path or URL to be used again."""
