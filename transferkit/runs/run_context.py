"""What one invocation of a run has in hand, from its first line to its last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transferkit.evaluation.gates import Gate
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.training.progress import Progress

__all__ = ["RunContext"]


@dataclass(frozen=True)
class RunContext:
    """Where a run goes, what is demanded of it, and how it shows itself: of a single run or a sweep.

    Attributes:
        place: where the run goes.
        gates: what the evaluation will be held against; the report shows them.
        progress: shows the stages, and has their times.
        began: ``time.perf_counter()`` at the start of the run.
        resume: take up the partial folder that is there.
    """

    place: RunFolder
    gates: Sequence[Gate]
    progress: Progress
    began: float
    resume: bool = False
