"""All that a report can show. Every part may be missing; what is missing is left out of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transferkit.evaluation import Abstention, Evaluation, Temperature
from transferkit.evaluation.gates import Gate
from transferkit.report.feature_map import MapFacts

__all__ = [
    "ChangeFacts",
    "ChangeRow",
    "ChoiceFacts",
    "DataFacts",
    "ExportFacts",
    "HeadFacts",
    "HeadRow",
    "ParityRow",
    "Phase",
    "PlanFacts",
    "PlanRow",
    "ReportFacts",
    "StageTime",
    "StepRow",
]


@dataclass(frozen=True)
class DataFacts:
    """The images and how they were split.

    Attributes:
        source: what the user named.
        counts: split to class to number of images.
        samples: class to image files; the first few of each are shown.
        quarantined: (path, reason) of files that could not be used.
        warnings: one sentence each, as the data check words them.
        images: split to number of images, where the counts do not add up to them: one with several classes
            counts in each.
        options: what a command has to be given beside the source to read it, as one types it.
    """

    source: str
    counts: Mapping[str, Mapping[str, int]]
    samples: Mapping[str, Sequence[str | Path]] = field(default_factory=dict)
    quarantined: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    options: str = ""

    @property
    def totals(self) -> dict[str, int]:
        """Split to number of images."""
        return {split: self.images.get(split, sum(part.values())) for split, part in self.counts.items()}


@dataclass(frozen=True)
class PlanRow:
    """One part of the model, in the order in which an image passes it.

    Attributes:
        name: ``stem to block_12``.
        state: ``frozen`` below the cut or by a rule, else ``trained``.
        parameters: how many weights.
        note: anything worth saying: which rule, which rate.
    """

    name: str
    state: Literal["frozen", "trained"]
    parameters: int
    note: str = ""


@dataclass(frozen=True)
class Phase:
    """One phase of the training: what it trained and how. ``steps`` is how many it took."""

    name: str
    steps: int
    note: str = ""


@dataclass(frozen=True)
class PlanFacts:
    """What was frozen, what was trained, and in which phases.

    Attributes:
        rows: the model's parts from input to output, as ``phase`` trained them.
        phases: in order.
        phase: the last phase whose training the model carries; empty where there is only one.
        discarded: a sentence for each phase whose training was undone, as no epoch improved on its start.
        facts: anything else, label to text: backbone, cut, head, optimizer.
    """

    rows: Sequence[PlanRow] = ()
    phases: Sequence[Phase] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    phase: str = ""
    discarded: Sequence[str] = ()


@dataclass(frozen=True)
class HeadRow:
    """One head that was tried: judged on folds of the training images."""

    head: str
    features: str
    log_loss: float
    accuracy: float
    low: float
    high: float
    chosen: bool


@dataclass(frozen=True)
class HeadFacts:
    """How a head was chosen: in a sentence, and what was tried, the best first."""

    sentence: str
    rows: Sequence[HeadRow] = ()


@dataclass(frozen=True)
class StepRow:
    """One step of a choice before the run, judged on folds of the training images; None: it was not tried."""

    name: str
    accuracy: float | None
    low: float | None
    high: float | None
    log_loss: float | None
    gain: float | None
    error: float | None
    kept: bool
    note: str


@dataclass(frozen=True)
class ChoiceFacts:
    """A choice before the run: what came of it in a sentence, and its steps in their order."""

    sentence: str
    steps: Sequence[StepRow]


@dataclass(frozen=True)
class StageTime:
    """How long one stage of the run took, and how many images (or steps) it handled, where that says much."""

    name: str
    seconds: float
    count: int | None = None
    unit: str = "images"


@dataclass(frozen=True)
class ParityRow:
    """How one exported artefact answered beside the evaluated model."""

    artefact: str
    images: int
    agreement: float
    largest_difference: float
    passed: bool


@dataclass(frozen=True)
class ExportFacts:
    """Where the export lies and how it was checked.

    Attributes:
        path: folder that holds the numbered versions, as the reader should type it.
        name: the model's name for a server.
        formats: (file or folder, bytes).
        parity: a row an artefact.
        multi_label: an answer says for each class whether it applies.
    """

    path: str
    name: str
    formats: Sequence[tuple[str, int]] = ()
    parity: Sequence[ParityRow] = ()
    multi_label: bool = False


@dataclass(frozen=True)
class ChangeRow:
    """One class of the run that this one was made from: share of the same photos that was and is found."""

    name: str
    images: int
    before: float
    after: float
    taken: int


@dataclass(frozen=True)
class ChangeFacts:
    """What another fit changed for classes that were there before: sentences, and a row for each class."""

    sentences: Sequence[str]
    rows: Sequence[ChangeRow] = ()


@dataclass(frozen=True)
class ReportFacts:
    """What is known of a run.

    Attributes:
        title: the run's name.
        summary: label to text, shown on top: backbone, images, time, machine.
        evaluation: of ``split``.
        split: which images were evaluated: ``validation`` or ``test``.
        gates: what was demanded; the verdict says what was reached.
        copied: bool ``[N]``: which of the evaluated images the training saw too; None where unknown.
        chose: what was chosen on the evaluated images, in words: ``the epoch``.
        image_paths: files of the evaluated images in the evaluation's order; ``evaluation.paths`` by default.
        overlays: row of the evaluation to Grad-CAM heat, float ``[h, w]`` of 0..1. The rows that will be
            shown are those of :func:`transferkit.report.worst_mistakes`.
        overlays_note: why there are none, in a sentence.
        data, plan, head, export: see there.
        choice: what was chosen before the run, where something was.
        history: one mapping a logged point: ``step`` or ``epoch``, figures such as ``loss``, ``val_loss``,
            ``val_accuracy``, ``learning_rate``, and optionally ``phase`` (its name).
        temperature, abstention: what calibration found.
        training_accuracy: of the epoch that was kept, 0 to 1; None where the head was found at once.
        seconds: how long the run took in all.
        stages: how long each stage of the run took, in any order.
        recipe: the resolved recipe, as text.
        lock: the lock file, as text.
        map: of the photos, by what the network sees in them.
        changes: beside the run that it was made from, where there was one.
        unknown: how well the model tells photos that are like none of its own; None where it does not.
        license: of the weights, as an SPDX identifier where there is one; of several networks, each once.
        created: date and time, as text.
    """

    title: str
    summary: Mapping[str, str] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    split: str = "validation"
    gates: Sequence[Gate] = ()
    copied: np.ndarray | None = None
    chose: Sequence[str] = ()
    image_paths: Sequence[str | Path] | None = None
    overlays: Mapping[int, np.ndarray] = field(default_factory=dict)
    overlays_note: str = ""
    data: DataFacts | None = None
    plan: PlanFacts | None = None
    head: HeadFacts | None = None
    choice: ChoiceFacts | None = None
    history: Sequence[Mapping[str, Any]] = ()
    temperature: Temperature | None = None
    abstention: Abstention | None = None
    training_accuracy: float | None = None
    seconds: float | None = None
    stages: Sequence[StageTime] = ()
    recipe: str | None = None
    lock: str | None = None
    export: ExportFacts | None = None
    map: MapFacts | None = None
    changes: ChangeFacts | None = None
    unknown: str | None = None
    license: str | None = None
    created: str | None = None
