"""Retrain: a recipe in, a finished run out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.cluster.cluster import Cluster
from transferkit.cluster.place import read_place
from transferkit.code_permission import allowing
from transferkit.errors import UserError, collect, fault
from transferkit.evaluation import gates
from transferkit.interruption import resumable, resume_hint
from transferkit.keras_settings import prepare_import
from transferkit.recipe import Recipe
from transferkit.report.notebook_progress import open_progress
from transferkit.runs.checks.check_cluster import is_shared
from transferkit.runs.checks.interrupted import interrupted_recipe
from transferkit.runs.checks.preflight import check_run, checked_recipe
from transferkit.runs.checks.same_data import same_data
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.remote.run_at_url import run_folder
from transferkit.runs.request import RunRequest
from transferkit.runs.run_context import RunContext
from transferkit.runs.several_workers import follow, meet_all, own_places, share_images, share_recipe
from transferkit.tensorflow_startup import loading, start_tensorflow
from transferkit.training.prepare_images import missing_data, prepare
from transferkit.training.progress_event import ProgressEvent
from transferkit.type_names import NamedValues, Override

__all__ = ["retrain"]


def retrain(
    recipe: str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    backbone: str | Mapping[str, Any] | None = None,
    run: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    head: str | Mapping[str, Any] | None = None,
    freeze: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    seed: int | None = None,
    overrides: Sequence[Override] = (),
    resume: bool = False,
    overwrite: bool = False,
    fail_under: str | float | None = None,
    quiet: bool = False,
    callback: Callable[[ProgressEvent], None] | None = None,
    allow_code: bool = False,
    **values: Any,
) -> Run:
    """Retrains a backbone on a folder of images, evaluates and exports it.

    A recipe with a ``[sweep]`` runs all its trials; the best one becomes the run, with ``trials/``,
    ``sweep.csv`` and ``best.toml`` beside its other files.

    Args:
        recipe: a recipe's name or file; ``retrain`` by default.
        data: the labelled images, as ``--data`` takes them; the recipe's by default, as all that follows. Or
            what a program holds: a data frame of paths (from the current folder) and labels, ``(images,
            labels)`` with images of 0 to 255, a ``tf.data.Dataset`` of such pairs, or a data set of Hugging
            Face; images are written into the cache once, by their content.
        backbone: a card's name, ``hub:HANDLE`` and the like, or the recipe's whole table.
        run: the folder of the run, also at a URL such as ``s3://bucket/runs/flowers``;
            ``runs/BACKBONE-DATE-TIME`` by default.
        epochs: passes over the training images.
        learning_rate: the optimizer's.
        batch_size: images in a training step.
        image_size: pixels, one number or height and width.
        head: its kind, or the recipe's whole table.
        freeze: ``"all"``, ``"none"``, ``{"until": NAME}``, ``{"last": N}``, ``{"fraction": F}``, or rules.
        seed: all chance is drawn from it.
        overrides: ``"key=value"`` with a TOML value, or ``(dotted key, value)`` pairs.
        resume: continue an interrupted run at this place; its own recipe stands.
        overwrite: replace a run at this place.
        fail_under: gates on the evaluation, such as ``0.9`` or ``"accuracy=0.9,recall.roses=0.8"``.
        quiet: show no progress.
        callback: called with each :class:`~transferkit.training.progress_event.ProgressEvent`: stages that
            begin, go on and end, and epochs. What it raises ends the run, which ``resume`` continues.
        allow_code: let code run that a file outside the current project names, and Lambda layers.
        **values: any other top-level keys of the recipe, such as ``augmentation={"flip": True}``.

    Returns:
        The finished run.

    Raises:
        SystemExit: with 0, on a worker that is not the chief, once the chief has finished the run.
        UserError: what the user gave cannot be run; nothing was written.
        GateError: the run is finished and in its place, but misses a gate.
    """
    given: NamedValues = {"data": data, "backbone": backbone, "epochs": epochs, "batch_size": batch_size}
    given |= {"head": head, "freeze": freeze, "seed": seed}
    values |= {key: value for key, value in given.items() if value is not None}
    pairs = {"optimizer.learning_rate": learning_rate, "backbone.input_size": image_size}
    overrides = [*((key, value) for key, value in pairs.items() if value is not None), *overrides]
    request = RunRequest(recipe, run, overrides, values, resume, overwrite, fail_under, quiet, callback)
    with allowing(allow_code):
        return _retrain(request, time.perf_counter())


def _retrain(asked: RunRequest, began: float) -> Run:
    request = asked.with_data_at_a_path()
    if request.resume and request.run is None:
        raise UserError(fault("--resume", hint="say which run to continue with --run DIR"))
    new = None if request.resume else _new_recipe(request)
    worker = read_place() if new is None or is_shared(new) else None
    if worker is not None and not worker.is_chief:
        own = own_places(new) | dict(_data_path(request))
        follow(new, own, open_progress(request.quiet), "start all again with --resume")
        raise SystemExit(0)
    place = run_folder(request.run if request.run is not None else _default_place(new))
    hint = resume_hint(place.name, lambda: place.resumable)
    with place.held(request.resume), resumable(hint):
        return _run(new or interrupted_recipe(place, request), place, request, began)


def _data_path(request: RunRequest) -> list[tuple[str, Any]]:
    return [one for one in request.overrides if not isinstance(one, str) and one[0] == "data.path"]


def _run(resolved: Recipe, place: RunFolder, request: RunRequest, began: float) -> Run:
    """Runs a recipe in its place, which this process holds."""
    prepare_import()
    if request.resume:
        check_run(resolved)
    place.check(request.overwrite, request.resume)
    demanded = request.fail_under if request.fail_under is not None else resolved.evaluation.fail_under
    wanted = gates.parse(demanded)
    progress = open_progress(request.quiet, request.callback)
    cluster = meet_all(progress) if is_shared(resolved) else None
    if cluster is None:
        return _work(resolved, request, RunContext(place, wanted, progress, began, request.resume), None)
    with cluster.watched(f"continue with --resume, with {cluster.count} workers"):
        share_recipe(cluster, resolved)
        return _work(resolved, request, RunContext(place, wanted, progress, began, request.resume), cluster)


def _work(resolved: Recipe, request: RunRequest, context: RunContext, cluster: Cluster | None) -> Run:
    """All of a run once its recipe is known to be sound, and all its workers are there."""
    place, progress = context.place, context.progress
    images = prepare(resolved, progress)
    if request.resume:
        beginning = "trials" if resolved.sweep is not None else "choice" if resolved.best is not None else ""
        images = same_data(place.partial / beginning, images)
    demanded = request.fail_under if request.fail_under is not None else resolved.evaluation.fail_under
    gates.parse(demanded, images.classes)
    for note in images.notes:
        progress.say(note)
    if cluster is not None:
        share_images(cluster, images)

    # TensorFlow and Keras load only now, when all that can be refused without them has been.
    with progress.stage("start", doing="loading TensorFlow and Keras"):
        start_tensorflow()
        with loading():
            from transferkit.runs.best.run_best import run_best
            from transferkit.runs.execute import execute
            from transferkit.runs.sweep.run_sweep import run_sweep

    run_all = run_sweep if resolved.sweep is not None else run_best if resolved.best is not None else execute
    evaluation = run_all(resolved, images, context)
    if cluster is not None:
        cluster.part()  # the others have waited for the run to be in its place
    finished = Run(place.name)
    gates.check(evaluation, context.gates)
    return finished


def _new_recipe(request: RunRequest) -> Recipe:
    """The recipe of a new run, once all that can be known beforehand is known to be right with it."""
    run = request.run

    def check_place() -> None:
        worker = read_place()
        if run is not None and (worker is None or worker.is_chief):
            run_folder(run).check(request.overwrite, resume=False)

    def more(recipe: Recipe) -> Iterator[str]:
        """What is wrong with the run beside its recipe."""
        if recipe.data.path is None:
            yield missing_data()
        yield from collect(
            lambda: gates.parse(request.fail_under),
            check_place,
        )

    return checked_recipe(request.recipe, request.overrides, components=True, more=more, **request.values)


def _default_place(recipe: Recipe | None) -> Path:
    assert recipe is not None  # noqa: S101 -- for the type checker: --resume names its place
    backbone = Path(recipe.backbone.name.partition(":")[2] or recipe.backbone.name).stem
    return Path("runs") / f"{backbone}-{time.strftime('%Y%m%d-%H%M%S')}"
