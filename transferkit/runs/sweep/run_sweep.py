"""Runs the trials of a sweep, one after the other, and makes the best one the run.

A trial trains as a run of its own does, is measured on the validation images and keeps its recipe, history
and figures in ``trials/NNN``. Only the best one's checkpoints are kept, and from these the run is finished:
evaluated on the images that were held out from all trials, exported and reported.
"""

from __future__ import annotations

import gc
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from transferkit.errors import UserError, fault
from transferkit.evaluation import Evaluation, evaluate
from transferkit.files.whole_file import write_whole
from transferkit.recipe import Recipe
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.calibration.calibrate import logits_of
from transferkit.runs.calibration.settle_thresholds import settle_thresholds
from transferkit.runs.checks.same_data import same_data
from transferkit.runs.execute import execute
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.release.artefacts import check_formats
from transferkit.runs.results.write_results import write_inputs
from transferkit.runs.run_context import RunContext
from transferkit.runs.sweep.choose_values import Values, make_chooser
from transferkit.runs.sweep.shared_resources import SharedResources
from transferkit.runs.sweep.trials import Results, Trial
from transferkit.runs.tracking import open_trackers
from transferkit.training.images import Images
from transferkit.training.loop import Fitted, train
from transferkit.training.parts import Parts
from transferkit.training.progress import Progress
from transferkit.training.training_job import TrainingJob
from transferkit.training.validation import figure
from transferkit.type_names import NamedValues

__all__ = ["run_sweep"]


def run_sweep(recipe: Recipe, images: Images, context: RunContext) -> Evaluation:
    """Runs all trials that are not finished yet, then finishes the best one as the run.

    Args:
        recipe: the resolved recipe with its sweep.
        images: prepared from it.
        context: of the run; its gates are for the best trial. It shows the stages of the first trial, a line
            a trial, and the stages of the run.

    Raises:
        UserError: no trial could be run.
    """
    assert recipe.sweep is not None  # noqa: S101 -- for the type checker: the caller looked
    place, progress = context.place, context.progress
    folder = place.open(context.resume)
    (folder / "trials").mkdir(exist_ok=True)
    write_inputs(folder / "trials", recipe, images, place)
    write_whole(folder / "sweep.toml", recipe.to_toml())
    chooser, shared_resources = make_chooser(recipe, folder), SharedResources(recipe, images)
    done: list[Trial] = []
    for number in range(1, chooser.count + 1):
        own = folder / "trials" / f"{number:03d}"
        kept = Trial.read(own / "trial.json") if (own / "trial.json").exists() else None
        # What could not be run may have been fixed since: weights that were unavailable, say.
        if kept is not None and kept.error is None:
            trial = kept
        else:
            values = chooser.propose(number)
            shown = progress if not done or progress.stream.isatty() else Progress(quiet=True)
            trial = _run_trial(recipe, values, number, own, shared_resources, shown, place)
            trial.write(own / "trial.json")
            if (trouble := place.keep()) is not None:
                progress.say(trouble)
        chooser.tell(number, trial.score)
        done.append(trial)
        results = Results(recipe.sweep.method, recipe.sweep.metric, done)
        results.write(folder)
        _drop_checkpoints(folder, results)
        progress.say(_line(trial, results, chooser.count))
        gc.collect()
    progress.seconds["trials"] = sum(one.seconds for one in done)
    progress.counts["trials"] = len(done), "trial"
    return _finish(recipe, results, shared_resources, context)


def _run_trial(
    recipe: Recipe,
    values: Values,
    number: int,
    folder: Path,
    shared_resources: SharedResources,
    progress: Progress,
    place: RunFolder,
) -> Trial:
    """Trains one trial, or goes on with it, and measures it on the validation images."""
    assert recipe.sweep is not None  # noqa: S101
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)

    def open_folder(decoded: Images, parts: Parts) -> Path:
        # The data of the other trials is compared once for all of them.
        if chosen.data != recipe.data:
            same_data(folder, decoded, decoded=True)
            write_inputs(folder, chosen, decoded, RunFolder(folder), parts.backbone.weights_sha256)
        return folder

    try:
        chosen = trial_recipe(recipe, values)
        _check_at_hand(recipe, chosen.backbone.name)
        write_whole(folder / "recipe.toml", chosen.to_toml())
        images = shared_resources.images(chosen, progress)
        parts = shared_resources.parts(chosen, images, progress)
        check_formats(chosen.export.formats, parts.backbone)
        trackers = open_trackers(chosen, folder, f"{place.path.name}-{number:03d}", progress.say)

        def tell(phase: str, step: int, row: NamedValues) -> None:
            trackers.log(step, {key: value for key, value in row.items() if key not in ("step", "seconds")})
            if (trouble := place.keep(now=False)) is not None:
                progress.say(trouble)

        fitted = train(TrainingJob(chosen, images, parts, open_folder, progress, tell))
    except UserError as error:
        return Trial(number, values, None, error="; ".join(error.faults))
    evaluation = _validate(fitted, recipe.sweep.metric, chosen.evaluation.precision)
    score = figure(evaluation, recipe.sweep.metric)
    history = fitted.trained.history
    write_whole(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))
    facts = {"val": evaluation.metrics, "kept": [one.to_dict() for one in fitted.trained.kept]}
    write_whole(folder / "metrics.json", json.dumps(facts, indent=2) + "\n")
    trackers.finish(evaluation.metrics, [folder / "recipe.toml", folder / "history.jsonl"])
    return Trial(
        number,
        values,
        None if np.isnan(score) else score,
        evaluation.metrics,
        sum(1 for row in history if row["epoch"]),
        round(time.perf_counter() - started, 3),
    )


def _check_at_hand(recipe: Recipe, name: str) -> None:
    """Refuses a backbone of the sweep's list whose weights would have to be fetched."""
    from transferkit.backbones.weights.pretrained import at_hand

    assert recipe.sweep is not None  # noqa: S101
    if name in recipe.sweep.backbones and recipe.backbone.weights == "imagenet" and name not in at_hand():
        raise UserError(fault("sweep.backbones", name, "weights on this machine", "they are not: left out"))


def _validate(fitted: Fitted, metric: str, precision: float | None) -> Evaluation:
    images, network = fitted.trained.images, fitted.network
    chosen = images.of_split("val")
    labels = images.labels[chosen]
    logits = logits_of(network, fitted.cut_features.in_order(chosen, labels))
    if network.head.chooses_thresholds:
        settle_thresholds(network, logits, labels, precision)
    probabilities = network.predictions(tf.constant(logits))["probabilities"].numpy()
    top = [int(metric.split("_")[1])] if metric.startswith("top_") else []
    return evaluate(
        labels, probabilities, images.classes, top=top, threshold=network.head.thresholds, resamples=0
    )


def _drop_checkpoints(folder: Path, results: Results) -> None:
    """Only the best trial's are needed again."""
    for trial in results.trials:
        if trial is not results.best:
            for name in ("phases", "events"):
                shutil.rmtree(folder / "trials" / f"{trial.number:03d}" / name, ignore_errors=True)


def _line(trial: Trial, results: Results, count: int) -> str:
    given = ", ".join(f"{key} = {value}" for key, value in trial.values)
    if trial.error is not None:
        return f"trial {trial.number}/{count}: {given}: not run: {trial.error}"
    score = "not defined" if trial.score is None else f"{trial.score:.4g}"
    best = results.best
    of_best = f", best {best.score:.4g} in trial {best.number}" if best is not None else ""
    return f"trial {trial.number}/{count}: {given}: {results.metric} {score}{of_best}, {trial.seconds:.1f} s"


def _finish(
    recipe: Recipe, results: Results, shared_resources: SharedResources, context: RunContext
) -> Evaluation:
    """Evaluates, exports and reports the best trial: its phases are finished, so nothing trains again."""
    best, progress = results.best, context.progress
    if best is None:
        context.place.discard()
        errors = list(dict.fromkeys(one.error for one in results.trials if one.error))
        raise UserError(
            fault("sweep", f"{len(results.trials)} trials", "at least one trial that can be run"),
            *errors[:10],
        )
    folder = context.place.partial
    chosen = trial_recipe(recipe, best.values)
    write_whole(folder / "best.toml", chosen.to_toml())
    trained = folder / "trials" / f"{best.number:03d}" / "phases"
    if trained.is_dir() and not (folder / "phases").is_dir():
        trained.rename(folder / "phases")
    images = shared_resources.images(chosen, progress)
    if images.held_out == "val":
        progress.say(
            f"sweep: without test images the run is measured on the validation images, by which it was "
            f"chosen among {len(results.trials)} trials: its figures are too optimistic"
        )
    parts = shared_resources.parts(chosen, images, progress)
    return execute(chosen, images, replace(context, resume=True), parts)
