"""The work of a run, once its recipe and its images are known to be sound."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from transferkit.data.pixels.decoding import Decoding
from transferkit.evaluation import Evaluation
from transferkit.evaluation.predictions import parse_top
from transferkit.recipe import Recipe
from transferkit.runs.averaging import open_second, with_average
from transferkit.runs.calibration.calibrate import Calibrated, calibrate, logits_of
from transferkit.runs.calibration.settle_novelty import FILE as NOVELTY
from transferkit.runs.calibration.settle_novelty import NoveltyFacts, settle_novelty
from transferkit.runs.calibration.settle_thresholds import settle_thresholds, thresholds_of
from transferkit.runs.checks.same_data import check_weights, same_data
from transferkit.runs.extend.changes import Changes
from transferkit.runs.folder.chosen_head import write_chosen
from transferkit.runs.folder.kept_features import write_kept
from transferkit.runs.release.artefacts import check_formats, make_export_spec, photos_of
from transferkit.runs.release.parity_gate import HeldOut, ParityResult
from transferkit.runs.release.parity_photos import Asked, asked_of
from transferkit.runs.release.publish import Release, raise_if_refused, start_checker
from transferkit.runs.results.evaluate_network import evaluate_network
from transferkit.runs.results.suggest_head import suggest_head
from transferkit.runs.results.write_results import write_inputs, write_outcome
from transferkit.runs.run_context import RunContext
from transferkit.runs.run_result import RunResult
from transferkit.runs.tracking import Trackers, open_trackers
from transferkit.tensorflow_startup import on_accelerator
from transferkit.training.cut_features import CutFeatures
from transferkit.training.images import Images
from transferkit.training.loop import Fitted, train
from transferkit.training.parts import Parts, open_parts
from transferkit.training.progress import Progress
from transferkit.training.training_job import TrainingJob
from transferkit.training.weight_files import write_weights
from transferkit.type_names import NamedValues

__all__ = ["execute"]

# What trackers keep beside the figures.
_WORTH_KEEPING = ("recipe.toml", "manifest.json", "metrics.json", "history.jsonl", "split.csv", "report.html")


class Extension(Protocol):
    """What a run is made from beside a recipe and photos: an earlier run."""

    @property
    def cut_features(self) -> CutFeatures:
        """The features of all images, so that none has to be there."""

    def begin(self, folder: Path) -> None:
        """Marks the folder that was opened for what it is."""

    def settle(self, folder: Path, evaluation: Evaluation) -> Changes:
        """Says what changed, and writes it."""


def execute(
    recipe: Recipe,
    images: Images,
    context: RunContext,
    parts: Parts | None = None,
    extension: Extension | None = None,
) -> Evaluation:
    """Trains all phases, evaluates, exports and puts the finished run in its place.

    Args:
        recipe: the resolved recipe.
        images: what to train and evaluate on.
        context: of the run.
        parts: backbone and head, where they are open already, with the weights that a run begins with.
        extension: where the features are those of an earlier run.
    """
    opening, progress = _Opening(recipe, context, extension), context.progress
    with ExitStack() as stack:
        checker = stack.enter_context(start_checker(recipe.export.formats, recipe.export.parity))
        fitted = _train(recipe, images, *_networks(recipe, images, parts, progress), opening, progress)
        folder = fitted.folder
        kept_features = write_kept(folder, fitted)
        calibrated = _calibrate(recipe, fitted, progress)
        novelty = _novelty(fitted, progress)
        # What a process that was killed while it exported has left is made anew.
        shutil.rmtree(folder / "export", ignore_errors=True)
        release = Release(recipe, folder / "export", checker)
        asked = stack.enter_context(asked_of(fitted, recipe))
        _export(release, fitted, calibrated, asked, progress)
        evaluation = _evaluate(recipe, fitted, progress)

        def publish() -> ParityResult:
            verdict = _publish(release, fitted, asked, evaluation, progress)
            verdict.write(folder)
            return verdict

        result = RunResult(
            **vars(fitted.trained),
            thresholds=thresholds_of(fitted.network),
            calibrated=calibrated,
            novelty=novelty,
            kept_features=kept_features,
            changes=None if extension is None else extension.settle(folder, evaluation),
        )
        # What explains the figures is made while the exports are being checked.
        result = write_outcome(folder, result, evaluation, context, publish)
        opening.trackers.finish(evaluation.metrics, [folder / name for name in _WORTH_KEEPING])
    context.place.finish()
    if not progress.quiet:
        hint = suggest_head(recipe, fitted, time.perf_counter() - context.began)
        if hint is not None:
            progress.say(hint)
    raise_if_refused(result.calibrated, result.verdict, context.place.name)
    return evaluation


def _networks(
    recipe: Recipe, images: Images, parts: Parts | None, progress: Progress
) -> tuple[Parts, Parts | None]:
    """The network that is trained, and the second one that is averaged with it, if any."""
    if parts is None:
        with progress.stage("backbone", doing="building it and loading its weights"):
            parts = open_parts(recipe, images.classes)
    progress.say(f"devices: {parts.devices.describe()}")
    check_formats(recipe.export.formats, parts.backbone)
    if recipe.average is None:
        return parts, None
    second = open_second(recipe, parts, progress)
    check_formats(recipe.export.formats, second.backbone)
    return parts, second


class _Opening:
    """Opens the run's folder, and its trackers in it, once nothing can be refused any more.

    Attributes:
        trackers: of the run, from when its folder is open.
    """

    trackers: Trackers

    def __init__(self, recipe: Recipe, context: RunContext, extension: Extension | None) -> None:
        self._recipe, self._context, self._extension = recipe, context, extension
        # The features of all images, where they are known.
        self.cut_features = None if extension is None else extension.cut_features

    def open_folder(self, decoded: Images, parts: Parts) -> Path:
        """The run's folder, with what the run is made from in it."""
        place, weights = self._context.place, parts.backbone.weights_sha256
        if self._context.resume:
            same_data(place.partial, decoded, decoded=True)
            check_weights(place.partial, weights)
        opened = place.open(self._context.resume)
        if self._extension is not None:
            self._extension.begin(opened)
        write_inputs(opened, self._recipe, decoded, place, weights)
        say = self._context.progress.say
        self.trackers = open_trackers(self._recipe, opened, place.path.name, say)
        self.keep()
        return opened

    def tell(self, phase: str, step: int, row: NamedValues) -> None:
        """Hands an evaluation's figures to the trackers."""
        shown = {key: value for key, value in row.items() if key not in ("step", "seconds")}
        self.trackers.log(step, shown)
        self.keep(now=row["epoch"] == 0)

    def keep(self, now: bool = True) -> None:
        """Secures what there is of the run."""
        trouble = self._context.place.keep(now)
        if trouble is not None:
            self._context.progress.say(trouble)

    def tell_step(self, step: int, values: dict[str, float]) -> None:
        """Hands a single step's loss and rate to the trackers."""
        self.trackers.log_step(step, values)


def _train(
    recipe: Recipe, images: Images, parts: Parts, second: Parts | None, opening: _Opening, progress: Progress
) -> Fitted:
    """Trains all phases, and averages with a second network, if any; the folder keeps weights and head."""
    fitted = train(
        TrainingJob(
            recipe, images, parts, opening.open_folder, progress, opening.tell, opening.tell_step,
            opening.cut_features,
        )
    )  # fmt: skip
    opening.keep()
    if second is not None:
        fitted = with_average(fitted, second, progress)
    write_weights(fitted.folder / "weights.npz", fitted.network.variables)
    write_chosen(fitted.folder, fitted.trained.parts.chosen)
    return fitted


def _export(
    release: Release, fitted: Fitted, calibrated: Calibrated, asked: Asked, progress: Progress
) -> None:
    """Writes the network in every format, and lets them be checked."""
    with progress.stage("export", doing="writing the model's files"):
        photos = _photos(fitted.trained.recipe, fitted)
        release.write(
            make_export_spec(fitted.trained.parts, fitted.network, calibrated, photos),
            asked.paths,
            asked.labels,
        )


def _evaluate(recipe: Recipe, fitted: Fitted, progress: Progress) -> Evaluation:
    """Evaluates the network on the held-out images, and writes what it answered."""
    images = fitted.trained.images
    held_out = images.of_split(images.held_out)
    labels = images.labels[held_out]
    with progress.stage("evaluate", total=len(held_out)) as stage:
        evaluation = evaluate_network(
            fitted.network,
            recipe,
            lambda: fitted.cut_features.in_order(held_out, labels),
            labels,
            [images.rows[index].name for index in held_out],
            images.classes,
            stage.update,
        )
        top = parse_top(recipe.evaluation.predictions, len(images.classes))
        evaluation.write_predictions(fitted.folder / "predictions.csv", top)
        stage.update(len(held_out), accuracy=evaluation.metrics["accuracy"])
    return evaluation


def _publish(
    release: Release, fitted: Fitted, asked: Asked, evaluation: Evaluation, progress: Progress
) -> ParityResult:
    """Puts what was exported and found to answer as the network does in its place."""
    exact = fitted.cut_features.activations.stats.dtype == "float32" and not on_accelerator()
    with progress.stage("parity", unit="artefact", doing=release.doing) as stage:
        _, verdict = release.publish(
            HeldOut(asked.paths, asked.labels, asked.probabilities(evaluation.probabilities), exact)
        )
        stage.update(len(verdict.findings))
    return verdict


def _calibrate(recipe: Recipe, fitted: Fitted, progress: Progress) -> Calibrated:
    """Temperature and abstention, where they are wanted, and the labels' thresholds at that temperature."""
    images, network = fitted.trained.images, fitted.network
    chosen = images.of_split("val")
    labels = images.labels[chosen]
    precision = recipe.evaluation.precision
    found = Calibrated()
    wanted = recipe.evaluation.calibrate or precision or network.head.chooses_thresholds
    if wanted and len(chosen):
        with progress.stage("calibrate", doing="fitting temperature and thresholds") as stage:
            logits = logits_of(network, fitted.cut_features.in_order(chosen, labels))
            found = calibrate(network, recipe, logits, labels)
            if network.head.chooses_thresholds:
                found = replace(found, shortfall=settle_thresholds(network, logits, labels, precision))
            stage.update(len(chosen))
    return found


def _novelty(fitted: Fitted, progress: Progress) -> NoveltyFacts:
    """How unlike the training photos a photo is, where that is wanted."""
    (fitted.folder / NOVELTY).unlink(missing_ok=True)  # of a process that was killed
    if fitted.trained.recipe.evaluation.wanted_false_alarms is None:
        return NoveltyFacts()
    with progress.stage("novelty", doing="fitting the detector of unknown photos"):
        found = settle_novelty(fitted, progress)
    if not found.found and not found.describe():
        progress.say("unknown photos: not detected, since there are too few validation photos")
    return found


def _photos(recipe: Recipe, fitted: Fitted) -> Callable[[int], Iterator[np.ndarray]]:
    images = fitted.trained.images
    paths = [images.paths[index] for index in images.of_split("train")]
    if fitted.cut_features.activations.stats.engine is None:
        paths = [path for path in paths if os.path.isfile(path)]
    decoding = Decoding.of(recipe.data, fitted.trained.parts.backbone.input_size)
    return photos_of(paths, decoding, recipe.seed)
