"""What is asked of a finished run where something more is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from transferkit.runs.folder.run_on_disk import RunOnDisk

if TYPE_CHECKING:
    from transferkit.evaluation import Evaluation
    from transferkit.runs.calibration.calibrate import Calibrated
    from transferkit.runs.results.independence import Independence

__all__ = ["FinishedRun"]


class FinishedRun(RunOnDisk, Protocol):
    """A run's folder with what it learned.

    :class:`transferkit.runs.finished.run.Run` is one; what works for it needs no more than this.
    """

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
    def evaluation(self) -> Evaluation:
        """The evaluation that ended the run, image by image."""

    def named(self, *parts: str) -> str:
        """What lies in the run's folder, as a path or URL to be used again."""
