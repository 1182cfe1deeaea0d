"""What a run leaves to be read: figures, lock file, report and the export's model card."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from transferkit.evaluation import Evaluation
from transferkit.evaluation.gates import Gate
from transferkit.freezing import FreezePlan
from transferkit.recipe import Phase, Recipe
from transferkit.report import (
    DataFacts,
    ExportFacts,
    PlanFacts,
    PlanRow,
    ReportFacts,
    Stage,
    write_model_card,
    write_report,
)
from transferkit.report import Phase as PhaseFacts
from transferkit.runs.folder import RunFolder, write_whole
from transferkit.runs.lock import make_lock
from transferkit.runs.network import Parts
from transferkit.runs.prepare import Images
from transferkit.runs.progress import Progress

__all__ = ["Trained", "write_inputs", "write_outcome"]

_SAMPLES = 6  # images of each class that the report may show


@dataclass
class Trained:
    """What the phases of a run gave.

    Attributes:
        recipe: the resolved recipe.
        images: what was trained and evaluated on.
        parts: backbone and head.
        plans: what each phase trained, in order.
        history: a row an epoch of each phase, with the phase's name.
        frozen: the proof's line.
    """

    recipe: Recipe
    images: Images
    parts: Parts
    plans: list[tuple[Phase, FreezePlan]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    frozen: str = ""


def write_inputs(folder: Path, recipe: Recipe, images: Images) -> None:
    """Writes what the run is made from, which a resumed run finds again."""
    write_whole(folder / "recipe.toml", recipe.to_toml())
    images.ledger.write(folder / "split.csv")
    with open(folder / "quarantine.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "reason"])
        writer.writerows(images.unreadable)


def write_outcome(
    folder: Path,
    place: RunFolder,
    trained: Trained,
    evaluation: Evaluation,
    gates: Sequence[Gate],
    progress: Progress,
    began: float,
) -> None:
    """Writes history, lock file, report, model card, and last ``metrics.json``, which makes the folder a run.

    Args:
        folder: the run's folder, still partial.
        place: where the run will lie: the report names that.
        trained: what was done.
        evaluation: what it is worth.
        gates: what was demanded.
        progress: has the stages' times.
        began: ``time.perf_counter()`` at the start of the run.
    """
    recipe, images, backbone = trained.recipe, trained.images, trained.parts.backbone
    write_whole(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in trained.history))
    lock = json.dumps(
        make_lock(recipe, images.ledger, images.classes, backbone.weights_sha256),
        indent=2,
        ensure_ascii=False,
    )
    write_whole(folder / "lock.json", lock + "\n")
    with progress.stage("report", unit="page"):
        facts = _report_facts(folder, place, trained, evaluation, gates, progress, lock)
        write_report(facts, folder / "report.html")
        for version in (folder / "export").iterdir():
            write_model_card(facts, version / "README.md")
    stages = {name: round(value, 3) for name, value in progress.seconds.items()}
    outcome = {
        "metrics": evaluation.metrics,
        "classes": list(images.classes),
        "held_out": images.held_out,
        "images": {split: len(images.of_split(split)) for split in ("train", "val", "test")},
        "quarantined": len(images.unreadable),
        "backbone": {
            "name": recipe.backbone.name,
            "weights": recipe.backbone.weights,
            "weights_sha256": backbone.weights_sha256,
        },
        "epochs": sum(1 for row in trained.history if row["epoch"]),
        "frozen": trained.frozen,
        "seconds": {"total": round(time.perf_counter() - began, 3), "stages": stages},
    }
    write_whole(folder / "metrics.json", json.dumps(outcome, indent=2, ensure_ascii=False) + "\n")


def _report_facts(
    folder: Path,
    place: RunFolder,
    trained: Trained,
    evaluation: Evaluation,
    gates: Sequence[Gate],
    progress: Progress,
    lock: str,
) -> ReportFacts:
    images, recipe = trained.images, trained.recipe
    card = trained.parts.backbone.card
    held_out = images.of_split(images.held_out)
    return ReportFacts(
        title=place.path.name,
        summary={
            "Backbone": f"{trained.parts.backbone.name}, weights {recipe.backbone.weights}",
            "Images": ", ".join(
                f"{len(images.of_split(split))} {split}"
                for split in ("train", "val", "test")
                if len(images.of_split(split))
            ),
            "Head": recipe.head.kind,
            "Frozen weights": trained.frozen.removeprefix("frozen: "),
        },
        evaluation=evaluation,
        split={"val": "validation"}.get(images.held_out, images.held_out),
        gates=gates,
        image_paths=[images.paths[index] for index in held_out],
        data=_data_facts(recipe, images),
        plan=_plan_facts(trained),
        history=trained.history,
        stages=[Stage(name, seconds) for name, seconds in progress.seconds.items()],
        recipe=recipe.to_toml(),
        lock=lock,
        export=ExportFacts(
            path=str(place.path / "export"),
            name=place.path.name,
            formats=[
                (
                    f"export/{version.name}",
                    sum(one.stat().st_size for one in version.rglob("*") if one.is_file()),
                )
                for version in sorted((folder / "export").iterdir())
            ],
        ),
        license=card.weights.licence if card is not None and card.weights is not None else None,
        created=time.strftime("%Y-%m-%d %H:%M"),
    )


def _data_facts(recipe: Recipe, images: Images) -> DataFacts:
    counts: dict[str, dict[str, int]] = {}
    samples: dict[str, list[str]] = {name: [] for name in images.classes}
    for row, path in zip(images.rows, images.paths, strict=True):
        of_split = counts.setdefault(row.split, dict.fromkeys(images.classes, 0))
        of_split[row.label] += 1
        if row.split == "train" and len(samples[row.label]) < _SAMPLES:
            samples[row.label].append(path)
    return DataFacts(str(recipe.data.path), counts, samples, images.unreadable, images.notes)


def _plan_facts(trained: Trained) -> PlanFacts:
    _, last = trained.plans[-1]
    rows = []
    for state, group in groupby(
        last.stages, key=lambda stage: "frozen" if stage.state == "frozen" else "trained"
    ):
        stages = list(group)
        names = [stage.name for stage in stages if stage.name]
        name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else "input"
        rows.append(PlanRow(name, state, sum(stage.parameters for stage in stages)))  # type: ignore[arg-type]
    head = sum(int(variable.shape.num_elements()) for variable in _tensors(trained.parts.layer.weights))
    rows.append(PlanRow(f"head ({trained.recipe.head.kind})", "trained", head))
    phases = [
        PhaseFacts(
            phase.name,
            max((row["step"] for row in trained.history if row["phase"] == phase.name), default=0),
            f"{phase.optimizer.name}, learning rate {phase.optimizer.learning_rate:g}, {phase.schedule.kind}",
        )
        for phase, _ in trained.plans
    ]
    cut = f"after {last.at}" if last.at else "above the features"
    return PlanFacts(rows, phases, {"Cut": cut, "Kept per image": f"{last.bytes_per_image} bytes"})


def _tensors(variables: Sequence[Any]) -> list[Any]:
    return [variable.value for variable in variables]
