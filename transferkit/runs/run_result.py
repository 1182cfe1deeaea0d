"""What a run gives: what training gave, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from transferkit.runs.calibration.calibrate import Calibrated
from transferkit.runs.calibration.settle_novelty import NoveltyFacts
from transferkit.runs.extend.changes import Changes
from transferkit.runs.folder.kept_features import KeptFacts
from transferkit.runs.release.parity_gate import ParityResult
from transferkit.training.training_result import Trained

__all__ = ["RunResult"]


@dataclass(frozen=True)
class RunResult(Trained):
    """All that the figures, the report and the model card of a run are made from.

    Attributes:
        thresholds: label to the probability from which it counts; None where an image has one label.
        calibrated: temperature and abstention.
        novelty: of telling photos of none of the classes.
        verdict: how the export was checked.
        kept_features: whether the features of its images are kept.
        changes: what became of an earlier run's classes, where it was made from one.
    """

    thresholds: dict[str, float] | None = None
    calibrated: Calibrated = field(default_factory=Calibrated)
    novelty: NoveltyFacts = field(default_factory=NoveltyFacts)
    verdict: ParityResult = field(default_factory=ParityResult)
    kept_features: KeptFacts = field(default_factory=lambda: KeptFacts(False))
    changes: Changes | None = None
