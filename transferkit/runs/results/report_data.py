"""What a run tells its report and its model card: from what was done to what is shown."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from transferkit.evaluation import Evaluation
from transferkit.export.formats import find_artefacts, load_format, size_of
from transferkit.export.versions import versions
from transferkit.files.remote import without_query
from transferkit.freezing import FreezePlan
from transferkit.freezing.freeze_plan import StagePlan
from transferkit.heads import describe_choice
from transferkit.recipe import Phase, Recipe
from transferkit.recipe.write import to_setting
from transferkit.report import (
    ChangeFacts,
    ChangeRow,
    ChoiceFacts,
    DataFacts,
    ExportFacts,
    HeadFacts,
    HeadRow,
    ParityRow,
    PlanFacts,
    PlanRow,
    ReportFacts,
    StageTime,
    StepRow,
)
from transferkit.report import Phase as PhaseFacts
from transferkit.runs.best.staircase import Staircase
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.results.independence import copies_in, independence
from transferkit.runs.results.licences import licence_of
from transferkit.runs.results.map_facts import map_facts
from transferkit.runs.results.mistake_heatmaps import MistakeHeatmaps
from transferkit.runs.run_context import RunContext
from transferkit.runs.run_result import RunResult
from transferkit.training.images import Images
from transferkit.training.progress import Progress

__all__ = ["report_data"]

_SAMPLES = 6  # images of each class that the report may show


def report_data(
    folder: Path,
    trained: RunResult,
    evaluation: Evaluation,
    context: RunContext,
    lock: str,
    heat: MistakeHeatmaps,
) -> ReportFacts:
    """What is known of a run, for those who read it.

    Args:
        folder: the run's folder, still partial.
        trained: what was done.
        evaluation: what it is worth.
        context: of the run: its place, where the run will lie, is what is shown; its progress has the times.
        lock: the manifest's text.
        heat: of the worst mistakes.
    """
    images, recipe = trained.images, trained.recipe
    held_out = images.of_split(images.held_out)
    seconds = time.perf_counter() - context.began
    return ReportFacts(
        title=context.place.path.name,
        summary=_summary(trained, seconds),
        evaluation=evaluation,
        split={"val": "validation"}.get(images.held_out, images.held_out),
        gates=context.gates,
        copied=copies_in(images, held_out),
        chose=independence(trained, evaluation, folder).chose if images.held_out == "val" else (),
        image_paths=[images.paths[index] for index in held_out],
        overlays=heat.overlays,
        overlays_note=heat.note,
        data=_data_facts(recipe, images),
        plan=_plan_facts(trained),
        head=_head_facts(trained),
        choice=_choice_facts(folder),
        history=trained.history,
        training_accuracy=_training_accuracy(trained),
        seconds=seconds,
        stages=_stages(context.progress),
        recipe=recipe.to_toml(),
        lock=lock,
        temperature=trained.calibrated.temperature,
        abstention=trained.calibrated.abstention,
        export=_export_facts(folder, context.place, trained),
        map=map_facts(folder, images, evaluation, recipe.seed),
        changes=_change_facts(trained),
        unknown=_unknown(trained),
        license=licence_of(trained.parts.backbone),
        created=time.strftime("%Y-%m-%d %H:%M"),
    )


def _summary(trained: RunResult, seconds: float) -> dict[str, str]:
    """The lines on top of the report."""
    images, recipe = trained.images, trained.recipe
    counts = {split: len(images.of_split(split)) for split in ("train", "val", "test")}
    lines = {
        "Backbone": f"{trained.parts.backbone.name}, weights {recipe.backbone.weights}",
        "Images": ", ".join(f"{count} {split}" for split, count in counts.items() if count),
        "Head": recipe.head.kind + (" and auto, averaged" if recipe.average is not None else ""),
        **_threshold_facts(trained),
    }
    if words := trained.novelty.describe():
        lines["Unknown photos"] = words.partition(": ")[2]
    lines["Frozen weights"] = trained.frozen.removeprefix("frozen: ")
    lines["Time"] = f"{seconds:.1f} s on {_machine()}"
    return lines


def _unknown(trained: RunResult) -> str | None:
    """What was measured of it; places by their last name alone, since a card goes to others."""
    novelty = trained.novelty
    if not novelty.found:
        return None
    other = {Path(without_query(place)).name or "other photos": one for place, one in novelty.other.items()}
    return str(replace(novelty, other=other).describe()).partition(": ")[2]


def _training_accuracy(trained: RunResult) -> float | None:
    """Of the epoch that the run ended with; where the last phase was discarded, of that before it."""
    for kept in reversed(trained.kept):
        for row in trained.history:
            if row["phase"] == kept.phase and row["epoch"] == kept.epoch and kept.epoch:
                return row.get("accuracy")
    return None


def _threshold_facts(trained: RunResult, most: int = 12) -> dict[str, str]:
    """From which probability each label counts, and whether that was chosen on the very images evaluated."""
    if not trained.thresholds:
        return {}
    shown = ", ".join(f"{name} {value:.2f}" for name, value in list(trained.thresholds.items())[:most])
    if len(trained.thresholds) > most:
        shown += f" and {len(trained.thresholds) - most} more in metrics.json"
    chosen = trained.recipe.head.options.get("thresholds", "auto") == "auto"
    if chosen and trained.images.held_out == "val":
        shown += (
            "; chosen on the images evaluated here, which makes the figures too optimistic: keep a test split"
        )
    elif chosen:
        shown += "; chosen on the validation images"
    return {"Thresholds": shown}


def _export_facts(folder: Path, place: RunFolder, trained: RunResult) -> ExportFacts:
    formats = []
    for version in versions(folder / "export"):
        for name, path in find_artefacts(version).items():
            one = load_format(name)
            formats.append((f"{path.relative_to(folder)} ({one.TITLE})", size_of(path)))
    parity = [
        ParityRow(
            load_format(one.format).TITLE, one.images, one.agreement, one.largest_difference, one.passed
        )
        for one in trained.verdict.findings
    ]
    several = trained.images.multi_label
    return ExportFacts(str(place.path / "export"), place.path.name, formats, parity, several)


def _stages(progress: Progress) -> list[StageTime]:
    stages = []
    for name, seconds in progress.seconds.items():
        count, unit = progress.counts[name]
        stages.append(StageTime(name, seconds, count or None, f"{unit}s"))
    return stages


def _data_facts(recipe: Recipe, images: Images) -> DataFacts:
    present = {row.split for row in images.rows}
    order: list[str] = [split for split in ("train", "val", "test") if split in present]
    counts = {split: dict.fromkeys(images.classes, 0) for split in order}
    samples: dict[str, list[str]] = {name: [] for name in images.classes}
    ledger = images.ledger
    for row, path in zip(images.rows, images.paths, strict=True):
        of_split = counts[row.split]
        for name in ledger.names(row):
            of_split[name] += 1
            if row.split == "train" and len(samples[name]) < _SAMPLES:
                samples[name].append(path)
    totals = {split: len(images.of_split(split)) for split in counts}
    refused = [one[:2] for one in images.unreadable]
    options = "".join(
        f" --set {shlex.quote(to_setting(f'data.{key}', value))}"
        for key in ("root", "columns", "path_suffix", "encoding")
        if (value := getattr(recipe.data, key))
    )
    return DataFacts(str(recipe.data.path), counts, samples, refused, images.notes, totals, options)


def _change_facts(trained: RunResult) -> ChangeFacts | None:
    changes = trained.changes
    if changes is None:
        return None
    rows = [ChangeRow(one.name, one.images, one.before, one.after, one.taken) for one in changes.classes]
    return ChangeFacts(changes.describe(), rows)


def _choice_facts(folder: Path) -> ChoiceFacts | None:
    found = Staircase.read(folder)
    if found is None:
        return None
    rows = [
        StepRow(
            one.name, one.accuracy, one.low, one.high, one.log_loss, one.gain, one.error, one.kept, one.note
        )
        for one in found.steps
    ]
    return ChoiceFacts(found.sentence, rows)


def _head_facts(trained: RunResult) -> HeadFacts | None:
    chosen = trained.parts.chosen
    sentence = describe_choice(chosen)
    if chosen is None or sentence is None:
        return None
    rows = [
        HeadRow(
            one["head"], one["features"], one["log_loss"], one["accuracy"], one["accuracy_low"],
            one["accuracy_high"], one["chosen"],
        )
        for one in chosen["candidates"]
    ]  # fmt: skip
    return HeadFacts(sentence, rows)


def _plan_facts(trained: RunResult) -> PlanFacts:
    kept = {one.phase: one for one in trained.kept}
    undone = [name for name, one in kept.items() if one.discarded]
    # The model is what the last phase made of it that was not undone.
    lasting = [(phase, plan) for phase, plan in trained.plans if phase.name not in undone]
    phase, last = (lasting or trained.plans)[-1]
    rows: list[PlanRow] = []
    for state, group in groupby(last.stages, key=lambda stage: stage.state):
        rows += _plan_rows(state, list(group))
    head = sum(int(variable.shape.num_elements()) for variable in _tensors(trained.parts.layer.weights))
    rows.append(PlanRow(f"head ({trained.recipe.head.kind})", "trained", head))
    phases = [_phase_facts(trained, phase, plan) for phase, plan in trained.plans]
    cut = f"after {last.at}" if last.at else "above the features"
    facts = {"Cut": cut, "Kept per image": f"{last.bytes_per_image} bytes"}
    several = len(trained.plans) > 1
    if several:
        facts = {f"Phase {name}": one.describe() for name, one in kept.items()} | facts
    elif kept:
        facts = {"Epoch": kept[phase.name].describe()} | facts
    discarded = [
        f"The training of phase {name} was discarded: none of its {kept[name].epochs} epochs improved on its "
        f"start{'; the backbone keeps the weights that it had before' if kept[name].trains_backbone else ''}."
        for name in undone
    ]
    return PlanFacts(rows, phases, facts, phase.name if several else "", discarded)


def _plan_rows(state: str, stages: list[StagePlan]) -> list[PlanRow]:
    names = [stage.name for stage in stages if stage.name]
    name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else "input"
    weights = sum(stage.parameters for stage in stages)
    if state == "frozen":
        return [PlanRow(name, "frozen", weights)]
    low = min(stage.lr_multiplier[0] for stage in stages)
    high = max(stage.lr_multiplier[1] for stage in stages)
    rate = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    note = "" if low == high == 1 else f"learning rate times {rate}"
    moved = sum(stage.trainable_parameters for stage in stages)
    rows = [PlanRow(name, "trained", moved, note)]
    if moved < weights:
        rows.insert(0, PlanRow(f"{name}, other layers", "frozen", weights - moved))
    return rows


def _phase_facts(trained: RunResult, phase: Phase, plan: FreezePlan) -> PhaseFacts:
    steps = max((row["step"] for row in trained.history if row["phase"] == phase.name), default=0)
    moved = sum(layer.parameters for layer in plan.layers if layer.trainable)
    what = f"head and {moved:,} weights of the backbone".replace(",", "\u202f") if moved else "head alone"
    if not steps:
        return PhaseFacts(phase.name, steps, f"{what}, fitted without epochs")
    how = f"{phase.optimizer.name}, learning rate {phase.optimizer.learning_rate:g}, {phase.schedule.kind}"
    kept = next((f"; {one.describe()}" for one in trained.kept if one.phase == phase.name), "")
    return PhaseFacts(phase.name, steps, f"{what}: {how}, batches of {phase.batch_size}{kept}")


def _machine() -> str:
    import tensorflow as tf

    graphics = tf.config.list_physical_devices("GPU")
    if graphics:
        names = {tf.config.experimental.get_device_details(one).get("device_name", "GPU") for one in graphics}
        return f"{len(graphics)} × {', '.join(sorted(names))}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{cores} CPU cores ({platform.machine()})"


def _tensors(variables: Sequence[Any]) -> list[Any]:
    return [variable.value for variable in variables]
