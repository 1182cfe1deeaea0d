"""What a run leaves to be read: figures, report, the export's model card, and the manifest of it all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from transferkit.data.pixels.decoding import Decoding
from transferkit.evaluation import Evaluation
from transferkit.evaluation.evaluation_text import weakest
from transferkit.export.versions import versions, write_export_manifest
from transferkit.files import csv_files
from transferkit.files.whole_file import whole_file, write_whole
from transferkit.recipe import Recipe
from transferkit.report import next_step, worst_mistakes, write_model_card, write_report
from transferkit.runs.folder.located import BEGUN, record_paths
from transferkit.runs.folder.run_facts import RunFacts, TimeFacts
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.folder.run_manifest import facts_of_run, write_run_manifest
from transferkit.runs.release.parity_gate import ParityResult
from transferkit.runs.results.independence import independence
from transferkit.runs.results.mistake_heatmaps import MistakeHeatmaps, mistake_heatmaps
from transferkit.runs.results.report_data import report_data
from transferkit.runs.run_context import RunContext
from transferkit.runs.run_result import RunResult
from transferkit.training.images import Images
from transferkit.training.progress import Progress

__all__ = ["write_inputs", "write_outcome"]


def write_inputs(
    folder: Path, recipe: Recipe, images: Images, place: RunFolder, weights_sha256: str | None = None
) -> None:
    """Writes what the run is made from, which a resumed run finds again; the recipe last.

    Args:
        folder: where it goes.
        recipe: the resolved recipe.
        images: what is trained and evaluated on.
        place: where the run will lie.
        weights_sha256: of the backbone's weights, where they are loaded.
    """
    with whole_file(folder / "split.csv") as beside:
        images.ledger.write(beside)
    with (
        whole_file(folder / "quarantine.csv") as beside,
        open(beside, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv_files.Writer(file)
        writer.writerow(["path", "reason", "kind"])
        writer.writerows(images.unreadable)
    beginning = {
        "classes": list(images.classes),
        "weights_sha256": weights_sha256,
        "paths": record_paths(recipe, place.path),
        "recipe_sha256": hashlib.sha256(recipe.to_toml().encode()).hexdigest(),
    }
    write_whole(folder / BEGUN, json.dumps(beginning, indent=2) + "\n")
    write_whole(folder / "recipe.toml", recipe.to_toml())


def write_outcome(
    folder: Path,
    trained: RunResult,
    evaluation: Evaluation,
    context: RunContext,
    publish: Callable[[], ParityResult],
) -> RunResult:
    """Writes history, report, model card, ``metrics.json``, which makes the folder a run, and the manifest.

    Args:
        folder: the run's folder, still partial.
        trained: what was done.
        evaluation: what it is worth.
        context: of the run: the report names its place and its gates.
        publish: puts the export in its place; called before the report, which shows how it was checked.

    Returns:
        What was done, with how the export was checked.
    """
    recipe, images, backbone = trained.recipe, trained.images, trained.parts.backbone
    write_whole(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in trained.history))
    made_from = facts_of_run(recipe, images.ledger, images.classes, backbone.weights_sha256)
    made_from["paths"] = record_paths(recipe, context.place.path)
    heat = _heatmaps(trained, evaluation, context.progress)
    trained = replace(trained, verdict=publish())
    with context.progress.stage("report", doing="drawing report.html"):
        text = json.dumps(made_from, indent=2, ensure_ascii=False)
        facts = report_data(folder, trained, evaluation, context, text, heat)
        write_report(facts, folder / "report.html")
        for version in versions(folder / "export"):
            write_model_card(facts, version / "README.md")
            write_export_manifest(version, folder / "weights.npz")
    advice = {"weakest": weakest(evaluation), "next": next_step(facts)}
    stages = {name: round(value, 3) for name, value in context.progress.seconds.items()}
    seconds: TimeFacts = {"total": round(facts.seconds or 0.0, 3), "stages": stages}
    outcome = _figures(folder, trained, evaluation, advice, seconds)
    write_whole(folder / "metrics.json", json.dumps(outcome, indent=2, ensure_ascii=False) + "\n")
    # The manifest says it all from here on.
    (folder / BEGUN).unlink(missing_ok=True)
    write_run_manifest(folder, made_from)
    return trained


def _heatmaps(trained: RunResult, evaluation: Evaluation, progress: Progress) -> MistakeHeatmaps:
    """What the worst mistakes rest on, where the recipe asks for it."""
    recipe, images = trained.recipe, trained.images
    if not recipe.evaluation.grad_cam or not worst_mistakes(evaluation, 1):
        return MistakeHeatmaps()
    with progress.stage("explain", unit="mistake", doing="what the worst mistakes rest on") as stage:
        files = [images.paths[index] for index in images.of_split(images.held_out)]
        decoding = Decoding.of(recipe.data, trained.parts.backbone.input_size)
        heat = mistake_heatmaps(trained.parts, evaluation, files, decoding, recipe.evaluation.grad_cam)
        stage.update(len(heat.overlays))
    return heat


def _figures(
    folder: Path,
    trained: RunResult,
    evaluation: Evaluation,
    advice: dict[str, str | None],
    seconds: TimeFacts,
) -> RunFacts:
    """What ``metrics.json`` holds, ready for JSON."""
    recipe, images, backbone = trained.recipe, trained.images, trained.parts.backbone
    return {
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
        "kept": [one.to_dict() for one in trained.kept],
        "independence": independence(trained, evaluation, folder).to_dict(),
        "thresholds": trained.thresholds,
        "calibration": trained.calibrated.to_dict(),
        "advice": advice,
        "novelty": trained.novelty.to_dict(),
        "kept_features": trained.kept_features.to_dict(),
        "refused": {one.format: str(one.reason) for one in trained.verdict.refused},
        "seconds": seconds,
    }
