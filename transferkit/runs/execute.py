"""The work of a run, once its recipe and its images are known to be sound."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.data.pixels.decoding import Decoding
from transferkit.evaluation import Evaluation
from transferkit.evaluation.gates import Gate
from transferkit.evaluation.predictions import parse_top
from transferkit.recipe import Recipe
from transferkit.runs.artefacts import check_formats, make_export_spec, photos_of
from transferkit.runs.calibrate import Calibrated, calibrate, logits_of
from transferkit.runs.chosen_head import write_chosen
from transferkit.runs.evaluate import evaluate_network
from transferkit.runs.folder import RunFolder
from transferkit.runs.novelty import FILE as NOVELTY
from transferkit.runs.novelty import NoveltyFacts, settle_novelty
from transferkit.runs.parity_gate import HeldOut
from transferkit.runs.release import Release, raise_if_refused, start_checker
from transferkit.runs.result import RunResult
from transferkit.runs.same_data import check_weights, same_data
from transferkit.runs.suggest_head import suggest_head
from transferkit.runs.thresholds import settle_thresholds, thresholds_of
from transferkit.runs.tracking import Trackers, open_trackers
from transferkit.runs.write_results import write_inputs, write_outcome
from transferkit.tensorflow_startup import on_accelerator
from transferkit.training.images import Images
from transferkit.training.loop import Fitted, train
from transferkit.training.parts import Parts, open_parts
from transferkit.training.progress import Progress
from transferkit.training.weight_files import write_weights

__all__ = ["execute"]

# What trackers keep beside the figures.
_WORTH_KEEPING = ("recipe.toml", "manifest.json", "metrics.json", "history.jsonl", "split.csv", "report.html")


def execute(
    recipe: Recipe,
    images: Images,
    place: RunFolder,
    gates: Sequence[Gate],
    resume: bool,
    progress: Progress,
    began: float,
    parts: Parts | None = None,
) -> Evaluation:
    """Trains all phases, evaluates, exports and puts the finished run in its place.

    Args:
        recipe: the resolved recipe.
        images: what to train and evaluate on.
        place: where the run goes.
        gates: what the evaluation will be held against; the report shows them.
        resume: take up the partial folder that is there.
        progress: shows the stages.
        began: ``time.perf_counter()`` at the start of the run.
        parts: backbone and head, where they are open already, with the weights that a run begins with.
    """
    trackers: list[Trackers] = []

    def tell(phase: str, step: int, row: dict[str, Any]) -> None:
        trackers[0].log(step, {key: value for key, value in row.items() if key not in ("step", "seconds")})

    def open_folder(decoded: Images, parts: Parts) -> Path:
        weights = parts.backbone.weights_sha256
        if resume:
            same_data(place.partial, decoded, decoded=True)
            check_weights(place.partial, weights)
        opened = place.open(resume)
        write_inputs(opened, recipe, decoded, place, weights)
        trackers.append(open_trackers(recipe, opened, place.path.name, progress.say))
        return opened

    with start_checker(recipe.export.formats, recipe.export.parity) as checker:
        if parts is None:
            with progress.stage("backbone", doing="building it and loading its weights"):
                parts = open_parts(recipe, images.classes)
        check_formats(recipe.export.formats, parts.backbone)
        fitted = train(
            recipe,
            images,
            parts,
            open_folder,
            progress,
            tell,
            lambda step, values: trackers[0].log_step(step, values),
        )
        trained, network, cut_features, folder = (
            RunResult.of(fitted.trained),
            fitted.network,
            fitted.cut_features,
            fitted.folder,
        )
        images = trained.images
        held_out = images.of_split(images.held_out)
        paths, labels = [images.paths[index] for index in held_out], images.labels[held_out]
        write_weights(folder / "weights.npz", network.variables)
        write_chosen(folder, trained.parts.chosen)
        trained.calibrated = _calibrate(recipe, fitted, progress)
        trained.thresholds = thresholds_of(network)
        trained.novelty = _novelty(fitted, progress)
        # What a process that was killed while it exported has left is made anew.
        shutil.rmtree(folder / "export", ignore_errors=True)
        release = Release(recipe, folder / "export", checker)
        with progress.stage("export", doing="writing the model's files"):
            export_spec = make_export_spec(
                trained.parts, network, trained.calibrated, _photos(recipe, fitted)
            )
            release.write(export_spec, paths, labels)
        with progress.stage("evaluate", total=len(held_out)) as stage:
            names = [images.rows[index].name for index in held_out]
            evaluation = evaluate_network(
                network,
                recipe,
                lambda: cut_features.in_order(held_out, labels),
                labels,
                names,
                images.classes,
                stage.update,
            )
            top = parse_top(recipe.evaluation.predictions, len(images.classes))
            evaluation.write_predictions(folder / "predictions.csv", top)
            stage.update(len(held_out), accuracy=evaluation.metrics["accuracy"])

        def publish() -> None:
            exact = cut_features.activations.stats.dtype == "float32" and not on_accelerator()
            with progress.stage(
                "parity", unit="artefact", doing="asking the export in a fresh process"
            ) as stage:
                _, trained.verdict = release.publish(HeldOut(paths, labels, evaluation.probabilities, exact))
                stage.update(len(trained.verdict.findings))
            trained.verdict.write(folder)

        # What explains the figures is made while the exports are being checked.
        write_outcome(folder, place, trained, evaluation, gates, progress, began, publish)
        trackers[0].finish(evaluation.metrics, [folder / name for name in _WORTH_KEEPING])
    place.finish()
    if not progress.quiet:
        hint = suggest_head(recipe, fitted, time.perf_counter() - began)
        if hint is not None:
            progress.say(hint)
    raise_if_refused(trained.calibrated, trained.verdict, str(place.path))
    return evaluation


def _calibrate(recipe: Recipe, fitted: Fitted, progress: Progress) -> Calibrated:
    """Temperature and abstention, where they are wanted, and the labels' thresholds at that temperature."""
    images, network = fitted.trained.images, fitted.network
    chosen = images.of_split("val")
    labels = images.labels[chosen]
    precision = recipe.evaluation.precision
    found = Calibrated()
    wanted = recipe.evaluation.calibrate or precision or network.head.chooses_thresholds
    if wanted and len(chosen):
        with progress.stage("calibrate") as stage:
            logits = logits_of(network, fitted.cut_features.in_order(chosen, labels))
            found = calibrate(network, recipe, logits, labels)
            if network.head.chooses_thresholds:
                found = replace(found, shortfall=settle_thresholds(network, logits, labels, precision))
            stage.update(len(chosen))
    for line in found.describe():
        progress.say(line)
    return found


def _novelty(fitted: Fitted, progress: Progress) -> NoveltyFacts:
    """How unlike the training photos a photo is, where that is wanted."""
    (fitted.folder / NOVELTY).unlink(missing_ok=True)  # of a process that was killed
    if fitted.trained.recipe.evaluation.false_alarms is None:
        return NoveltyFacts()
    with progress.stage("novelty", unit="class"):
        found = settle_novelty(
            fitted.network, fitted.trained.recipe, fitted.trained.images, fitted.cut_features, fitted.folder
        )
    progress.say(found.describe() or "")
    return found


def _photos(recipe: Recipe, fitted: Fitted) -> Callable[[int], Iterator[np.ndarray]]:
    images = fitted.trained.images
    paths = [images.paths[index] for index in images.of_split("train")]
    decoding = Decoding.of(recipe.data, fitted.trained.parts.backbone.input_size)
    return photos_of(paths, decoding, recipe.seed)
